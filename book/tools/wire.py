"""What goes between the grader and the process that runs a submission.

To that process go pickles: what is in them is ours. From it comes only what `plain` can say, and nothing that could run
when it is read.
"""

import base64
import json
import struct
from typing import BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from diffusion_lab import NoiseSchedule

MAX_BYTES = 64 << 20


class Broken(Exception):
    """The other end has closed, or what it said is not what it may say."""


def send(stream: BinaryIO, message: bytes) -> None:
    stream.write(struct.pack(">Q", len(message)) + message)
    stream.flush()


def receive(stream: BinaryIO) -> bytes:
    """The next message. Broken if there is none, or if it is too long."""
    size = struct.unpack(">Q", exactly(stream, 8))[0]
    if size > MAX_BYTES:
        raise Broken(f"an answer of {size:,} bytes, where {MAX_BYTES:,} are allowed")
    return exactly(stream, size)


def exactly(stream: BinaryIO, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = stream.read(size - len(found))
        if not more:
            raise Broken("it ended without an answer")
        found += more
    return found


class Other:
    """A value that does not cross over; the check sees of what kind it was, as the reader would."""

    def __init__(self, kind: str):
        self.kind = kind

    def __repr__(self) -> str:
        return f"of type {self.kind}"


def plain(value: object) -> object:
    """A value in words of JSON; a tensor as safetensors writes it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        value = torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, torch.Tensor) and not value.is_complex():
        dense = value.detach().cpu().contiguous().clone()
        return {"tensor": base64.b64encode(save({"": dense})).decode()}
    if isinstance(value, NoiseSchedule):
        return {"schedule": plain(value.beta)}
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return {"int": str(int(value))}
    if isinstance(value, float):
        return {"float": float(value).hex()}
    if isinstance(value, tuple | list):
        return {"tuple" if isinstance(value, tuple) else "list": [plain(one) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[plain(key), plain(one)] for key, one in value.items()]}
    return {"other": type(value).__name__}


MADE_OF = {
    "tensor": lambda what: load(base64.b64decode(what))[""],
    "schedule": lambda what: NoiseSchedule(value_of(what)),
    "int": int,
    "float": float.fromhex,
    "tuple": lambda what: tuple(map(value_of, what)),
    "list": lambda what: list(map(value_of, what)),
    "dict": lambda what: {value_of(key): value_of(one) for key, one in what},
    "other": lambda what: Other(str(what)),
}


def value_of(said: object) -> object:
    """The value that `plain` wrote. Broken if nothing that it writes looks like this."""
    if said is None or isinstance(said, bool | str):
        return said
    try:
        [(kind, what)] = said.items()
        return MADE_OF[kind](what)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError, RecursionError) as error:
        raise Broken(f"an answer that cannot be read ({type(error).__name__})") from error


def write_plain(message: dict) -> bytes:
    return json.dumps(message).encode()


def read_plain(message: bytes) -> dict:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Broken("an answer that cannot be read") from error
    if not isinstance(found, dict):
        raise Broken("an answer that cannot be read")
    return found
