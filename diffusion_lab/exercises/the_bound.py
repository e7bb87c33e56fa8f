"""Exercises of chapter 7, from a bound to a loss."""

import math

import torch
from torch.distributions import Normal, kl_divergence

from ..noising import add_noise, posterior
from ..schedule import NoiseSchedule
from ..targets import x0_from_eps
from .asking import Slip, equal, exercise, on_average, randn, refuses, shown


@exercise(instead_of=["torch.distributions.kl_divergence"])
def kl_clouds(answer, point, g):
    """kl_clouds(mean_1, variance_1, mean_2, variance_2): the KL divergence of two clouds of independent pixels.

    The means have the shape ``(B, *S)``, the variances any shape that broadcasts to it; all are floating point.
    Returns the KL of the first from the second for each example, ``(B,)``. Raises ``ValueError`` if the means differ
    in shape, or if a variance is not above 0.
    """

    def truth(mean_1, variance_1, mean_2, variance_2):
        first, second = (
            Normal(mean, variance.sqrt().expand_as(mean))
            for mean, variance in ((mean_1, variance_1), (mean_2, variance_2))
        )
        return kl_divergence(first, second)

    bells = [torch.tensor([[x]], dtype=torch.float64) for x in (1.2, 0.25, 0.4, 1.44)]
    with point("one bell from another"):
        m_1, v_1, m_2, v_2 = (x.item() for x in bells)
        far, log = (m_1 - m_2) ** 2, math.log(v_2 / v_1)
        slips = {
            "this is the KL of the second from the first; it matters who draws": truth(*bells[2:], *bells[:2])[0],
            "a half is missing in front of the logarithm: that of the widths is half that of the variances, "
            "equation (7.11)": log + (v_1 + far) / (2 * v_2) - 0.5,
            "the logarithm is upside down: equation (7.11)": -log / 2 + (v_1 + far) / (2 * v_2) - 0.5,
            "the logarithm is missing: equation (7.11), not (7.12), unless the widths are equal": (v_1 + far)
            / (2 * v_2)
            - 0.5,
            "the half that is taken off is missing: equation (7.11)": log / 2 + (v_1 + far) / (2 * v_2),
            "the variances are squared; only widths would have to be": log + (v_1**2 + far) / (2 * v_2**2) - 0.5,
            "the distance of the means is not squared: equation (7.11)": log / 2 + (v_1 + m_1 - m_2) / (2 * v_2) - 0.5,
            "this counts only how far the means are apart, equation (7.12); here the widths differ": far / (2 * v_2),
        }
        slips = {message: torch.as_tensor(wrong).double().reshape(1) for message, wrong in slips.items()}
        equal("the KL", answer(*bells), truth(*bells)[0], slips)
    mean_1, mean_2 = randn(g, 2, 4, 1, 3, 3, dtype=torch.float64)
    variance_1 = randn(g, 4, 1, 3, 3, dtype=torch.float64).exp()
    with point("the pixels of each example add up"):
        pixels = truth(mean_1, variance_1, mean_2, torch.tensor([0.7])).flatten(1)
        slips = {
            "this is the mean over the pixels; the KLs of independent pixels add up": pixels.mean(1),
            "this adds up the whole batch; each example has a KL of its own": pixels.sum(),
            "this is the mean over the batch; each example has a KL of its own": pixels.sum(1).mean(),
            "the examples are added up, not the pixels: the first axis is that of the examples": pixels.sum(0),
        }
        found = answer(mean_1, variance_1, mean_2, torch.tensor([0.7], dtype=torch.float64))
        equal("the KL of each example", found, pixels.sum(1), slips)
    for name, shape in (("a variance for all pixels", (1,)), ("a variance for each example", (4, 1, 1, 1))):
        with point(name):
            shared = randn(g, *shape, dtype=torch.float64).exp() + 1, randn(g, *shape, dtype=torch.float64).exp()
            wanted = truth(mean_1, shared[0], mean_2, shared[1]).flatten(1).sum(1)
            once = wanted - 4 * (shared[1] / shared[0]).log().flatten()
            slips = {"the logarithm of a shared variance has to count once a pixel: broadcast before the sum": once}
            equal("the KL of each example", answer(mean_1, shared[0], mean_2, shared[1]), wanted, slips)
    with point("ValueError for means that do not fit, and for variances not above 0"):
        one = torch.ones(1, dtype=torch.float64)
        refuses(answer, mean_1, one, mean_2[:1], one, because="means of different shapes")
        refuses(answer, mean_1, 0 * one, mean_2, one, because="a first variance of 0")
        refuses(answer, mean_1, one, mean_2, -one, because="a second variance below 0")


@exercise(instead_of=["diffusion_lab.targets.denoising_loss"])
def bound_loss(answer, point, g):
    """bound_loss(network, x_0, t, eps, schedule): what a network can learn of the bound, for each example.

    ``x_0`` and ``eps`` have the shape ``(B, *S)``, in float64; ``t`` holds ``(B,)`` whole numbers in ``1..T``, one for
    each example, and ``schedule`` is a ``NoiseSchedule``. ``network(x_t, t)`` gives its guess of the noise, of the
    shape of ``x_t``. Returns ``(B,)``: the squared errors, times the weight of their time for ``sigma_t^2 = beta_t``,
    added up over the numbers of each example. Raises ``ValueError`` if a time is not in ``1..T``.
    """
    schedule = NoiseSchedule.cosine(10)
    alpha, beta, alpha_bar = schedule.alpha, schedule.beta, schedule.alpha_bar
    x_0, eps = randn(g, 2, 3, 1, 3, dtype=torch.float64)

    def network(x_t, t):
        return torch.tanh(x_t) * (1 + torch.as_tensor(t).reshape(-1, 1, 1) / 10)

    def truth(t):
        """How many widths of the step back lie between the mean of one who knows x_0 and the network's."""
        x_t = add_noise(x_0, t, eps, schedule)
        guess = x0_from_eps(x_t, t, network(x_t, t), schedule)
        apart = posterior(x_0, x_t, t, schedule)[0] - posterior(guess, x_t, t, schedule)[0]
        return (apart**2).flatten(1).sum(1) / (2 * beta[t])

    def squares(x_t, t, wanted=eps):
        return (wanted - network(x_t, t)) ** 2

    with point("the same t for all"):
        k = 6
        t = torch.full((3,), k)
        wanted, x_t = truth(t), add_noise(x_0, t, eps, schedule)
        weight = wanted / squares(x_t, t).flatten(1).sum(1)
        unrooted = alpha_bar[k] * x_0 + (1 - alpha_bar[k]) * eps

        def summed(values):
            return weight * values.flatten(1).sum(1)

        slips = {
            "alpha_t is missing below the line of the weight: equation (7.14)": alpha[k] * wanted,
            "the 2 is missing below the line of the weight: equation (7.14)": 2 * wanted,
            "1 - alpha_bar_t is missing below the line of the weight: equation (7.14)": wanted * (1 - alpha_bar[k]),
            "sigma_t^2 is missing below the line of the weight; here it is beta_t: equation (7.14)": wanted * beta[k],
            "sigma_t is squared in the weight, and sigma_t^2 is beta_t: one beta_t is left above the line, "
            "equation (7.15)": wanted / beta[k],
            "this is the weight for beta-tilde, and sigma_t^2 is beta_t here: equation (7.15)": wanted
            * (1 - alpha_bar[k])
            / (1 - alpha_bar[k - 1]),
            "these are the squares without their weight, the simple loss: equation (7.16)": wanted / weight,
            "the weight is that of the time before: the tables begin at t = 0, so beta_t is beta[t]": wanted
            / weight
            * beta[k - 1]
            / (2 * alpha[k - 1] * (1 - alpha_bar[k - 1])),
            "this is the mean over the numbers of an example; they are to be added up": wanted / 3,
            "this adds up the whole batch; each example has a loss of its own": wanted.sum(),
            "this is the mean over the batch; each example has a loss of its own": wanted.mean(),
            "the network sees x_0 without noise; it has to see x_t": summed(squares(x_0, t)),
            "the network guesses the noise, and is held against x_0": summed(squares(x_t, t, x_0)),
            "the error is not squared": summed(squares(x_t, t).sqrt()),
            "alpha_bar stands in x_t where its root belongs: equation (6.7)": summed(squares(unrooted, t)),
        }
        equal("the loss", answer(network, x_0, t, eps, schedule), wanted, slips)
    with point("a t of its own for each example"):
        t = torch.tensor([2, 9, 5])
        wanted, x_t = truth(t), add_noise(x_0, t, eps, schedule)
        weights = wanted / squares(x_t, t).flatten(1).sum(1)
        crossed = alpha_bar[t].sqrt() * x_0 + (1 - alpha_bar[t]).sqrt() * eps
        slips = {
            f"t runs along the last axis{where}; the examples lie along the first: give it the shape (B, 1, 1)": wrong
            for where, wrong in (
                (" in x_t", weights.view(-1, 1, 1) * squares(crossed, t)),
                (" in the weight", weights * squares(x_t, t)),
                ("", weights * squares(crossed, t)),
            )
        }
        slips = {message: wrong.flatten(1).sum(1) for message, wrong in slips.items()}
        equal("the loss", answer(network, x_0, t, eps, schedule), wanted, slips)
    with point("ValueError for a time that is not in 1..T"):
        refuses(answer, network, x_0, torch.tensor([0, 4, 5]), eps, schedule, because="t = 0, where nothing is noise")
        refuses(answer, network, x_0, torch.tensor([3, 11, 5]), eps, schedule, because="t above T")


@exercise()
def tighter(answer, point, g):
    """tighter(draw, x_0, n): minus the logarithm of the mean of n ratios, for each example.

    ``draw(points)`` takes ``(M,)`` points, for any M, draws a path of noise from each, and returns the ``(M,)`` values
    of ``log q(path | x_0) - log p(path)``; every call draws afresh. ``x_0`` has the shape ``(B,)``, in float64, and
    ``n`` is a whole number of at least 1. For each of the ``B`` it draws n paths and returns ``(B,)`` values of
    ``-log(mean of the n ratios p / q)``, also where ``draw`` gives thousands. Raises ``ValueError`` if n is below 1.
    """

    def surely(x):
        return 100 * x

    two = torch.tensor([0.0, 1.0], dtype=torch.float64)
    with point("ratios that are all the same"):
        # Then their mean is that ratio.
        for n in (1, 2, 3):
            slips = {
                "the ratios are added up; their mean has to be divided by n as well": 100 * two - math.log(n),
                "log n is taken off twice; it belongs there once": 100 * two + math.log(n),
                "the sign: the mean is asked of p / q, and draw gives log q / p": -100 * two,
                "paths of different examples are averaged together; those of one belong side by side": 0 * two
                + math.log(2),
                "this is the ratio, or its inverse; its logarithm is asked for": (-100 * two).exp(),
            }
            equal(f"the value for n = {n}", answer(surely, two, n), 100 * two, slips)
    with point("the mean first, then the logarithm"):
        seed = int(torch.randint(2**31, (1,), generator=g))
        coins = torch.Generator().manual_seed(seed)

        def coin(x):
            """Nothing or 2, by a coin."""
            return x + 2.0 * (torch.rand(len(x), generator=coins) < 0.5)

        x_0 = randn(g, 4000, dtype=torch.float64)
        found = answer(coin, x_0, 2)
        if not isinstance(found, torch.Tensor) or found.shape != x_0.shape:
            raise Slip(f"expected a value for each of the 4000 examples, got {shown(found)}")
        found, mixed = found - x_0, -math.log((1 + math.exp(-2)) / 2)
        slips = {
            "the logarithms are averaged: that is the bound itself, whatever n is": 1.0,
            "the sign: the mean is asked of p / q, and draw gives log q / p": math.log((1 + math.exp(2)) / 2),
        }
        for message, wrong in slips.items():
            if (found - wrong).abs().min() < 1e-6:
                raise Slip(message)
        if not ((found - mixed).abs() < 1e-6).any() and ((found - 1).abs() - 1).abs().max() < 1e-6:
            raise Slip("the n ratios of an example are all the same: each of them needs a path of its own")
        for value in found.tolist():
            if min(abs(value - one) for one in (0, mixed, 2)) > 1e-6:
                raise Slip(f"where draw gives 0 and 2 in turn, the value is 0, {mixed:.3f} or 2; got {value:.3f}")
        on_average("how often two paths differ", ((found - mixed).abs() < 1e-6).double(), 0.5)
    with point("ratios that no exponential can hold"):
        for far in (2000.0, -2000.0):
            found = answer(lambda x, far=far: x + far, two, 3)
            if isinstance(found, torch.Tensor) and not found.isfinite().all():
                raise Slip(f"exp({-far:.0f}) is {'0' if far > 0 else 'infinite'} in any float: use `logsumexp`")
            equal(f"the value where draw gives {far:.0f}", found, two + far)
    with point("ValueError for n below 1"):
        refuses(answer, surely, two, 0, because="n = 0")
