"""Training: draw a time, add noise, ask the network what was added, and move its weights a little."""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from .checkpoints import load_checkpoint, save_checkpoint
from .checks import check_labels, check_number, check_samples, check_whole
from .denoiser import Denoiser, Target, training_target
from .noising import add_noise
from .schedule import NoiseSchedule

Timesteps = Literal["antithetic", "stratified", "uniform"]


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
    timesteps: Timesteps = "antithetic",
    batch_size: int = 128,
    lr: float = 1e-3,
    average: float = 0.999,
    clip_gradient: float = 1.0,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    progress: bool = True,
) -> Run:
    """Minimise the simple loss: the mean of ``(network(x_t, t) - target)^2`` over data, times and noise.

    Adam with a one-cycle learning rate; gradients clipped; weights averaged over the last steps. All randomness of a
    step comes from ``(seed, step)``, so two runs on one machine are equal bit for bit, and a run that is killed and
    started again with the same ``checkpoint`` ends with the weights of one that was not.

    Args:
        network: called as ``network(x_t, t)``, or ``network(x_t, t, labels)``; trained in place, where it lives.
        data: ``(N, *S)`` floats, or a DataLoader of such batches or of ``(batch, labels)`` pairs.
        schedule: how much noise at which step.
        steps: how many batches.
        labels: ``(N,)`` integers that go with a data tensor.
        label_dropout: the share of labels replaced by -1, "not told", so that one network learns both ways.
        target: what the network predicts: ``"eps"``, ``"v"`` or ``"x_0"``.
        timesteps: ``"uniform"`` over ``1..T``; ``"antithetic"``, in pairs ``t, T + 1 - t``; ``"stratified"``, one from
            each of B equal slices of ``1..T``. The last two spread a batch more evenly over time.
        batch_size: samples a step, for a data tensor.
        lr: the highest learning rate of the cycle.
        average: each step the averaged weights keep this share of themselves (less in the first steps).
        clip_gradient: the largest allowed norm of the gradient.
        seed: for the order of the data, the times, the noise, and dropout in the network.
        checkpoint: a file; if it exists, training resumes from it. Written whole or not at all.
        checkpoint_every: steps between checkpoints; one is always written at the end.
        progress: whether to show a progress bar.

    Returns:
        A :class:`Run`.

    Raises:
        TypeError, ValueError: naming the argument that is off; NaN in the data and an empty data set among them.
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
    _check_data(data, labels)
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    denoiser = Denoiser(averaged, schedule, target)  # made first: it checks the target
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, betas=(0.9, 0.99), fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, cycle_momentum=False)
    losses: list[float] = []
    parts = {"network": network, "averaged": averaged, "optimizer": optimizer, "rate": rate}
    recipe = {
        "steps": steps, "target": target, "timesteps": timesteps, "lr": lr, "average": average, "seed": seed,
        "clip_gradient": clip_gradient, "label_dropout": label_dropout, "beta": schedule.beta,
        "data": _describe(data, labels, batch_size),
    }  # fmt: skip
    if checkpoint is not None:
        losses += load_checkpoint(Path(checkpoint), parts, recipe)

    device = next(network.parameters()).device
    network.train()
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), _progress_bar(steps, len(losses), progress) as bar:
        batches = _batches(data, labels, batch_size, seed, first_step=len(losses))
        for step in range(len(losses), steps):
            x_0, y = next(batches)  # also seeds what is drawn below
            x_0 = x_0.to(device)
            t = _draw_timesteps(len(x_0), schedule.T, timesteps).to(device)
            eps = torch.randn_like(x_0)
            conditions = () if y is None else (_drop(y, label_dropout).to(device),)
            out = network(add_noise(x_0, t, eps, schedule), t, *conditions)
            if out.shape != x_0.shape:
                raise ValueError(f"network: expected an output of shape {tuple(x_0.shape)}, got {tuple(out.shape)}")
            loss = F.mse_loss(out, training_target(target, x_0, t, eps, schedule))
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(network.parameters(), clip_gradient)
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
            if checkpoint is not None and ((step + 1) % checkpoint_every == 0 or step + 1 == steps):
                save_checkpoint(Path(checkpoint), parts, recipe, losses)
    return Run(denoiser, network, losses)


def _progress_bar(steps: int, done: int, show: bool) -> tqdm:
    # Drawn a hundred times in all, however long it takes: a notebook that is run by a program, and not watched, keeps
    # every drawing of a cell in a queue of 1,000 messages, and what does not fit is lost, the end of the cell included.
    # (Without maxinterval, tqdm gives up miniters for good after ten seconds without a drawing.)
    hundredth = max(1, steps // 100)
    return tqdm(total=steps, initial=done, miniters=hundredth, maxinterval=float("inf"), disable=not show)


def _draw_timesteps(batch: int, T: int, how: Timesteps) -> Tensor:
    """``(batch,)`` timesteps; over many batches each of ``1..T`` comes equally often."""
    if how == "uniform":
        return torch.randint(1, T + 1, (batch,))
    if how == "antithetic":
        half = torch.randint(1, T + 1, ((batch + 1) // 2,))
        return torch.cat([half, T + 1 - half])[:batch]
    slices = (torch.arange(batch) + torch.rand(batch)) / batch  # one point in each slice of [0, 1)
    return (slices * T).long().clamp(max=T - 1) + 1


def _drop(labels: Tensor, share: float) -> Tensor:
    return torch.where(torch.rand(labels.shape) < share, -1, labels.cpu())


@torch.no_grad()
def _update_average(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """``averaged = keep averaged + (1 - keep) network``, for every parameter; buffers are copied."""
    torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - keep)
    for mean, new in zip(averaged.buffers(), network.buffers(), strict=True):
        mean.copy_(new)


def _batches(
    data: Tensor | DataLoader, labels: Tensor | None, batch_size: int, seed: int, first_step: int
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Seed the global generator for each step from ``first_step`` on, and give the batch of that step.

    A data tensor is visited in an order drawn anew for each epoch; a last batch that would be too small is left out.
    A DataLoader shuffles from the global generator, or from one of its own, which is then seeded at each epoch. To
    resume in the middle of an epoch it is wound forward from the epoch's start, under the seeds that those steps had.
    """
    per_epoch = max(1, len(data) // batch_size) if isinstance(data, Tensor) else len(data)
    for step in itertools.count(first_step - first_step % per_epoch):
        torch.manual_seed((seed * 1_000_003 + step) % 2**63)
        epoch_step = step % per_epoch
        if isinstance(data, Tensor):
            if epoch_step == 0:
                order = torch.randperm(len(data))
            index = order[epoch_step * batch_size : (epoch_step + 1) * batch_size]
            batch = data[index.to(data.device)], None if labels is None else labels[index.to(labels.device)]
        else:
            if epoch_step == 0:
                for own in {data.generator, getattr(data.sampler, "generator", None)} - {None}:
                    own.manual_seed(torch.initial_seed())
                loader = iter(data)
            batch = next(loader)
            x, *rest = (batch,) if isinstance(batch, Tensor) else batch
            check_samples("data", x)
            if rest:
                check_labels(rest[0], len(x))
            batch = x, (rest[0] if rest else None)
        if step >= first_step:
            yield batch


def _check_data(data: Tensor | DataLoader, labels: Tensor | None) -> None:
    if isinstance(data, DataLoader):
        if labels is not None:
            raise ValueError("labels: expected None with a DataLoader, which gives (batch, labels) pairs itself")
        try:
            length = len(data)
        except TypeError as error:
            raise TypeError("data: expected a DataLoader that knows its length") from error
        if length == 0:
            raise ValueError("data: expected at least one batch, got a DataLoader of length 0")
        return
    check_samples("data", data)
    if labels is not None:
        check_labels(labels, len(data))


def _describe(data: Tensor | DataLoader, labels: Tensor | None, batch_size: int) -> str:
    """Enough to notice that a checkpoint was trained on other data."""
    if isinstance(data, DataLoader):
        return f"a DataLoader of {len(data)} batches"
    summary = f"{tuple(data.shape)} with sum {data.double().sum().item():.6g}, in batches of {batch_size}"
    return summary if labels is None else f"{summary}, labels with sum {labels.sum().item()}"
