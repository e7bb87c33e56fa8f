"""Turning a time into a vector that a network can use."""

import math

import torch
from torch import Tensor, nn

from ..checks import check_whole


def sinusoidal_embedding(t: Tensor, dim: int, max_period: float = 10_000.0) -> Tensor:
    """``(B,)`` times, any real numbers, to ``(B, dim)``: ``cos(w_i t)`` and ``sin(w_i t)``, with
    ``w_i = max_period^(-i / (dim/2))``.

    Frequencies go from 1 down to nearly 1/max_period: fast waves tell neighbouring steps apart, slow ones the
    early from the late. Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """
    frequencies = torch.exp(-math.log(max_period) / (dim // 2) * torch.arange(dim // 2, device=t.device))
    angles = t.float()[:, None] * frequencies  # (B, dim/2)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimeEmbedding(nn.Module):
    """Sinusoids of t, then a small network: ``(B,)`` times to ``(B, dim)``. ``dim`` must be even."""

    def __init__(self, dim: int):
        super().__init__()
        if check_whole("dim", dim, 2) % 2:
            raise ValueError(f"dim: expected an even number of at least 2, got {dim}")
        self.dim = dim
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        return self.layers(sinusoidal_embedding(t, self.dim).to(self.layers[0].weight.dtype))


def check_shapes(x_t: Tensor, t: Tensor) -> None:
    """Raise unless there is one time for each sample. Only shapes: looking at values would make a GPU wait."""
    if t.ndim != 1 or t.shape[0] != x_t.shape[0]:
        raise ValueError(f"t: expected one for each of the {x_t.shape[0]} samples, got shape {tuple(t.shape)}")
