"""Is it any good? Distances between what came out and what should have."""

import torch
from torch import Tensor

from .checks import check_samples


def energy_distance(x: Tensor, y: Tensor) -> float:
    """How far apart two clouds of points are: ``2 E|x - y| - E|x - x'| - E|y - y'|``, at least 0.

    Means are over all pairs, a point with itself included. So two finite samples of one distribution are not at 0
    but a little above, about ``(1/n + 1/m) E|x - x'|``: always state the floor, fresh data against fresh data. In
    units of the data. Takes the time of ``n m`` distances, a block of rows at a time.

    Args:
        x: ``(n, *S)``, flattened to points.
        y: ``(m, *S)``.

    Raises:
        TypeError, ValueError: if either is not a floating-point tensor, is empty, or holds NaN or infinity, or if the
            shapes of single samples differ.

    Source: Székely & Rizzo 2013, "Energy statistics", equation (2.1).
    """
    for name, points in (("x", x), ("y", y)):
        check_samples(name, points)
    if x.shape[1:] != y.shape[1:]:
        raise ValueError(f"y: expected samples of shape {tuple(x.shape[1:])} like those of x, got {tuple(y.shape[1:])}")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y = x.flatten(1).to(dtype), y.flatten(1).to(dtype)
    return 2 * _mean_distance(x, y) - _mean_distance(x, x) - _mean_distance(y, y)


def _mean_distance(x: Tensor, y: Tensor, rows: int = 1000) -> float:
    # Not through the matrix product: it loses the small distances, which are what counts.
    mode = "donot_use_mm_for_euclid_dist"
    total = sum(torch.cdist(block, y, compute_mode=mode).sum(dtype=torch.float64) for block in x.split(rows))
    return total.item() / (len(x) * len(y))
