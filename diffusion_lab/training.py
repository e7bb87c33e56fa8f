"""Training: draw a time, add noise, ask the network what was added, and move its weights a little."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from .batches import Timesteps, batches, check_data, describe_data, draw_timesteps, drop_labels
from .checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from .checks import check_number, check_whole
from .denoiser import Denoiser, Target, Weighting, loss_weight, training_target
from .noising import add_noise
from .schedule import NoiseSchedule


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to try."""


@dataclass
class Run:
    """What training leaves behind.

    ``denoiser`` returns eps, with averaged weights, in evaluation mode; ``losses`` has one number a step; ``network``
    is the network that was passed in, with the weights of the last step.
    """

    denoiser: Denoiser
    network: nn.Module
    losses: list[float] = field(repr=False)


def train(
    network: nn.Module,
    data: Tensor | DataLoader,
    schedule: NoiseSchedule,
    *,
    steps: int,
    labels: Tensor | None = None,
    label_dropout: float = 0.1,
    target: Target = "eps",
    weighting: Weighting = "simple",
    timesteps: Timesteps = "antithetic",
    batch_size: int = 128,
    lr: float = 1e-3,
    average: float = 0.999,
    clip_gradient: float = 1.0,
    seed: int = 0,
    precision: Literal["float32", "bfloat16"] = "float32",
    compile: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    progress: bool = True,
) -> Run:
    """Minimise the mean of ``weight(t) (network(x_t, t) - target)^2`` over data, times and noise.

    Adam with a one-cycle learning rate; gradients clipped; weights averaged over the last steps. All randomness of a
    step comes from ``(seed, step)``, so two runs on one machine are equal bit for bit, and a run that is killed and
    started again with the same ``checkpoint`` ends with the weights of one that was not.

    Inside a process group of ``torch.distributed`` (``torchrun`` starts one) each of its W processes calls ``train``
    with the same arguments and takes every W-th sample of each batch, so that together they do what one process does.

    Args:
        network: called as ``network(x_t, t)``, or ``network(x_t, t, labels)``; trained in place, where it lives.
        data: ``(N, *S)`` floats, or a DataLoader of such batches or of ``(batch, labels)`` pairs.
        schedule: how much noise at which step.
        steps: how many batches.
        labels: ``(N,)`` integers that go with a data tensor.
        label_dropout: the share of labels replaced by -1, "not told", so that one network learns both ways.
        target: what the network predicts: ``"eps"``, ``"v"`` or ``"x_0"``.
        weighting: of the loss over time, see :func:`diffusion_lab.loss_weight`: ``"simple"`` or ``"min-snr"``.
        timesteps: ``"uniform"`` over ``1..T``; ``"antithetic"``, in pairs ``t, T + 1 - t``; ``"stratified"``, one from
            each of B equal slices of ``1..T``. The last two spread a batch more evenly over time.
        batch_size: samples a step, for a data tensor.
        lr: the highest learning rate of the cycle.
        average: each step the averaged weights keep this share of themselves (less in the first steps).
        clip_gradient: the largest allowed norm of the gradient.
        seed: for the order of the data, the times, the noise, and dropout in the network.
        precision: of the network's arithmetic; its weights are float32 either way. ``"bfloat16"`` pays where the
            machine computes in it: GPUs since 2020, CPUs with AVX512-BF16 or AMX. On others it is slower.
        compile: pass the network through ``torch.compile``, which needs a C++ compiler: a minute or so first, faster
            steps then.
        checkpoint: a file; if it exists, training resumes from it. Written whole or not at all.
        checkpoint_every: steps between checkpoints; one is always written at the end.
        progress: whether to show a progress bar.

    Returns:
        A :class:`Run`.

    Raises:
        TypeError, ValueError: naming the argument that is off; NaN in the data, an empty data set, and a batch that
            does not divide evenly among the processes among them.
        TrainingError: if the loss or its gradient is no longer finite; the weights are those of the step before.
        CheckpointError: if the checkpoint is damaged or was written by another run.

    Source: Ho et al. 2020, algorithm 1; one-cycle: Smith & Topin 2018.
    """
    check_whole("steps", steps)
    check_whole("batch_size", batch_size)
    check_whole("seed", seed, 0, 2**31)
    check_whole("checkpoint_every", checkpoint_every)
    check_number("label_dropout", label_dropout, 0, 1)
    check_number("average", average, 0, 1)
    check_number("lr", lr, 0, ends="()")
    check_number("clip_gradient", clip_gradient, 0, ends="()")
    if timesteps not in ("antithetic", "stratified", "uniform"):
        raise ValueError(f'timesteps: expected "antithetic", "stratified" or "uniform", got {timesteps!r}')
    if weighting not in ("simple", "min-snr"):
        raise ValueError(f'weighting: expected "simple" or "min-snr", got {weighting!r}')
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f'precision: expected "float32" or "bfloat16", got {precision!r}')
    check_data(data, labels)
    rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    replica = network if processes == 1 else DistributedDataParallel(network)  # averages gradients over processes
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    denoiser = Denoiser(averaged, schedule, target)  # made first: it checks the target
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, betas=(0.9, 0.99), fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, cycle_momentum=False)
    losses: list[float] = []
    parts = {"network": network, "averaged": averaged, "optimizer": optimizer, "rate": rate}
    recipe = {
        "steps": steps, "target": target, "weighting": weighting, "timesteps": timesteps, "lr": lr, "average": average,
        "seed": seed, "precision": precision, "clip_gradient": clip_gradient, "label_dropout": label_dropout,
        "beta": schedule.beta, "data": describe_data(data, labels, batch_size),
    }  # fmt: skip
    if checkpoint is not None:
        losses += load_checkpoint(Path(checkpoint), parts, recipe)
        done = [len(losses)] * processes
        if processes > 1:
            dist.all_gather_object(done, len(losses))
        if len(set(done)) > 1:
            raise CheckpointError(
                f"checkpoint: the processes are at different steps, {done}; do they share {checkpoint}?"
            )

    if compile:
        replica = torch.compile(replica)
    device = next(network.parameters()).device
    network.train()
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), _progress_bar(steps, len(losses), progress and rank == 0) as bar:
        feed = batches(data, labels, batch_size, seed, first_step=len(losses))
        for step in range(len(losses), steps):
            x_0, y = next(feed)  # also seeds what is drawn below
            if len(x_0) % processes:
                raise ValueError(f"batch_size: expected a multiple of the {processes} processes, got {len(x_0)}")
            x_0 = x_0.to(device)
            t = draw_timesteps(len(x_0), schedule.T, timesteps).to(device)
            eps = torch.randn_like(x_0)
            conditions = () if y is None else (drop_labels(y, label_dropout).to(device),)
            x_0, t, eps, *conditions = (each[rank::processes] for each in (x_0, t, eps, *conditions))
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                out = replica(add_noise(x_0, t, eps, schedule), t, *conditions)
            if out.shape != x_0.shape:
                raise ValueError(f"network: expected an output of shape {tuple(x_0.shape)}, got {tuple(out.shape)}")
            error = out.float() - training_target(target, x_0, t, eps, schedule)
            loss = (loss_weight(weighting, target, t, x_0, schedule) * error.square()).mean()
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(network.parameters(), clip_gradient)
            if processes > 1:
                loss = loss.detach()
                dist.all_reduce(loss)
                loss /= processes
            losses.append(loss.item())
            if not torch.isfinite(loss) or not torch.isfinite(norm):  # before the weights are touched
                raise TrainingError(
                    f"at step {step + 1} of {steps} the loss is {losses[-1]} and its gradient has norm {norm.item()}. "
                    f"Try a smaller lr (it is {lr}), a smaller clip_gradient (it is {clip_gradient}), or data scaled "
                    "to about [-1, 1] or variance 1."
                )
            optimizer.step()
            rate.step()
            _update_average(averaged, network, min(average, (1 + step) / (10 + step)))
            bar.update()
            if step % 50 == 0:
                bar.set_postfix(loss=f"{sum(losses[-50:]) / len(losses[-50:]):.4f}", refresh=False)
            last = step + 1 == steps
            if checkpoint is not None and rank == 0 and ((step + 1) % checkpoint_every == 0 or last):
                save_checkpoint(Path(checkpoint), parts, recipe, losses)
    return Run(denoiser, network, losses)


def _progress_bar(steps: int, done: int, show: bool) -> tqdm:
    # Drawn a hundred times in all, however long it takes: a notebook that is run by a program, and not watched, keeps
    # every drawing of a cell in a queue of 1,000 messages, and what does not fit is lost, the end of the cell included.
    # (Without maxinterval, tqdm gives up miniters for good after ten seconds without a drawing.)
    hundredth = max(1, steps // 100)
    return tqdm(total=steps, initial=done, miniters=hundredth, maxinterval=float("inf"), disable=not show)


@torch.no_grad()
def _update_average(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """``averaged = keep averaged + (1 - keep) network``, for every parameter; buffers are copied."""
    torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - keep)
    for mean, new in zip(averaged.buffers(), network.buffers(), strict=True):
        mean.copy_(new)
