"""What the parts of the digits' benchmark share: how much work, our training and sampling, and the judge."""

import functools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from diffusion_lab import (
    Guided,
    NoiseSchedule,
    Run,
    UNet,
    clip,
    datasets,
    ddim,
    ddpm,
    dpm_solver,
    load_judge,
    logit_normal,
    sample,
    training_steps,
)

# What the MNIST chapter trains.
NETWORK = {"width": 32, "blocks": 1}
RECIPE = {"target": "v", "draw": logit_normal(0.3, 0.9), "batch_size": 32, "lr": 4e-3}
METHODS = {"ddpm": ddpm, "ddim": ddim, "dpm_solver": dpm_solver}
EQUAL_SECONDS = 220  # of process time, for each of the three recipes

Row = dict[str, object]
Jobs = dict[str, Callable[[], list[Row]]]


@dataclass(frozen=True)
class Work:
    """How much to do: all, or with ``--quick`` a fiftieth; ``n`` is how many images of the shipped weights to judge."""

    divide: int = 1
    n: int = 10_000

    def seconds(self, full: float) -> float:
        return full / self.divide

    def images(self, full: int) -> int:
        return max(100, full // self.divide)  # the judge knows no floor for fewer

    def steps(self, full: int) -> int:
        return max(2, full // self.divide)


load_judge = functools.cache(load_judge)
mnist = functools.cache(datasets.mnist)


def train_ours(
    seconds: float,
    schedule: NoiseSchedule,
    *,
    width: int,
    blocks: int,
    seed: int = 0,
    kind: type[torch.optim.Optimizer] | None = None,
    **recipe,
) -> tuple[Run, Row]:
    """Train a U-Net with labels for about so many seconds of process time; what it took goes into the table.

    The one-cycle learning rate must know the number of steps before it begins, so a few are timed first. ``kind`` is
    an optimiser in the place of Adam, under the same one cycle.
    """
    images, labels = mnist("train")

    def run(steps: int) -> tuple[Run, float]:
        torch.manual_seed(seed)
        network = UNet(width=width, blocks=blocks, num_classes=10)
        options, rate = dict(recipe), None
        if kind is not None:
            options["optimizer"] = kind(network.parameters(), recipe["lr"], betas=(0.9, 0.99), fused=True)
            rate = OneCycleLR(options["optimizer"], recipe["lr"], total_steps=steps, cycle_momentum=False)
        start = time.process_time()
        for done in training_steps(  # noqa: B007 (the last one is returned)
            network, images, schedule, labels=labels, steps=steps, seed=seed, **options
        ):
            if rate is not None:
                rate.step()
        return done, time.process_time() - start

    run(2)
    fixed = run(1)[1]  # checks and the shuffle, beside the steps
    each = (run(13)[1] - fixed) / 12
    steps = max(2, round((seconds - fixed) / each))
    done, taken = run(steps)
    return done, {"seconds": taken, "steps": steps, "images": steps * recipe["batch_size"]}


def judged(
    denoiser: nn.Module,
    schedule: NoiseSchedule,
    n: int,
    *,
    steps: int,
    method: str = "ddim",
    eta: float = 0.0,
    guidance: float = 1.0,
    labelled: bool = True,
) -> Row:
    """Sample n images with ``diffusion_lab``, 250 at a time, and judge them beside the floor."""
    labels = torch.arange(n) % 10
    guided = denoiser if guidance == 1 else Guided(denoiser, guidance)
    generator = torch.Generator().manual_seed(0)
    start = time.process_time()
    images = [
        sample(
            guided, (len(batch), 1, 28, 28), schedule, METHODS[method](eta), steps=steps, edit=clip(),
            generator=generator, **({"labels": batch} if labelled else {}),
        )
        for batch in labels.split(250)
    ]  # fmt: skip
    calls = steps if guidance in (0, 1) else 2 * steps
    name = f"{method}, eta {eta:g}" + (f", guidance {guidance:g}" if guidance != 1 else "")
    return verdict(name, calls, torch.cat(images), labels if labelled else None, time.process_time() - start)


def verdict(sampler: str, calls: int, images: Tensor, labels: Tensor | None, seconds: float) -> Row:
    """A row of the table: what the judge says of the images, and of as many real ones."""
    judge = load_judge()
    found = asdict(judge(images, labels))
    row = {
        "sampler": sampler,
        "calls": calls,
        "sampling": seconds,
        **found,
        "floor": asdict(judge.real(len(images), balanced=labels is not None)),
    }
    print(f"  {sampler}, {calls} calls, n = {len(images)}: Fréchet {found['frechet']:.2f}, {seconds:.0f} s", flush=True)
    return row
