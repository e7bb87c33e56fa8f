"""Data to learn from: points, and digits as images ``(N, 1, 28, 28)`` with values in [-1, 1]."""

import hashlib
import os
import socket
import warnings
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits, make_s_curve
from torch import Tensor

from .checks import check_number, check_whole

# SHA-256 of the four unpacked MNIST files. torchvision verifies what it downloads, but not what it finds on the disk.
MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class DataNotFoundError(RuntimeError):
    """The data are neither on this machine nor to be had from the network; the message says where it looked."""


def number_eight(n: int = 1) -> Tensor:
    """The smallest data set there is: the number 8, ``n`` times. Shape ``(n, 1)``."""
    return torch.full((check_whole("n", n), 1), 8.0)


def s_curve(n: int = 10_000, noise: float = 0.1, generator: torch.Generator | None = None) -> Tensor:
    """``n`` points on a letter S, ``(n, 2)``: coordinates 0 and 2 of scikit-learn's ``make_s_curve``, in its units.

    The S is 2 wide and 4 high, blurred by normal noise with standard deviation ``noise``.
    """
    noise = check_number("noise", noise, 0)
    random_state = torch.randint(2**31 - 1, (), generator=generator).item()
    points, _ = make_s_curve(check_whole("n", n), noise=noise, random_state=random_state)
    return torch.tensor(points[:, [0, 2]], dtype=torch.float32)


def digits() -> tuple[Tensor, Tensor]:
    """scikit-learn's 1,797 digits, enlarged from 8x8 to 28x28: images ``(1797, 1, 28, 28)`` and labels ``(1797,)``.

    They come with scikit-learn, so they are always there.
    """
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
    images = F.interpolate(images, size=(24, 24), mode="bicubic", align_corners=False).clamp(-1, 1)
    return F.pad(images, (2, 2, 2, 2), value=-1.0), torch.tensor(labels, dtype=torch.long)


def mnist(
    split: Literal["train", "test"] = "train", *, fallback: Literal["digits"] | None = None
) -> tuple[Tensor, Tensor]:
    """MNIST's handwritten digits: images ``(60000, 1, 28, 28)`` and labels ``(60000,)``, or 10,000 for the test set.

    Looks in the folder that the environment variable ``DIFFUSION_LAB_DATA`` names, else in the user's cache, for
    torchvision's layout, ``MNIST/raw/*-ubyte``. Files are compared with their checksums; a broken or missing one is
    fetched, through torchvision.

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
    root = data_folder()
    try:
        _fetch_what_is_missing(root)
    except DataNotFoundError as error:
        if fallback is None:
            raise
        warnings.warn(f"Using scikit-learn's 1,797 digits at 28x28 in place of MNIST. {error}", stacklevel=2)
        return digits()
    data = _torchvision_mnist(root, train=split == "train")
    return data.data[:, None].float() / 127.5 - 1, data.targets.long()


def data_folder() -> Path:
    """Where data sets are kept: ``DIFFUSION_LAB_DATA``, else ``diffusion_lab`` in the user's cache folder."""
    if folder := os.environ.get("DIFFUSION_LAB_DATA"):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffusion_lab"


def _fetch_what_is_missing(root: Path) -> None:
    raw = root / "MNIST" / "raw"
    broken = [name for name, checksum in MNIST_FILES.items() if _sha256(raw / name) != checksum]
    if not broken:
        return
    found = [name for name in broken if (raw / name).exists()]
    state = f"broken copies of {', '.join(found)}" if found else "no copy"
    try:
        for name in broken:
            (raw / name).unlink(missing_ok=True)
        with _network_timeout(20):
            _torchvision_mnist(root, download=True)
    except (RuntimeError, OSError, EOFError, HTTPException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise DataNotFoundError(
            f"MNIST: there was {state} in {raw}, and fetching it failed ({reason}). "
            "With a network, run it again. Without one, copy the four unpacked files there, or set the environment "
            'variable DIFFUSION_LAB_DATA to a folder that holds MNIST/raw, or pass fallback="digits".'
        ) from error
    if still := [name for name, checksum in MNIST_FILES.items() if _sha256(raw / name) != checksum]:
        raise DataNotFoundError(f"MNIST: the files fetched to {raw} are not the ones expected: {', '.join(still)}")


def _torchvision_mnist(root: Path, **options):
    class MNIST(torchvision_datasets().MNIST):  # the class's name is the folder's
        def _check_legacy_exist(self) -> bool:
            return False  # what torchvision wrote years ago, ``processed/*.pt``, has no checksum: go by the raw files

    return MNIST(root, **options)


def _sha256(path: Path) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


@contextmanager
def _network_timeout(seconds: float):
    """torchvision downloads without a time limit; a network that swallows packets would hang it for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def torchvision_datasets():
    """``torchvision.datasets``, also where a CUDA build of torchvision stands beside a CPU build of torch.

    There the import fails, since two operators that torchvision describes were never registered. Their descriptions
    are enough for it to load; data sets do not use the operators themselves.
    """
    try:
        import torchvision.datasets
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torchvision_datasets.library = library  # it is undone when the object goes
        import torchvision.datasets
    return torchvision.datasets
