"""Exercises of chapter 8, the objective."""

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from ..sampling import walk
from ..schedule import NoiseSchedule
from ..steps import ddpm
from .asking import Slip, equal, exercise, on_average, parts, randn, refuses, shown


@exercise()
def end_cost(answer, point, g):
    """end_cost(x_0, schedule): the term L_T of each example, in nats.

    ``x_0`` is a floating-point tensor of shape ``(B, *S)``, ``schedule`` a ``NoiseSchedule``. Returns the KL divergence
    of ``q(x_T | x_0)`` from ``N(0, 1)``, added up over the pixels of each example: ``(B,)``, in float64. Raises
    ``TypeError`` if ``x_0`` is not a floating-point tensor.
    """
    early = NoiseSchedule.linear(300, 1e-4, 0.02)

    def end(x_0, left, width=None):
        """Where x_0 ends; ``left`` is alpha_bar_T."""
        return Normal(left**0.5 * x_0.double(), (1 - left) ** 0.5 if width is None else width)

    noise, left = Normal(torch.zeros((), dtype=torch.float64), 1.0), early.alpha_bar[-1]
    with point("a single pixel"):
        x_0 = torch.tensor([[0.0], [1.0], [3.0]])
        truth, squares = kl_divergence(end(x_0, left), noise)[:, 0], (x_0[:, 0] ** 2).double()
        slips = {
            "alpha_bar_T stands in front of x_0 where its root belongs": kl_divergence(
                Normal(left * x_0.double(), (1 - left).sqrt()), noise
            )[:, 0],
            "1 - alpha_bar_T is the variance of the end, and is taken for its width": kl_divergence(
                end(x_0, left, 1 - left), noise
            )[:, 0],
            "a half is missing: equation (8.7)": 2 * truth,
            "the logarithm has the wrong sign: equation (8.7)": truth + torch.log1p(-left),
            "the logarithm is missing: equation (8.7)": truth + torch.log1p(-left) / 2,
            "this is the average over data of variance 1; each example has an x_0 of its own": truth
            - left * (squares - 1) / 2,
            "x_0 is not squared": truth + left * (squares.sqrt() - squares) / 2,
            "this counts only how far the means are apart; the widths differ too": left * squares / 2,
            "the end is taken at T - 1; the tables have T + 1 entries, and alpha_bar[-1] is that of T": kl_divergence(
                end(x_0, early.alpha_bar[-2]), noise
            )[:, 0],
            "alpha_T is that of the last step alone; alpha_bar_T is that of all": kl_divergence(
                end(x_0, early.alpha[-1]), noise
            )[:, 0],
            "this is the KL of N(0, 1) from the end; it matters who draws": kl_divergence(noise, end(x_0, left))[:, 0],
        }
        equal("L_T", answer(x_0, early), truth, slips)
    with point("the pixels of each example add up"):
        x_0 = randn(g, 3, 1, 2, 2)
        pixels = kl_divergence(end(x_0, left), noise).flatten(1)
        slips = {
            "this is the mean over the pixels; they are to be added up": pixels.mean(1),
            "this adds up the whole batch; each example has a cost of its own": pixels.sum(),
            "this is the mean over the batch; each example has a cost of its own": pixels.sum(1).mean(),
            "what does not depend on x_0 is counted once an example; it belongs to each pixel": pixels.sum(1)
            + 1.5 * (left + torch.log1p(-left)),
        }
        equal("L_T of each example", answer(x_0, early), pixels.sum(1), slips)
    with point("in float64"):
        found = answer(x_0, early)
        if not isinstance(found, Tensor) or found.dtype != torch.float64:
            raise Slip(f"expected float64, got {shown(found)}")
    with point("TypeError unless x_0 is a floating-point tensor"):
        refuses(answer, torch.tensor([[1, 2]]), early, because="whole numbers", error=TypeError)
        refuses(answer, [[0.5, 1.0]], early, because="a list", error=TypeError)


@exercise()
def draw_by_weight(answer, point, g):
    """draw_by_weight(weights, n, generator): times that come as often as they weigh.

    ``weights`` is a floating-point tensor ``(T,)``, for the times 1 to T. Returns ``t``, ``(n,)`` whole numbers in
    ``1..T``, each with a chance in proportion to its weight, and ``factor``, ``(n,)``, by which a square at t is to be
    multiplied, so that the mean is the sum over all times of weight times mean square. All draws come from
    ``generator``. Raises ``ValueError`` if a weight is not above 0.
    """
    weights, n = torch.tensor([4.0, 2.5, 0.5, 2.0, 1.5], dtype=torch.float64), 20_000
    T, total = len(weights), weights.sum()
    seed = int(torch.randint(2**31, (1,), generator=g))

    def drawn():
        t, factor = parts(answer(weights, n, torch.Generator().manual_seed(seed)), "t", "factor")
        if not isinstance(t, Tensor) or t.is_floating_point() or t.shape != (n,):
            raise Slip(f"t: expected a tensor of ({n},) whole numbers, got {shown(t)}")
        return t, factor

    with point("whole numbers from 1 to T"):
        t, _ = drawn()
        if t.min() == 0:
            raise Slip("0 is among the times: what draws counts from 0, and the times from 1")
        equal("the first and the last of the times", (t.min().item(), t.max().item()), (1, T))
    with point("as often as they weigh"):
        t, _ = drawn()
        chances = {
            "every time comes equally often; the chances are to be as the weights": torch.ones(T),
            "the softmax takes the weights for logarithms; divided by their sum, weights are chances": weights.exp(),
            "the heavy times come too often: the weights are squared": weights**2,
            "the heavy times come too seldom: the root is taken of the weights": weights.sqrt(),
            "the heavy times come seldom: the chances are upside down": 1 / weights,
            "the times are off by one: weights[0] is the weight of t = 1": weights.roll(1),
        }
        for k in range(T):
            slips = {message: (wrong / wrong.sum())[k].item() for message, wrong in chances.items()}
            on_average(f"the share of t = {k + 1}", (t == k + 1).double(), (weights / total)[k].item(), slips)
    with point("the factor"):
        t, factor = drawn()
        if not ((t >= 1) & (t <= T)).all():
            raise Slip("a factor needs a time in 1..T")
        heavy = weights[t - 1]
        slips = {
            "this counts the weight twice: a heavy time comes more often already": heavy,
            "this is the mean of the weights, and a sum over all times is asked for, T times that": (total / T).expand(
                n
            ),
            "this is a single number; each draw has its factor": total,
            "without a factor the mean is an average over times, not the sum with the weights": torch.ones(n),
            "this is the chance of the time; the weight has to be divided by it": heavy / total,
            "this is one over the chance; the weight has to be divided by it": total / heavy,
            "this makes up for the draws and leaves the weights out; they are asked for": total / heavy / T,
        }
        equal("the factor", factor, total.expand(n), slips)
    with point("all draws come from the generator"):
        same, again = drawn()[0], drawn()[0]
        if not torch.equal(same, again):
            raise Slip("the same generator gives other times: hand it to what draws")
    with point("ValueError for a weight that is not above 0"):
        for least in (0.0, -1.0):
            bad = torch.tensor([1.0, least])
            refuses(answer, bad, 3, torch.Generator(), because=f"a weight of {least:g}")


@exercise(instead_of=["diffusion_lab.sampling.walk", "diffusion_lab.sampling.sample"])
def walk_back(answer, point, g):
    """walk_back(denoiser, x_T, schedule, sigma2, generator): DDPM's algorithm 2, from x_T to x_0.

    ``denoiser(x_t, t)`` gives the noise in the states ``(B, *S)`` at the ``(B,)`` times t; ``x_T`` has the shape
    ``(B, *S)``, ``schedule`` is a ``NoiseSchedule``, and ``sigma2`` a table ``(T + 1,)`` of the variances of the steps.
    All noise comes from ``generator``. Returns x_0, ``(B, *S)``.
    """
    schedule = NoiseSchedule.linear(4, 0.1, 0.4)
    alpha, beta, T = schedule.alpha, schedule.beta, schedule.T
    x_T, still = randn(g, 3, 1, 2, dtype=torch.float64), torch.zeros(T + 1, dtype=torch.float64)
    seed = int(torch.randint(2**31, (1,), generator=g))

    def denoiser(x_t, t):
        return torch.tanh(x_t) * (1 + torch.as_tensor(t).reshape(-1, 1, 1) / 10)

    def end(step):
        return list(walk(denoiser, x_T, schedule, step))[-1]

    def by(of_eps, share):
        """The end of steps without noise: ``(x_t - of_eps eps) / share``."""
        return end(lambda now, to: ((now.x_t - of_eps(now, to) * now.eps) / share(now, to), 0.0))

    def out(now, to):
        return (1 - root(now, to) ** 2) / now.b

    def root(now, to):
        return now.a / to.a

    with point("every time from T to 1"):
        for t, why in {
            T: "the walk begins at T - 1; x_T is a state of time T",
            1: "the walk stops at t = 1, a step too early: the denoiser is not asked there",
            2: "the denoiser is not asked at t = 2",
        }.items():
            # Noise is guessed at one time only. Does it matter?
            found, without = (
                answer(
                    lambda x_t, now, t=t, eps=eps: 0 * x_t + eps * (torch.as_tensor(now).reshape(-1, 1, 1) == t),
                    x_T,
                    schedule,
                    still,
                    torch.Generator().manual_seed(seed),
                )
                for eps in (1.0, 0.0)
            )
            if isinstance(found, Tensor) and torch.equal(found, without):
                raise Slip(why)
    with point("the mean of each step"):

        def no_noise(now, to):
            return ddpm()(now, to)[0], 0.0

        slips = {
            "1 - alpha_bar_t stands below beta_t where its root belongs: equation (8.5)": by(
                lambda now, to: out(now, to) / now.b, root
            ),
            "alpha_t is divided by where its root belongs: equation (8.5)": by(out, lambda now, to: root(now, to) ** 2),
            "the noise is added where it is to be taken away": by(lambda now, to: -out(now, to), root),
            "the root of alpha_bar_t is divided by where that of alpha_t belongs: equation (8.5)": by(
                out, lambda now, to: now.a
            ),
            "the root of beta_t stands in front of eps where beta_t belongs: equation (8.5)": by(
                lambda now, to: (out(now, to) / now.b) ** 0.5, root
            ),
            "this takes all of the noise away at every step: that is x_0 of the guess, not the mean of x_{t-1}": by(
                lambda now, to: now.b, lambda now, to: now.a
            ),
        }
        found = answer(denoiser, x_T, schedule, still, torch.Generator().manual_seed(seed))
        equal("x_0", found, end(no_noise), slips)

    def noise_only(**at):
        """What the noise of some steps becomes at t = 1, from a start of zeros and with a guess of no noise."""
        sigma2 = still.clone()
        for t, variance in at.items():
            sigma2[int(t[1:])] = variance
        nothing = torch.zeros(4000, 2, dtype=torch.float64)
        made = answer(lambda x_t, t: 0 * x_t, nothing, schedule, sigma2, torch.Generator().manual_seed(seed))
        if not isinstance(made, Tensor) or made.shape != nothing.shape:
            raise Slip(f"x_0: expected the shape {tuple(nothing.shape)}, got {shown(made)}")
        return made * alpha[1].sqrt()

    with point("noise of its own for every number"):
        made = noise_only(t2=0.3)
        if made.abs().max() == 0:
            raise Slip("no noise is added at t = 2")
        if (made == made[0]).all() or (made == made[:, :1]).all():
            raise Slip("one draw serves many numbers: z has the shape of x_t")
    with point("the spread of the noise"):
        slips = {
            "sigma2 is a variance, and is taken for the spread: z is multiplied by its root": 0.3**2,
            "the variance is that of the time before: the tables begin at t = 0": 0.3 / alpha[2].item(),
            "the variance is the schedule's beta; it is to be that of the table sigma2": (
                beta[2] + beta[3] / alpha[2] + beta[4] / alpha[2:4].prod()
            ).item(),
        }
        on_average("the variance that the step t = 2 adds", noise_only(t2=0.3) ** 2, 0.3, slips)
    with point("fresh noise at every step"):
        first, then = 0.2 / alpha[2].item(), 0.3
        slips = {"every step adds the same z: draw it inside the loop": (first**0.5 + then**0.5) ** 2}
        slips["sigma2 is a variance, and is taken for the spread"] = 0.2**2 / alpha[2].item() + then**2
        on_average("the variance that two steps add", noise_only(t3=0.2, t2=0.3) ** 2, first + then, slips)
    with point("no noise in the last step"):
        if noise_only(t1=0.3).abs().max() > 0:
            raise Slip("at t = 1 noise is added to the clean x_0: algorithm 2 leaves it out there")
    with point("all noise comes from the generator"):
        if not torch.equal(noise_only(t2=0.3), noise_only(t2=0.3)):
            raise Slip("the same generator gives another x_0: hand it to what draws")
