"""The noise of live figures, number by number, as in ``random.js``."""

import math

import torch
from torch import Tensor


class Random:
    """Draws from N(0, 1) for a whole number: mulberry32 and the Box-Muller transform."""

    def __init__(self, seed: int):
        self.state, self.spare = seed % 2**32, None

    def uniform(self) -> float:
        """A number in [0, 1)."""
        self.state = (self.state + 0x6D2B79F5) % 2**32
        z = self.state
        z = (z ^ z >> 15) * (z | 1) % 2**32
        z ^= (z + (z ^ z >> 7) * (z | 61)) % 2**32
        return (z ^ z >> 14) / 2**32

    def normal(self) -> float:
        """A draw from N(0, 1)."""
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        radius, angle = math.sqrt(-2 * math.log(1 - self.uniform())), 2 * math.pi * self.uniform()
        self.spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def normals(self, *shape: int) -> Tensor:
        """A tensor of that shape, in float64, as the figures draw it."""
        draws = [self.normal() for _ in range(math.prod(shape))]
        return torch.tensor(draws, dtype=torch.float64).view(shape)
