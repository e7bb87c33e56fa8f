"""Exercises of the chapter What diffusion is."""

from itertools import combinations

import torch

from ..exact import ExactDenoiser
from ..noising import add_noise, posterior
from ..schedule import NoiseSchedule
from .asking import Slip, equal, exercise, on_average, randn, refuses


@exercise()
def modes_found(answer, point, g):
    """modes_found(x, centres, radius, share): how many of the centres a cloud of samples has found.

    ``x`` are samples ``(N, D)`` and ``centres`` has the shape ``(K, D)``. Returns, as an ``int``, the number of centres
    that have at least ``share * N`` samples within ``radius``. A sample counts for its nearest centre only. Raises
    ``ValueError`` if ``x`` is empty.
    """
    # Eight on a ring, 1.07 from neighbour to neighbour, turned by luck.
    turn = 2 * torch.pi * (torch.rand(1, generator=g) + torch.arange(8) / 8)
    centres = 1.4 * torch.stack([turn.cos(), turn.sin()], 1)

    def samples(*counts: int, far: int = 0, off: float = 0.05) -> torch.Tensor:
        """So many at the first centres, each pushed inwards by ``off``, and ``far`` in the middle of the ring."""
        x = [centres[k].repeat(count, 1) * (1 - off / 1.4) for k, count in enumerate(counts)]
        x = torch.cat([*x, 0.01 * randn(g, far, 2)])
        return x[torch.randperm(len(x), generator=g)]

    with point("the samples at a centre"):
        x = samples(10, 10, 10, far=50)
        slips = {
            "a centre with exactly share * N samples counts too: at least": 0,
            "you count samples, where the centres that have enough of them are asked for": 30,
        }
        equal("three centres of eight, share 0.125", answer(x, centres, 0.25, 0.125), 3, slips)
        slips = {"you divide the share by the number of centres; it is one of all samples as it stands": 3}
        equal("the same samples, share 0.15", answer(x, centres, 0.25, 0.15), 0, slips)
        equal("24 samples, three a centre", answer(samples(*[3] * 8), centres, 0.25, 0.1), 8)
    with point("what is too far away does not count"):
        slips = {"the radius has no say: samples 0.8 from their centre count for it": 1}
        equal("samples 0.8 away, radius 0.25", answer(samples(20, off=0.8), centres, 0.25, 0.1), 0, slips)
        slips = {"the radius is held to a distance that is still squared: 0.4 becomes 0.16": 1}
        equal("samples 0.4 away, radius 0.25", answer(samples(20, off=0.4), centres, 0.25, 0.1), 0, slips)
    with point("a sample counts for its nearest centre only"):
        slips = {"every sample counts for all centres in its radius, and not for the nearest only": 3}
        equal("all samples at one centre, radius 1.2", answer(samples(20), centres, 1.2, 0.1), 1, slips)
    with point("the share is one of all samples"):
        slips = {"you divide by those within the radius; the share is one of all samples": 1}
        equal("2 of 50 near a centre, share 0.5", answer(samples(2, far=48), centres, 0.25, 0.5), 0, slips)
    with point("ValueError if there are no samples"):
        refuses(answer, torch.zeros(0, 2), centres, 0.25, 0.1, because="x of shape (0, 2)")


@exercise()
def loss_by_kind(answer, point, g):
    """loss_by_kind(denoiser, x_0, kind, t, eps, schedule): of which data a loss complains.

    ``x_0`` ``(N, D)`` are clean data and ``kind`` ``(N,)`` says of which kind each is: a whole number from 0 to K - 1,
    and each occurs. ``t`` ``(N,)`` are times and ``eps`` ``(N, D)`` is noise. ``denoiser(x_t, t)`` guesses the noise in
    ``x_t``. Returns, for each kind, the mean squared error of its guesses ``(K,)``.
    """
    schedule = NoiseSchedule.cosine(20)
    D, kinds = 3, torch.tensor([9, 14, 5, 12])
    kind = torch.repeat_interleave(torch.arange(4), kinds)[torch.randperm(40, generator=g)]
    centres = 2 * randn(g, 4, D)
    x_0, eps = centres[kind] + 0.1 * randn(g, 40, D), randn(g, 40, D)
    t = torch.randint(1, 21, (40,), generator=g)
    x_t = add_noise(x_0, t, eps, schedule)
    for name, known in (("a denoiser that knows all kinds", centres), ("one that has forgotten the last", centres[:3])):
        denoiser = ExactDenoiser.mixture(known, [0.1] * len(known), [1.0] * len(known), schedule)

        def losses(held_to=eps, power=2, at=x_t, denoiser=denoiser, by=kinds):
            error = (denoiser(at, t) - held_to).abs().double() ** power
            return torch.bincount(kind, error.mean(1)) / by

        planted = {
            "the guesses are of the noise, so they are held to eps and not to x_0": {"held_to": x_0},
            "the errors of a kind are added up where they are averaged": {"by": 1},
            "the last kind is left out, since range(n) ends before n": {},
        }
        slips = {
            "the denoiser is shown the clean data; what it is made for is x_t": losses(at=x_0),
            "the errors are not squared": losses(power=1),
            "this is the root of the mean squared error": losses().sqrt(),
            "the squares of a sample are added up; a mean goes over its numbers too": D * losses(),
            "this is one loss for all data; each kind has its own": losses(by=40).sum(),
        }
        for several in (1, 2, 3):
            for chosen in combinations(planted, several):
                spoiled = losses(**{key: value for name in chosen for key, value in planted[name].items()})
                slips["; and ".join(chosen)] = spoiled[:-1] if list(planted)[2] in chosen else spoiled
        with point(name):
            equal("the losses", answer(denoiser, x_0, kind, t, eps, schedule), losses(), slips)


def second_after_first(x, t):
    """A denoiser that guesses the first number plus 1 for the second: what is put back at t = 1 shows in the answer."""
    return x[:, :1] + torch.tensor([0.0, 1.0])


def five_then_as_it_is(x, t):
    """A denoiser that guesses 5 at t = 2, and believes what it sees at t = 1: so the state at 1 is the answer."""
    return x if t == 1 else torch.full_like(x, 5.0)


@exercise()
def fill_second(answer, point, g):
    """fill_second(first, n, goes, best_guess, schedule, generator): pairs of which one number is known.

    Walks ``n`` pairs back from noise, every step ``goes`` times: a step back to t - 1 by ``best_guess(x, t)``, which
    gives E[x_0 | x_t] of ``(n, 2)``; then the known number ``first`` is put back in the place of the first, with the
    noise of t - 1; and before the next go of this step, there is a step of the forward chain to t again. Returns the
    second numbers ``(n,)``. All that is random comes from ``generator``. Raises ``ValueError`` if ``goes`` is below 1.
    """
    first = 2 + torch.rand(1, generator=g).item()
    seed = int(torch.randint(2**31, (1,), generator=g))
    two = NoiseSchedule.from_betas(torch.tensor([0.2, 0.5]))

    def filled(first, n, goes, best_guess, schedule, also=0):
        found = answer(first, n, goes, best_guess, schedule, torch.Generator().manual_seed(seed + also))
        if not isinstance(found, torch.Tensor) or found.shape != (n,):
            equal("the second numbers", found, torch.zeros(n))
        return found.double()

    def squares(found):
        return (found - found.mean()) ** 2

    zero = torch.zeros(1, 1)
    mean, variance = (one.item() for one in posterior(zero + 5, zero, 2, two))
    of_x_t = posterior(zero, zero + 1, 2, two)[0].item()
    kept_1, kept_2 = two.alpha[1:].sqrt().tolist()
    not_posterior = "your variance is beta, that of a step there; a step back has less, and none at t = 1"
    up_too_often = "x is brought to t again after the last go as well"
    with point("what is put back"):
        found, noise = filled(first, 5000, 1, second_after_first, two), 1 - kept_1**2
        if found.std() < 1e-3 and abs(found[0] - first) < 1e-3:
            raise Slip("you return the first numbers, which are known; the second are asked for")
        if found.std() < 1e-3 and abs(found[0] - first - 1) < 1e-3:
            raise Slip("what is put back is clean; it has to have the noise of t - 1, as the rest has")
        if found.std() < 1e-3:
            raise Slip("it is put back without noise, or with the same noise in all pairs")
        slips = {
            "the known number is put back with a root missing: sqrt(alpha_bar) stands in front of it": kept_1**2
            * first,
            "it is put back with the noise of t; after the step, the rest is at t - 1": kept_1 * kept_2 * first,
            "nothing is put back": 0.0,
            up_too_often: kept_1 * (kept_1 * kept_2 * first + 1) - 1,
        }
        on_average("the first number at t = 1", found - 1, kept_1 * first, slips)
        slips = {
            "it is put back with noise that lacks a root: sqrt(1 - alpha_bar) stands in front of it": noise**2,
            not_posterior: noise + 0.2,
        }
        on_average("its variance at t = 1", squares(found), noise, slips)
    with point("the step back"):
        found = filled(first, 5000, 1, five_then_as_it_is, two)
        slips = {up_too_often: kept_1 * kept_2 * mean}
        if found.std() < 1e-3:
            raise Slip("all pairs are at one place: the step goes all of the way to the guess")
        on_average("the second number at t = 1", found, mean, slips)
        slips = {
            "the step back adds no fresh noise": of_x_t**2,
            "the noise of the step back is multiplied by its variance, where the root belongs": of_x_t**2 + variance**2,
            not_posterior: of_x_t**2 + 0.5 + 0.2,
            "your variance is beta, that of a step there; a step back has less": of_x_t**2 + 0.5,
        }
        on_average("its variance at t = 1", squares(found), of_x_t**2 + variance, slips)
    with point("there and back again"):
        found = filled(first, 5000, 2, five_then_as_it_is, two)
        slips = {
            "with two goes, every step is gone once: `goes` has no say, or each go is a whole walk": mean,
            "between two goes at a step, x is not brought to t again": mean + of_x_t * mean,
            up_too_often: kept_1**2 * kept_2 * (mean + of_x_t * kept_2 * mean),
        }
        on_average("the second number after two goes", found, kept_1 * (mean + of_x_t * kept_2 * mean), slips)
    with point("the second, given the first"):
        schedule = NoiseSchedule.cosine(30)
        pairs = torch.tensor([[1.0, 0.9], [0.9, 1.0]])

        def best_guess(x, t):
            a = schedule.alpha_bar[t].float()
            return x @ (a.sqrt() * pairs @ torch.linalg.inv(a * pairs + (1 - a) * torch.eye(2)))

        once, often = (filled(1.5, 2000, goes, best_guess, schedule).mean().item() for goes in (1, 10))
        if not once < 1.05 < 1.25 < often < 1.4:
            raise Slip(f"expected a mean well below 1.35 with one go and near it with ten, got {once:.2f}, {often:.2f}")
    with point("all that is random comes from the generator"):
        one, same, other = (filled(first, 5, 1, second_after_first, two, also) for also in (0, 0, 1))
        if not torch.equal(one, same):
            raise Slip("two generators with the same seed give different numbers: some of the noise is not theirs")
        if torch.equal(one, other):
            raise Slip("generators with different seeds give the same numbers: draw from the one that is given")
    with point("ValueError if goes is below 1"):
        refuses(answer, 1.5, 5, 0, second_after_first, two, torch.Generator(), because="no go at all")
