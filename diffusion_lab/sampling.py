"""Walking back from noise to data, by the steps of :mod:`.steps` or your own, and what can be done on the way."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .checks import check_conditions, check_number, check_same_shape, check_whole
from .denoiser import predict_x0
from .noising import randn_like, widen
from .paths import Path
from .steps import Moment, Place, Step, ddim, ddpm, dpm_solver


def clip(bound: float = 1.0) -> Callable[[Tensor, float], Tensor]:
    """For ``edit=``: predictions of x_0 are clipped to ``[-bound, bound]``."""
    bound = check_number("bound", bound, 0, ends="()")
    return lambda x_0, t: x_0.clamp(-bound, bound)


def threshold(share: float = 0.995) -> Callable[[Tensor, float], Tensor]:
    """For ``edit=``: a sample's predicted x_0 is clipped at this quantile of its own absolute values, or at 1 if that
    is larger, and divided by it. It keeps strong guidance from saturating (Saharia et al. 2022, "Imagen", section 2.3).
    """
    share = check_number("share", share, 0, 1, ends="(]")

    def edit(x_0: Tensor, t: float) -> Tensor:
        bound = x_0.flatten(1).abs().quantile(share, dim=1).clamp(min=1)  # (B,)
        bound = bound.view(-1, *[1] * (x_0.ndim - 1))
        return x_0.clamp(-bound, bound) / bound

    return edit


def walk(
    denoiser: Callable[..., Tensor],
    start: tuple[int, ...] | Tensor,
    path: Path,
    step: Step | None = None,
    *,
    steps: int | None = None,
    times: Sequence[float] | None = None,
    edit: Callable[[Tensor, float], Tensor] | None = None,
    generator: torch.Generator | None = None,
    **conditions: Tensor,
) -> Iterator[Tensor]:
    """Every state on the way from noise to data: predict ``x_0``, step from time t to an earlier time s, and again.

    Args:
        denoiser: ``eps = denoiser(x_t, t, **conditions)``; one with a method ``x_0``, as ours have, is asked for that.
        start: the shape of the batch, ``(B, *S)``, to begin with fresh noise; or the state to begin with.
        path: a :class:`diffusion_lab.NoiseSchedule`, or another path.
        step: :func:`ddim`, ``ddpm()``, ``dpm_solver()`` or your own; ``ddim()`` if left out.
        steps: how many steps, at the path's own :meth:`times`; with a NoiseSchedule all T if left out.
        times: the times to visit instead, falling. They may begin below T, with a ``start`` that belongs there.
        edit: ``x_0 = edit(x_0, t)`` is done to each prediction, before the step: :func:`clip`, :func:`threshold`, or
            your own, such as ``lambda x_0, t: torch.where(known, picture, x_0)``.
        generator: where the noise comes from.
        conditions: what the denoiser is told, by name, such as ``labels=``; each with one row a sample.

    Yields:
        The start, then the state after each step: as many tensors as there are times. Arithmetic is in float32 or
        better; a state has the dtype of the start.

    Raises:
        TypeError, ValueError: at the call, not at the first step, naming the argument.
    """
    step = ddim() if step is None else step
    if not callable(step) or step in (ddpm, ddim, dpm_solver):
        raise TypeError(f"step: expected a step, such as ddim() with its brackets, got {step!r}")
    if times is None:
        times = path.times(steps)
    elif steps is not None:
        raise ValueError("steps: expected None where times are given")
    if len(times) < 2 or any(not s < t for t, s in pairwise(times)):
        raise ValueError(f"times: expected at least two, falling; got {list(times)}")
    places = [Place(t, *path.ab(t, "times")) for t in times]
    if getattr(denoiser, "path", None) not in (None, path):
        raise ValueError(f"path: expected that of the denoiser, {denoiser.path}; got {path}")
    x = start if isinstance(start, Tensor) else _noise(start, places[0], denoiser, generator)
    check_same_shape(start=x)
    check_conditions(conditions, len(x), denoiser)
    conditions = {name: condition.to(x.device) for name, condition in conditions.items()}
    return _states(denoiser, x, path, step, places, edit, generator, conditions)


def _noise(shape: tuple[int, ...], place: Place, denoiser: object, generator: torch.Generator | None) -> Tensor:
    """Noise of the variance that data of variance 1 have there, on the device and in the dtype of the denoiser."""
    if not isinstance(shape, tuple | list) or len(shape) == 0:
        raise TypeError(f"start: expected a shape (B, ...) or a tensor, got {shape!r}")
    shape = tuple(check_whole("start", length) for length in shape)
    x = torch.randn(shape, generator=generator, device=generator.device if generator else None)
    if isinstance(denoiser, nn.Module) and (parameter := next(denoiser.parameters(), None)) is not None:
        x = x.to(parameter)
    return x * math.hypot(place.a, place.b)


def _states(denoiser, x, path, step, places, edit, generator, conditions) -> Iterator[Tensor]:
    dtype, before = x.dtype, None
    yield x
    x = widen(x)
    for here, to in pairwise(places):
        with torch.no_grad():
            x_0 = predict_x0(denoiser, x.to(dtype), here.t, path, **conditions).to(x.dtype)
            if edit is not None:
                edited = edit(x_0, here.t)
                check_same_shape(x_0=x_0, edit=edited)
                x_0 = edited
            now = Moment(*here, x, x_0, before)
            x, std = step(now, to)
            if std > 0:
                x = torch.add(x, randn_like(x, generator), alpha=std)
            before, now.before = now, None
        yield x.to(dtype)


def sample(*arguments, **options) -> Tensor:
    """The last state of :func:`walk`: ``x_0``. Arguments are those of the walk."""
    return deque(walk(*arguments, **options), maxlen=1)[0]
