"""Classifier-free guidance: a denoiser that leans further towards a label than the data themselves do."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .checks import check_labels, check_number


class Guided(nn.Module):
    """``eps = eps_not_told + scale (eps_told - eps_not_told)``, where a label of -1 is what "not told" means.

    ``scale = 1`` is the conditional denoiser as it is, no guidance; 0 ignores the labels; above 1 leads away from what
    is typical of no label. One call of it is two of the network, in one batch, except at 1 and 0.

    The paper counts differently: its w is our ``scale - 1``. ``diffusers`` counts as we do.

    Args:
        denoiser: ``eps = denoiser(x_t, t, labels)``, trained with some labels replaced by -1.
        scale: at least 0.

    Raises:
        ValueError: naming the argument; when called, also if labels are missing.

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", equation (6).
    """

    def __init__(self, denoiser: Callable[[Tensor, Tensor, Tensor], Tensor], scale: float):
        super().__init__()
        self.denoiser, self.scale = denoiser, check_number("scale", scale, 0)

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is None:
            raise ValueError("labels: expected one for each sample, got none; there is nothing to be guided to")
        check_labels(labels, len(x_t))
        nothing = torch.full_like(labels, -1)
        if self.scale in (0, 1):
            return self.denoiser(x_t, t, labels if self.scale == 1 else nothing)
        eps = self.denoiser(x_t.repeat(2, *[1] * (x_t.ndim - 1)), t.repeat(2), torch.cat([labels, nothing]))
        told, not_told = eps.chunk(2)
        return torch.lerp(not_told, told, self.scale)
