"""Does a network of some 50,000 weights come to copy its thirty training points, if it is trained longer?

    python benchmarks/memorise.py       about five minutes of one thread; writes diffusion_lab/measured/memorise.csv

The MLP of the S-curve learns thirty points, with a larger and larger budget; a seed draws the points, the weights and
the noise. ``near`` is the share of 2,000 samples of DDPM that lie within 0.05 of a training point. The rows "fresh
points" are the floor: points of the S itself that know nothing of the thirty. The rows "copier" are what the perfect
denoiser of the thirty points gets. ``to_copier`` and ``to_truth`` are mean squared distances of an answer in eps, on
noised training points at t = 2, from the perfect denoiser of the thirty and from that of the whole S.
"""

import time
from collections.abc import Iterator

import machine
import measured
import torch
from torch import Tensor

from diffusion_lab import MLP, ExactDenoiser, NoiseSchedule, add_noise, datasets, ddpm, sample, train

SEEDS = (0, 1, 2)
STEPS = (1_500, 5_000, 15_000)
N, NEAR, EARLY = 2000, 0.05, 2
COLUMNS = ("who", "steps", "seed", "near", "to_copier", "to_truth")


def whole_s(schedule: NoiseSchedule) -> ExactDenoiser:
    place = (torch.arange(100) + 0.5) / 100 * 3 * torch.pi - 1.5 * torch.pi
    line = torch.stack([place.sin(), place.sign() * (place.cos() - 1)], dim=1)
    return ExactDenoiser.mixture(line, torch.full((100,), 0.1), torch.ones(100), schedule)


def near(samples: Tensor, points: Tensor) -> float:
    return (torch.cdist(samples, points).min(dim=1).values < NEAR).float().mean().item()


def rows() -> Iterator[tuple]:
    schedule = NoiseSchedule.cosine(T=100)
    truth = whole_s(schedule)

    def row(who: str, steps: int, seed: int, *numbers: float) -> tuple:
        shown = [f"{number:.3f}" for number in numbers]
        print(f"{time.process_time():6.0f} s  {who}, {steps} steps, seed {seed}: {' '.join(shown)}", flush=True)
        return who, steps, seed, *shown

    for seed in SEEDS:
        g = torch.Generator().manual_seed(seed)
        points = datasets.s_curve(30, generator=g)
        copier = ExactDenoiser.dataset(points, schedule)
        x_0 = points[torch.randint(30, (4000,), generator=g)]
        x_t = add_noise(x_0, EARLY, torch.randn(x_0.shape, generator=g), schedule)
        theirs, best = copier(x_t, EARLY), truth(x_t, EARLY)
        apart = (theirs - best).square().mean().item()
        yield row("fresh points", 0, seed, near(datasets.s_curve(N, generator=g), points), apart, 0.0)
        made = sample(copier, (N, 2), schedule, ddpm(), generator=g)
        yield row("copier", 0, seed, near(made, points), 0.0, apart)
        for steps in STEPS:
            torch.manual_seed(seed)
            recipe = {"steps": steps, "batch_size": 128, "lr": 6e-3, "target": "v", "seed": seed}
            run = train(MLP(), points.repeat(5, 1), schedule, progress=False, **recipe)
            made = sample(run.denoiser, (N, 2), schedule, ddpm(), generator=g)
            with torch.no_grad():
                ours = run.denoiser(x_t, EARLY)
            distances = [(ours - other).square().mean().item() for other in (theirs, best)]
            yield row("network", steps, seed, near(made, points), *distances)


def main() -> None:
    torch.set_num_threads(1)
    print(machine.describe())
    measured.write("memorise", "python benchmarks/memorise.py", COLUMNS, rows())


if __name__ == "__main__":
    main()
