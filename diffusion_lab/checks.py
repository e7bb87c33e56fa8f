"""Checks of what a reader passes in. Each error names the argument, says what was expected and what was given."""

from numbers import Integral, Real

import torch
from torch import Tensor


def check_whole(name: str, value: int, low: int = 1, high: float = float("inf")) -> int:
    """``value``, if it is a whole number in ``low..high``; neither a bool nor a float that happens to be whole."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not low <= value <= high:
        span = f"of at least {low}" if high == float("inf") else f"in {low}..{high}"
        raise ValueError(f"{name}: expected a whole number {span}, got {value!r}")
    return int(value)


def check_number(name: str, value: float, low: float, high: float = float("inf"), ends: str = "[]") -> float:
    """``value``, if it is a finite number between ``low`` and ``high``; ``ends="()"`` leaves the ends out."""
    number = isinstance(value, Real) and not isinstance(value, bool) and abs(value) < float("inf")
    inside = number and (low < value < high or (ends[0] == "[" and value == low) or (ends[1] == "]" and value == high))
    if not inside:
        raise ValueError(f"{name}: expected a finite number in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value!r}")
    return float(value)


def check_same_shape(**tensors: Tensor) -> None:
    """Raise unless all are floating-point tensors ``(B, *S)`` of one shape, so that nothing broadcasts by accident."""
    (first, reference), *_ = tensors.items()
    for name, x in tensors.items():
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim == 0:
            raise TypeError(f"{name}: expected a floating-point tensor of shape (B, ...), got {describe(x)}")
        if x.shape != reference.shape:
            raise ValueError(f"{name}: expected the shape of {first}, {tuple(reference.shape)}; got {tuple(x.shape)}")


def check_samples(name: str, x: Tensor) -> None:
    """Raise unless ``x`` is a floating-point tensor ``(N, *S)`` of at least one sample, without NaN or infinity."""
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
        raise TypeError(f"{name}: expected a floating-point tensor of shape (N, ...), got {describe(x)}")
    if x.numel() == 0:
        raise ValueError(f"{name}: expected at least one sample, got an empty set of shape {tuple(x.shape)}")
    if not x.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")


def check_labels(labels: Tensor, batch: int) -> None:
    """Raise unless ``labels`` is a ``(batch,)`` tensor of integers. Their range is for the network to know."""
    if not is_integers(labels) or labels.shape != (batch,):
        raise ValueError(f"labels: expected a tensor of ({batch},) integers, got {describe(labels)}")


def check_conditions(conditions: dict[str, Tensor], batch: int, network: object = None) -> None:
    """Raise unless each is a tensor with one row a sample, and what ``network.check`` expects, if it has that."""
    for name, condition in conditions.items():
        if not isinstance(condition, Tensor) or condition.shape[:1] != (batch,):
            raise TypeError(f"{name}: expected a tensor of shape ({batch}, ...), got {describe(condition)}")
    if check := getattr(network, "check", None):
        check(**conditions)


def check_times(name: str, t: float | Tensor, last: float, whole: bool = False) -> float | Tensor:
    """A number in ``0..last``, or ``(B,)`` of them on the CPU: int64 where they must be ``whole``, else float64."""
    if isinstance(t, Real):
        return check_whole(name, t, 0, last) if whole else check_number(name, t, 0, last)
    if not (is_integers(t) or (not whole and isinstance(t, Tensor) and t.is_floating_point())) or t.ndim != 1:
        kind = "integer" if whole else "number"
        raise TypeError(f"{name}: expected one {kind}, or a tensor of (B,) {kind}s, got {describe(t)}")
    t = t.cpu() if t.is_floating_point() else t.cpu().long()
    if not ((t >= 0) & (t <= torch.tensor(last, dtype=t.dtype))).all():  # written so that NaN is outside
        raise ValueError(f"{name}: expected {'whole ' * whole}numbers in 0..{last:g}, got {t.min():g}..{t.max():g}")
    return t if whole else t.double().clamp(max=last)  # rounded to t's dtype, the last may be larger


def is_integers(x: object) -> bool:
    """Whether ``x`` is a tensor of integers; bools are none."""
    return isinstance(x, Tensor) and not x.is_floating_point() and not x.is_complex() and x.dtype != torch.bool


def describe(x: object) -> str:
    return f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
