"""Small models that we trained, and the file format that they are kept in.

A file is a safetensors file, so reading it runs no code. Beside the tensors it holds what is needed to build the model
again, how it was made, and the SHA-256 of all that: a flipped bit is found, not sampled from.
"""

import hashlib
import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .denoiser import Denoiser
from .files import whole
from .models import MLP, UNet
from .paths import SigmaPath, StraightPath
from .schedule import NoiseSchedule

NAMES = ("mnist", "mnist-conditional")
NETWORKS = {"MLP": MLP, "UNet": UNet}
PATHS = {"StraightPath": StraightPath, "SigmaPath": SigmaPath}


class WeightsError(RuntimeError):
    """A file of weights is missing, damaged, or not one of ours; the message says which."""


def load_pretrained(name: str | Path) -> Denoiser:
    """A trained denoiser, in evaluation mode, on the CPU, in float32; nothing is fetched and nothing is unpickled.

    Args:
        name: ``"mnist"``, or ``"mnist-conditional"``, which takes labels; or a file that :func:`save_denoiser` wrote.

    Returns:
        A :class:`Denoiser`; ``.path`` is the one it was trained under, ``.card`` says how and on what (see
        :func:`save_denoiser`), and its network's ``.options`` are those it was built with.

    Raises:
        TypeError: if ``name`` is neither a string nor a path.
        WeightsError: if there is no such model or file, or if the file is damaged or not one of ours.
    """
    known = " or ".join(f'"{known}"' for known in NAMES)
    if not isinstance(name, str | Path):
        raise TypeError(f"name: expected {known}, or a file; got {name!r}")
    file = shipped(f"{name}.safetensors") if name in NAMES else Path(name)
    if not file.exists():
        raise WeightsError(f"name: expected {known}, or a file; there is no {str(name)!r}")
    tensors, notes = read_weights(file)
    if notes.get("kind") != "denoiser":
        raise WeightsError(f"name: expected the file of a denoiser, got that of a {notes.get('kind')} in {file}")
    if "schedule.beta" in tensors:
        path = NoiseSchedule(tensors.pop("schedule.beta"))
    else:
        path = PATHS[notes["path"]](**notes["path_options"])
    network = NETWORKS[notes["network"]](**notes["options"])
    network.load_state_dict(tensors)
    return Denoiser(network, path, notes["target"], notes["card"]).eval().requires_grad_(False)


def save_denoiser(denoiser: Denoiser, file: str | Path, card: dict) -> None:
    """Write ``denoiser``, whose network and path are ours, to ``file``: whole or not at all.

    Weights are kept in half precision, which halves the file; each is off by a relative 5e-4 at most. ``card`` is a
    dict of what a reader should know, such as data, command, seed, steps, time and scores.

    Raises:
        TypeError: if the network is neither an ``MLP`` nor a ``UNet``, or the path is not one of the package's.
    """
    network, path = denoiser.network, denoiser.path
    for kind, one, ours in (("network", network, NETWORKS), ("path", path, {"NoiseSchedule", *PATHS})):
        if type(one).__name__ not in ours:
            raise TypeError(f"denoiser: expected a {kind} of {' or '.join(ours)}, got {type(one).__name__}")
    tensors = {name: tensor.half() for name, tensor in network.state_dict().items()}
    notes = {"kind": "denoiser", "network": type(network).__name__, "options": network.options,
             "target": denoiser.target, "card": card}  # fmt: skip
    if isinstance(path, NoiseSchedule):
        tensors["schedule.beta"] = path.beta
    else:
        notes |= {"path": type(path).__name__, "path_options": asdict(path)}
    write_weights(file, tensors, notes)


def shipped(name: str) -> Path:
    """The path of a file in the package's ``weights`` folder."""
    return Path(str(files(__package__) / "weights" / name))


def write_weights(file: str | Path, tensors: dict[str, Tensor], notes: dict) -> None:
    """Write tensors and notes (what JSON can hold) to ``file``, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(notes, sort_keys=True)
    with whole(file) as unfinished:
        save_file(tensors, unfinished, {"notes": text, "sha256": _digest(tensors, text)})


def read_weights(file: str | Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and notes from ``file``; half precision comes back as float32.

    Raises:
        WeightsError: if the file is damaged or was not written by :func:`write_weights`.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            # Cloned: they would be the file itself, and change with it.
            tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weights: {file} cannot be read ({error})") from error
    if metadata.get("sha256") != _digest(tensors, metadata.get("notes", "")):
        raise WeightsError(f"weights: {file} is damaged or not one of ours: its checksum does not agree")
    tensors = {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in tensors.items()}
    return tensors, json.loads(metadata["notes"])


def _digest(tensors: dict[str, Tensor], notes: str) -> str:
    digest = hashlib.sha256(notes.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
