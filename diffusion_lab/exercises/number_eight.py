"""Exercises of chapter 1, the number 8."""

import torch
from torch.distributions import Categorical, Normal

from ..exact import ExactDenoiser
from ..noising import posterior
from ..schedule import NoiseSchedule
from .asking import Slip, equal, exercise, on_average, randn, refuses

VALUES, SHARES = torch.tensor([2.0, 5.0, 8.0]), torch.tensor([0.3, 0.2, 0.5])


def denoiser_of(schedule: NoiseSchedule) -> ExactDenoiser:
    """That of the chapter's 2s, 5s and 8s, each with a width of 0.5."""
    return ExactDenoiser.mixture(VALUES.view(-1, 1), torch.full((3,), 0.5), SHARES, schedule)


@exercise(instead_of=["diffusion_lab.noising.posterior", "diffusion_lab.sampling.walk", "diffusion_lab.steps.ddpm"])
def ddpm_step(answer, point, g):
    """ddpm_step(x_t, t, denoiser, schedule, generator): one step back, from t to t - 1.

    ``x_t`` are noisy numbers ``(N, 1)``, ``t`` is a whole number in ``1..T``, and ``denoiser(x_t, t)`` says how much
    noise is in them. Of the ``NoiseSchedule`` only ``beta`` and ``alpha_bar`` are needed. Returns a draw of x_{t-1},
    ``(N, 1)``, with fresh noise from ``generator`` for every number. Raises ``ValueError`` unless ``t`` is in ``1..T``.
    """
    schedule = NoiseSchedule.cosine(8)
    denoiser = denoiser_of(schedule)
    seed, n, t = int(torch.randint(2**31, (1,), generator=g)), 10_000, 6
    x = 5.25 + 0.3 * torch.rand(1, 1, generator=g)  # where the slips lie far apart
    a, a_before, b = (one.item() for one in (schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]))

    def step(t, n=n, also=0):
        found = answer(x.repeat(n, 1), t, denoiser, schedule, torch.Generator().manual_seed(seed + also))
        if not isinstance(found, torch.Tensor) or found.shape != (n, 1):
            equal("x_{t-1}", found, torch.zeros(n, 1))
        return found.double()

    def mixed(of_x_0, of_x_t, x_0):
        return (of_x_0 * x_0 + of_x_t * x.item()) / (1 - a)

    x_0, eps = denoiser.x_0(x, t).item(), denoiser(x, t).item()
    eps_before = denoiser(x, t - 1).item()
    of_x_0, of_x_t = a_before**0.5 * b, (1 - b) ** 0.5 * (1 - a_before)
    mean, variance = (one.item() for one in posterior(torch.full((1, 1), x_0), x, t, schedule))
    with point("the mean"):
        slips = {
            "this is the guess of x_0: a step back goes only a part of the way": x_0,
            "alpha_bar stands in front of x_0 where its root belongs: equation (1.7)": mixed(a_before * b, of_x_t, x_0),
            "1 - beta stands in front of x_t where its root belongs: equation (1.7)": mixed(
                of_x_0, (1 - b) * (1 - a_before), x_0
            ),
            "x_0 and x_t have each other's weight: equation (1.7)": mixed(of_x_t, of_x_0, x_0),
            "alpha_bar is that of t everywhere; (1.7) has that of t - 1 as well": mixed(
                a**0.5 * b, (1 - b) ** 0.5 * (1 - a), x_0
            ),
            "the denoiser gives the noise, which is not yet x_0: equation (1.6)": mixed(of_x_0, of_x_t, eps),
            "the roots are missing where the noise becomes x_0: equation (1.6)": mixed(
                of_x_0, of_x_t, (x.item() - (1 - a) * eps) / a
            ),
            "one root is missing where the noise becomes x_0: equation (1.6)": mixed(
                of_x_0, of_x_t, (x.item() - (1 - a) * eps) / a**0.5
            ),
            "the denoiser is asked about t - 1, but x_t has the noise of t": mixed(
                of_x_0, of_x_t, (x.item() - (1 - a) ** 0.5 * eps_before) / a**0.5
            ),
        }
        found = step(t)
        if found.std() < 1e-6:  # on_average needs something to measure by
            equal("the mean", found.mean().item(), mean, slips)
        else:
            on_average("the mean", found, mean, slips)
    with point("the variance"):
        found = step(t)
        if found.std() < 1e-6:
            raise Slip("there is no fresh noise, or the same for all numbers: each gets its own")
        slips = {
            "your variance is beta, the noise of a step there; a step back has less: equation (1.7)": b,
            "the noise is multiplied by its variance, where the root belongs": variance**2,
            "the fraction of (1.7) is there without its beta": (1 - a_before) / (1 - a),
            "your variance is 1 - alpha_bar, all of the noise; a step back adds a little: equation (1.7)": 1 - a_before,
        }
        on_average("the variance", (found - found.mean()) ** 2, variance, slips)
    with point("the last step"):
        found = step(1)
        if found.std() > 1e-3:
            raise Slip("there is noise at the last step: at t = 1 the variance of (1.7) is 0")
        equal("x_0, at t = 1", found[0, 0].item(), denoiser.x_0(x, 1).item(), atol=1e-3)
    with point("the noise comes from the generator"):
        one, same, other = (step(t, 5, also) for also in (0, 0, 1))
        if not torch.equal(one, same):
            raise Slip("two generators with the same seed give different numbers: draw from the one that is given")
        if torch.equal(one, other):
            raise Slip("generators with different seeds give the same numbers: draw from the one that is given")
    with point("ValueError unless t is in 1..T"):
        for time, why in ((0, "t = 0, from which nothing leads back"), (9, "t = 9 of 8")):
            refuses(answer, x, time, lambda x, t: 0 * x, schedule, torch.Generator(), because=why)


@exercise(instead_of=["diffusion_lab.exact.ExactDenoiser.x_0", "diffusion_lab.exact.ExactDenoiser.score"])
def best_guess_wide(answer, point, g):
    """best_guess_wide(x_t, t, means, stds, weights, schedule): E[x_0 | x_t] for bells with a width.

    ``x_t`` are noisy numbers ``(N, 1)``, ``t`` is a whole number in ``1..T``, and the three tensors ``(K,)`` say of a
    mixture where its bells are, their standard deviations, and their shares, which sum to 1. Returns the best guess of
    the clean numbers ``(N, 1)``. Raises ``ValueError`` if the three differ in length.
    """
    schedule = NoiseSchedule.cosine(300)
    means = torch.tensor([2.0, 5.0, 8.0, 9.0]) + 0.5 * torch.rand(4, generator=g)
    stds, weights = torch.tensor([0.5, 1.2, 0.25, 0.8]), torch.tensor([0.35, 0.15, 0.1, 0.4])
    which = torch.arange(4).repeat(10)
    for t in (80, 150, 240):
        a = schedule.alpha_bar[t].item()
        root, v = a**0.5, a * stds**2 + 1 - a
        x_t = (root * means[which] + v[which].sqrt() * randn(g, 40))[:, None]

        def truth(stds=stds, weights=weights, x_t=x_t, t=t):
            return ExactDenoiser.mixture(means[:, None], stds, weights, schedule).x_0(x_t, t)

        def averaged(guesses, centres=root * means, v=v, x_t=x_t):
            """With the probabilities of the bells, (N, K), by the library's bells."""
            bells = Normal(centres, v.sqrt()).log_prob(x_t) + weights.log()
            return (Categorical(logits=bells).probs * guesses).sum(1, True)

        inside = means + root * stds**2 / v * (x_t - root * means)
        heights = Normal(root * means, v.sqrt()).log_prob(x_t).exp() * weights
        slips = {
            "the bells count alike; each is multiplied by its share": truth(weights=torch.ones(4)),
            "the widths have no say: this is the guess for data that are exactly at the means": truth(stds=0 * stds),
            "the standard deviations stand where their squares belong": truth(stds=stds.sqrt()),
            "inside a bell the guess is not always its mean: it is a straight line in x_t": averaged(means),
            "the bells have only the variance of the noise; their own, times alpha_bar, comes to it": averaged(
                inside, v=torch.full((4,), 1 - a)
            ),
            "the bells stand at their means, and not at sqrt(alpha_bar) times them": averaged(inside, means),
            "alpha_bar stands in front of the means where its root belongs: equation (1.3)": averaged(
                means + root * stds**2 / v * (x_t - a * means), a * means
            ),
            "the bells lack the factor in front, by which a narrow one is higher: equation (1.1)": (
                (heights * v.sqrt() * inside).sum(1, True) / (heights * v.sqrt()).sum(1, True)
            ),
            "the heights are not yet divided by their sum": (heights * inside).sum(1, True),
            "the heights are divided by their sum over the numbers; it goes over the bells": (
                (heights / heights.sum(0) * inside).sum(1, True)
            ),
        }
        with point(f"the guess at t = {t}"):
            found = answer(x_t, t, means, stds, weights, schedule)
            equal("the guess", found, truth(), slips, atol=1e-3)
    with point("with all widths 0, that of this chapter"):
        numbers = torch.linspace(-1, 6, 20)[:, None]
        exact = ExactDenoiser.mixture(VALUES[:, None], torch.zeros(3), SHARES, schedule).x_0(numbers, 180)
        equal("the guess", answer(numbers, 180, VALUES, torch.zeros(3), SHARES, schedule), exact, atol=1e-3)
    with point("ValueError if the three differ in length"):
        refuses(answer, x_t, 60, means, stds[:1], weights, schedule, because="four means and a single width")
        refuses(answer, x_t, 60, means, stds, weights[:1], schedule, because="four means and a single share")


def written(shares: torch.Tensor) -> list[float]:
    return [round(one, 2) for one in shares.tolist()]


@exercise()
def shares_made(answer, point, g):
    """shares_made(schedule, n, generator): what a walk back makes that begins where the walk there may not have ended.

    Begins with ``n`` numbers from N(0, 1) and takes them back, by all steps of DDPM under ``schedule``, with the exact
    denoiser of the chapter's mixture: 2, 5 and 8 with the shares 0.3, 0.2 and 0.5, each with the width 0.5. Returns a
    tensor of three shares: of the numbers below 3.5, of those from 3.5 to 6.5, and of those above. All that is random
    comes from ``generator``. Raises ``ValueError`` if ``n`` is below 1.
    """
    seed, n = int(torch.randint(2**31, (1,), generator=g)), 2500

    def made(schedule, n=n, also=0):
        found = answer(schedule, n, torch.Generator().manual_seed(seed + also))
        if not isinstance(found, torch.Tensor) or found.shape != (3,):
            equal("the shares", found, SHARES)
        for whole, slip in ((n, "these are numbers of samples"), (100, "these are per cent")):
            if abs(found.double().sum() - whole) < 1e-3:
                raise Slip(f"{slip}; shares sum to 1")
        if abs(found.double().sum() - 1) > 1e-5:
            raise Slip(f"the three shares sum to {found.double().sum():.4g}: is every number in exactly one of them?")
        return found.double()

    def near(found, shares):
        """As far as ``n`` numbers can tell, and up to what sixty steps leave to be desired."""
        return ((found - shares).abs() <= 5 * (shares * (1 - shares) / n).sqrt() + 0.01).all()

    arrives, falls_short = NoiseSchedule.cosine(60), NoiseSchedule.constant(50, beta=0.04)
    with point("a walk that arrives"):
        found = made(arrives)
        slips = {
            "the three bells count alike; their shares are 0.3, 0.2 and 0.5": torch.full((3,), 1 / 3),
            "the shares come in the wrong order: the smallest numbers first": SHARES.flip(0),
            "one leap puts all numbers on the average: take every step": torch.tensor([0.0, 1.0, 0.0]),
        }
        if not near(found, SHARES):
            named = [message for message, wrong in slips.items() if near(found, wrong)]
            raise Slip(named[0] if named else f"expected about {written(SHARES)}, got {written(found)}")
    with point("a walk that falls short"):
        found = made(falls_short)
        if near(found, SHARES):
            raise Slip(
                "the shares are right, so you did not begin at N(0, 1): under this schedule more of an 8 is left"
            )
        if found[0] > 0.85:  # of DDPM 0.79 are to be expected, of DDIM 0.90
            raise Slip("these are the shares of DDIM's steps, which `sample` takes unless it is told ddpm()")
        if found[0] < 0.72:
            raise Slip(f"8s begin too low, so there should be far too many 2s and too few 8s; got {written(found)}")
    with point("all that is random comes from the generator"):
        # Three each: of 300 numbers, two draws may well have the same shares.
        one, *same = (made(falls_short, 300) for _ in range(3))
        others = [made(falls_short, 300, also) for also in (1, 2, 3)]
        if not all(torch.equal(one, again) for again in same):
            raise Slip("two generators with the same seed give different shares: draw from the one that is given")
        if all(torch.equal(one, other) for other in others):
            raise Slip("generators with different seeds give the same shares: draw from the one that is given")
    with point("ValueError if n is below 1"):
        refuses(answer, arrives, 0, torch.Generator(), because="n = 0")
