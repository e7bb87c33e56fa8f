"""Exercises of the page with the whole program on one screen."""

import math

import torch

from ..noising import posterior
from ..schedule import NoiseSchedule
from ..targets import x0_from_eps
from .asking import Slip, describe, equal, exercise, on_average, randn


@exercise()
def ring(answer, point, g):
    """ring(n, radius, width, generator): points on a ring around (0, 0).

    Returns ``(n, 2)`` points in random places, all directions equally likely. Their distance from the middle is
    ``radius`` on average, with normal noise of the standard deviation ``width``. All draws come from ``generator``.
    """
    n = 2000
    radius = 2.2 + 0.8 * torch.rand((), generator=g).item()
    width = 0.03 * radius
    seed = torch.randint(2**31, (), generator=g).item()

    def points(count, seed=seed):
        found = answer(count, radius, width, torch.Generator().manual_seed(seed))
        if not isinstance(found, torch.Tensor) or not found.is_floating_point():
            raise Slip(f"expected a tensor of shape ({count}, 2), got {describe(found)}")
        slips = {
            "a point is a row: stack along dim=1": (2, count),
            "these are distances or angles; a point has two coordinates": (count,),
            "the two coordinates stand one after the other; `torch.stack` makes pairs of them": (2 * count,),
        }
        equal("the shape", tuple(found.shape), (count, 2), slips)
        return found

    with point("n points, each a pair of numbers"):
        points(7)
    with point("the distance from the middle"):
        distance = points(n).norm(dim=1)
        slips = {
            "the radius is 1, whatever is asked for": 1.0,
            "they are half as far out as asked for: `radius` goes from the middle to the ring": radius / 2,
            "the points fill the disc; on a ring every radius is about the same": 2 * radius / 3,
            "all are moved outward: `rand` draws from 0 to 1, `randn` from a bell around 0": radius + width / 2,
        }
        on_average("the distance", distance, radius, slips)
    with point("the width of the pen"):
        off = points(n).norm(dim=1) - radius
        if off.std() < 1e-3 * width:
            raise Slip("all points are as far from the middle as the first: draw one distance for each point")
        slips = {
            "`rand` draws evenly between 0 and 1; `randn` has the standard deviation 1": width**2 / 12 + width**2 / 4,
            "its root is taken, but `width` is a standard deviation already": width,
            "it is squared, but `width` is a standard deviation already": width**4,
            "the noise has the standard deviation 1, whatever is asked for": 1.0,
        }
        on_average("the squared distance from the ring", off.square(), width**2, slips)
    with point("all around, evenly"):
        found = points(n)
        x, y = (found / found.norm(dim=1, keepdim=True)).T
        half = "this is half of a ring: once around is 2 pi"
        if found.std(0).max() < 10 * width:
            raise Slip("all points lie in one direction: draw one angle for each point")
        if y.min() > -0.2:
            raise Slip(half)
        denser = "it is denser on one side: once around is 2 pi, and the S takes one turn and a half"
        on_average("the cosine of the angle", x, 0.0, {denser: -2 / (3 * math.pi)})
        on_average("the sine of the angle", y, 0.0, {half: 2 / math.pi})
        on_average("the cosine of twice the angle", x**2 - y**2, 0.0)
        on_average("the cosine of four times the angle", 1 - 8 * x**2 * y**2, 0.0)
    with point("drawn from the generator"):
        found = points(50)
        angles = torch.atan2(*found.T).sort().values
        if angles.diff().std() < 0.2 * angles.diff().mean():
            raise Slip("the points stand at equal distances from one another; draw their places")
        if not torch.equal(found, points(50)):
            raise Slip("the same seed gives other points: hand `generator=generator` to everything that draws")
        if torch.equal(found, points(50, seed + 1)):
            raise Slip("another seed gives the same points: draw from the generator that is passed in")


@exercise(instead_of=["diffusion_lab.noising.posterior"])
def step_back(answer, point, g):
    """step_back(x, eps, t, beta, alpha_bar, fresh): one step of the loop that takes the noise away, from t to t - 1.

    ``x``, ``eps`` and ``fresh`` are ``(n, 2)``: the points at time t, the noise that the network sees in them, and
    fresh noise. ``t`` is a whole number in ``1..T``, ``beta`` and ``alpha_bar`` are the program's tables. Returns the
    points at time ``t - 1``, ``(n, 2)``.
    """
    T = 30
    schedule = NoiseSchedule.linear(T, 0.01, 0.2 + 0.1 * torch.rand((), generator=g).item())
    beta, alpha_bar = schedule.beta, schedule.alpha_bar
    x, eps, fresh = randn(g, 3, 4, 2, dtype=torch.float64)
    nothing = torch.zeros_like(x)

    def step(t, x=nothing, eps=nothing, fresh=nothing):
        return answer(x, eps, t, beta, alpha_bar, fresh)

    def one_factor(t, **given):
        """What a step multiplies x, eps or fresh with: it has nothing else to do with them."""
        [(name, value)] = given.items()
        found = step(t, **given)
        if not isinstance(found, torch.Tensor) or found.shape != value.shape:
            raise Slip(f"expected points of shape {tuple(value.shape)}, got {describe(found)}")
        factor = (found[0, 0] / value[0, 0]).item()
        equal(f"what comes of {name} alone", found, factor * value)
        return factor

    for t in (T, 12, 2):
        noise, b = 1 - alpha_bar[t].item(), beta[t].item()
        stretch, noise_before = (1 - b) ** -0.5, 1 - alpha_bar[t - 1].item()
        with point("the stretch, which undoes the shrinking of one step"):
            slips = {
                "it shrinks once more; a step back divides by the root of 1 - beta": 1 / stretch,
                "the root is missing: a step shrinks by the root of 1 - beta": stretch**2,
                "it is undone for all steps up to t, with alpha_bar; this is one step": alpha_bar[t].item() ** -0.5,
                "nothing is stretched": 1.0,
            }
            equal("the factor of x", one_factor(t, x=x), stretch, slips)
        with point("the noise that is taken away"):
            # Whatever the answer stretches by is judged above.
            taken = -one_factor(t, eps=eps) / (one_factor(t, x=x) or 1)
            slips = {
                "too much is taken near the data: below beta, 1 - alpha_bar stands under a root": b / noise,
                "it is divided by the root of alpha_bar, the data's; the noise's is that of 1 - alpha_bar": (
                    b / alpha_bar[t].item() ** 0.5
                ),
                "noise is put in where it has to be taken away: a minus": -b / noise**0.5,
                "the root of beta is taken, where beta itself belongs": b**0.5 / noise**0.5,
                "all the noise is taken at once; a step takes its share of it": noise**0.5,
                "alpha_bar is that of t - 1, the point's is that of t": b / noise_before**0.5,
                "it is taken away after the stretch, so it is too little": b / noise**0.5 / stretch,
            }
            equal("the share of eps", taken, b / noise**0.5, slips)
        with point("the fresh noise"):
            left = b * noise_before / noise
            slips = {
                "`left` is a variance; what noise is multiplied with is its root": left,
                "its variance is beta; `left` is smaller, and 0 in the last step": b**0.5,
                "1 - alpha_bar of t and of t - 1 have each other's places": (b * noise / noise_before) ** 0.5,
                "the fresh noise is stretched, too; it comes last": left**0.5 * stretch,
                "no fresh noise is added": 0.0,
            }
            equal("the factor of fresh", one_factor(t, fresh=fresh), left**0.5, slips)
    with point("no fresh noise in the last step"):
        slips = {
            "in the last step, from t = 1 to 0, there is fresh noise; it would stay in the picture": (
                beta[1].sqrt() * fresh
            ),
            "in the last step, from t = 1 to 0, beta is added; nothing fresh belongs there": beta[1] * fresh,
        }
        equal("what comes of fresh in the last step", step(1, fresh=fresh), nothing, slips)
    with point("all of it together"):
        for t in (T, 12, 1):
            mean, variance = posterior(x0_from_eps(x, t, eps, schedule), x, t, schedule)
            equal("the points", step(t, x, eps, fresh), mean + variance.sqrt() * fresh)
