"""Is it any good? Distances between what came out and what should have."""

from dataclasses import dataclass

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

    Source: Székely & Rizzo 2013, "Energy statistics", equation 2.1.
    """
    x, y = _points(x, y, "y")
    return 2 * _mean_distance(x, y) - _mean_distance(x, x) - _mean_distance(y, y)


def _points(x: Tensor, y: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Both as points in rows, in one dtype, after checking that they can be compared; ``name`` is y's."""
    for each, points in (("x", x), (name, y)):
        check_samples(each, points)
    if x.shape[1:] != y.shape[1:]:
        expected, got = tuple(x.shape[1:]), tuple(y.shape[1:])
        raise ValueError(f"{name}: expected samples of shape {expected} like those of x, got {got}")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return x.flatten(1).to(dtype), y.flatten(1).to(dtype)


def _mean_distance(x: Tensor, y: Tensor, rows: int = 1000) -> float:
    # Not through the matrix product: it loses the small distances, which are what counts.
    mode = "donot_use_mm_for_euclid_dist"
    total = sum(torch.cdist(block, y, compute_mode=mode).sum(dtype=torch.float64) for block in x.split(rows))
    return total.item() / (len(x) * len(y))


@dataclass(frozen=True, eq=False)
class Gaussian:
    """What the Fréchet distance keeps of a set of points: its ``mean`` ``(d,)`` and ``covariance`` ``(d, d)``."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, points: Tensor) -> "Gaussian":
        """Mean and covariance of ``(n, d)`` points, in float64, with n - 1 in the denominator.

        Raises:
            TypeError, ValueError: if they are not finite floating-point numbers, or fewer than two.
        """
        check_samples("points", points)
        if points.ndim != 2 or len(points) < 2:
            raise ValueError(f"points: expected shape (n, d) with n of at least 2, got {tuple(points.shape)}")
        points = points.double()
        return cls(points.mean(0), torch.cov(points.T).reshape(points.shape[1], points.shape[1]))


def frechet_distance(x: Tensor | Gaussian, y: Tensor | Gaussian) -> float:
    """The squared Fréchet distance of two normal distributions, fitted to ``(n, d)`` points or given.

    ``|m_x - m_y|^2 + tr( C_x + C_y - 2 (C_x^(1/2) C_y C_x^(1/2))^(1/2) )``: 0 where mean and covariance agree. In one
    dimension ``(m_x - m_y)^2 + (s_x - s_y)^2``. Anything else about the points, it does not see.

    On images it is taken between *features*, what a network sees in them, and is then called FID if the network is
    Inception: which one matters more than the formula. For digits use :func:`diffusion_lab.load_judge`. A finite
    sample is at a distance above 0 from its own distribution, by a bias of about ``1 / n``: state n, and the floor.

    Args:
        x, y: ``(n, d)`` points, n at least 2, or a :class:`Gaussian`.

    Raises:
        TypeError, ValueError: if points are not finite floating-point numbers, or if the dimensions differ.

    Source: Dowson & Landau 1982; for generated images, Heusel et al. 2017, equation (6).
    """
    x, y = (points if isinstance(points, Gaussian) else Gaussian.of(points) for points in (x, y))
    if x.mean.shape != y.mean.shape:
        raise ValueError(f"y: expected {len(x.mean)} dimensions like x, got {len(y.mean)}")
    root = _square_root(x.covariance)
    cross = torch.linalg.eigvalsh(root @ y.covariance @ root).clamp(min=0).sqrt().sum()
    distance = (x.mean - y.mean).square().sum() + x.covariance.trace() + y.covariance.trace() - 2 * cross
    return max(0.0, distance.item())  # equal inputs can come out at -1e-15


def _square_root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def nearest(x: Tensor, data: Tensor) -> tuple[Tensor, Tensor]:
    """For each of ``(n, *S)`` samples the closest of ``(N, *S)`` data: distances ``(n,)`` and indices ``(n,)``.

    Is it a copy? Compare the distances with those of fresh real data from the same ``data``. Euclidean, in units of the
    data.

    Raises:
        TypeError, ValueError: as for :func:`energy_distance`.
    """
    x, data = _points(x, data, "data")
    mode = "use_mm_for_euclid_dist"
    found = [torch.cdist(block, data, compute_mode=mode).min(1) for block in x.split(500)]
    index = torch.cat([each.indices for each in found])
    return (x - data[index]).norm(dim=1), index
