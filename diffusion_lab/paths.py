"""Paths from data to noise. A path gives two numbers for a time t: ``x_t = a x_0 + b eps``.

DDPM's is :class:`diffusion_lab.NoiseSchedule`; here are flow matching's and EDM's. Noising, samplers, training and the
exact denoiser ask a path for five things, and whoever writes another one gives it these:

- ``T``, the last time, that of noise; at time 0 there is none, a = 1 and b = 0;
- ``ab(t, name)``, a and b: two floats for a number, two ``(B,)`` tensors (float64, CPU) for a ``(B,)`` tensor; an error
  that begins with ``name`` if t is no time of the path;
- ``times(steps)``, ``steps + 1`` times from T down to 0, for a sampler;
- ``spread(u)``, numbers in [0, 1) to times, evenly, for training;
- ``time_at(sigma)``, the time at which ``b / a`` is sigma: the same state on every path, but for its scale.

Where on it a network is trained, a draw says: a function ``t = draw(n, path, generator)`` to ``n`` times. Any such
function will do; :func:`stratified` and :func:`logit_normal` spread a batch evenly over the law that they draw from.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_number, check_times, check_whole
from .schedule import NoiseSchedule


@dataclass(frozen=True)
class StraightPath:
    """Flow matching's: ``x_t = (1 - t) x_0 + t eps`` for real t in [0, 1]. It ends in nothing but noise.

    Source: Liu et al. 2022, "Rectified Flow"; Lipman et al. 2023, "Flow Matching", whose time runs the other way.
    """

    T = 1.0

    def ab(self, t: float | Tensor, name: str = "t") -> tuple:
        """``a = 1 - t`` and ``b = t``, for t in [0, 1]."""
        t = check_times(name, t, self.T)
        return 1 - t, t

    def times(self, steps: int) -> list[float]:
        """Even steps from 1 to 0."""
        steps = check_whole("steps", steps)
        return [1 - k / steps for k in range(steps + 1)]

    def spread(self, u: Tensor) -> Tensor:
        """u itself, but neither 0 nor 1, where some targets say nothing."""
        return u.float().clamp(2**-24, 1 - 2**-24)

    def time_at(self, sigma: Tensor) -> Tensor:
        """``sigma / (1 + sigma)``."""
        return (1 / (1 + 1 / sigma)).float()


@dataclass(frozen=True)
class SigmaPath:
    """EDM's: ``x_t = x_0 + sigma eps``, and the time is sigma itself. Noise is added and the data are not shrunk.

    Args:
        sigma_min: the last noise level above 0 that a sampler visits.
        sigma_max: the noise level that is as good as nothing but noise; it is ``T``.
        rho: how samplers crowd towards small sigma; 1 is evenly.

    Source: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", table 1.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    def __post_init__(self) -> None:
        check_number("rho", self.rho, 0, ends="()")
        check_number("sigma_min", self.sigma_min, 0, check_number("sigma_max", self.sigma_max, 0, ends="()"), "()")

    @property
    def T(self) -> float:
        """``sigma_max``."""
        return self.sigma_max

    def ab(self, t: float | Tensor, name: str = "t") -> tuple:
        """``a = 1`` and ``b = t``, for t in [0, sigma_max]."""
        t = check_times(name, t, self.T)
        return 1 + 0 * t, t

    def times(self, steps: int) -> list[float]:
        """``steps`` levels from sigma_max to sigma_min, evenly spaced in ``sigma^(1/rho)``, and then 0 (equation 5)."""
        high, low = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        gaps = max(1, check_whole("steps", steps) - 1)
        return [self.sigma_max, *((high + k / gaps * (low - high)) ** self.rho for k in range(1, steps)), 0.0]

    def spread(self, u: Tensor) -> Tensor:
        """From sigma_min to sigma_max, evenly in log sigma."""
        return self.time_at(self.sigma_min * torch.exp(u * math.log(self.sigma_max / self.sigma_min)))

    def time_at(self, sigma: Tensor) -> Tensor:
        """sigma itself, within the range of the path."""
        return sigma.clamp(0, self.sigma_max).float()


#: One of these, or your own that gives the same five things.
Path = NoiseSchedule | StraightPath | SigmaPath
Draw = Callable[[int, Path, torch.Generator | None], Tensor]


def uniform(n: int, path: Path, generator: torch.Generator | None = None) -> Tensor:
    """Each time equally likely and independent of the others, as in Ho et al. 2020, algorithm 1."""
    return path.spread(torch.rand(n, generator=generator, dtype=torch.float64))


def stratified(n: int, path: Path, generator: torch.Generator | None = None) -> Tensor:
    """Each time equally likely, but one from each of n equal slices: batches differ less (Kingma et al. 2021, VDM)."""
    return path.spread(_one_in_each_slice(n, generator))


def logit_normal(mean: float = 0.0, std: float = 1.0) -> Draw:
    """Times with ``log(b / a)`` normal, so that the middle, where there is most to learn, is met most often.

    On the straight path t is then logit-normal, on EDM's path sigma is log-normal: the same law on every path.

    Args:
        mean, std: of ``log(b / a)``; a higher mean is more noise.

    Source: Esser et al. 2024, "Scaling Rectified Flow Transformers", section 3.1; Karras et al. 2022, table 1, where
    the mean is -1.2 and the std 1.2.
    """
    mean, std = check_number("mean", mean, -20, 20), check_number("std", std, 0, 20, "(]")

    def draw(n: int, path: Path, generator: torch.Generator | None = None) -> Tensor:
        normal = torch.special.ndtri(_one_in_each_slice(n, generator))
        return path.time_at(torch.exp(mean + std * normal))

    return draw


def _one_in_each_slice(n: int, generator: torch.Generator | None) -> Tensor:
    return (torch.arange(n) + torch.rand(n, generator=generator, dtype=torch.float64)) / n
