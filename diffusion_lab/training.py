"""Training: draw a time, add noise, ask the network what was added, and move its weights a little.

:func:`training_steps` is the loop, one step at a time; :func:`train` runs it to its end. With the public parts
(:func:`diffusion_lab.denoising_loss`, the draws, the networks) a reader can write it anew in a dozen lines.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path as File

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from . import engine
from .checks import check_number, check_whole
from .denoiser import Denoiser
from .guidance import not_told
from .paths import Draw, Path, stratified
from .targets import denoising_loss


@dataclass
class Run:
    """What training leaves behind, and what :func:`training_steps` gives after every step.

    ``denoiser`` returns eps, with averaged weights, in evaluation mode; ``network`` is the network that was passed in,
    with the weights of the last step; ``progress`` has the ``losses``, one number a step, and ``process_seconds``, what
    the steps took, those before an interruption included.
    """

    denoiser: Denoiser
    network: nn.Module
    progress: dict = field(default_factory=lambda: {"losses": [], "process_seconds": 0.0}, repr=False)

    @property
    def losses(self) -> list[float]:
        return self.progress["losses"]


def training_steps(
    network: nn.Module,
    data: Tensor | DataLoader,
    path: Path,
    *,
    steps: int,
    batch_size: int = 64,
    target: str = "v",
    weight: Callable[[Tensor], Tensor] | None = None,
    draw: Draw = stratified,
    lr: float = 3e-3,
    optimizer: torch.optim.Optimizer | None = None,
    average: float = 0.999,
    clip_gradient: float = 1.0,
    condition_dropout: float = 0.1,
    seed: int = 0,
    precision: torch.dtype = torch.float32,
    checkpoint: str | File | None = None,
    checkpoint_every: int = 500,
    **conditions: Tensor,
) -> Iterator[Run]:
    """Minimise the mean of :func:`diffusion_lab.denoising_loss` over data, times and noise; yields after every step.

    All randomness of a step comes from ``(seed, step)``, so two runs on one machine are equal bit for bit, and a run
    that is killed and started again with the same ``checkpoint`` ends with the weights of one that was not.

    Inside a process group of ``torch.distributed`` (``torchrun`` starts one) each of its W processes calls this with
    the same arguments and takes every W-th sample of each batch, so that together they do what one process does. For
    ``torch.compile``, call ``network.compile()`` first.

    Args:
        network: called as ``network(x_t, t, **conditions)``; trained in place, where it lives.
        data: ``(N, *S)`` floats; or a DataLoader of such batches, of ``(batch, labels)`` pairs, or of ``(batch, dict of
            conditions)`` pairs.
        path: how much signal and noise at which time: a :class:`diffusion_lab.NoiseSchedule`, or another path.
        steps: how many batches.
        batch_size: samples a step, for a data tensor.
        target: what the network predicts: ``"eps"``, ``"v"``, ``"x_0"``, ... (:data:`diffusion_lab.TARGETS`).
        weight: of errors in x_0 by the signal-to-noise ratio, such as :func:`diffusion_lab.min_snr`.
        draw: where t is drawn: :func:`diffusion_lab.stratified`, ``uniform``, ``logit_normal()``, or your own.
        lr: the highest learning rate of Adam's one cycle.
        optimizer: of the network's parameters, in place of Adam; its rate is then yours to change between steps.
        average: each step the averaged weights keep this share of themselves (less in the first steps).
        clip_gradient: the largest allowed norm of the gradient.
        condition_dropout: the share of samples whose conditions are replaced by what the network says means "not told",
            so that it learns both ways.
        seed: for the order of the data, the times, the noise, and dropout in the network.
        precision: of the network's arithmetic; its weights are float32 either way. ``torch.bfloat16`` pays where the
            machine computes in it: GPUs since 2020, CPUs with AVX512-BF16 or AMX. On others it is slower.
        checkpoint: a file; if it exists, training resumes from it. Written whole or not at all; also where the caller
            stops early and closes the iterator.
        checkpoint_every: steps between checkpoints; one is always written at the end.
        conditions: what goes with the data, by name, such as ``labels=``; each ``(N, ...)``.

    Yields:
        The same :class:`Run`, after each step; the last time with everything done.

    Raises:
        TypeError, ValueError: naming the argument that is off; NaN in the data, an empty data set, and a batch that
            does not divide evenly among the processes among them.
        TrainingError: if the loss or its gradient is no longer finite; the weights are those of the step before.
        CheckpointError: if the checkpoint is damaged or was written by another run.

    Source: Ho et al. 2020, algorithm 1; one-cycle: Smith & Topin 2018.
    """
    for name, number in (("steps", steps), ("batch_size", batch_size), ("checkpoint_every", checkpoint_every)):
        check_whole(name, number)
    check_whole("seed", seed, 0, 2**31)
    for name, number in (("condition_dropout", condition_dropout), ("average", average)):
        check_number(name, number, 0, 1)
    for name, number in (("lr", lr), ("clip_gradient", clip_gradient)):
        check_number(name, number, 0, ends="()")
    for name, function in (("draw", draw), ("weight", weight)):
        if not callable(function or draw):
            raise TypeError(f"{name}: expected a function, got {function!r}")
    if precision not in (torch.float32, torch.bfloat16):
        raise ValueError(f"precision: expected torch.float32 or torch.bfloat16, got {precision!r}")
    loader = engine.as_loader(data, conditions, batch_size, network)
    nothing = getattr(network, "nothing", {}) if condition_dropout else {}

    def ema(mean: list[Tensor], new: list[Tensor], n: Tensor) -> None:
        get_ema_multi_avg_fn(min(average, (1 + n.item()) / (10 + n.item())))(mean, new, n)

    averaged = AveragedModel(network, multi_avg_fn=ema).requires_grad_(False).eval()
    run = Run(Denoiser(averaged.module, path, target).eval(), network)
    parts = {"network": network, "averaged": averaged}
    if optimizer is None:
        optimizer = torch.optim.Adam(network.parameters(), lr=lr, betas=(0.9, 0.99), fused=True)
        parts["rate"] = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, cycle_momentum=False)
    recipe = {
        "network": {name: list(weight.shape) for name, weight in network.state_dict().items()},
        "steps": steps, "target": target, "lr": lr, "average": average, "seed": seed, "precision": str(precision),
        "clip_gradient": clip_gradient, "condition_dropout": condition_dropout, "optimizer": type(optimizer).__name__,
        "data": engine.describe_data(data, conditions, batch_size),
        # Functions have no equality that outlives the process; what they say has.
        "path": torch.stack(path.ab(path.spread(torch.linspace(0, 0.99, 100)))).tolist(),
        "draw": draw(8, path, torch.Generator().manual_seed(0)).tolist(),
        "weight": weight and weight(torch.tensor([0.1, 1, 10])).tolist(),
    }  # fmt: skip
    keeper = engine.Keeper(checkpoint, run.progress, parts | {"optimizer": optimizer}, recipe)

    def loop() -> Iterator[Run]:
        device = next(network.parameters()).device
        replica = network if engine.processes()[1] == 1 else DistributedDataParallel(network)  # averages gradients
        feed, done = engine.batches(loader, network), len(run.losses)
        network.train()
        if done == steps:
            yield run
        # Resumed in the middle of an epoch, the batches are wound forward from the epoch's start.
        for step in range(done - done % len(loader), steps):
            begin = time.process_time()
            with engine.seeded(seed, step, device):
                x_0, told = next(feed)
                if step < done:
                    continue
                t = draw(len(x_0), path, None)
                dropped = torch.rand(len(x_0)) < condition_dropout
                eps = torch.randn_like(x_0)
                if condition_dropout:
                    told = {name: drop(name, each, dropped, nothing) for name, each in told.items()}
                t, x_0, eps = engine.own_share(t), *(engine.own_share(each).to(device) for each in (x_0, eps))
                told = {name: engine.own_share(each).to(device) for name, each in told.items()}
                with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                    loss = denoising_loss(replica, x_0, t, eps, path, target=target, weight=weight, **told).mean()
                run.losses.append(engine.descend(loss, optimizer, clip_gradient, f"at step {step + 1} of {steps}"))
            if "rate" in parts:
                parts["rate"].step()
            averaged.update_parameters(network)
            run.progress["process_seconds"] += time.process_time() - begin
            if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
                keeper.save()
            try:
                yield run
            except GeneratorExit:
                keeper.save()
                raise

    return loop()


def drop(name: str, condition: Tensor, dropped: Tensor, nothing: dict) -> Tensor:
    """``condition``, replaced by ``nothing[name]`` in the samples that are ``dropped``, ``(B,)`` booleans."""
    if name not in nothing:
        raise ValueError(f"condition_dropout: expected 0, since the network's `nothing` does not name {name}")
    dropped = dropped.to(condition.device).view(-1, *[1] * (condition.ndim - 1))
    return torch.where(dropped, not_told(condition, nothing[name]), condition)


def train(network: nn.Module, data: Tensor | DataLoader, path: Path, *, progress: bool = True, **options) -> Run:
    """:func:`training_steps`, run to its end, with a bar unless ``progress`` is false. Options are the same."""
    walk = training_steps(network, data, path, **options)
    return deque(progress_bar(walk, options["steps"]) if progress else walk, maxlen=1)[0]


def progress_bar(walk: Iterator[Run], steps: int) -> Iterator[Run]:
    """The same runs, with a bar on the screen of the first process."""
    # Drawn a hundred times in all, however long it takes: a notebook that is run by a program, and not watched, keeps
    # every drawing of a cell in a queue of 1,000 messages, and what does not fit is lost, the end of the cell included.
    # (Without maxinterval, tqdm gives up miniters for good after ten seconds without a drawing.)
    hundredth, first = max(1, steps // 100), engine.processes()[0] == 0
    with tqdm(total=steps, miniters=hundredth, maxinterval=float("inf"), disable=not first) as bar:
        for run in walk:
            bar.update(len(run.losses) - bar.n)
            if len(run.losses) % 50 == 1:
                bar.set_postfix(loss=f"{sum(run.losses[-50:]) / len(run.losses[-50:]):.4f}", refresh=False)
            yield run
