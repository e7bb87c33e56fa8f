"""Is the U worth its trouble? Three networks, the same loop, equally many steps, no labels, three seeds.

    python benchmarks/four_convolutions.py      about five minutes; writes diffusion_lab/measured/four_convolutions.csv

The loop is the one that the MNIST chapter writes by hand: v-prediction on the cosine schedule, every time equally
often, batches of 32, Adam in one cycle. The highest rate is the U-Net's usual one, a guess for the MLP, and for the
four convolutions 1e-2, chosen from 4e-3, 1e-2 and 2e-2 by one seed of 250 steps. The error is that of v on the last 256
training images, which no network saw, over ten times; a network that says 0 is the row without training. 500 images
each, by 25 steps of DDIM with clipping, are judged beside the floor, what 500 real images get; fresh noise, clipped, is
the control. One thread, process time; needs MNIST.
"""

import time
from collections.abc import Iterator

import measured
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from diffusion_lab import (
    MLP,
    Denoiser,
    NoiseSchedule,
    UNet,
    add_noise,
    clip,
    datasets,
    ddim,
    load_judge,
    sample,
    training_target,
)

COMMAND = "python benchmarks/four_convolutions.py"
STEPS, N, SEEDS = 800, 500, (0, 1, 2)
SCHEDULE = NoiseSchedule.cosine(T=1000)
TIMES = range(50, 1000, 100)
COLUMNS = ("network", "seed", "steps", "cpu_seconds", "error_of_v", "frechet", "floor")


class FourConvolutions(nn.Module):
    """One after the other at full size, the time as a second channel."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(2, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        time = (t / SCHEDULE.T).view(-1, 1, 1, 1).expand_as(x_t)
        return self.net(torch.cat([x_t, time], dim=1))


class FlatMLP(nn.Module):
    """The MLP that drew the S, on 784 coordinates."""

    def __init__(self):
        super().__init__()
        self.mlp = MLP(dim=784, width=256)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.mlp(x_t.flatten(1), t).view(x_t.shape)


NETWORKS = {  # with its highest learning rate
    "MLP": (FlatMLP, 2e-3),
    "four convolutions": (FourConvolutions, 1e-2),
    "U-Net": (lambda: UNet(width=32, blocks=1), 4e-3),
}


def learn(network: nn.Module, images: Tensor, lr: float) -> None:
    optimizer = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99))
    rate = OneCycleLR(optimizer, lr, STEPS)
    for _ in range(STEPS):
        x_0 = images[torch.randint(len(images), (32,))]
        t, eps = torch.randint(1, SCHEDULE.T + 1, (32,)), torch.randn(x_0.shape)
        answer = network(add_noise(x_0, t, eps, SCHEDULE), t)
        loss = (answer - training_target("v", x_0, t, eps, SCHEDULE)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()


@torch.no_grad()
def error(network, held_out: Tensor) -> float:
    """Mean squared error of v over ten times, the same noise for every network."""
    g, errors = torch.Generator().manual_seed(7), []
    for t in TIMES:
        eps = torch.randn(held_out.shape, generator=g)
        answer = network(add_noise(held_out, t, eps, SCHEDULE), torch.full((len(held_out),), t))
        errors.append((answer - training_target("v", held_out, t, eps, SCHEDULE)).square().mean().item())
    return sum(errors) / len(errors)


def rows() -> Iterator[tuple]:
    images, _ = datasets.mnist("train")
    images, held_out = images[:-256], images[-256:]
    judge = load_judge()
    floor = judge.real(N).frechet

    def row(name: str, seed: int, steps: int, seconds: float, off: float, pictures: Tensor) -> tuple:
        frechet = judge(pictures).frechet
        found = (name, seed, steps, f"{seconds:.0f}", f"{off:.4f}", f"{frechet:.1f}", f"{floor:.2f}")
        print(*found, flush=True)
        return found

    for seed in SEEDS:
        for name, (make, lr) in NETWORKS.items():
            torch.manual_seed(seed)
            network = make().to(memory_format=torch.channels_last)
            start = time.process_time()
            learn(network, images, lr)
            seconds = time.process_time() - start
            denoiser = Denoiser(network.eval(), SCHEDULE, "v")
            made = [
                sample(denoiser, (N // 2, 1, 28, 28), SCHEDULE, ddim(), steps=25, edit=clip(), generator=g)
                for g in [torch.Generator().manual_seed(seed)]
                for _ in range(2)
            ]
            yield row(name, seed, STEPS, seconds, error(network, held_out), torch.cat(made))
        noise = torch.randn(N, 1, 28, 28, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)
        yield row("no training", seed, 0, 0, error(lambda x_t, t: torch.zeros_like(x_t), held_out), noise)


def main() -> None:
    torch.set_num_threads(1)
    measured.write("four_convolutions", COMMAND, COLUMNS, rows())


if __name__ == "__main__":
    main()
