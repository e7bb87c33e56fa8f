"""The best possible denoiser as a formula, when the data's distribution is known.

Samplers and trained models are held against it: what it does is not an estimate but the truth.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_same_shape, check_samples
from .noising import per_sample
from .paths import Path
from .targets import check_above_0


@dataclass(frozen=True, eq=False)
class ExactDenoiser:
    """``eps(x_t, t) = E[eps | x_t]`` for data from a mixture of round Gaussians, in any dimension.

    On a path ``x_t = a x_0 + b eps``, noised data are again such a mixture, with means ``a mean_k`` and variances
    ``var_k = a^2 std_k^2 + b^2``. With ``r_k(x_t)`` the probability that ``x_t`` came from component k::

        score(x_t) = sum_k r_k (a mean_k - x_t) / var_k,      eps = -b score
        E[x_0 | x_t] = sum_k r_k (b^2 mean_k + a std_k^2 x_t) / var_k

    Make one with :meth:`mixture` or :meth:`dataset`. Sums are taken in float64; the answer has the dtype and device
    of ``x_t``. Source: Efron 2011 ("Tweedie's formula"); Vincent 2011.
    """

    means: Tensor  # (K, *S)
    stds: Tensor  # (K,)
    weights: Tensor  # (K,), summing to 1
    path: Path

    @classmethod
    def mixture(cls, means: Tensor, stds: Tensor, weights: Tensor, path: Path) -> "ExactDenoiser":
        """The denoiser of ``sum_k weights[k] N(means[k], stds[k]^2 I)``.

        Args:
            means: ``(K, *S)``, the centre of each component.
            stds: ``(K,)``, each at least 0.
            weights: ``(K,)``, positive; divided by their sum.

        Raises:
            ValueError: if lengths differ, a number is not finite, a std is negative or a weight is not positive.
        """
        means, stds, weights = (torch.as_tensor(x, dtype=torch.float64) for x in (means, stds, weights))
        check_samples("means", means)
        for name, values, fine in (("stds", stds, stds >= 0), ("weights", weights, weights > 0)):
            if values.shape != (len(means),):
                raise ValueError(f"{name}: expected one for each of the {len(means)} means, got {tuple(values.shape)}")
            if not (fine & values.isfinite()).all():
                least = "at least 0" if name == "stds" else "above 0"
                raise ValueError(f"{name}: expected finite numbers {least}, got {values.tolist()}")
        return cls(means, stds, weights / weights.sum(), path)

    @classmethod
    def dataset(cls, points: Tensor, path: Path) -> "ExactDenoiser":
        """The denoiser of a finite data set: ``points`` of shape ``(N, *S)``, each equally likely.

        It can only give its points back: a sampler that uses it copies the data.
        """
        points = torch.as_tensor(points, dtype=torch.float64)
        check_samples("points", points)
        return cls.mixture(points, torch.zeros(len(points)), torch.ones(len(points)), path)

    def __call__(self, x_t: Tensor, t: float | Tensor) -> Tensor:
        """``E[eps | x_t]``, shape ``(B, *S)``, for ``x_t`` of that shape at times t above 0."""
        score = self.score(x_t, t)  # checks x_t
        _, b = self.path.ab(t)
        check_above_0(b, "in clean data there is no noise")
        return (-per_sample(b, score) * score).to(x_t.dtype)

    def x_0(self, x_t: Tensor, t: float | Tensor) -> Tensor:
        """``E[x_0 | x_t]``, the mean of all clean data that may have become ``x_t``, shape ``(B, *S)``."""
        a, b, variance = self._numbers(x_t, t)
        share = self._log_joint(x_t, a, variance).softmax(1) / variance  # (B, K)
        stds, means = self.stds.to(x_t.device), self.means.to(x_t.device).flatten(1)
        mean = b**2 * (share @ means) + a * (share @ stds**2)[:, None] * x_t.double().flatten(1)
        return mean.view(x_t.shape).to(x_t.dtype)

    def log_prob(self, x_t: Tensor, t: float | Tensor) -> Tensor:
        """``log q(x_t)`` in nats, shape ``(B,)``. ``t = 0`` is the data's own density, if every std is above 0."""
        a, _, variance = self._numbers(x_t, t)
        return self._log_joint(x_t, a, variance).logsumexp(1)

    def score(self, x_t: Tensor, t: float | Tensor) -> Tensor:
        """The gradient of :meth:`log_prob` with respect to ``x_t``, shape ``(B, *S)``, as a formula, in float64."""
        a, _, variance = self._numbers(x_t, t)
        pull = self._log_joint(x_t, a, variance).softmax(1) / variance  # (B, K)
        towards = a * (pull @ self.means.to(x_t.device).flatten(1))  # (B, D)
        return (towards - pull.sum(1, keepdim=True) * x_t.double().flatten(1)).view(x_t.shape)

    def _numbers(self, x_t: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """a and b, each ``(B, 1)``, and the variances ``(B, K)``, in float64."""
        check_same_shape(x_t=x_t)
        if x_t.shape[1:] != self.means.shape[1:]:
            raise ValueError(f"x_t: expected {tuple(self.means.shape[1:])} a sample, got {tuple(x_t.shape[1:])}")
        a, b = self.path.ab(t)
        if self.stds.min() == 0:
            check_above_0(b, "the density of clean data is a spike where a std is 0")
        a, b = (per_sample(each, x_t.double().flatten(1)) for each in (a, b))
        return a, b, a**2 * self.stds.to(x_t.device) ** 2 + b**2

    def _log_joint(self, x_t: Tensor, a: Tensor, variance: Tensor) -> Tensor:
        """``log( weight_k N(x_t; a mean_k, var_k I) )``, shape ``(B, K)``."""
        x, means = x_t.double().flatten(1), self.means.to(x_t.device).flatten(1)
        # |x - a m|^2 multiplied out, so that the largest array is (B, K) and not (B, K, D).
        squared = (x**2).sum(1, keepdim=True) - 2 * a * (x @ means.T) + a**2 * (means**2).sum(1)
        log_normal = -0.5 * (squared / variance + x.shape[1] * (2 * torch.pi * variance).log())
        return self.weights.to(x_t.device).log() + log_normal
