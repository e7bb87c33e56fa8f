"""The distributions q that destroy data, and the four ways to say how much was destroyed.

``eps``, ``x_0``, ``v`` and the score all carry the same information once ``x_t`` and ``t`` are known; the converters
below go from one to another. ``x`` has shape ``(B, *S)``, ``t`` is an int or ``(B,)`` integers.
"""

import torch
from torch import Tensor

from .checks import check_same_shape
from .schedule import NoiseSchedule


def add_noise(x_0: Tensor, t: int | Tensor, eps: Tensor, schedule: NoiseSchedule) -> Tensor:
    """Draw from q(x_t | x_0): ``x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps``.

    Args:
        x_0: clean data ``(B, *S)``.
        t: timesteps in ``0..T``; 0 gives ``x_0`` back.
        eps: standard normal noise ``(B, *S)``.

    Raises:
        TypeError, ValueError: if shapes differ or ``t`` is not in range.

    Source: Ho et al. 2020, equation (4).
    """
    check_same_shape(x_0=x_0, eps=eps)
    alpha_bar = schedule.at(schedule.alpha_bar, t, x_0)
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps


def posterior(
    x_0: Tensor, x_t: Tensor, t: int | Tensor, schedule: NoiseSchedule, s: int | Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance of q(x_s | x_t, x_0), the way back when the clean data are known.

    With ``alpha = alpha_bar_t / alpha_bar_s`` and ``beta = 1 - alpha``::

        mean     = ( sqrt(alpha_bar_s) beta x_0 + sqrt(alpha) (1 - alpha_bar_s) x_t ) / (1 - alpha_bar_t)
        variance = beta (1 - alpha_bar_s) / (1 - alpha_bar_t)

    Args:
        x_0, x_t: ``(B, *S)``.
        t: timesteps in ``1..T``.
        s: an earlier time, ``0 <= s < t``. Left out it is ``t - 1``, and alpha and beta are the schedule's own.

    Returns:
        The mean ``(B, *S)`` and the variance ``(B, 1, ..., 1)``.

    Raises:
        TypeError, ValueError: if shapes differ, or ``t`` or ``s`` is not in range.

    Source: Ho et al. 2020, equations (6) and (7); for a longer step back, Song et al. 2021 (DDIM), equation (12).
    """
    check_same_shape(x_0=x_0, x_t=x_t)
    t = schedule.check_t(t, len(x_t), first=1)
    s = t - 1 if s is None else schedule.check_t(s, len(x_t), name="s").to(t.device)
    if (s >= t).any():
        raise ValueError("s: expected a time before t for every sample, got s >= t")
    # Float64 until the end: beta is a difference of nearly equal numbers.
    alpha_bar_t, alpha_bar_s = schedule.alpha_bar[t.cpu()], schedule.alpha_bar[s.cpu()]
    alpha = alpha_bar_t / alpha_bar_s
    of_x_0 = alpha_bar_s.sqrt() * (1 - alpha) / (1 - alpha_bar_t)
    of_x_t = alpha.sqrt() * (1 - alpha_bar_s) / (1 - alpha_bar_t)
    variance = (1 - alpha) * (1 - alpha_bar_s) / (1 - alpha_bar_t)
    of_x_0, of_x_t, variance = (
        table.to(x_t.dtype).to(x_t.device).view(-1, *[1] * (x_t.ndim - 1)) for table in (of_x_0, of_x_t, variance)
    )
    return of_x_0 * x_0 + of_x_t * x_t, variance


def x0_from_eps(x_t: Tensor, t: int | Tensor, eps: Tensor, schedule: NoiseSchedule) -> Tensor:
    """``x_0 = (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t)``, for t in ``0..T`` (DDPM, equation (15))."""
    check_same_shape(x_t=x_t, eps=eps)
    alpha_bar = schedule.at(schedule.alpha_bar, t, x_t)
    return (x_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()


def eps_from_x0(x_t: Tensor, t: int | Tensor, x_0: Tensor, schedule: NoiseSchedule) -> Tensor:
    """``eps = (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t)``, for t in ``1..T``: at 0 there is no noise."""
    check_same_shape(x_t=x_t, x_0=x_0)
    alpha_bar = schedule.at(schedule.alpha_bar, t, x_t, first=1)
    return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()


def velocity(x_0: Tensor, t: int | Tensor, eps: Tensor, schedule: NoiseSchedule) -> Tensor:
    """``v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0``, what a v-predicting network is trained on.

    Source: Salimans & Ho 2022, "Progressive Distillation", section 4.
    """
    check_same_shape(x_0=x_0, eps=eps)
    alpha_bar = schedule.at(schedule.alpha_bar, t, x_0)
    return alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x_0


def eps_from_v(x_t: Tensor, t: int | Tensor, v: Tensor, schedule: NoiseSchedule) -> Tensor:
    """``eps = sqrt(alpha_bar_t) v + sqrt(1 - alpha_bar_t) x_t``, for t in ``0..T`` (Salimans & Ho 2022, appendix D)."""
    check_same_shape(x_t=x_t, v=v)
    alpha_bar = schedule.at(schedule.alpha_bar, t, x_t)
    return alpha_bar.sqrt() * v + (1 - alpha_bar).sqrt() * x_t


def v_from_eps(x_t: Tensor, t: int | Tensor, eps: Tensor, schedule: NoiseSchedule) -> Tensor:
    """``v = (eps - sqrt(1 - alpha_bar_t) x_t) / sqrt(alpha_bar_t)``, t in ``0..T``: inverts :func:`eps_from_v`."""
    check_same_shape(x_t=x_t, eps=eps)
    alpha_bar = schedule.at(schedule.alpha_bar, t, x_t)
    return (eps - (1 - alpha_bar).sqrt() * x_t) / alpha_bar.sqrt()


def score_from_eps(x_t: Tensor, t: int | Tensor, eps: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The gradient of log q(x_t): ``score = -eps / sqrt(1 - alpha_bar_t)``, for t in ``1..T``.

    True of the best denoiser's eps; for a trained one, the estimate of it. Source: Song et al. 2021 ("Score-Based
    Generative Modeling through SDEs"), and Vincent 2011.
    """
    check_same_shape(x_t=x_t, eps=eps)
    return -eps / (1 - schedule.at(schedule.alpha_bar, t, x_t, first=1)).sqrt()


def eps_from_score(x_t: Tensor, t: int | Tensor, score: Tensor, schedule: NoiseSchedule) -> Tensor:
    """``eps = -sqrt(1 - alpha_bar_t) score``, for t in ``1..T``: the inverse of :func:`score_from_eps`."""
    check_same_shape(x_t=x_t, score=score)
    return -(1 - schedule.at(schedule.alpha_bar, t, x_t, first=1)).sqrt() * score


def randn_like(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Noise drawn where the generator lives and brought to ``x``, so that one seed gives one picture on any device."""
    device = generator.device if generator else x.device
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)


def forward_chain(x_0: Tensor, schedule: NoiseSchedule, generator: torch.Generator | None = None):
    """Walk the chain one step at a time: yields ``x_0, x_1, ..., x_T``.

    ``x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps``, fresh noise at every step (Ho et al. 2020, equation (2)).
    """
    check_same_shape(x_0=x_0)
    x_t = x_0
    yield x_t
    for t in range(1, schedule.T + 1):
        eps = randn_like(x_0, generator)
        beta = schedule.beta[t].item()
        x_t = (1 - beta) ** 0.5 * x_t + beta**0.5 * eps
        yield x_t
