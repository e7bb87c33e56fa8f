"""Writing down where a training run stands, and taking it up again.

A checkpoint is what ``torch.save`` writes, and behind it the SHA-256 of that. PyTorch itself would read weights with a
flipped bit without a word.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch

DIGEST = 32  # bytes


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read, or belongs to another run; the message says which."""


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: under another name first, so that the file is whole or as it was before."""
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def save_checkpoint(path: Path, parts: dict[str, Any], recipe: dict[str, Any], losses: list[float]) -> None:
    """Write the state of ``parts`` to ``path``; see :func:`write_whole`."""
    state = {name: part.state_dict() for name, part in parts.items()}
    buffer = io.BytesIO()
    torch.save({"parts": state, "recipe": recipe, "losses": losses}, buffer)
    content = buffer.getvalue()
    write_whole(path, content + hashlib.sha256(content).digest())


def load_checkpoint(path: Path, parts: dict[str, Any], recipe: dict[str, Any]) -> list[float]:
    """Put the state in ``path`` into ``parts`` and return the losses so far; an empty list if there is no such file.

    Everything is compared before anything is loaded, so after an error ``parts`` are as they were.

    Raises:
        CheckpointError: if the file is damaged, or another network or another recipe wrote it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)  # a mistake in the path should show now, not at the first save
    if not path.exists():
        return []
    content = path.read_bytes()
    content, digest = content[:-DIGEST], content[-DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"checkpoint: {path} is not a whole checkpoint of ours; delete it to start again")
    saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    states, saved_recipe, losses = saved["parts"], saved["recipe"], saved["losses"]
    theirs, ours = _shapes(states["network"]), _shapes(parts["network"].state_dict())
    if theirs != ours:
        name, shape = sorted(theirs.items() ^ ours.items())[0]
        raise CheckpointError(f"checkpoint: {path} is of another network; they differ at {name!r} {shape}")
    for name, value in recipe.items():
        other = saved_recipe.get(name)
        same = torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other
        if not same:
            told = "" if isinstance(value, torch.Tensor) else f": {other!r} there, {value!r} here"
            raise CheckpointError(f"checkpoint: {path} is of a run with another {name}{told}")
    for name, part in parts.items():
        part.load_state_dict(states[name])
    return losses


def _shapes(state: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
