"""Answers to the exercises of chapter 10."""

import math
from itertools import pairwise

import torch

from diffusion_lab import Moment, Place, ddim, posterior, x0_from_eps

from . import instead, right, wrong


@right("ddim_step")
def bend_the_posterior(x_t, t, s, x_0, z, eta, schedule):
    """The posterior's mean at eta = 1; for less fresh noise more of the old is kept."""
    if (s >= t).any() or not 0 <= eta <= 1:
        raise ValueError("s or eta")
    mean, variance = posterior(x_0, x_t, t, schedule, s)
    centre = torch.stack([schedule.alpha_bar[k].sqrt() * x_0[i] for i, k in enumerate(s)])
    room = (1 - schedule.alpha_bar[s]).reshape(variance.shape)
    kept = ((room - eta**2 * variance) / (room - variance).clamp(min=1e-12)).clamp(min=0).sqrt()
    return centre + kept * (mean - centre) + eta * variance.sqrt() * z


def by_shares(x_t, t, s, x_0, z, eta, schedule):
    if (s >= t).any() or eta < 0 or eta > 1:
        raise ValueError("s or eta")
    here, there = (schedule.alpha_bar[k].view(-1, 1, 1) for k in (t, s))
    full = ((1 - there) / (1 - here) * (1 - here / there)).sqrt()
    sigma = eta * full
    eps = (x_t - here.sqrt() * x_0) / (1 - here).sqrt()
    return there.sqrt() * x_0 + (1 - there - sigma**2).sqrt() * eps + sigma * z


right("ddim_step")(by_shares)
wrong("ddim_step", "eta multiplies the variance")(instead(by_shares, "= eta * full", "= (eta * full**2).sqrt()"))
wrong("ddim_step", "sigma^2 is missing under the root")(instead(by_shares, "1 - there - sigma**2", "1 - there"))
wrong("ddim_step", "it is the variances that add up")(
    instead(by_shares, "1 - there - sigma**2", "(1 - there - sigma).clamp(min=0)")
)
wrong("ddim_step", "the noise is left in the proportion of t")(
    instead(by_shares, "1 - there - sigma**2", "(1 - here - sigma**2)")
)
wrong("ddim_step", "the old noise is not kept")(
    instead(by_shares, "(1 - there - sigma**2).sqrt() * eps + sigma * z", "(1 - there).sqrt() * z")
)
wrong("ddim_step", "sigma is taken from beta")(
    instead(by_shares, "((1 - there) / (1 - here) * (1 - here / there))", "((1 - here / there) * (there < 1))")
)
wrong("ddim_step", "z is multiplied by the variance")(instead(by_shares, "sigma * z", "sigma**2 * z"))
wrong("ddim_step", "x_t stands where the noise in it belongs")(
    instead(by_shares, "(x_t - here.sqrt() * x_0) / (1 - here).sqrt()", "x_t")
)
wrong("ddim_step", "t and s run along the last axis")(instead(by_shares, ".view(-1, 1, 1)", ""))
wrong("ddim_step", "eta below 0: it is let through")(instead(by_shares, "eta < 0 or", ""))


@wrong("ddim_step", "it calls diffusion_lab.steps.ddim")
def the_packages_step(x_t, t, s, x_0, z, eta, schedule):
    made = []
    for i in range(len(t)):
        now = Moment(t[i], *schedule.ab(int(t[i])), x_t[i], x_0[i])
        mean, spread = ddim(eta)(now, Place(s[i], *schedule.ab(int(s[i]))))
        made.append(mean + spread * z[i])
    return torch.stack(made)


@right("times_in_lambda")
def by_a_search(schedule, steps):
    if steps < 1 or steps > schedule.T:
        raise ValueError("steps")
    log_snr = [math.log(schedule.alpha_bar[t] / (1 - schedule.alpha_bar[t])) for t in range(1, schedule.T + 1)]
    low, high = log_snr[-1], log_snr[0]
    times = []
    for k in range(steps):
        value = low + (high - low) * k / max(steps - 1, 1)
        # As many stops as are still to come have to find room below.
        free = range(steps - k, times[-1] if times else schedule.T + 1)
        times.append(min(free, key=lambda t, value=value: abs(log_snr[t - 1] - value)))
    return [*times, 0]


def as_they_fall(schedule, steps):
    if not 1 <= steps <= schedule.T:
        raise ValueError("steps")
    lam = -(1 / schedule.alpha_bar[1:] - 1).log() / 2
    times = []
    for value in torch.linspace(lam[-1], lam[0], steps, dtype=lam.dtype):
        times.append((lam - value).abs().argmin().item() + 1)
    for k in range(1, steps):
        times[k] = min(times[k], times[k - 1] - 1)
    for k in range(steps):
        times[k] = max(times[k], steps - k)
    return [*times, 0]


right("times_in_lambda")(as_they_fall)
wrong("times_in_lambda", "two stops fall on one time")(
    instead(as_they_fall, "times[k] = min(times[k], times[k - 1] - 1)", "pass")
)
wrong("times_in_lambda", "the first time is T - 1")(instead(as_they_fall, ".item() + 1)", ".item())"))
wrong("times_in_lambda", "the last stop before 0 is to be t = 1")(
    instead(as_they_fall, "lam[0], steps, dtype=lam.dtype)", "lam[0], steps + 1, dtype=lam.dtype)[:-1]")
)
wrong("times_in_lambda", "the 0 at the end is missing")(instead(as_they_fall, "[*times, 0]", "times"))
wrong("times_in_lambda", "the times rise")(instead(as_they_fall, "[*times, 0]", "[*times, 0][::-1]"))
wrong("times_in_lambda", "evenly spaced without the logarithm")(
    instead(as_they_fall, "-(1 / schedule.alpha_bar[1:] - 1).log() / 2", "1 / (1 / schedule.alpha_bar[1:] - 1)")
)
wrong("times_in_lambda", "evenly spaced in sigma")(
    instead(as_they_fall, "-(1 / schedule.alpha_bar[1:] - 1).log() / 2", "(1 / schedule.alpha_bar[1:] - 1).sqrt()")
)
wrong("times_in_lambda", "`.item()` makes a number of a tensor")(instead(as_they_fall, ".item() + 1", " + 1"))
wrong("times_in_lambda", "these are evenly spaced in t")(lambda schedule, steps: schedule.times(steps))
wrong("times_in_lambda", "steps = 0")(instead(by_a_search, "steps < 1 or", ""))


@right("encode")
def take_apart_and_put_together(x_0, times, denoiser, schedule):
    if times[-1]:
        raise ValueError("times")
    state, here = x_0, 0
    for there in reversed(times[:-1]):
        eps = denoiser(state, here or there)
        guess = x0_from_eps(state, here, eps, schedule)
        kept = schedule.alpha_bar[there].item()
        state, here = math.sqrt(kept) * guess + math.sqrt(1 - kept) * eps, there
    return state


def in_y(x_0, times, denoiser, schedule):
    if times[-1] != 0:
        raise ValueError("times")
    a, sigma = schedule.alpha_bar.sqrt(), (1 / schedule.alpha_bar - 1).sqrt()
    up, y = times[::-1], x_0
    for t, s in pairwise(up):
        eps = denoiser(a[t] * y, max(t, up[1]))
        y = y + (sigma[s] - sigma[t]) * eps
    return a[up[-1]] * y


right("encode")(in_y)
wrong("encode", "the times have to be turned round")(
    instead(in_y, "up, y = times[::-1], x_0", "up, y = times, x_0 / a[times[0]]")
)
wrong("encode", "sigma_s - sigma_t is above 0")(instead(in_y, "sigma[s] - sigma[t]", "sigma[t] - sigma[s]"))
wrong("encode", "this is y; x_t is y times the root of alpha_bar")(instead(in_y, "return a[up[-1]] * y", "return y"))
wrong("encode", "the first step, from 0 to the first stop, is left out")(
    instead(in_y, "pairwise(up)", "pairwise(up[1:])")
)
wrong("encode", "the last step, to T, is left out")(
    instead(in_y, "up, y = times[::-1], x_0", "up, y = times[:0:-1], x_0")
)
wrong("encode", "the denoiser is asked where a step ends")(instead(in_y, "max(t, up[1])", "s"))
wrong("encode", "in the first step the denoiser is asked at t = 0")(instead(in_y, "max(t, up[1])", "t"))
wrong("encode", "the denoiser is shown y")(instead(in_y, "denoiser(a[t] * y", "denoiser(y"))
wrong("encode", "times that end with 15: it is let through")(instead(in_y, "times[-1] != 0", "False"))
