"""The one idea: a denoiser is any callable ``eps = denoiser(x_t, t)``. A network, whatever it predicts, becomes one."""

from collections.abc import Callable
from numbers import Real

import torch
from torch import Tensor, nn

from .checks import check_conditions, check_same_shape
from .noising import widen
from .paths import Path
from .targets import check_above_0, convert, target_numbers, x0_from_eps


class Denoiser(nn.Module):
    """A network, the path it was trained on, and what it predicts; called, it returns eps.

    Its method :meth:`x_0` returns the prediction of the clean data instead, which samplers use: from v there is no
    division on that way. Conditions, such as ``labels=``, are handed to the network by name.

    Args:
        network: ``(B, *S)`` and ``(B,)`` times to ``(B, *S)``.
        path: the path of the ``x_t`` that it is given.
        target: what it predicts: ``"eps"``, ``"v"``, ``"x_0"``, ``"flow"``, ... (:data:`diffusion_lab.TARGETS`).

    Attributes:
        nothing: for each condition the value that means "not told", as the network has it.
        check: the network's own, which raises at values of conditions that it cannot take; None if it has none.
        card: how it was trained, where it came from a file.
    """

    def __init__(self, network: nn.Module, path: Path, target: str, card: dict | None = None):
        super().__init__()
        target_numbers(target, 0.6, 0.8)  # is there such a target?
        self.network, self.path, self.target, self.card = network, path, target, card or {}
        self.nothing, self.check = getattr(network, "nothing", {}), getattr(network, "check", None)

    def forward(self, x_t: Tensor, t: float | Tensor, **conditions: Tensor) -> Tensor:
        """``eps`` for ``(B, *S)`` noisy data at t, a number or ``(B,)`` times, above 0.

        Raises:
            TypeError, ValueError: if t or a condition is off.
        """
        check_same_shape(x_t=x_t)
        check_conditions(conditions, len(x_t), self.network)
        return self._answer("eps", x_t, t, conditions).to(x_t.dtype)

    def x_0(self, x_t: Tensor, t: float | Tensor, **conditions: Tensor) -> Tensor:
        """The clean data that it predicts, ``(B, *S)``, in float32 or better: a bad guess may not fit into half of it.

        Values of conditions are not looked at: see ``check``.
        """
        return self._answer("x_0", x_t, t, conditions)

    def _answer(self, wanted: str, x_t: Tensor, t: float | Tensor, conditions: dict[str, Tensor]) -> Tensor:
        check_above_0(self.path.ab(t)[1], "a network is not asked about clean data")
        out = self.network(x_t, time_tensor(t, x_t), **conditions)
        return convert(widen(x_t), t, widen(out), self.path, self.target, wanted)


def time_tensor(t: float | Tensor, x: Tensor) -> Tensor:
    """``t`` as ``(B,)`` times on the device of ``x``; a number stands for the whole batch."""
    return torch.full((len(x),), t, device=x.device) if isinstance(t, Real) else t.to(x.device)


def predict_x0(denoiser: Callable[..., Tensor], x_t: Tensor, t: float, path: Path, **conditions: Tensor) -> Tensor:
    """The clean data that a denoiser predicts, by its method ``x_0``, or from the eps of a bare function, in float32 or
    better."""
    if own := getattr(denoiser, "x_0", None):
        return own(x_t, t, **conditions)
    eps = denoiser(x_t, time_tensor(t, x_t), **conditions)
    check_same_shape(x_t=x_t, eps=eps)
    return x0_from_eps(widen(x_t), t, widen(eps), path)
