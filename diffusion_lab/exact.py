"""The best possible denoiser as a formula, when the data's distribution is known.

Samplers and trained models are held against it: what it does is not an estimate but the truth.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_same_shape, check_samples
from .schedule import NoiseSchedule


@dataclass(frozen=True, eq=False)
class ExactDenoiser:
    """``eps(x_t, t) = E[eps | x_t]`` for data from a mixture of round Gaussians, in any dimension.

    Noised data are again such a mixture, with means ``sqrt(alpha_bar_t) mean_k`` and variances
    ``var_k = alpha_bar_t std_k^2 + 1 - alpha_bar_t``. With ``r_k(x_t)`` the probability that ``x_t`` came from
    component k::

        score(x_t) = sum_k r_k (sqrt(alpha_bar_t) mean_k - x_t) / var_k,      eps = -sqrt(1 - alpha_bar_t) score

    Make one with :meth:`mixture` or :meth:`dataset`. Sums are taken in float64; the answer has the dtype and device
    of ``x_t``. Source: Efron 2011 ("Tweedie's formula"); Vincent 2011.
    """

    means: Tensor  # (K, *S)
    stds: Tensor  # (K,)
    weights: Tensor  # (K,), summing to 1
    schedule: NoiseSchedule

    @classmethod
    def mixture(cls, means: Tensor, stds: Tensor, weights: Tensor, schedule: NoiseSchedule) -> "ExactDenoiser":
        """The denoiser of ``sum_k weights[k] N(means[k], stds[k]^2 I)``.

        Args:
            means: ``(K, *S)``, the centre of each component.
            stds: ``(K,)``, each at least 0.
            weights: ``(K,)``, positive; divided by their sum.

        Raises:
            ValueError: if lengths differ, a number is not finite, a std is negative or a weight is not positive.
        """
        means, stds, weights = (torch.as_tensor(x, dtype=torch.float64) for x in (means, stds, weights))
        if means.ndim < 2 or len(means) == 0:
            raise ValueError(f"means: expected shape (K, *S) with K of at least 1, got {tuple(means.shape)}")
        for name, values, fine in (("stds", stds, stds >= 0), ("weights", weights, weights > 0)):
            if values.shape != (len(means),):
                raise ValueError(f"{name}: expected one for each of the {len(means)} means, got {tuple(values.shape)}")
            if not (fine & values.isfinite()).all():
                least = "at least 0" if name == "stds" else "above 0"
                raise ValueError(f"{name}: expected finite numbers {least}, got {values.tolist()}")
        if not means.isfinite().all():
            raise ValueError("means: expected finite numbers, got NaN or infinity")
        return cls(means, stds, weights / weights.sum(), schedule)

    @classmethod
    def dataset(cls, points: Tensor, schedule: NoiseSchedule) -> "ExactDenoiser":
        """The denoiser of a finite data set: ``points`` of shape ``(N, *S)``, each equally likely.

        It can only give its points back: a sampler that uses it copies the data.
        """
        points = torch.as_tensor(points, dtype=torch.float64)
        check_samples("points", points)
        return cls.mixture(points, torch.zeros(len(points)), torch.ones(len(points)), schedule)

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """``E[eps | x_t]``, shape ``(B, *S)``, for ``x_t`` of that shape and t in ``1..T``."""
        score = self.score(x_t, t)  # checks x_t
        noise = (1 - self.schedule.at(self.schedule.alpha_bar, t, x_t.double(), first=1)).sqrt()
        return (-noise * score).to(x_t.dtype)

    def log_prob(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """``log q(x_t)`` in nats, shape ``(B,)``. ``t = 0`` is the data's own density, if every std is above 0."""
        return self._log_joint(x_t, *self._alpha_bar_and_variance(x_t, t)).logsumexp(1)

    def score(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """The gradient of :meth:`log_prob` with respect to ``x_t``, shape ``(B, *S)``, as a formula, in float64."""
        alpha_bar, variance = self._alpha_bar_and_variance(x_t, t)
        responsibility = self._log_joint(x_t, alpha_bar, variance).softmax(1)  # (B, K)
        pull = responsibility / variance
        towards = alpha_bar.sqrt() * (pull @ self.means.to(x_t.device).flatten(1))  # (B, D)
        return (towards - pull.sum(1, keepdim=True) * x_t.double().flatten(1)).view(x_t.shape)

    def _alpha_bar_and_variance(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        check_same_shape(x_t=x_t)
        if x_t.shape[1:] != self.means.shape[1:]:
            raise ValueError(
                f"x_t: expected shape (B, {', '.join(map(str, self.means.shape[1:]))}), got {tuple(x_t.shape)}"
            )
        # With a std of 0 the clean density is a spike: there is no t = 0 to ask about.
        first = 0 if self.stds.min() > 0 else 1
        alpha_bar = self.schedule.at(self.schedule.alpha_bar, t, x_t.double().flatten(1), first)  # (B, 1)
        return alpha_bar, alpha_bar * self.stds.to(x_t.device) ** 2 + 1 - alpha_bar  # (B, K)

    def _log_joint(self, x_t: Tensor, alpha_bar: Tensor, variance: Tensor) -> Tensor:
        """``log( weight_k N(x_t; sqrt(alpha_bar_t) mean_k, var_k I) )``, shape ``(B, K)``."""
        x, means = x_t.double().flatten(1), self.means.to(x_t.device).flatten(1)
        # |x - a m|^2 multiplied out, so that the largest array is (B, K) and not (B, K, D).
        squared = (x**2).sum(1, keepdim=True) - 2 * alpha_bar.sqrt() * (x @ means.T) + alpha_bar * (means**2).sum(1)
        log_normal = -0.5 * (squared / variance + x.shape[1] * (2 * torch.pi * variance).log())
        return self.weights.to(x_t.device).log() + log_normal
