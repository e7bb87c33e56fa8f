"""Data to learn from: points, and digits as images ``(N, 1, 28, 28)`` with values in [-1, 1]."""

import csv
import gzip
import hashlib
import os
import warnings
import zlib
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_number, check_whole
from .files import whole

# SHA-256 of the four unpacked MNIST files. torchvision verifies what it downloads, but not what it finds on the disk.
MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


FAILURES = (OSError, EOFError, HTTPException, zlib.error)  # of a download


class DataNotFoundError(RuntimeError):
    """The data are neither on this machine nor to be had from the network; the message says where it looked."""


def number_eight(n: int = 1) -> Tensor:
    """The smallest data set there is: the number 8, ``n`` times. Shape ``(n, 1)``."""
    return torch.full((check_whole("n", n), 1), 8.0)


def s_curve(n: int = 10_000, noise: float = 0.1, generator: torch.Generator | None = None) -> Tensor:
    """``n`` points on a letter S, ``(n, 2)``: coordinates 0 and 2 of scikit-learn's ``make_s_curve``, in its units.

    The S is 2 wide and 4 high, blurred by normal noise with standard deviation ``noise``.
    """
    from sklearn.datasets import make_s_curve  # slow to import, and most of the package does without

    noise = check_number("noise", noise, 0)
    random_state = torch.randint(2**31 - 1, (), generator=generator).item()
    points, _ = make_s_curve(check_whole("n", n), noise=noise, random_state=random_state)
    return torch.tensor(points[:, [0, 2]], dtype=torch.float32)


def digits() -> tuple[Tensor, Tensor]:
    """scikit-learn's 1,797 digits, enlarged from 8x8 to 28x28: images ``(1797, 1, 28, 28)`` and labels ``(1797,)``.

    They come with scikit-learn, so they are always there.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
    images = F.interpolate(images, size=(24, 24), mode="bicubic", align_corners=False).clamp(-1, 1)
    return F.pad(images, (2, 2, 2, 2), value=-1.0), torch.tensor(labels, dtype=torch.long)


def mnist(
    split: Literal["train", "test"] = "train", *, fallback: Literal["digits"] | None = None
) -> tuple[Tensor, Tensor]:
    """MNIST's handwritten digits: images ``(60000, 1, 28, 28)`` and labels ``(60000,)``, or 10,000 for the test set.

    Looks in the folder that the environment variable ``DIFFUSION_LAB_DATA`` names, else in the user's cache, for
    torchvision's layout, ``MNIST/raw/*-ubyte``. Files are compared with their checksums; broken or missing ones are
    fetched, from where torchvision does, and written only when all are there.

    Args:
        split: ``"train"`` or ``"test"``.
        fallback: with ``"digits"``, if there is no copy and no network, warn and return :func:`digits` instead.

    Raises:
        DataNotFoundError: if there is no good copy and none can be fetched, and no fallback was asked for.

    Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition".
    """
    if split not in ("train", "test"):
        raise ValueError(f'split: expected "train" or "test", got {split!r}')
    if fallback not in (None, "digits"):
        raise ValueError(f'fallback: expected "digits" or None, got {fallback!r}')
    raw = data_folder() / "MNIST" / "raw"
    try:
        _fetch_what_is_missing(raw)
    except DataNotFoundError as error:
        if fallback is None:
            raise
        warnings.warn(f"Using scikit-learn's 1,797 digits at 28x28 in place of MNIST. {error}", stacklevel=2)
        return digits()
    read, name = torchvision().datasets.mnist, "train" if split == "train" else "t10k"
    images = read.read_image_file(f"{raw}/{name}-images-idx3-ubyte")
    return images[:, None].float() / 127.5 - 1, read.read_label_file(f"{raw}/{name}-labels-idx1-ubyte")


def measured(name: str) -> list[dict[str, str]]:
    """A table that a command in ``benchmarks/`` made because it takes too long for a page: a dict for each of its rows.

    The table ``name.csv`` comes with the package, and its first column, ``command``, says how to make it anew.

    Raises:
        FileNotFoundError: if there is no such table.
    """
    with (files(__package__) / "measured" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def data_folder() -> Path:
    """Where data sets are kept: ``DIFFUSION_LAB_DATA``, else ``diffusion_lab`` in the user's cache folder."""
    if folder := os.environ.get("DIFFUSION_LAB_DATA"):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffusion_lab"


def has_mnist() -> bool:
    """Whether all four files of MNIST are on this machine, with the right checksums."""
    return not _broken(data_folder() / "MNIST" / "raw")


def _broken(raw: Path) -> list[str]:
    return [name for name, checksum in MNIST_FILES.items() if _sha256(raw / name) != checksum]


def _fetch_what_is_missing(raw: Path) -> None:
    broken = _broken(raw)
    try:
        fetched = {name: _fetch(name) for name in broken}  # all of them first: a failure leaves nothing behind
        for name, content in fetched.items():
            raw.mkdir(parents=True, exist_ok=True)
            with whole(raw / name) as unfinished:
                unfinished.write_bytes(content)
    except FAILURES as error:
        found = [name for name in broken if (raw / name).exists()]
        state = f"broken copies of {', '.join(found)}" if found else "no copy"
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise DataNotFoundError(
            f"MNIST: there was {state} in {raw}, and fetching it failed ({reason}). "
            "With a network, run it again. Without one, copy the four unpacked files there, or set the environment "
            "variable DIFFUSION_LAB_DATA to a folder that holds MNIST/raw; or take scikit-learn's digits, "
            'fallback="digits" in Python and --data digits on the command line.'
        ) from error


def _fetch(name: str) -> bytes:
    """The unpacked file, from the first of torchvision's mirrors that has the right one."""
    failure: Exception = OSError("torchvision names no mirror")
    for mirror in torchvision().datasets.MNIST.mirrors:
        try:
            with urlopen(f"{mirror}{name}.gz", timeout=20) as answer:  # torchvision itself would wait for ever
                content = gzip.decompress(answer.read())
            if hashlib.sha256(content).hexdigest() == MNIST_FILES[name]:
                return content
            failure = OSError(f"{name} from {mirror} is not the file expected")
        except FAILURES as error:
            failure = error
    raise failure


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def torchvision():
    """The module ``torchvision``, also where a CUDA build of it stands beside a CPU build of torch.

    There the import fails, since two operators that torchvision describes were never registered. Their descriptions
    are enough for it to load; data sets and utilities do not use the operators themselves.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        globals()["_operators"] = library  # it is undone when the object goes
        import torchvision
    return torchvision
