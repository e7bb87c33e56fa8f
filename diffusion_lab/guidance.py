"""Classifier-free guidance: a denoiser that leans further towards a condition than the data themselves do."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from .checks import check_conditions, check_number


class Guided(nn.Module):
    """``eps = eps_not_told + scale (eps_told - eps_not_told)``, and the same in x_0.

    ``scale = 1`` is the conditional denoiser as it is, no guidance; 0 ignores the conditions; above 1 leads away from
    what is typical of none. One call of it is two of the network, in one batch, except at 1.

    The paper counts differently: its w is our ``scale - 1``. ``diffusers`` counts as we do.

    Args:
        denoiser: ``eps = denoiser(x_t, t, **conditions)``, trained with some conditions left out.
        scale: at least 0.
        away_from: for each condition, the value to lead away from, for all samples or for each. Left out, it is what
            the denoiser's ``nothing`` says means "not told".

    Raises:
        ValueError: naming the argument; when called, also if conditions are missing.

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", equation (6).
    """

    def __init__(self, denoiser: Callable[..., Tensor], scale: float, away_from: dict | None = None):
        super().__init__()
        self.denoiser, self.scale = denoiser, check_number("scale", scale, 0)
        self.away_from = getattr(denoiser, "nothing", {}) if away_from is None else away_from
        self.path, self.check = getattr(denoiser, "path", None), getattr(denoiser, "check", None)
        if own := getattr(denoiser, "x_0", None):
            self.x_0 = partial(self._lead, own)

    def forward(self, x_t: Tensor, t: float | Tensor, **conditions: Tensor) -> Tensor:
        check_conditions(conditions, len(x_t))
        return self._lead(self.denoiser, x_t, t, **conditions)

    def _lead(self, ask: Callable[..., Tensor], x_t: Tensor, t: float | Tensor, **conditions: Tensor) -> Tensor:
        if not conditions:
            raise ValueError("labels: expected a condition for each sample, got none; there is nothing to be guided to")
        if missing := conditions.keys() - self.away_from.keys():
            raise ValueError(f"away_from: expected what means not told for each condition, got none for {missing}")
        if self.scale == 1:
            return ask(x_t, t, **conditions)
        nothing = {name: not_told(condition, self.away_from[name]) for name, condition in conditions.items()}
        both = {name: torch.cat([condition, nothing[name]]) for name, condition in conditions.items()}
        twice = x_t.repeat(2, *[1] * (x_t.ndim - 1))
        told, untold = ask(twice, t.repeat(2) if isinstance(t, Tensor) else t, **both).chunk(2)
        return torch.lerp(untold, told, self.scale)


def not_told(condition: Tensor, nothing: float | Tensor) -> Tensor:
    """As many rows as ``condition`` has, all ``nothing``."""
    return torch.as_tensor(nothing, dtype=condition.dtype, device=condition.device).expand_as(condition)
