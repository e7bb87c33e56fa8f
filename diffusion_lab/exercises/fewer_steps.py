"""Exercises of chapter 10, fewer steps."""

from itertools import pairwise

import torch
from torch import Tensor

from ..exact import ExactDenoiser
from ..noising import add_noise
from ..sampling import sample
from ..schedule import NoiseSchedule
from ..steps import Moment, Place, ddim
from ..targets import x0_from_eps
from .asking import Slip, equal, exercise, randn, refuses, shown

PACKAGED = ["diffusion_lab.steps.ddim", "diffusion_lab.sampling.walk", "diffusion_lab.sampling.sample"]


@exercise(instead_of=PACKAGED)
def ddim_step(answer, point, g):
    """ddim_step(x_t, t, s, x_0, z, eta, schedule): a step of DDIM, with times of its own for each example.

    ``x_t``, the guess ``x_0`` and the fresh noise ``z`` have one shape ``(B, *S)``, in float64; ``t`` and ``s`` hold
    ``(B,)`` whole numbers with ``0 <= s < t <= T``, ``eta`` is a number in [0, 1], and of the ``NoiseSchedule`` only
    ``alpha_bar`` is needed. Returns x_s, ``(B, *S)``. Raises ``ValueError`` if an s is not below its t, or if ``eta``
    is not in [0, 1].
    """
    schedule = NoiseSchedule.cosine(10)
    x_t, x_0, z = randn(g, 3, 3, 1, 3, dtype=torch.float64)

    def truth(t, s, eta, noise=z):
        made = []
        for i, (here, there) in enumerate(zip(t.tolist(), s.tolist(), strict=True)):
            now, to = Moment(here, *schedule.ab(here), x_t[i], x_0[i]), Place(there, *schedule.ab(there))
            mean, spread = ddim(eta)(now, to)
            made.append(mean + spread * noise[i])
        return torch.stack(made)

    def mixed(t, s, fresh, old, at=None):
        """As equation (10.5): x_0, the noise in x_t times ``old``, and z times ``fresh``, in shares of the time s."""
        (a_t, b_t), (a_s, _) = schedule.ab(t), schedule.ab(s if at is None else at)
        return a_s * x_0 + old * (x_t - a_t * x_0) / b_t + fresh * z

    same = torch.full((3,), 8), torch.full((3,), 6)
    t, s = 8, 6
    (a_t, b_t), (a_s, b_s) = schedule.ab(t), schedule.ab(s)
    with point("no fresh noise, eta = 0"):
        eps = (x_t - a_t * x_0) / b_t
        slips = {
            "the noise is left in the proportion of t; at s it is that of s: equation (10.5)": mixed(t, s, 0, b_t),
            "x_0 is put in in the proportion of t; at s it is that of s: equation (10.5)": mixed(t, s, 0, b_s, at=t),
            "both proportions are those of t: a step of no length": mixed(t, t, 0, b_t),
            "alpha_bar_s stands in front of x_0 where its root belongs: equation (10.5)": a_s**2 * x_0 + b_s * eps,
            "1 - alpha_bar_s stands in front of the noise where its root belongs: equation (10.5)": a_s * x_0
            + b_s**2 * eps,
            "the old noise is not kept: with eta = 0 all of it is": a_s * x_0,
            "the old noise is not kept, and fresh noise stands in its place": a_s * x_0 + b_s * z,
            "x_t stands where the noise in it belongs: take the clean point out of it first": a_s * x_0 + b_s * x_t,
            "the noise in x_t is not divided by the root of 1 - alpha_bar_t: equation (10.5)": a_s * x_0
            + b_s * b_t * eps,
            "this is a step to t - 1, not to s": truth(same[0], same[0] - 1, 0.0),
        }
        equal("x_s", answer(x_t, *same, x_0, z, 0.0, schedule), truth(*same, 0.0), slips)
    with point("a share of fresh noise"):
        eta, full = 0.6, b_s / b_t * (1 - (a_t / a_s) ** 2) ** 0.5
        sigma, beta = eta * full, (1 - (a_t / a_s) ** 2) ** 0.5

        def left(taken):
            return max(b_s**2 - taken, 0) ** 0.5

        slips = {
            "eta multiplies the variance; it belongs to the spread sigma: equation (10.6)": mixed(
                t, s, eta**0.5 * full, left(eta * full**2)
            ),
            "sigma^2 is missing under the root: fresh noise comes in and none of the old goes": mixed(t, s, sigma, b_s),
            "under the root stands sigma; it is the variances that add up: sigma^2": mixed(t, s, sigma, left(sigma)),
            "z is multiplied by the variance; its spread is sigma": mixed(t, s, sigma**2, left(sigma**2)),
            "room is made for fresh noise, and none comes in": mixed(t, s, 0, left(sigma**2)),
            "there is no fresh noise: eta is not used": mixed(t, s, 0, b_s),
            "the old noise is not kept: only its share sigma^2 is to be fresh": mixed(t, s, b_s, 0),
            "eta is left out: this is all of DDPM's noise": mixed(t, s, full, left(full**2)),
            "sigma is taken from beta, the noise from s to t, and not from beta-tilde: equation (10.6)": mixed(
                t, s, eta * beta, left((eta * beta) ** 2)
            ),
            "the root of (1 - alpha_bar_s) / (1 - alpha_bar_t) is upside down: equation (10.6)": mixed(
                t, s, eta * b_t / b_s * beta, left((eta * b_t / b_s * beta) ** 2)
            ),
            "sigma is that of the single step t, not of the way from t to s: equation (10.6)": mixed(
                t,
                s,
                eta * schedule.posterior_variance[t].sqrt().item(),
                left(eta**2 * schedule.posterior_variance[t].item()),
            ),
        }
        equal("x_s", answer(x_t, *same, x_0, z, eta, schedule), truth(*same, eta), slips)
    with point("times of its own for each example"):
        times = torch.tensor([9, 5, 7]), torch.tensor([6, 4, 5])
        along = "t and s run along the last axis; they belong to the first, that of the examples: shape (B, 1, 1)"
        a, b = schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()
        here, there = times
        sigma = 0.6 * b[there] / b[here] * (1 - (a[here] / a[there]) ** 2).sqrt()
        of_eps = (b[there] ** 2 - sigma**2).sqrt()
        crossed = a[there] * x_0 + of_eps * (x_t - a[here] * x_0) / b[here] + sigma * z
        equal("x_s", answer(x_t, *times, x_0, z, 0.6, schedule), truth(*times, 0.6), {along: crossed})
    with point("home, to s = 0"):
        home = torch.tensor([8, 1, 10]), torch.zeros(3, dtype=torch.long)
        equal(
            "x_0", answer(x_t, *home, x_0, z, 1.0, schedule), x_0, {"fresh noise is added to the clean point": x_0 + z}
        )
    with point("ValueError unless s is below t, and eta in [0, 1]"):
        refuses(answer, x_t, same[0], torch.tensor([3, 8, 2]), x_0, z, 0.5, schedule, because="s = t in one example")
        refuses(answer, x_t, *same, x_0, z, 1.5, schedule, because="eta = 1.5")
        refuses(answer, x_t, *same, x_0, z, -0.5, schedule, because="eta below 0")


@exercise()
def times_in_lambda(answer, point, g):
    """times_in_lambda(schedule, steps): the times of a sampler, evenly spaced in lambda.

    ``lambda`` is half the logarithm of the signal-to-noise ratio. Returns a list of ``steps + 1`` whole numbers that
    begins with T, ends with 0 and falls strictly. The stops before the 0 are the times nearest to values of lambda that
    are evenly spaced from that of T to that of 1, where two values do not share a nearest time. Raises ``ValueError``
    if ``steps`` is not in ``1..T``.
    """
    end = 0.015 + 0.01 * torch.rand((), generator=g).item()
    wide, narrow = NoiseSchedule.linear(1000, 1e-4, end), NoiseSchedule.cosine(100)

    def found(schedule, steps):
        times = answer(schedule, steps)
        if isinstance(times, Tensor):
            times = times.tolist()
        if not isinstance(times, list | tuple):
            hint = ". Does the function end with `return`?" if times is None else ""
            raise Slip(f"expected a list of whole numbers, got {shown(times)}{hint}")
        for one in times:
            if not isinstance(one, int):
                raise Slip(f"expected whole numbers, got {shown(one)} among them; `.item()` makes a number of a tensor")
        return list(times)

    cases = [(wide, 1), (wide, 10), (narrow, 2), (narrow, 40), (narrow, 100)]
    with point("steps + 1 times, from T to 0"):
        for schedule, steps in cases:
            times, T = found(schedule, steps), schedule.T
            if len(times) == steps and times and times[-1] != 0:
                raise Slip("the 0 at the end is missing: a walk of n steps has n + 1 times")
            if times and times[0] == 0:
                raise Slip("the times rise; a walk home begins at T")
            if times and times[0] == T - 1:
                raise Slip("the first time is T - 1: a table that is cut to [1:] counts from t = 1")
            equal("how many times there are", len(times), steps + 1)
            equal("the first and the last", (times[0], times[-1]), (T, 0))
    with point("strictly falling"):
        for schedule, steps in cases:
            times = found(schedule, steps)
            if any(s == t for t, s in pairwise(times)):
                raise Slip(f"two stops fall on one time, with {steps} steps of {schedule.T}: one has to be moved")
            if any(s > t for t, s in pairwise(times)) or min(times) < 0:
                raise Slip(f"with {steps} steps of {schedule.T} the times do not fall from T to 0")
    with point("evenly spaced in lambda"):
        steps, lam = 10, wide.snr.log() / 2

        def nearest(table, first, last, n=steps):
            """The times at which a table comes nearest to evenly spaced values."""
            return [(table[1:] - v).abs().argmin().item() + 1 for v in torch.linspace(first, last, n).double()]

        sigma, a = wide.snr.rsqrt(), wide.alpha_bar
        slips = {
            "these are evenly spaced in t: trailing times": wide.times(steps)[:-1],
            "these are evenly spaced in sigma, without the logarithm": nearest(sigma, sigma[-1], sigma[1]),
            "these are evenly spaced in alpha_bar": nearest(a, a[-1], a[1]),
            "the last stop before 0 is to be t = 1: n values from lambda_T to lambda_1, and 0 after them": nearest(
                lam, lam[-1], lam[1], steps + 1
            )[:-1],
        }
        times = found(wide, steps)[:-1]
        if times[1] <= 2 * steps:
            raise Slip("nearly all stops are near the end: are these evenly spaced without the logarithm?")
        for message, wrong in slips.items():
            if len(times) == steps and sum(abs(one - other) for one, other in zip(times, wrong, strict=True)) <= steps:
                raise Slip(message)
        equal("how many stops there are before the 0", len(times), steps)
        for value, t in zip(torch.linspace(lam[-1], lam[1], steps, dtype=lam.dtype), times, strict=True):
            off = (lam[1:] - value).abs()
            if not 1 <= t <= wide.T or off[t - 1] > off.min() + 1e-9:
                raise Slip(
                    f"t = {t} is not the time whose lambda is nearest to {value:.2f}; that is {off.argmin() + 1}"
                )
    with point("ValueError unless steps is in 1..T"):
        refuses(answer, narrow, 0, because="steps = 0")
        refuses(answer, narrow, 101, because="more steps than T")


@exercise(instead_of=PACKAGED)
def encode(answer, point, g):
    """encode(x_0, times, denoiser, schedule): the noise that clean points come from, along DDIM's path.

    ``x_0`` has the shape ``(N, 1)``, in float64; ``times`` are the falling times of a walk home, a list that begins
    with T and ends with 0; ``denoiser(x_t, t)`` gives the noise in ``(N, 1)`` states at one time t. Returns ``(N, 1)``:
    where DDIM's path from ``x_0`` at 0, through the same times the other way, is at T. The denoiser is asked where a
    step begins; in the first, at t = 0, where it cannot be asked, it is asked at the first stop instead. Raises
    ``ValueError`` if the times do not end with 0.
    """
    schedule = NoiseSchedule.linear(40, 1e-3, 0.3)
    times, T = [40, 27, 15, 6, 0], schedule.T
    x_0, c = randn(g, 4, 1, dtype=torch.float64), randn(g, 4, 1, dtype=torch.float64)
    with point("a path of which the noise is known"):
        # The denoiser says the same everywhere: then x_T is x_0 with that noise, however long the steps are.
        sigma = schedule.snr.rsqrt()
        a = schedule.ab(T)[0]
        slips = {
            "this walks home from x_0: the times have to be turned round": x0_from_eps(x_0, T, c, schedule),
            "the sign: up the path the noise grows, so sigma_s - sigma_t is above 0: equation (10.9)": add_noise(
                x_0, T, -c, schedule
            ),
            "this is y; x_t is y times the root of alpha_bar: equation (10.8)": x_0 + sigma[T] * c,
            "the first step, from 0 to the first stop, is left out": a * (x_0 + (sigma[T] - sigma[times[-2]]) * c),
            "the last step, to T, is left out": add_noise(x_0, times[1], c, schedule),
        }
        equal("x_T", answer(x_0, times, lambda x_t, t: c, schedule), add_noise(x_0, T, c, schedule), slips)
    with point("the denoiser is asked where a step begins"):
        # It says 1 at one stop and nothing elsewhere: how far is the point carried by what it says there?
        carried = {6: sigma[15], 15: sigma[27] - sigma[15], 27: sigma[40] - sigma[27]}
        too_late = {6: sigma[6], 15: sigma[15] - sigma[6], 27: sigma[27] - sigma[15]}
        for stop, far in carried.items():
            late = "the denoiser is asked where a step ends; ask it where the point stands"
            slips = {late: a * (x_0 + too_late[stop])}
            if stop == 6:
                at_0 = "in the first step the denoiser is asked at t = 0, or not at all; ask it at the first stop"
                slips[at_0] = a * (x_0 + sigma[15] - sigma[6])
            found = answer(
                x_0, times, lambda x_t, t, stop=stop: 0 * x_t + (torch.as_tensor(t).reshape(-1, 1) == stop), schedule
            )
            equal(f"x_T of what the denoiser says at t = {stop}", found, a * (x_0 + far), slips)
    with point("the denoiser sees the state x_t"):
        # It says a tenth of what it sees. Two steps, of which each multiplies y.
        k = 15
        a_k, up, on = schedule.ab(k)[0], 1 + sigma[k] / 10, (sigma[T] - sigma[k]) / 10
        slips = {
            "the denoiser is shown y; it has learned to see x_t": a * up * (1 + on) * x_0,
            "the denoiser is shown x_0 at every stop; the point has moved on": a * (up + on) * x_0,
        }
        found = answer(x_0, [T, k, 0], lambda x_t, t: x_t / 10, schedule)
        equal("x_T", found, a * up * (1 + on * a_k) * x_0, slips)
    with point("there and back"):
        fine = NoiseSchedule.cosine(100)
        world = ExactDenoiser.mixture([[-1.0], [1.0]], [0.25, 0.25], [0.5, 0.5], fine)
        clean = torch.tensor([[-1.3], [-0.9], [0.6], [1.1]], dtype=torch.float64) + 0.1 * c.tanh()
        noise = answer(clean, fine.times(), world, fine)
        if not isinstance(noise, Tensor) or noise.shape != clean.shape:
            raise Slip(f"expected noise of the shape {tuple(clean.shape)}, got {shown(noise)}")
        off = (sample(world, noise, fine, ddim()) - clean).abs().max().item()
        if not off < 0.1:
            raise Slip(f"DDIM brings a point home {off:.2g} beside where it came from")
    with point("ValueError unless the times end with 0"):
        refuses(answer, x_0, [40, 27, 15], lambda x_t, t: c, schedule, because="times that end with 15")
