"""The steps that a sampler can take from time t to an earlier time s: DDPM's, DDIM's and DPM-Solver++'s.

A step is a function ``step(now, to)``: from what is known at time t, and the path's numbers at s, to the mean and the
standard deviation of ``x_s``. Euler's on any path is ``lambda now, to: (to.a * now.x_0 + to.b * now.eps, 0)``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .checks import check_number
from .noising import mix, posterior_numbers


class Place(NamedTuple):
    """A time of a path, and the path's two numbers there: ``x_t = a x_0 + b eps``."""

    t: float
    a: float
    b: float


@dataclass(slots=True)
class Moment:
    """What a step knows: time t, the numbers a and b there, the state ``x_t``, and the ``x_0`` predicted from it.

    ``before`` is the moment of the step before; in the first step it is None.
    """

    t: float
    a: float
    b: float
    x_t: Tensor
    x_0: Tensor
    before: "Moment | None" = None

    @property
    def eps(self) -> Tensor:
        """The noise that belongs to ``x_0``, so that the two add up to ``x_t``."""
        return mix(1 / self.b, self.x_t, -self.a / self.b, self.x_0)

    def mean(self, of_x_t: float, of_x_0: float) -> Tensor:
        """``of_x_t x_t + of_x_0 x_0``."""
        return torch.add(self.x_t * of_x_t, self.x_0, alpha=of_x_0)


Step = Callable[[Moment, Place], tuple[Tensor, float]]


def ddpm(variance: Literal["posterior", "beta"] = "posterior") -> Step:
    """Ancestral sampling: ``x_s ~ N(posterior mean given the predicted x_0, variance)``, no noise in the last step.

    Args:
        variance: ``"posterior"`` for beta-tilde, ``"beta"`` for ``b_t^2 - (a_t b_s / a_s)^2``, with DDPM
            ``1 - alpha_bar_t / alpha_bar_s``: the smallest and the largest that make sense (Ho et al. 2020, 3.2).

    Source: Ho et al. 2020, algorithm 2; the posterior is that of :func:`diffusion_lab.posterior`.
    """
    if variance not in ("posterior", "beta"):
        raise ValueError(f'variance: expected "posterior" or "beta", got {variance!r}')

    def step(now: Moment, to: Place) -> tuple[Tensor, float]:
        of_x_t, of_x_0, smallest = posterior_numbers((now.a, now.b), (to.a, to.b))
        largest = now.b**2 - (now.a * to.b / to.a) ** 2 if to.b > 0 else 0
        return now.mean(of_x_t, of_x_0), (smallest if variance == "posterior" else largest) ** 0.5

    return step


def ddim(eta: float = 0.0) -> Step:
    """The same marginals with less fresh noise; none at all at ``eta = 0``, as much as DDPM's posterior at ``eta = 1``.

    From t to an earlier s::

        x_s   = a_s x_0 + sqrt(b_s^2 - sigma^2) eps + sigma z
        sigma = eta (b_s / b_t) sqrt(b_t^2 - (a_t b_s / a_s)^2)

    At ``eta = 0`` on the straight path this is an Euler step of flow matching, and on EDM's path one of EDM.

    Args:
        eta: in [0, 1].

    Source: Song et al. 2021, "Denoising Diffusion Implicit Models", equations (12) and (16).
    """
    eta = check_number("eta", eta, 0, 1)

    def step(now: Moment, to: Place) -> tuple[Tensor, float]:
        sigma = eta * posterior_numbers((now.a, now.b), (to.a, to.b))[2] ** 0.5 if eta else 0.0
        of_x_t = max(0.0, to.b**2 - sigma**2) ** 0.5 / now.b  # eps is (x_t - a_t x_0) / b_t
        return now.mean(of_x_t, to.a - of_x_t * now.a), sigma

    return step


def dpm_solver(eta: float = 0.0) -> Step:
    """DPM-Solver++(2M): DDIM that also looks at where its last prediction of x_0 was going. One call a step.

    Time is measured by ``lambda = log(a / b)``, half the log of the signal-to-noise ratio. From t to an earlier s, with
    ``h = lambda_s - lambda_t``, and r the ratio of the step before to h::

        D     = x_0 + (x_0 - x_0 of the step before) / (2 r)        in the first and the last step D = x_0
        x_s   = (b_s / b_t) exp(-eta^2 h) x_t + a_s (1 - exp(-(1 + eta^2) h)) D + b_s sqrt(1 - exp(-2 eta^2 h)) z

    With ``eta = 0`` no noise is added, and with D = x_0 the step is DDIM's; with ``eta = 1`` it is the SDE variant,
    whose steps with D = x_0 are DDPM's.

    Args:
        eta: in [0, 1].

    Source: Lu et al. 2022, "DPM-Solver++", algorithm 2; with noise, its section 5.
    """
    rate = check_number("eta", eta, 0, 1) ** 2

    def step(now: Moment, to: Place) -> tuple[Tensor, float]:
        shrink = now.a * to.b / (to.a * now.b)  # exp(-h): 0 in a step to clean data, and in one from nothing but noise
        of_x_t, of_D = to.b / now.b * shrink**rate, to.a * (1 - shrink ** (1 + rate))
        std = to.b * (1 - shrink ** (2 * rate)) ** 0.5
        if now.before is None or to.b == 0:
            return now.mean(of_x_t, of_D), std
        step_before = now.before.a * now.b / (now.a * now.before.b)  # exp of minus the h of the step before
        half = 0.5 * math.log(shrink) / math.log(step_before) if step_before > 0 else 0.0  # 1 / (2 r)
        return now.mean(of_x_t, of_D * (1 + half)).sub_(now.before.x_0, alpha=of_D * half), std

    return step
