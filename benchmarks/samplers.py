"""Four samplers at equal numbers of calls of the same network: how good are their digits?

    python benchmarks/samplers.py       about ten minutes of one thread; writes diffusion_lab/measured/samplers.csv

The weights are those of ``mnist-conditional``, in float32, with no guidance. Labels are asked in turn, and each sampler
begins with the same noise, another for each seed. Each answer is judged beside ``judge.real(n, balanced=True)``. The
rows named "real" are as many training images, each digit equally often: how much the floor moves from draw to draw.
"""

import time
from collections.abc import Iterator

import machine
import measured
import torch
from torch import Tensor

from diffusion_lab import clip, datasets, ddim, ddpm, dpm_solver, load_judge, load_pretrained, sample

N = 1000
SEEDS = (0, 1, 2)
CALLS = (5, 10, 20)
BATCH = 100
STEPS = {"DDPM": ddpm(), "DDIM": ddim(), "2M": dpm_solver(), "2M, eta 1": dpm_solver(1.0)}
COLUMNS = ("sampler", "calls", "seed", "n", "frechet", "floor", "agreement")


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


def rows() -> Iterator[tuple]:
    digits, judge = load_pretrained("mnist-conditional"), load_judge()
    for network in (digits, judge.classifier):
        network.to(memory_format=torch.channels_last)
    labels, floor = torch.arange(N) % 10, judge.real(N, balanced=True).frechet

    def judged(name: str, calls: int, seed: int, images: Tensor, asked: Tensor) -> tuple:
        found = judge(images, asked)
        print(f"{time.process_time():6.0f} s  {name}, {calls} calls, seed {seed}: {found.frechet:.2f}", flush=True)
        return name, calls, seed, N, f"{found.frechet:.3f}", f"{floor:.3f}", f"{found.agreement:.3f}"

    for seed in SEEDS:
        yield judged("real", 0, seed, real(seed, labels), labels.sort().values)
        for calls in CALLS:
            for name, step in STEPS.items():
                yield judged(name, calls, seed, made(digits, step, calls, seed, labels), labels)


def main() -> None:
    torch.set_num_threads(1)
    print(machine.describe())
    measured.write("samplers", "python benchmarks/samplers.py", COLUMNS, rows())


if __name__ == "__main__":
    main()
