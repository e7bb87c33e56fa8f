"""Four samplers at equal numbers of calls of the same network: how good are their digits?

    python benchmarks/samplers.py       about ten minutes of one thread; writes diffusion_lab/measured/samplers.csv

The weights are those of ``mnist-conditional``, in float32, with no guidance. Labels are asked in turn, and each sampler
begins with the same noise, another for each seed. Each answer is judged beside ``judge.real(n, balanced=True)``. The
rows named "real" are as many training images, each digit equally often: how much the floor moves from draw to draw.
"""

import csv
import time
from pathlib import Path

import machine
import torch
from torch import Tensor

from diffusion_lab import clip, datasets, ddim, ddpm, dpm_solver, load_judge, load_pretrained, sample

N = 1000
SEEDS = (0, 1, 2)
CALLS = (5, 10, 20)
BATCH = 100
STEPS = {"DDPM": ddpm(), "DDIM": ddim(), "2M": dpm_solver(), "2M, eta 1": dpm_solver(1.0)}
TABLE = Path(__file__).resolve().parents[1] / "diffusion_lab" / "measured" / "samplers.csv"
COLUMNS = ("command", "sampler", "calls", "seed", "n", "frechet", "floor", "agreement")


def made(digits, step, calls: int, seed: int, labels: Tensor) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    start = torch.randn(N, 1, 28, 28, generator=g)
    options = {"steps": calls, "edit": clip(), "generator": g}
    pairs = zip(start.split(BATCH), labels.split(BATCH), strict=True)
    return torch.cat([sample(digits, x_T, digits.path, step, labels=asked, **options) for x_T, asked in pairs])


def real(seed: int, labels: Tensor) -> Tensor:
    """As many training images, with these labels."""
    images, digit = datasets.mnist("train")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    chosen = [order[digit[order] == each][: int((labels == each).sum())] for each in range(10)]
    return images[torch.cat(chosen)]


def main() -> None:
    torch.set_num_threads(1)
    digits, judge = load_pretrained("mnist-conditional"), load_judge()
    for network in (digits, judge.classifier):
        network.to(memory_format=torch.channels_last)
    labels, floor = torch.arange(N) % 10, judge.real(N, balanced=True).frechet
    print(machine.describe())
    began = time.process_time()
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)

        def judged(name: str, calls: int, seed: int, images: Tensor, asked: Tensor) -> None:
            found = judge(images, asked)
            numbers = (f"{found.frechet:.3f}", f"{floor:.3f}", f"{found.agreement:.3f}")
            table.writerow(("python benchmarks/samplers.py", name, calls, seed, N, *numbers))
            file.flush()
            print(f"{time.process_time() - began:6.0f} s  {name}, {calls} calls, seed {seed}: {found.frechet:.2f}")

        for seed in SEEDS:
            judged("real", 0, seed, real(seed, labels), labels.sort().values)
            for calls in CALLS:
                for name, step in STEPS.items():
                    judged(name, calls, seed, made(digits, step, calls, seed, labels), labels)


if __name__ == "__main__":
    main()
