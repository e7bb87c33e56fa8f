"""Does a network of some 50,000 weights come to copy its thirty training points, if it is trained longer?

    python benchmarks/memorise.py       about five minutes of one thread; writes diffusion_lab/measured/memorise.csv

The MLP of the S-curve learns thirty points, with a larger and larger budget; a seed draws the points, the weights and
the noise. ``near`` is the share of 2,000 samples of DDPM that lie within 0.05 of a training point. The rows "fresh
points" are the floor: points of the S itself that know nothing of the thirty. The rows "copier" are what the perfect
denoiser of the thirty points gets. ``to_copier`` and ``to_truth`` are mean squared distances of an answer in eps, on
noised training points at t = 2, from the perfect denoiser of the thirty and from that of the whole S.
"""

import csv
import time
from pathlib import Path

import machine
import torch
from torch import Tensor

from diffusion_lab import MLP, ExactDenoiser, NoiseSchedule, add_noise, datasets, ddpm, sample, train

SEEDS = (0, 1, 2)
STEPS = (1_500, 5_000, 15_000)
N, NEAR, EARLY = 2000, 0.05, 2
TABLE = Path(__file__).resolve().parents[1] / "diffusion_lab" / "measured" / "memorise.csv"
COLUMNS = ("command", "who", "steps", "seed", "near", "to_copier", "to_truth")


def whole_s(schedule: NoiseSchedule) -> ExactDenoiser:
    place = (torch.arange(100) + 0.5) / 100 * 3 * torch.pi - 1.5 * torch.pi
    line = torch.stack([place.sin(), place.sign() * (place.cos() - 1)], dim=1)
    return ExactDenoiser.mixture(line, torch.full((100,), 0.1), torch.ones(100), schedule)


def near(samples: Tensor, points: Tensor) -> float:
    return (torch.cdist(samples, points).min(dim=1).values < NEAR).float().mean().item()


def main() -> None:
    torch.set_num_threads(1)
    schedule = NoiseSchedule.cosine(T=100)
    truth = whole_s(schedule)
    print(machine.describe())
    began = time.process_time()
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)

        def row(who: str, steps: int, seed: int, *numbers: float) -> None:
            shown = [f"{number:.3f}" for number in numbers]
            table.writerow(("python benchmarks/memorise.py", who, steps, seed, *shown))
            file.flush()
            print(f"{time.process_time() - began:6.0f} s  {who}, {steps} steps, seed {seed}: {' '.join(shown)}")

        for seed in SEEDS:
            g = torch.Generator().manual_seed(seed)
            points = datasets.s_curve(30, generator=g)
            copier = ExactDenoiser.dataset(points, schedule)
            x_0 = points[torch.randint(30, (4000,), generator=g)]
            x_t = add_noise(x_0, EARLY, torch.randn(x_0.shape, generator=g), schedule)
            theirs, best = copier(x_t, EARLY), truth(x_t, EARLY)
            apart = (theirs - best).square().mean().item()
            row("fresh points", 0, seed, near(datasets.s_curve(N, generator=g), points), apart, 0.0)
            made = sample(copier, (N, 2), schedule, ddpm(), generator=g)
            row("copier", 0, seed, near(made, points), 0.0, apart)
            for steps in STEPS:
                torch.manual_seed(seed)
                recipe = {"steps": steps, "batch_size": 128, "lr": 6e-3, "target": "v", "seed": seed}
                run = train(MLP(), points.repeat(5, 1), schedule, progress=False, **recipe)
                made = sample(run.denoiser, (N, 2), schedule, ddpm(), generator=g)
                with torch.no_grad():
                    ours = run.denoiser(x_t, EARLY)
                distances = [(ours - other).square().mean().item() for other in (theirs, best)]
                row("network", steps, seed, near(made, points), *distances)


if __name__ == "__main__":
    main()
