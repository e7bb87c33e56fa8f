"""Exercises of chapter 9, the perfect denoiser."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..exact import ExactDenoiser
from ..schedule import NoiseSchedule
from .asking import Slip, equal, exercise, on_average, parts, randn, refuses, shown


@exercise(instead_of=["diffusion_lab.targets.convert"])
def tweedie(answer, point, g):
    """tweedie(x_t, t, log_density, schedule): the best guess of x_0 for any density, by equation (9.5).

    ``x_t`` has shape ``(B, *S)`` and ``t`` is a whole number in ``1..T``. ``log_density(x_t)`` gives the logarithm of
    the density of the noisy data, ``(B,)``, up to a constant. Returns the mean of all x_0 that may have become
    ``x_t``, of its shape. Raises ``ValueError`` if ``t`` is not in ``1..T``.
    """
    schedule = NoiseSchedule.linear(50, 1e-3, 0.2)

    def asked(t, *S):
        """What the function gives, and the denoiser that knows the truth."""
        means, stds = randn(g, 3, *S, dtype=torch.float64), 0.1 + 0.5 * torch.rand(3, generator=g)
        truth = ExactDenoiser.mixture(means, stds, torch.tensor([1.0, 2.0, 3.0]), schedule)
        x_t = randn(g, 5, *S, dtype=torch.float64)
        return truth, x_t, answer(x_t, t, lambda x: truth.log_prob(x, t) + 60, schedule)

    def hold(t, *S):
        truth, x_t, guess = asked(t, *S)
        abar, score = schedule.alpha_bar[t].item(), truth.score(x_t, t)
        noise, root = 1 - abar, abar**0.5
        log_q = (truth.log_prob(x_t, t) + 60).view(5, *(1 for _ in S))
        moves = {
            "the score is taken off, where denoising moves along it: equation (9.5)": -noise * score,
            "in front of the score is the standard deviation of the noise; its variance belongs there": noise**0.5
            * score,
            "in front of the score is alpha_bar; the variance of the noise is 1 - alpha_bar": abar * score,
            "the score is divided by the number of samples: take the slope of the sum, not of the mean": noise
            * score
            / 5,
            "the logarithm is taken twice: log_density gives one already": noise * score / log_q,
            "this is the slope of the density; the score is that of its logarithm": noise * score * log_q.exp(),
        }
        slips = {why: (x_t + move) / root for why, move in moves.items()} | {
            "it is not divided by the root of alpha_bar: your guess is as small as x_0 is in x_t": x_t + noise * score,
            "alpha_bar is below the line where its root belongs: equation (9.5)": (x_t + noise * score) / abar,
            "this is the guess of the noise, equation (9.6); asked is that of x_0": -(noise**0.5) * score,
            "this is the score; equation (9.5) makes the guess of it": score,
        }
        equal(f"at t = {t}", guess, truth.x_0(x_t, t), slips)

    with point("the guess"):
        for t in (40, 20, 5):
            hold(t, 2)
    with point("samples of any shape"):
        hold(30, 2, 1, 2)
    with point("ValueError unless t is in 1..T"):
        try:
            asked(50, 2)
        except ValueError as error:
            raise Slip("t = T is refused, and 1..T holds both of its ends") from error
        for t, because in ((0, "t = 0, where there is no noise"), (51, "t above T"), (-1, "t below 0")):
            refuses(answer, torch.zeros(1, 2), t, lambda x: -x.square().sum(1), schedule, because=because)


@exercise(instead_of=["diffusion_lab.exact.ExactDenoiser.x_0", "diffusion_lab.exact.ExactDenoiser.score"])
def data_as_attention(answer, point, g):
    """data_as_attention(x_t, t, examples, schedule): the perfect denoiser of a data set as attention.

    ``x_t`` has shape ``(B, d)``, ``examples`` ``(N, d)``, and ``t`` is a whole number in ``1..T``. Returns ``query``
    ``(B, d)``, ``key`` ``(N, d)``, ``value`` ``(N, d)`` and ``bias`` ``(B, N)``, such that
    ``F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)`` is equation (9.11).
    """
    B, N, d = 4, 7, 3
    schedule = NoiseSchedule.cosine(50)
    x_t, examples = randn(g, B, d, dtype=torch.float64), randn(g, N, d, dtype=torch.float64)
    expected = {"query": (B, d), "key": (N, d), "value": (N, d), "bias": (B, N)}
    mixed, squares = x_t @ examples.T, examples.square().sum(1)

    def found(t):
        given = parts(answer(x_t, t, examples, schedule), *expected)
        for (name, shape), one in zip(expected.items(), given, strict=True):
            if not isinstance(one, Tensor):
                raise Slip(f"{name}: expected a tensor of shape {shape}, got {shown(one)}")
            if one.shape != shape:
                raise Slip(f"{name}: expected the shape {shape}, for B = {B}, N = {N}, d = {d}; got {tuple(one.shape)}")
        return given

    def centred(scores):
        """Scores up to a number for each x_t, which a softmax does not see."""
        return scores - scores.mean(1, keepdim=True)

    with point("query, key, value and bias fit together"):
        found(20)
    with point("what is averaged"):
        shrunk = schedule.alpha_bar[20].sqrt() * examples
        slips = {"the values are shrunk as in x_t; equation (9.11) averages the examples as they are": shrunk}
        equal("value", found(20)[2], examples, slips)
    with point("the scores, before the softmax"):
        for t in (20, 35):
            abar = schedule.alpha_bar[t].item()
            root, noise = abar**0.5, 1 - abar
            of_mixed, bias = root / noise, -abar / (2 * noise) * squares
            slips_of_bias = {
                "there is no bias; but a long example is far away, and query times key does not say so": 0 * bias,
                "the bias has the wrong sign: what is far away counts less": -bias,
                "the bias is twice what it should be: a 2 is below the line in equation (9.11)": 2 * bias,
                "the bias has the length of each example where its square belongs": bias / squares.sqrt(),
                "the bias has the root of alpha_bar; squared it is alpha_bar itself": bias / root,
                "the bias is that of the examples as they are, not times the root of alpha_bar": bias / abar,
                "the bias is not divided by the variance of the noise": bias * noise,
            }
            slips_of_mixed = {
                "query times key has alpha_bar where its root belongs: equation (9.11)": root * of_mixed,
                "query times key lacks the root of alpha_bar: equation (9.11)": of_mixed / root,
                "query times key is half of what it should be: the mixed term of a square comes twice": of_mixed / 2,
                "query times key is twice what it should be: a 2 is below the line in equation (9.11)": 2 * of_mixed,
                "query times key has the wrong sign: an example that lies where x_t lies is near": -of_mixed,
            }
            slips_of_both = {
                "the scores have the wrong sign: what is near counts most": -1,
                "nothing is divided by the variance of the noise: equation (9.11)": noise,
                "below the line is the standard deviation of the noise; equation (9.11) has its variance": noise**0.5,
                "below the line is alpha_bar; the variance of the noise is 1 - alpha_bar": noise / abar,
                "the scores are divided by the root of d; but equation (9.11) is not, hence scale=1.0": 1 / d**0.5,
            }
            right = centred(of_mixed * mixed + bias)
            slips = {why: centred(of_mixed * mixed + wrong) for why, wrong in slips_of_bias.items()}
            slips |= {why: centred(wrong * mixed + bias) for why, wrong in slips_of_mixed.items()}
            slips |= {why: factor * right for why, factor in slips_of_both.items()}
            query, key, _, given = found(t)
            equal(f"at t = {t}, up to a number for each x_t", centred(query @ key.T + given), right, slips)
    with point("the attention answers with the best guess"):
        query, key, value, bias = found(10)
        guess = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)
        equal("at t = 10", guess, ExactDenoiser.dataset(examples, schedule).x_0(x_t, 10))


@exercise()
def langevin(answer, point, g):
    """langevin(score, x, steps, size, g): a walk uphill, shaken at every step.

    ``score(x)`` gives the score at all points of ``x`` ``(B, *S)``. Goes ``steps`` times
    ``x + size * score(x) + sqrt(2 * size) * z``, with fresh ``z`` from N(0, I) drawn from the generator ``g``, and
    returns where the points are then, ``(B, *S)``.
    """
    steps, size, pull = 3, 0.02, 3.0
    start = torch.ones(20_000, 2, dtype=torch.float64)

    def uphill(x):
        return 0 * x + pull

    def walked(score, size=size, x=start):
        found = answer(score, x, steps, size, g)
        if not isinstance(found, Tensor) or found.shape != x.shape:
            raise Slip(f"expected where the points are, of shape {tuple(x.shape)}, got {shown(found)}")
        if (found == found[:1]).all():
            again = answer(score, x, steps, size, torch.Generator().manual_seed(8))
            no = "no noise is added" if torch.equal(found, again) else "all points get the same noise"
            raise Slip(f"{no}: every number of x needs its own at every step")
        if torch.equal(found[:, 0], found[:, 1]):
            raise Slip("all numbers of a point get the same noise: every number of x needs its own")
        return found

    def spread(found):
        return (found - found.mean()) ** 2

    with point("uphill, so many steps"):
        moved = steps * size * pull
        slips = {
            "it walks downhill: the score leads to where the data get denser": 1 - moved,
            "there is one step too few": 1 + moved - size * pull,
            "there is one step too many": 1 + moved + size * pull,
            "the score is not multiplied by the size of the step": 1 + steps * pull,
            "2 belongs below the root, in front of the noise; the score gets the size alone": 1 + 2 * moved,
            "the score is left out: the noise alone leads nowhere": 1.0,
        }
        on_average("the mean", walked(uphill), 1 + moved, slips)
    with point("the noise of every step"):
        slips = {
            "the noise has the root of the size; it needs that of twice the size": steps * size,
            "the noise is multiplied by 2 size, where its root belongs": steps * (2 * size) ** 2,
            "the noise is multiplied by the size; it needs the root of 2 size": steps * size**2,
            "the noise is not made smaller at all: it needs the root of 2 size in front": float(steps),
            "it makes 2 times the root of the size; the 2 is below the root, too": 4 * steps * size,
            "one step has no noise: it belongs to every step, the last one too": 2 * (steps - 1) * size,
            "the noise is the same at every step: draw it anew": 2 * steps**2 * size,
            "noise comes at one step only: it belongs to every step": 2 * size,
        }
        on_average("the variance after some steps", spread(walked(uphill)), 2 * steps * size, slips)
    with point("the score of where the points are now"):
        slips = {
            "the score is that of the beginning: ask for it again at every step": 5 * (1 - 0.2 * steps),
            "it walks downhill: the score leads to where the data get denser": 5 * 1.2**steps,
            "there is one step too few": 5 * 0.8 ** (steps - 1),
            "there is one step too many": 5 * 0.8 ** (steps + 1),
            "the score is not multiplied by the size of the step": 5 * (1 - 2) ** steps,
        }
        on_average("the mean", walked(lambda x: -2 * x, 0.1, 5 * start), 5 * 0.8**steps, slips)
    with point("all noise comes from g"):
        one, other = (answer(uphill, start[:9], steps, size, torch.Generator().manual_seed(8)) for _ in range(2))
        if not isinstance(one, Tensor) or not isinstance(other, Tensor):
            raise Slip(f"expected where the points are, got {shown(one)}")
        if not torch.equal(one, other):
            raise Slip("two walks with equal generators differ: pass g on as `generator=g`")
        if torch.equal(one, answer(uphill, start[:9], steps, size, g)):
            raise Slip("another generator gives the same walk: pass g on as `generator=g`, and set no seed")
