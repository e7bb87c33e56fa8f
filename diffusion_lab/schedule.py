"""How much noise at which step: the table of betas and everything that follows from it.

Time runs from ``t = 0`` (clean data) to ``t = T`` (noise), and every table has ``T + 1`` entries, so ``alpha_bar[t]``
in the code is the alpha-bar with index t on the page.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .checks import check_number, check_whole, describe, is_integers


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
            raise ValueError(
                f"beta: expected a 1-D table 0, beta_1, ..., beta_T; got shape {tuple(beta.shape)}, {beta}"
            )
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
        """``alpha_bar_T``: the share of variance that is still signal at ``T``, for data of variance 1.

        Samplers start from N(0, 1). That is honest only if this is close to 0.
        """
        return self.alpha_bar[-1].item()

    def check_t(self, t: int | Tensor, batch: int, first: int = 0, name: str = "t") -> Tensor:
        """``t`` as a ``(batch,)`` integer tensor, after checking that every entry lies in ``first..T``.

        A single int stands for the whole batch. An index below zero would wrap around silently in PyTorch, and a
        float would be cut down to an int, so both are errors here.

        Raises:
            TypeError: if ``t`` is neither an int nor an integer tensor; the message calls it ``name``.
            ValueError: if its shape is not ``(batch,)`` or an entry is outside ``first..T``.
        """
        if isinstance(t, int) and not isinstance(t, bool):
            return torch.full((batch,), check_whole(name, t, first, self.T))
        if not is_integers(t):
            raise TypeError(f"{name}: expected an int or a tensor of ({batch},) integers, got {describe(t)}")
        if t.shape != (batch,):
            raise ValueError(f"{name}: expected one for each of the {batch} samples, got shape {tuple(t.shape)}")
        t = t.long()
        if batch and not (first <= t.min() and t.max() <= self.T):
            raise ValueError(f"{name}: expected whole numbers in {first}..{self.T}, got {t.min()}..{t.max()}")
        return t

    def at(self, table: Tensor, t: int | Tensor, x: Tensor, first: int = 0) -> Tensor:
        """``table[t]`` as ``(B, 1, ..., 1)``, to multiply ``x`` of shape ``(B, *S)``: on its device, in its dtype.

        For one int ``t`` it is ``(1, 1, ..., 1)``, which does the same and spares a sampler the check of B equal times.
        """
        if isinstance(t, int) and not isinstance(t, bool):
            values = table[check_whole("t", t, first, self.T)]
        else:
            values = table[self.check_t(t, len(x), first).to(table.device)]
        # The dtype first: not every device knows float64.
        return values.to(x.dtype).to(x.device).view(-1, *[1] * (x.ndim - 1))
