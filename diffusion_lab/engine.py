"""What a long training run needs and a lesson does not: resuming bit for bit, several processes, a watched descent.

:mod:`.training` is the loop that uses it. A checkpoint is what ``torch.save`` writes, and behind it the SHA-256 of
that: PyTorch itself would read weights with a flipped bit without a word.
"""

import hashlib
import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as File

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, StackDataset

from .checks import check_conditions, check_samples
from .files import check_writable, whole

DIGEST = 32  # bytes


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to try."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read, or belongs to another run; the message says which."""


# ---- data ------------------------------------------------------------------------------------------------------------


def as_loader(
    data: Tensor | DataLoader, conditions: dict[str, Tensor], batch_size: int, network: nn.Module
) -> DataLoader:
    """Batches of a data tensor and its conditions, in an order drawn anew for each epoch, without a last one that would
    be too small. A DataLoader is left as it is."""
    if isinstance(data, DataLoader):
        if conditions:
            raise ValueError(f"{min(conditions)}: expected none beside a DataLoader, whose batches bring their own")
        if isinstance(data.dataset, IterableDataset) or len(data) == 0:
            raise TypeError("data: expected a DataLoader that knows its length, of at least one batch")
        return data
    check_samples("data", data)
    check_conditions(conditions, len(data), network)
    pairs = StackDataset(data, StackDataset(**conditions)) if conditions else data
    # A list of indices is asked for at once, not one sample after the other.
    order = BatchSampler(RandomSampler(data), min(batch_size, len(data)), drop_last=True)
    return DataLoader(pairs, sampler=order, batch_size=None)


def describe_data(data: Tensor | DataLoader, conditions: dict[str, Tensor], batch_size: int) -> str:
    """Enough to notice that a checkpoint was trained on other data."""
    if isinstance(data, DataLoader):
        return f"a DataLoader of {len(data)} batches"
    # On the CPU, since not every device knows float64; a thousand samples are enough.
    sums = [each[:: max(1, len(each) // 1000)].cpu().double().sum().item() for each in (data, *conditions.values())]
    return f"{tuple(data.shape)} {', '.join(conditions)} {[f'{each:.6g}' for each in sums]}, in batches of {batch_size}"


def batches(loader: DataLoader, network: nn.Module) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Batches without end, each with its conditions."""
    own = {loader.generator, getattr(loader.sampler, "generator", None)} - {None}
    while True:
        for generator in own:
            generator.manual_seed(torch.initial_seed())  # one of the loader's own would not be resumed
        for batch in loader:
            x, *rest = (batch,) if isinstance(batch, Tensor) else batch
            check_samples("data", x)
            told = {} if not rest else rest[0] if isinstance(rest[0], dict) else {"labels": rest[0]}
            check_conditions(told, len(x), network)
            yield x, told


@contextmanager
def seeded(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Within it, all that PyTorch draws follows from ``(seed, step)``; after it, its generators are as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((seed * 1_000_003 + step) % 2**63)
        yield


# ---- several processes -----------------------------------------------------------------------------------------------


def processes() -> tuple[int, int]:
    """This process's rank and how many there are; 0 and 1 outside ``torch.distributed``."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def own_share(batch: Tensor) -> Tensor:
    """Every W-th sample of a batch that all W processes have drawn alike."""
    rank, count = processes()
    if len(batch) % count:
        raise ValueError(f"batch_size: expected a multiple of the {count} processes, got {len(batch)}")
    return batch[rank::count]


# ---- going on after an interruption ----------------------------------------------------------------------------------


class Keeper:
    """Keeps where a run stands in a file, and takes it up from there; with no file it does neither.

    Everything is compared before anything is loaded, so after an error the run is as it was.

    Args:
        file: the checkpoint, or None.
        progress: what of the run is kept beside the ``parts``; brought up to date here, if there is such a file.
        parts: what has a ``state_dict``.
        recipe: what must agree with the run that wrote the file.

    Raises:
        CheckpointError: if the file is damaged, or another network or another recipe wrote it.
    """

    def __init__(self, file: str | File | None, progress: dict, parts: dict, recipe: dict):
        self.file, self.progress, self.parts, self.recipe = file and File(file), progress, parts, recipe
        if dist.is_initialized():
            dist.barrier()  # one of them may still be writing the file of an earlier run
        if self.file and check_writable("checkpoint", self.file).exists():
            self._load()
        done = [len(progress["losses"])] * processes()[1]
        if self.file and len(done) > 1:
            dist.all_gather_object(done, done[0])
        if len(set(done)) > 1:
            raise CheckpointError(f"checkpoint: the processes are at different steps, {done}; do they share {file}?")

    def save(self) -> None:
        """Write the file, whole or not at all."""
        if self.file is None or processes()[0] > 0:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        buffer = io.BytesIO()
        torch.save({"parts": state, "recipe": self.recipe, "progress": self.progress}, buffer)
        content = buffer.getvalue()
        with whole(self.file) as unfinished:
            unfinished.write_bytes(content + hashlib.sha256(content).digest())

    def _load(self) -> None:
        content = self.file.read_bytes()
        content, digest = content[:-DIGEST], content[-DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            raise CheckpointError(f"checkpoint: {self.file} is not a whole checkpoint; delete it to start again")
        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        for name, value in self.recipe.items():
            if (other := saved["recipe"].get(name)) != value:
                told = f": {other!r} there, {value!r} here" if isinstance(value, str | int | float) else ""
                raise CheckpointError(
                    f"checkpoint: {self.file} is of a run with another {name}{told}. Ask for what it was begun with to "
                    "go on, or delete it to start again."
                )
        for name, part in self.parts.items():
            part.load_state_dict(saved["parts"][name])
        self.progress.update(saved["progress"])


# ---- one step of descent ---------------------------------------------------------------------------------------------


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, clip_gradient: float, where: str) -> float:
    """Move the weights down the gradient of ``loss``, clipped to a norm of ``clip_gradient``; returns the loss, with
    several processes the mean of theirs.

    Raises:
        TrainingError: if the loss or its gradient is not finite; the weights are then as they were.
    """
    optimizer.zero_grad()
    loss.backward()
    weights = itertools.chain.from_iterable(group["params"] for group in optimizer.param_groups)
    norm = nn.utils.clip_grad_norm_(weights, clip_gradient)
    loss = loss.detach() / processes()[1]
    if dist.is_initialized():
        dist.all_reduce(loss)
    if not (torch.isfinite(loss) and torch.isfinite(norm)):
        raise TrainingError(
            f"{where} the loss is {loss.item()} and its gradient has norm {norm.item()}. Try a smaller learning rate "
            f"(it is {optimizer.param_groups[0]['lr']:g}), a smaller clip_gradient (it is {clip_gradient:g}), or data "
            "scaled to about [-1, 1] or variance 1."
        )
    optimizer.step()
    return loss.item()
