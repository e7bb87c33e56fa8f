"""What it costs to learn the S-curve: three recipes, one run, one thread, process time.

    python benchmarks/s_curve.py            all of them: about twenty minutes; writes s_curve.md
    python benchmarks/s_curve.py ours       some of them: prints, writes nothing

Quality is the energy distance of 10,000 samples from 10,000 fresh points, in the units of scikit-learn's
``make_s_curve``. One pair of sets more or less lucky moves it by 5e-4, so it is a mean over pairs, with its standard
error. The floor is fresh points in place of samples; beside it stands what a recipe would get that gave its training
points back, drawn anew with replacement. Seed k also draws the 10,000 points to learn from.
"""

import itertools
import statistics
import sys
import time
from pathlib import Path

import machine
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from diffusion_lab import MLP, NoiseSchedule, datasets, ddpm, energy_distance, sample, train

N = 10_000
SEEDS = (0, 1, 2)
PAIRS = 5


def ours(data: Tensor, seed: int) -> tuple[float, dict[str, list[Tensor]]]:
    """Cosine schedule, v-prediction, 2,000 batches of 512, one-cycle learning rate, averaged weights."""
    torch.manual_seed(seed)
    schedule = NoiseSchedule.cosine(T=100)
    start = time.process_time()
    run = train(MLP(), data, schedule, steps=2000, batch_size=512, target="v", lr=6e-3, seed=seed, progress=False)
    seconds = time.process_time() - start
    g = torch.Generator().manual_seed(seed)
    return seconds, {
        "DDPM, 100 steps": [sample(run.denoiser, (N, 2), schedule, ddpm(), generator=g) for _ in range(PAIRS)],
        "DDIM, 50 steps": [sample(run.denoiser, (N, 2), schedule, steps=50, generator=g) for _ in range(PAIRS)],
    }


class TutorialMLP(nn.Module):
    """Three hidden layers of 128 with ReLU; a learned vector for each step is added before each activation."""

    def __init__(self, steps: int, width: int = 128):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, width)])
        self.steps = nn.ModuleList([nn.Embedding(steps, width) for _ in self.layers])
        self.out = nn.Linear(width, 2)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        for layer, step in zip(self.layers, self.steps, strict=True):
            x = F.relu(layer(x) + step(t))
        return self.out(x)


def tutorial(data: Tensor, seed: int, epochs: int = 5000) -> tuple[float, dict[str, list[Tensor]]]:
    """The S-curve tutorial's: data / 10, 100 steps from 1e-5 to 5e-3, 395,000 batches of up to 128 points, Adam 5e-4.

    Counted 0..99 and sampled from N(0, 1) with noise in the last step, as it does.
    """
    torch.manual_seed(seed)
    beta = torch.linspace(1e-5, 5e-3, 100)
    alpha_bar = (1 - beta).cumprod(0)
    start = time.process_time()
    network = TutorialMLP(100)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-4)
    for _ in range(epochs):
        for x_0 in DataLoader(data / 10, batch_size=128, shuffle=True):
            t = torch.randint(0, 100, (len(x_0) // 2,))
            t = torch.cat([t, 99 - t])
            eps = torch.randn_like(x_0)
            x_t = alpha_bar[t, None].sqrt() * x_0 + (1 - alpha_bar[t, None]).sqrt() * eps
            loss = F.mse_loss(network(x_t, t), eps)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
    seconds = time.process_time() - start

    @torch.no_grad()
    def one_set() -> Tensor:
        x = torch.randn(N, 2)
        for i in reversed(range(100)):
            eps = network(x, torch.full((N,), i))
            x = (x - beta[i] / (1 - alpha_bar[i]).sqrt() * eps) / (1 - beta[i]).sqrt()
            x = x + beta[i].sqrt() * torch.randn_like(x)
        return 10 * x

    return seconds, {"DDPM, 100 steps": [one_set() for _ in range(PAIRS)]}


def smalldiffusion(data: Tensor, seed: int, steps: int = 15_000) -> tuple[float, dict[str, list[Tensor]]]:
    """The README of ``smalldiffusion`` 0.5.0, its network, schedule and 15,000 steps, on our points."""
    datasets.torchvision()  # so that its own import of torchvision works beside a CPU build of torch
    import smalldiffusion as sd

    torch.manual_seed(seed)
    schedule = sd.ScheduleLogLinear(N=200, sigma_min=0.005, sigma_max=10)
    loader = DataLoader(data, batch_size=2048)
    start = time.process_time()
    network = sd.TimeInputMLP(hidden_dims=(16, 128, 128, 128, 128, 16))
    for _ in sd.training_loop(loader, network, schedule, epochs=steps // len(loader)):
        pass
    seconds = time.process_time() - start

    def sets(steps: int, **options: float) -> list[Tensor]:
        sigmas = schedule.sample_sigmas(steps)
        return [list(sd.samples(network, sigmas, batchsize=N, **options))[-1] for _ in range(PAIRS)]

    return seconds, {
        "DDPM, 100 steps": sets(100, gam=1, mu=0.5),
        "its accelerated sampler, 20 steps": sets(20, gam=2),
    }


def main() -> None:
    torch.set_num_threads(1)
    recipes = {"ours": (ours, SEEDS), "smalldiffusion": (smalldiffusion, SEEDS[:1]), "tutorial": (tutorial, SEEDS[:1])}
    asked = sys.argv[1:] or list(recipes)
    g = torch.Generator().manual_seed(1000)
    fresh = [datasets.s_curve(N, generator=g) for _ in range(PAIRS)]
    training_sets = [datasets.s_curve(N, generator=torch.Generator().manual_seed(seed)) for seed in SEEDS]
    others = [datasets.s_curve(N, generator=g) for _ in SEEDS for _ in range(PAIRS)]
    again = [x[torch.randint(N, (N,), generator=g)] for x in training_sets for _ in range(PAIRS)]

    rows = []
    for name in asked:
        recipe, seeds = recipes[name]
        runs = [recipe(training_sets[seed], seed) for seed in seeds]
        seconds = statistics.median(run[0] for run in runs)
        for sampler in runs[0][1]:
            rows.append((name, sampler, seconds, distance([x for run in runs for x in run[1][sampler]], fresh)))
            print(*rows[-1], flush=True)

    own = next((seconds for name, _, seconds, _ in rows if name == "ours"), float("nan"))  # nan: ours was not asked for
    lines = [
        "# Learning the S-curve",
        "",
        f"Made by `python benchmarks/s_curve.py`. {machine.describe()}; all in one run, process time.",
        "",
        "| Recipe | Sampler | Training, CPU-seconds | as a multiple of ours | Energy distance, 1e-4 |",
        "|---|---|---:|---:|---:|",
        f"| *fresh points: the floor* | | | | {distance(others, fresh)} |",
        f"| *training points, drawn again* | | | | {distance(again, fresh)} |",
        *(f"| {n} | {s} | {c:.1f} | {c / own:.1f} | {d} |" for n, s, c, d in rows),
        "",
        *(f"- **{name}**: {recipe.__doc__.strip().splitlines()[0]}" for name, (recipe, _) in recipes.items()),
        f"- Ours, and the first two lines: {len(SEEDS)} training sets and seeds, {PAIRS} sets of samples each; "
        f"the others: the first training set, {PAIRS} sets of samples.",
    ]
    print("\n".join(lines))
    if not sys.argv[1:]:
        Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


def distance(samples: list[Tensor], fresh: list[Tensor]) -> str:
    """Mean energy distance and its standard error in units of 1e-4, set k against fresh set k, then from the start."""
    values = [1e4 * energy_distance(x, y) for x, y in zip(samples, itertools.cycle(fresh), strict=False)]
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values) / len(values) ** 0.5:.1f}"


if __name__ == "__main__":
    main()
