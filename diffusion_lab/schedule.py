"""DDPM's path from data to noise: the table of betas and everything that follows from it.

Time runs from ``t = 0`` (clean data) to ``t = T`` (noise), and every table has ``T + 1`` entries, so ``alpha_bar[t]``
in the code is the alpha-bar with index t on the page. The other paths are in :mod:`.paths`; what each of them can do is
written there.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .checks import check_number, check_times, check_whole


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """A variance schedule ``beta[1], ..., beta[T]`` with ``beta[0] = 0`` in front.

    One step of the forward process is ``x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps``. Usually made with
    :meth:`linear`, :meth:`cosine`, :meth:`scaled_linear`, :meth:`constant`, or :meth:`from_betas` for a table of
    your own.

    Args:
        beta: ``(T + 1,)`` variances, ``beta[0] = 0`` and the others strictly between 0 and 1. Kept in float64.

    Raises:
        ValueError: if the table is too short, does not begin with 0, or holds a value outside (0, 1).

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", equation (2).
    """

    beta: Tensor

    def __post_init__(self) -> None:
        beta = torch.as_tensor(self.beta, dtype=torch.float64).detach().cpu()
        if beta.ndim != 1 or len(beta) < 2 or beta[0] != 0:
            raise ValueError(f"beta: expected a 1-D table 0, beta_1, ..., beta_T; got {beta}")
        outside = ~((beta[1:] > 0) & (beta[1:] < 1))  # written so that NaN counts as outside
        if outside.any():
            t = int(outside.nonzero()[0]) + 1
            raise ValueError(f"beta: expected values strictly between 0 and 1; got beta[{t}] = {beta[t].item():g}")
        object.__setattr__(self, "beta", beta)

    @classmethod
    def from_betas(cls, betas: Tensor) -> "NoiseSchedule":
        """A schedule from your own ``(T,)`` table ``beta_1, ..., beta_T``; the leading zero is put in front."""
        betas = torch.as_tensor(betas, dtype=torch.float64)
        if betas.ndim != 1 or len(betas) == 0:
            raise ValueError(f"betas: expected a 1-D table beta_1, ..., beta_T; got shape {tuple(betas.shape)}")
        return cls(torch.cat([torch.zeros(1, dtype=torch.float64), betas.detach().cpu()]))

    @classmethod
    def linear(cls, T: int = 1000, start: float = 1e-4, end: float = 0.02) -> "NoiseSchedule":
        """``beta_t`` in equal steps from ``start`` to ``end`` (Ho et al. 2020, section 4)."""
        start, end = check_number("start", start, 0, 1, "()"), check_number("end", end, 0, 1, "()")
        return cls.from_betas(torch.linspace(start, end, check_whole("T", T), dtype=torch.float64))

    @classmethod
    def scaled_linear(cls, T: int = 1000, start: float = 0.00085, end: float = 0.012) -> "NoiseSchedule":
        """``sqrt(beta_t)`` in equal steps from ``sqrt(start)`` to ``sqrt(end)`` (Rombach et al. 2022)."""
        start, end = check_number("start", start, 0, 1, "()"), check_number("end", end, 0, 1, "()")
        return cls.from_betas(torch.linspace(start**0.5, end**0.5, check_whole("T", T), dtype=torch.float64) ** 2)

    @classmethod
    def constant(cls, T: int, beta: float) -> "NoiseSchedule":
        """The same ``beta`` at every step: ``alpha_bar_t = (1 - beta)^t``."""
        beta = check_number("beta", beta, 0, 1, "()")
        return cls.from_betas(torch.full((check_whole("T", T),), beta, dtype=torch.float64))

    @classmethod
    def cosine(cls, T: int = 1000, offset: float = 0.008, max_beta: float = 0.999) -> "NoiseSchedule":
        """``alpha_bar_t = f(t) / f(0)`` with ``f(t) = cos(pi/2 (t/T + offset) / (1 + offset))^2``.

        ``beta_t = 1 - alpha_bar_t / alpha_bar_{t-1}``, capped at ``max_beta``: uncapped, the last would be 1.
        Source: Nichol & Dhariwal 2021, "Improved DDPM", equation (17).
        """
        offset, max_beta = check_number("offset", offset, 0), check_number("max_beta", max_beta, 0, 1, "()")
        f = [math.cos(math.pi / 2 * (t / T + offset) / (1 + offset)) ** 2 for t in range(check_whole("T", T) + 1)]
        betas = [min(1 - f[t] / f[t - 1], max_beta) for t in range(1, T + 1)]
        return cls.from_betas(torch.tensor(betas, dtype=torch.float64))

    def rescale(self, signal_left: float = 1e-4) -> "NoiseSchedule":
        """The same schedule, bent so that it ends at ``alpha_bar_T = signal_left`` and begins as it did.

        ``sqrt(alpha_bar_t)`` is shifted and stretched in a straight line. Not to 0 itself: there x_T is noise and
        nothing else, and from the noise in it nobody can work out x_0, which is what samplers do with eps.

        Raises:
            ValueError: if ``signal_left`` is not between 0 and ``alpha_bar_1``.

        Source: Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1, which goes
        to 0.
        """
        root = self.alpha_bar[1:].sqrt()
        end = check_number("signal_left", signal_left, 0, self.alpha_bar[1].item(), "()") ** 0.5
        root = (root - root[-1]) * (root[0] - end) / (root[0] - root[-1]) + end
        alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), root**2])
        return NoiseSchedule.from_betas(1 - alpha_bar[1:] / alpha_bar[:-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoiseSchedule) and torch.equal(self.beta, other.beta)

    def __hash__(self) -> int:
        return hash((self.T, self.signal_left))

    @property
    def T(self) -> int:
        """The last timestep, and the number of steps."""
        return len(self.beta) - 1

    @cached_property
    def alpha(self) -> Tensor:
        """``(T + 1,)``: ``alpha_t = 1 - beta_t``, the share of the variance that a step keeps."""
        return 1 - self.beta

    @cached_property
    def alpha_bar(self) -> Tensor:
        """``(T + 1,)``: ``alpha_bar_t = alpha_1 alpha_2 ... alpha_t``, what is kept from clean data to step t."""
        return self.alpha.cumprod(0)

    @cached_property
    def snr(self) -> Tensor:
        """``(T + 1,)``: the signal-to-noise ratio ``alpha_bar_t / (1 - alpha_bar_t)``; infinite at ``t = 0``."""
        return self.alpha_bar / (1 - self.alpha_bar)

    @cached_property
    def posterior_variance(self) -> Tensor:
        """``(T + 1,)``: beta-tilde, ``beta_t (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t)``; 0 at ``t = 0`` and ``t = 1``.

        Source: Ho et al. 2020, equation (7).
        """
        variance = torch.zeros_like(self.beta)
        variance[1:] = self.beta[1:] * (1 - self.alpha_bar[:-1]) / (1 - self.alpha_bar[1:])
        return variance

    @property
    def signal_left(self) -> float:
        """``alpha_bar_T``, the share of variance that is still signal at ``T``, for data of variance 1.

        Samplers start from N(0, 1). That is honest only if this is close to 0.
        """
        return self.alpha_bar[-1].item()

    def ab(self, t: int | Tensor, name: str = "t") -> tuple:
        """``a = sqrt(alpha_bar_t)`` and ``b = sqrt(1 - alpha_bar_t)``, so that ``x_t = a x_0 + b eps``.

        Args:
            t: a whole number in ``0..T``, which gives two floats; or ``(B,)`` integers, which give two ``(B,)``
                tensors, in float64 and on the CPU.

        Raises:
            TypeError, ValueError: calling it ``name``; an index below zero would wrap around silently in PyTorch, and a
                float would be cut down to an int, so both are errors here.
        """
        t = check_times(name, t, self.T, whole=True)
        a, b = self._ab[:, t]
        return (a, b) if isinstance(t, Tensor) else (a.item(), b.item())

    @cached_property
    def _ab(self) -> Tensor:
        return torch.stack([self.alpha_bar, 1 - self.alpha_bar]).sqrt()

    def times(self, steps: int | None = None) -> list[int]:
        """The times a sampler visits: ``T, ..., 0``, of length ``steps + 1``; ``T - k T/steps``, rounded.

        Raises:
            ValueError: if ``steps`` is not in ``1..T``; left out, it is T.

        Source: Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", table 2, "trailing".
        """
        steps = self.T if steps is None else check_whole("steps", steps, 1, self.T)
        return [round(self.T * k / steps) for k in range(steps, -1, -1)]

    def spread(self, u: Tensor) -> Tensor:
        """Numbers in [0, 1) to times ``1..T``, each of which gets an equal share."""
        return (u * self.T).long().clamp(max=self.T - 1) + 1

    def time_at(self, sigma: Tensor) -> Tensor:
        """The first time in ``1..T`` at which ``b / a`` is at least ``sigma``; T where none is."""
        a, b = self._ab
        return torch.searchsorted((b / a)[1:], sigma.double().cpu()).clamp(max=self.T - 1) + 1
