"""The distributions q that destroy data, and the way back when the clean data are known.

``x`` has shape ``(B, *S)``; ``t`` is a time of the path: one number for the whole batch, or a ``(B,)`` tensor.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .checks import check_same_shape
from .paths import Path
from .schedule import NoiseSchedule


def mix(c: float | Tensor, x: Tensor, d: float | Tensor, y: Tensor) -> Tensor:
    """``c x + d y``, in the dtype and on the device of ``x``: the one line of arithmetic that everything here is.

    ``c`` and ``d`` are floats, or ``(B,)`` tensors in float64. They are formed in float64 and cast last, and half
    precision is added up in float32: otherwise ``1 - alpha_bar_t`` would be 0 for the first steps.

    Raises:
        ValueError: if there is not one coefficient for each sample; they are made of ``t``, so the message says t.
    """
    wide_x, wide_y = widen(x), widen(y)
    if isinstance(c, Tensor):
        return (per_sample(c, wide_x) * wide_x + per_sample(d, wide_x) * wide_y).to(x.dtype)
    return torch.add(wide_x * c, wide_y, alpha=d).to(x.dtype)


def widen(x: Tensor) -> Tensor:
    """``x`` in float32 or better."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def per_sample(values: float | Tensor, x: Tensor, name: str = "t") -> Tensor:
    """A number, or ``(B,)`` of them, as ``(B, 1, ..., 1)``: to multiply ``x``, on its device and in its dtype."""
    values = torch.as_tensor(values, dtype=torch.float64)
    if values.ndim and len(values) != len(x):
        raise ValueError(f"{name}: expected one for each of the {len(x)} samples, got {len(values)}")
    # The dtype first: not every device knows float64.
    return values.to(x.dtype).to(x.device).expand(len(x)).view(-1, *[1] * (x.ndim - 1))


def add_noise(x_0: Tensor, t: float | Tensor, eps: Tensor, path: Path) -> Tensor:
    """Draw from q(x_t | x_0): ``x_t = a x_0 + b eps``, with DDPM ``sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps``.

    Args:
        x_0: clean data ``(B, *S)``.
        t: times in ``0..T``; 0 gives ``x_0`` back.
        eps: standard normal noise ``(B, *S)``.
        path: a :class:`diffusion_lab.NoiseSchedule`, or another path.

    Raises:
        TypeError, ValueError: if shapes differ or ``t`` is not in range.

    Source: Ho et al. 2020, equation (4).
    """
    check_same_shape(x_0=x_0, eps=eps)
    a, b = path.ab(t)
    return mix(a, x_0, b, eps)


def posterior(
    x_0: Tensor, x_t: Tensor, t: float | Tensor, path: Path, s: float | Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance of q(x_s | x_t, x_0), the way back when the clean data are known.

    With ``alpha = a_t^2 / a_s^2`` and ``beta = b_t^2 - alpha b_s^2``, which for DDPM is ``1 - alpha``::

        mean     = ( a_s beta x_0 + sqrt(alpha) b_s^2 x_t ) / b_t^2
        variance = beta b_s^2 / b_t^2

    Args:
        x_0, x_t: ``(B, *S)``.
        t: times above 0.
        path: the path of ``x_t``.
        s: an earlier time, ``0 <= s < t``. Left out it is ``t - 1``, and alpha and beta are the schedule's own.

    Returns:
        The mean ``(B, *S)`` and the variance ``(B, 1, ..., 1)``.

    Raises:
        TypeError, ValueError: if shapes differ, or ``t`` or ``s`` is not in range.

    Source: Ho et al. 2020, equations (6) and (7); for a longer step back, Song et al. 2021 (DDIM), equation (12).
    """
    check_same_shape(x_0=x_0, x_t=x_t)
    here, there = path.ab(t), path.ab(t - 1 if s is None else s, "t" if s is None else "s")
    for name, (_, b) in (("t", here), ("s", there)):
        per_sample(b, x_t, name)  # is there one for each?
    of_x_t, of_x_0, variance = posterior_numbers(here, there)
    return mix(of_x_0, x_0, of_x_t, x_t), per_sample(variance, x_t)


def posterior_numbers(here: tuple, there: tuple) -> tuple:
    """The coefficients of x_t and x_0 in the mean of :func:`posterior`, and its variance; from (a, b) at t and at s.

    Raises:
        ValueError: if s is not before t.
    """
    (a_t, b_t), (a_s, b_s) = here, there
    if not torch.as_tensor((b_s < b_t) & (a_s >= a_t)).all():
        raise ValueError("s: expected a time before t for every sample, got s >= t")
    root = a_t / a_s  # sqrt(alpha)
    beta = b_t**2 - (root * b_s) ** 2
    return root * b_s**2 / b_t**2, a_s * beta / b_t**2, beta * b_s**2 / b_t**2


def randn_like(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Noise drawn where the generator lives and brought to ``x``, so that one seed gives one picture on any device."""
    device = generator.device if generator else x.device
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)


def forward_chain(x_0: Tensor, schedule: NoiseSchedule, generator: torch.Generator | None = None) -> Iterator[Tensor]:
    """Walk the chain one step at a time: yields ``x_0, x_1, ..., x_T``.

    ``x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps``, fresh noise at every step (Ho et al. 2020, equation (2)).
    """
    check_same_shape(x_0=x_0)
    x_t = x_0
    yield x_t
    for beta in schedule.beta[1:].tolist():
        x_t = mix((1 - beta) ** 0.5, x_t, beta**0.5, randn_like(x_0, generator))
        yield x_t
