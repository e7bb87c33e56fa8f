"""What a network may be asked for, and what its answer says. It, too, is two numbers: ``out = p x_0 + q eps``.

With ``x_t = a x_0 + b eps`` these are two equations for two unknowns. With ``d = a q - b p`` their solution is
``x_0 = (q x_t - b out) / d`` and ``eps = (a out - p x_t) / d``. From v, and on the straight path from flow, d is 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .checks import check_same_shape
from .noising import mix, per_sample, widen
from .paths import Path

#: p and q from a and b, for ``"eps"`` and ``"x_0"`` (Ho et al. 2020), ``"v"`` (Salimans & Ho 2022), ``"flow"`` (Lipman
#: et al. 2023), ``"edm"`` (F of Karras et al. 2022 for data of variance 1, but for its sign), and ``"score"``, the
#: gradient of log q(x_t) (Vincent 2011).
#:
#: :meta hide-value:
TARGETS: dict[str, Callable[[Tensor, Tensor], tuple]] = {
    "eps": lambda a, b: (0 * a, 1 + 0 * b),
    "x_0": lambda a, b: (1 + 0 * a, 0 * b),
    "v": lambda a, b: (-b, a),
    "flow": lambda a, b: (-1 + 0 * a, 1 + 0 * b),
    "edm": lambda a, b: (-b / (a**2 + b**2) ** 0.5, a / (a**2 + b**2) ** 0.5),
    "score": lambda a, b: (0 * a, -1 / b),
}


def target_numbers(target: str, a: float | Tensor, b: float | Tensor) -> tuple:
    """p and q of :data:`TARGETS`, for a path's a and b.

    Raises:
        ValueError: if there is no such target, or if it says nothing there: the score where b = 0.
    """
    if target not in TARGETS:
        raise ValueError(f"target: expected one of {', '.join(TARGETS)}; got {target!r}")
    if target == "score":
        check_above_0(b, "the score needs noise, and there is none at t = 0")
    return TARGETS[target](a, b)


def training_target(target: str, x_0: Tensor, t: float | Tensor, eps: Tensor, path: Path) -> Tensor:
    """What a network that predicts ``target`` should say: ``p x_0 + q eps``, of shape ``(B, *S)``.

    So v is ``training_target("v", x_0, t, eps, path)``, ``a eps - b x_0``.

    Raises:
        TypeError, ValueError: if shapes differ, ``t`` is not in range, or there is no such target.
    """
    check_same_shape(x_0=x_0, eps=eps)
    p, q = target_numbers(target, *path.ab(t))
    return mix(p, x_0, q, eps)


def convert(x_t: Tensor, t: float | Tensor, out: Tensor, path: Path, source: str, target: str) -> Tensor:
    """From ``out``, which says ``source`` of ``x_t``, what it says in terms of ``target``; names as in :data:`TARGETS`.

    For instance the score from eps: ``convert(x_t, t, eps, schedule, "eps", "score")``.

    Raises:
        TypeError, ValueError: if shapes differ, ``t`` is not in range, or ``source`` leaves it open there: where d = 0,
            as for eps where there is no signal and for x_0 where there is no noise.
    """
    check_same_shape(x_t=x_t, out=out)
    a, b = path.ab(t)
    (p, q), (p_target, q_target) = target_numbers(source, a, b), target_numbers(target, a, b)
    if source == target:
        return out
    d = a * q - b * p
    check_above_0(abs(d), f"{source} says nothing of {target} there")
    return mix((p_target * q - q_target * p) / d, x_t, (q_target * a - p_target * b) / d, out)


def x0_from_eps(x_t: Tensor, t: float | Tensor, eps: Tensor, path: Path) -> Tensor:
    """``x_0 = (x_t - b eps) / a``, with DDPM ``(x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t)``.

    For t in ``0..T``, where a is above 0. Raises as :func:`convert` does. Source: Ho et al. 2020, equation (15).
    """
    check_same_shape(x_t=x_t, eps=eps)
    return convert(x_t, t, eps, path, "eps", "x_0")


def eps_from_x0(x_t: Tensor, t: float | Tensor, x_0: Tensor, path: Path) -> Tensor:
    """``eps = (x_t - a x_0) / b``, for t above 0: at 0 there is no noise. Raises as :func:`convert` does."""
    check_same_shape(x_t=x_t, x_0=x_0)
    return convert(x_t, t, x_0, path, "x_0", "eps")


def check_above_0(values: float | Tensor, why: str) -> None:
    if not torch.as_tensor(values > 0).all():
        raise ValueError(f"t: expected another time; {why}")


def min_snr(snr: Tensor) -> Tensor:
    """``min(snr, 5)``, a weight of the error in x_0; see :func:`denoising_loss`.

    Without the cap, eps counts the last, nearly clean steps thousands of times as much as the noisy ones. Source: Hang
    et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy", section 3.4.
    """
    return snr.clamp(max=5)


def denoising_loss(
    network: Callable[..., Tensor],
    x_0: Tensor,
    t: Tensor,
    eps: Tensor,
    path: Path,
    *,
    target: str,
    weight: Callable[[Tensor], Tensor] | None = None,
    **conditions: Tensor,
) -> Tensor:
    """How far the network is off, for each sample: the mean over its numbers of ``(network(x_t, t) - target)^2``.

    Args:
        network: called as ``network(x_t, t, **conditions)``.
        x_0, eps: clean data and noise, ``(B, *S)``.
        t: ``(B,)`` times of the path; on the CPU, where they are drawn, nothing waits for another device.
        target: what the network predicts, a name of :data:`TARGETS`.
        weight: from ``snr = a^2 / b^2``, a ``(B,)`` tensor, to what an error *in x_0* counts; :func:`min_snr` is one.
            An error in the answer is one in x_0 times ``d / b``, so the square is weighted by
            ``weight(snr) (b / d)^2``. Left out, every square counts 1.

    Returns:
        ``(B,)`` losses in float32 or better; their mean is what training minimises.

    Raises:
        TypeError, ValueError: if shapes differ, also that of the answer, or ``t`` is not in range.

    Source: Ho et al. 2020, equation (14).
    """
    check_same_shape(x_0=x_0, eps=eps)
    a, b = path.ab(t)
    p, q = target_numbers(target, a, b)
    out = network(mix(a, x_0, b, eps), t.to(x_0.device), **conditions)
    if out.shape != x_0.shape:
        raise ValueError(f"network: expected an output of shape {tuple(x_0.shape)}, got {tuple(out.shape)}")
    loss = (widen(out) - mix(p, x_0, q, eps)).square().flatten(1).mean(1)
    if weight is None:
        return loss
    check_above_0(b, "a weight by the signal-to-noise ratio needs noise")
    return loss * per_sample(weight((a / b) ** 2) * (b / (a * q - b * p)) ** 2, loss)
