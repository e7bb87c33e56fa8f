"""Walking back from noise to data: DDPM, DDIM and DPM-Solver++, as generators of every state on the way.

Each predicts ``x_0`` from the denoiser's eps, then steps from time t to an earlier time s. With ``steps=None`` they
visit every timestep ``T, T-1, ..., 0``; with fewer, evenly spaced ones that begin at T ("trailing" spacing).
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from .checks import check_labels, check_number, check_same_shape, check_whole
from .noising import eps_from_x0, posterior, randn_like, x0_from_eps
from .schedule import NoiseSchedule


def timesteps(T: int, steps: int | None = None) -> list[int]:
    """The times a sampler visits: ``T, ..., 0``, of length ``steps + 1``; ``T - k T/steps``, rounded.

    Raises:
        ValueError: if ``steps`` is not in ``1..T``.

    Source: Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", table 2, "trailing".
    """
    T = check_whole("T", T)
    steps = T if steps is None else check_whole("steps", steps, 1, T)
    return [round(T * k / steps) for k in range(steps, -1, -1)]


def ddpm(
    denoiser: Callable[..., Tensor],
    shape: tuple[int, ...],
    schedule: NoiseSchedule,
    *,
    steps: int | None = None,
    variance: Literal["posterior", "beta"] = "posterior",
    x_T: Tensor | None = None,
    labels: Tensor | None = None,
    clip: float | None = None,
    threshold: float | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Ancestral sampling: ``x_s ~ N(posterior mean given the predicted x_0, variance)``, no noise in the last step.

    Args:
        denoiser: ``eps = denoiser(x_t, t)``, or ``denoiser(x_t, t, labels)`` where labels are given.
        shape: of the batch, ``(B, *S)``.
        steps: how many steps, ``1..T``; all T if left out.
        variance: ``"posterior"`` for beta-tilde, ``"beta"`` for ``1 - alpha_bar_t / alpha_bar_s``: the smallest and the
            largest that make sense (Ho et al. 2020, section 3.2).
        x_T: the state to begin with; drawn from N(0, 1) if left out.
        labels: ``(B,)`` integers for a denoiser that takes them.
        clip: if given, predictions of x_0 are clipped to ``[-clip, clip]``.
        threshold: if given, a share such as 0.995: a sample's predicted x_0 is clipped at this quantile of its own
            absolute values, or at 1 if that is larger, and divided by it. It keeps strong guidance from saturating
            (Saharia et al. 2022, "Imagen", section 2.3).
        generator: where the noise comes from.

    Yields:
        ``x_T``, then the state after each step, ending with ``x_0``: ``steps + 1`` tensors of shape ``shape``, at the
        times of :func:`timesteps`.

    Raises:
        TypeError, ValueError: at the call, not at the first step, naming the argument.

    Source: Ho et al. 2020, algorithm 2.
    """
    if variance not in ("posterior", "beta"):
        raise ValueError(f'variance: expected "posterior" or "beta", got {variance!r}')

    def step(x_t: Tensor, x_0: Tensor, eps: Tensor, t: int, s: int) -> Tensor:
        mean, smallest = posterior(x_0, x_t, t, schedule, s)
        if s == 0:
            return mean
        largest = 1 - schedule.alpha_bar[t].item() / schedule.alpha_bar[s].item()
        std = smallest.sqrt() if variance == "posterior" else largest**0.5
        return mean + std * randn_like(x_t, generator)

    return _walk(step, denoiser, shape, schedule, steps, x_T, labels, clip, threshold, generator)


def ddim(
    denoiser: Callable[..., Tensor],
    shape: tuple[int, ...],
    schedule: NoiseSchedule,
    *,
    steps: int | None = None,
    eta: float = 0.0,
    x_T: Tensor | None = None,
    labels: Tensor | None = None,
    clip: float | None = None,
    threshold: float | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """The same marginals with less fresh noise; none at all at ``eta = 0``, as much as DDPM's posterior at ``eta = 1``.

    From t to an earlier s::

        x_s   = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s - sigma^2) eps + sigma z
        sigma = eta sqrt( (1 - alpha_bar_s) / (1 - alpha_bar_t) ) sqrt(1 - alpha_bar_t / alpha_bar_s)

    Arguments, what is yielded and what is raised are as for :func:`ddpm`, but for ``eta``, in ``[0, 1]``.
    Source: Song et al. 2021, "Denoising Diffusion Implicit Models", equations (12) and (16).
    """
    eta = check_number("eta", eta, 0, 1)

    def step(x_t: Tensor, x_0: Tensor, eps: Tensor, t: int, s: int) -> Tensor:
        alpha_bar_t, alpha_bar_s = schedule.alpha_bar[t].item(), schedule.alpha_bar[s].item()
        sigma = eta * ((1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)) ** 0.5
        x_s = alpha_bar_s**0.5 * x_0 + max(0.0, 1 - alpha_bar_s - sigma**2) ** 0.5 * eps
        return x_s + sigma * randn_like(x_t, generator) if sigma > 0 else x_s

    return _walk(step, denoiser, shape, schedule, steps, x_T, labels, clip, threshold, generator)


def dpm_solver(
    denoiser: Callable[..., Tensor],
    shape: tuple[int, ...],
    schedule: NoiseSchedule,
    *,
    steps: int | None = None,
    eta: float = 0.0,
    x_T: Tensor | None = None,
    labels: Tensor | None = None,
    clip: float | None = None,
    threshold: float | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """DPM-Solver++(2M): DDIM that also looks at where its last prediction of x_0 was going. One call a step.

    Time is measured by ``lambda = log sqrt(alpha_bar) - log sqrt(1 - alpha_bar)``, half the log of the
    signal-to-noise ratio. From t to an earlier s, with ``h = lambda_s - lambda_t``, and r the ratio of the step before
    to h::

        D     = x_0 + (x_0 - x_0 of the step before) / (2 r)        in the first and the last step D = x_0
        x_s   = sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) exp(-eta^2 h) x_t
                + sqrt(alpha_bar_s) (1 - exp(-(1 + eta^2) h)) D + sqrt((1 - alpha_bar_s) (1 - exp(-2 eta^2 h))) z

    With ``eta = 0`` no noise is added, and with D = x_0 the step is DDIM's; with ``eta = 1`` it is the SDE variant,
    whose steps with D = x_0 are DDPM's. Arguments, what is yielded and what is raised are as for :func:`ddim`.

    Source: Lu et al. 2022, "DPM-Solver++", algorithm 2; with noise, its section 5.
    """
    rate = check_number("eta", eta, 0, 1) ** 2
    before: list[tuple[float, Tensor]] = []  # lambda and x_0 of the step before

    def half_log_snr(t: int) -> float:
        alpha_bar = schedule.alpha_bar[t].item()
        return 0.5 * (math.log(alpha_bar) - math.log1p(-alpha_bar))

    def step(x_t: Tensor, x_0: Tensor, eps: Tensor, t: int, s: int) -> Tensor:
        if s == 0:  # lambda is infinite there, and all that is left of the formula is x_0
            return x_0
        now, h = half_log_snr(t), half_log_snr(s) - half_log_snr(t)
        D = x_0
        if before:
            then, x_0_then = before.pop()
            D = x_0 + (x_0 - x_0_then) * h / (2 * (now - then))
        before.append((now, x_0))
        alpha_bar_t, alpha_bar_s = schedule.alpha_bar[t].item(), schedule.alpha_bar[s].item()
        of_x_t = ((1 - alpha_bar_s) / (1 - alpha_bar_t)) ** 0.5 * math.exp(-rate * h)
        x_s = of_x_t * x_t - alpha_bar_s**0.5 * math.expm1(-(1 + rate) * h) * D
        std = (-(1 - alpha_bar_s) * math.expm1(-2 * rate * h)) ** 0.5
        return x_s + std * randn_like(x_t, generator) if std > 0 else x_s

    return _walk(step, denoiser, shape, schedule, steps, x_T, labels, clip, threshold, generator)


SAMPLERS = {"ddpm": ddpm, "ddim": ddim, "dpm_solver": dpm_solver}


def sample(
    denoiser: Callable[..., Tensor],
    shape: tuple[int, ...],
    schedule: NoiseSchedule,
    *,
    method: Literal["ddpm", "ddim", "dpm_solver"] = "ddim",
    **options,
) -> Tensor:
    """The last state of a sampler: ``x_0`` of shape ``shape``. Options are those of the sampler."""
    if method not in SAMPLERS:
        raise ValueError(f"method: expected one of {', '.join(SAMPLERS)}; got {method!r}")
    last = deque(SAMPLERS[method](denoiser, shape, schedule, **options), maxlen=1)
    return last[0]


def _walk(step, denoiser, shape, schedule, steps, x_T, labels, clip, threshold, generator) -> Iterator[Tensor]:
    """Check the arguments now; return the generator that does the walking."""
    times = timesteps(schedule.T, steps)
    if not isinstance(shape, tuple | list) or len(shape) == 0:
        raise TypeError(f"shape: expected a tuple (B, ...), got {shape!r}")
    shape = tuple(check_whole("shape", length) for length in shape)
    if clip is not None:
        check_number("clip", clip, 0, ends="()")
    if threshold is not None:
        check_number("threshold", threshold, 0, 1, ends="(]")
        if clip is not None:
            raise ValueError("threshold: expected None where clip is given; they are two ways to do the same")
    if x_T is None:
        x_T = torch.randn(shape, generator=generator, device=generator.device if generator else None)
        if isinstance(denoiser, nn.Module) and (parameter := next(denoiser.parameters(), None)) is not None:
            x_T = x_T.to(parameter)
    check_same_shape(x_T=x_T)
    if x_T.shape != shape:
        raise ValueError(f"x_T: expected the given shape, {shape}; got {tuple(x_T.shape)}")
    if labels is not None:
        check_labels(labels, len(x_T))
        labels = labels.to(x_T.device)
    conditions = () if labels is None else (labels,)

    @torch.no_grad()
    def move(x_t: Tensor, t: int, s: int) -> Tensor:
        eps = denoiser(x_t, torch.full((len(x_t),), t, device=x_t.device), *conditions)
        x_0 = x0_from_eps(x_t, t, eps, schedule)
        if clip is not None or threshold is not None:
            x_0 = x_0.clamp(-clip, clip) if threshold is None else _threshold(x_0, threshold)
            # What is left of x_t once the clipped x_0 is taken out: the two must still add up to x_t.
            eps = eps_from_x0(x_t, t, x_0, schedule)
        return step(x_t, x_0, eps, t, s)

    def states() -> Iterator[Tensor]:
        x_t = x_T
        yield x_t
        for t, s in pairwise(times):
            x_t = move(x_t, t, s)
            yield x_t

    return states()


def _threshold(x_0: Tensor, share: float) -> Tensor:
    bound = x_0.flatten(1).abs().float().quantile(share, dim=1).clamp(min=1)  # (B,)
    bound = bound.to(x_0.dtype).view(-1, *[1] * (x_0.ndim - 1))
    return x_0.clamp(-bound, bound) / bound
