"""The simple loss against the weights of the bound, on two bells, where bound and likelihood are exact sums on a grid.

    python benchmarks/weighted.py       about three minutes of one thread; writes diffusion_lab/measured/weighted.csv

The same small MLP, the same number of steps, batch, optimizer and peak rate for both; the weights have mean 1. With
Adam their size would not matter anyway. A seed sets the weights of the network, the data, the times and the noise, so
the two networks of a seed see the same draws. ``bound`` and ``exact`` are in nats, averaged over the data. The row
"exact denoiser" is the floor of the bound and of the mistake.
"""

import math
import time
from collections.abc import Iterator

import machine
import measured
import torch
from torch import Tensor

from diffusion_lab import MLP, ExactDenoiser, NoiseSchedule, add_noise

SEEDS = (0, 1, 2)
STEPS = (2_000, 8_000)
SCHEDULE = NoiseSchedule.linear(T=100, start=1e-3, end=0.2)
TRUTH = ExactDenoiser.mixture([[-1.2], [0.8]], [0.2, 0.2], [0.4, 0.6], SCHEDULE)
TIMES = range(1, SCHEDULE.T + 1)
COLUMNS = ("trained for", "steps", "seed", "bound", "exact", "mistake")
h = 0.016
x = torch.arange(-500, 501, dtype=torch.float64) * h
beta, alpha, noise = SCHEDULE.beta, SCHEDULE.alpha, 1 - SCHEDULE.alpha_bar
w = beta[1:] / (2 * alpha[1:] * noise[1:])  # of t = 1..T, with sigma_t^2 = beta_t


def on_grid(denoiser, t: int) -> Tensor:
    with torch.no_grad():
        return denoiser(x[:, None].float(), torch.full((len(x),), t))[:, 0].double()


def density(t: int) -> Tensor:
    return TRUTH.log_prob(x[:, None], t).exp()


def worth(denoiser) -> tuple[float, float, float]:
    """The bound, the exact negative log-likelihood, and the mean squared mistake over all times."""
    best = torch.stack([on_grid(TRUTH, t) for t in TIMES])
    guess = torch.stack([on_grid(denoiser, t) for t in TIMES])
    q = torch.stack([density(t) for t in TIMES])
    mistake = (q * (guess - best) ** 2 * h).sum(1)
    squares = (q * (1 - best**2) * h).sum(1) + mistake
    ratio = beta[2:] / SCHEDULE.posterior_variance[2:]
    bound = (w * squares).sum() + 0.5 * (ratio.log() + 1 / ratio - 1).sum() + 0.5 * (2 * math.pi * beta[1]).log()
    bound = bound - 0.5 * torch.log1p(-SCHEDULE.alpha_bar[-1])  # L_T, for data of mean 0 and variance 1
    p = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    for t in reversed(TIMES):
        mean = (x - beta[t] / noise[t].sqrt() * guess[t - 1]) / alpha[t].sqrt()
        p = torch.exp(-((x[:, None] - mean) ** 2) / (2 * beta[t])) / (2 * math.pi * beta[t]).sqrt() @ p * h
    exact = -(density(0) * p.clamp_min(1e-300).log() * h).sum()
    return bound.item(), exact.item(), mistake.mean().item()


def trained(weights: Tensor, steps: int, seed: int) -> MLP:
    torch.manual_seed(seed)
    network, weights = MLP(dim=1, width=32, depth=2), (weights / weights.mean()).float()
    optimizer = torch.optim.Adam(network.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for _ in range(steps):
        middle = torch.where(torch.rand(256, 1) < 0.4, -1.2, 0.8)
        x_0 = middle + 0.2 * torch.randn(256, 1)
        t, eps = torch.randint(1, SCHEDULE.T + 1, (256,)), torch.randn(256, 1)
        squares = (eps - network(add_noise(x_0, t, eps, SCHEDULE), t)).square()
        loss = (weights[t - 1, None] * squares).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    return network


def rows() -> Iterator[tuple]:
    def row(name: str, steps: int, seed: int, denoiser) -> tuple:
        bound, exact, mistake = worth(denoiser)
        numbers = (f"{bound:.3f}", f"{exact:.3f}", f"{mistake:.4f}")
        print(f"{time.process_time():6.0f} s  {name}, {steps} steps, seed {seed}: {' '.join(numbers)}", flush=True)
        return name, steps, seed, *numbers

    yield row("exact denoiser", 0, 0, TRUTH)
    for steps in STEPS:
        for seed in SEEDS:
            yield row("simple loss", steps, seed, trained(torch.ones_like(w), steps, seed))
            yield row("bound", steps, seed, trained(w, steps, seed))


def main() -> None:
    torch.set_num_threads(1)
    print(machine.describe())
    measured.write("weighted", "python benchmarks/weighted.py", COLUMNS, rows())


if __name__ == "__main__":
    main()
