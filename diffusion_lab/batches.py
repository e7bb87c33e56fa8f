"""What a training step is fed: which samples, which times; all from ``(seed, step)``, so that it can be resumed."""

import itertools
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .checks import check_labels, check_samples

Timesteps = Literal["antithetic", "stratified", "uniform"]


def draw_timesteps(batch: int, T: int, how: Timesteps) -> Tensor:
    """``(batch,)`` timesteps; over many batches each of ``1..T`` comes equally often."""
    if how == "uniform":
        return torch.randint(1, T + 1, (batch,))
    if how == "antithetic":
        half = torch.randint(1, T + 1, ((batch + 1) // 2,))
        return torch.cat([half, T + 1 - half])[:batch]
    slices = (torch.arange(batch) + torch.rand(batch)) / batch  # one point in each slice of [0, 1)
    return (slices * T).long().clamp(max=T - 1) + 1


def drop_labels(labels: Tensor, share: float) -> Tensor:
    return torch.where(torch.rand(labels.shape) < share, -1, labels.cpu())


def batches(
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


def check_data(data: Tensor | DataLoader, labels: Tensor | None) -> None:
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


def describe_data(data: Tensor | DataLoader, labels: Tensor | None, batch_size: int) -> str:
    """Enough to notice that a checkpoint was trained on other data."""
    if isinstance(data, DataLoader):
        return f"a DataLoader of {len(data)} batches"
    summary = f"{tuple(data.shape)} with sum {data.double().sum().item():.6g}, in batches of {batch_size}"
    return summary if labels is None else f"{summary}, labels with sum {labels.sum().item()}"
