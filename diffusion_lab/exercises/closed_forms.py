"""Exercises of chapter 6, the closed forms."""

import torch

from ..noising import posterior
from ..schedule import NoiseSchedule
from .asking import equal, exercise, parts, randn, refuses


@exercise()
def condition(answer, point, g):
    """condition(mean, covariance, told): the lemma about two bells, for vectors.

    A Gaussian vector has ``mean`` ``(D,)`` and ``covariance`` ``(D, D)``, and its last numbers are known to be
    ``told`` ``(k,)``, with ``1 <= k < D``. Returns the mean ``(D - k,)`` and the covariance ``(D - k, D - k)`` of the
    other numbers. Raises ``ValueError`` if the shapes do not fit.
    """
    pair = torch.tensor([1.0, 0.0]), torch.tensor([[5.0, 3.0], [3.0, 2.0]])
    D, k = 5, 2
    root = randn(g, D, D, dtype=torch.float64)
    mean, covariance = randn(g, D, dtype=torch.float64), root @ root.T + torch.eye(D)
    told = randn(g, k, dtype=torch.float64)
    # By precisions: of the whole, those of the first numbers say how they hang together once the others are known.
    precision = torch.linalg.inv(covariance)
    spread = torch.linalg.inv(precision[:-k, :-k])
    shift = spread @ precision[:-k, -k:] @ (told - mean[-k:])
    with point("two numbers, of which one is told"):
        found = parts(answer(*pair, torch.tensor([1.5])), "mean", "covariance")
        equal("the mean", found[0], torch.tensor([3.25]), {"m_u itself: nothing was learned": torch.tensor([1.0])})
        equal(
            "the covariance", found[1], torch.tensor([[0.5]]), {"C_uu itself: what is told narrows it": pair[1][:1, :1]}
        )
    with point("the mean of three, given two"):
        slips = {
            "m_w is not taken off what is told: the surprise is w - m_w": mean[:-k]
            - spread @ precision[:-k, -k:] @ told,
            "the surprise has the wrong sign": mean[:-k] + shift,
            "C_ww is multiplied with where its inverse belongs": (
                mean[:-k] + covariance[:-k, -k:] @ covariance[-k:, -k:] @ (told - mean[-k:])
            ),
            "you answer for the last numbers, which are told": told,
        }
        equal("the mean", parts(answer(mean, covariance, told), "mean", "covariance")[0], mean[:-k] - shift, slips)
    with point("the covariance of three, given two"):
        C_uu, C_uw, C_ww = covariance[:-k, :-k], covariance[:-k, -k:], covariance[-k:, -k:]
        slips = {
            "C_ww is multiplied with where its inverse belongs": C_uu - C_uw @ C_ww @ C_uw.T,
            "this is what is told about them; take it off C_uu": C_uu - spread,
            "this is the precision; the covariance is its inverse": precision[:-k, :-k],
            "C_uu itself: what is told narrows it": C_uu,
            "what is told is added to C_uu; it narrows, so take it off": 2 * C_uu - spread,
        }
        equal("the covariance", parts(answer(mean, covariance, told), "mean", "covariance")[1], spread, slips)
    with point("ValueError where the shapes do not fit"):
        refuses(answer, torch.zeros(2), torch.eye(3), torch.zeros(1), because="a covariance of another size")
        refuses(answer, torch.zeros(2), torch.eye(2), torch.zeros(2), because="every number is told, k = D")


@exercise(instead_of=["diffusion_lab.noising.posterior"])
def posterior_between(answer, point, g):
    """posterior_between(x_0, x_t, t, s, schedule): mean and variance of q(x_s | x_t, x_0).

    ``x_0`` and ``x_t`` are tensors of one shape, ``t`` and ``s`` whole numbers with ``0 <= s < t <= T``, and of the
    ``NoiseSchedule`` only ``alpha_bar`` is needed. Returns the mean, a tensor of that shape, and the variance, a
    number. Raises ``ValueError`` if ``s`` is not below ``t``, or is below 0.
    """
    schedule = NoiseSchedule.cosine(10)
    x_0, x_t = randn(g, 2, 5)
    for t, s in ((8, 3), (10, 9), (4, 0)):
        abar_t, abar_s = schedule.alpha_bar[t].item(), schedule.alpha_bar[s].item()
        kept = abar_t / abar_s
        mean, variance = posterior(x_0, x_t, t, schedule, s)

        def mixed(of_x_0, of_x_t, by=1 - abar_t):
            return (of_x_0 * x_0 + of_x_t * x_t) / max(by, 1e-9)

        of_x_0, of_x_t = abar_s**0.5 * (1 - kept), kept**0.5 * (1 - abar_s)
        with point("the mean"):
            slips = {
                "alpha_bar_s stands in front of x_0 where its root belongs: equation (6.12)": mixed(
                    abar_s * (1 - kept), of_x_t
                ),
                "alpha stands in front of x_t where its root belongs: equation (6.12)": mixed(
                    of_x_0, kept * (1 - abar_s)
                ),
                "alpha_bar_t's root stands in front of x_t where that of alpha belongs: equation (6.12)": mixed(
                    of_x_0, abar_t**0.5 * (1 - abar_s)
                ),
                "x_t has 1 - alpha_bar_t above the line where 1 - alpha_bar_s belongs: equation (6.12)": mixed(
                    of_x_0, kept**0.5 * (1 - abar_t)
                ),
                "nothing is divided by 1 - alpha_bar_t: equation (6.12)": mixed(of_x_0, of_x_t, 1),
                "this is the mean of q(x_s | x_0): x_t was seen, too": abar_s**0.5 * x_0,
                "x_0 and x_t have each other's shares: equation (6.12)": mixed(of_x_t, of_x_0),
                "1 - alpha_bar_s is below the line where 1 - alpha_bar_t belongs": mixed(of_x_0, of_x_t, 1 - abar_s),
                "alpha is that of the single step t, not of all steps from s to t": mixed(
                    abar_s**0.5 * schedule.beta[t].item(), schedule.alpha[t].item() ** 0.5 * (1 - abar_s)
                ),
            }
            equal("the mean", parts(answer(x_0, x_t, t, s, schedule), "mean", "variance")[0], mean, slips)
        with point("the variance"):
            slips = {
                "your variance is beta, the noise from s to t; the posterior's is beta-tilde: equation (6.11)": 1
                - kept,
                "beta is that of the single step t, not of all steps from s to t": (
                    schedule.beta[t].item() * (1 - abar_s) / (1 - abar_t)
                ),
                "this is the standard deviation; the variance is its square": variance[0].sqrt().item(),
                "the fraction stands on its head: 1 - alpha_bar_s is above the line, equation (6.11)": (
                    (1 - kept) * (1 - abar_t) / max(1 - abar_s, 1e-9)
                ),
            }
            equal(
                "the variance",
                parts(answer(x_0, x_t, t, s, schedule), "mean", "variance")[1],
                variance[0].item(),
                slips,
            )
    with point("ValueError unless 0 <= s < t"):
        refuses(answer, x_0, x_t, 3, 3, schedule, because="s = t")
        refuses(answer, x_0, x_t, 3, 5, schedule, because="s above t")
        refuses(answer, x_0, x_t, 3, -1, schedule, because="s below 0")
