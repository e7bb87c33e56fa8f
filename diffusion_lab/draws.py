"""Where on the path a network is trained: a draw is a function ``t = draw(n, path, generator)``, ``n`` times.

Any such function will do. These spread a batch evenly over the law that they draw from, but for the first.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .checks import check_number
from .paths import Path

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
