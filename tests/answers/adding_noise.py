"""Answers to the exercises of chapter 2."""

import math

import torch

from diffusion_lab import NoiseSchedule, noising

from . import instead, right, wrong


@right("add_noise")
def one_by_one(x_0, t, eps, schedule):
    if x_0.shape != eps.shape or len(t) != len(x_0):
        raise ValueError("x_0, eps and t do not fit together")
    made = []
    for clean, time, noise in zip(x_0, t.tolist(), eps, strict=True):
        if not 0 <= time <= schedule.T:
            raise ValueError("t is out of range")
        kept = float(schedule.alpha_bar[time])
        made.append(math.sqrt(kept) * clean + math.sqrt(1 - kept) * noise)
    return torch.stack(made)


@right("add_noise")
def by_axes_at_the_end(x_0, t, eps, schedule):
    if x_0.shape != eps.shape or t.shape != (x_0.shape[0],):
        raise ValueError("shapes")
    if (t < 0).any() or (t >= len(schedule.alpha_bar)).any():
        raise ValueError("t")
    a = schedule.alpha_bar[t].sqrt().to(x_0)
    b = torch.sqrt(1 - schedule.alpha_bar[t]).to(x_0)
    return (a * x_0.movedim(0, -1) + b * eps.movedim(0, -1)).movedim(-1, 0)


@wrong("add_noise", "runs along the columns of a picture")
def the_last_axis(x_0, t, eps, schedule):
    a_bar = schedule.alpha_bar[t].to(x_0.dtype)
    return a_bar.sqrt() * x_0 + (1 - a_bar).sqrt() * eps


wrong("add_noise", "runs along the rows of a picture")(
    instead(the_last_axis, "[t].to(x_0.dtype)", "[t].to(x_0.dtype)[:, None]")
)
wrong("add_noise", "get the time of the first")(instead(the_last_axis, "[t].to(x_0.dtype)", "[t[0]].to(x_0.dtype)"))
wrong("add_noise", "the root is missing in front of x_0")(
    instead(by_axes_at_the_end, "schedule.alpha_bar[t].sqrt()", "schedule.alpha_bar[t]")
)
wrong("add_noise", "the root is missing in front of eps")(
    instead(by_axes_at_the_end, "torch.sqrt(1 - schedule.alpha_bar[t])", "(1 - schedule.alpha_bar[t])")
)
wrong("add_noise", "alpha_t, no bar")(instead(one_by_one, "schedule.alpha_bar[time]", "schedule.alpha[time]"))
wrong("add_noise", "the index is off by one")(
    instead(one_by_one, "schedule.alpha_bar[time]", "schedule.alpha_bar[time - 1]")
)


@wrong("add_noise", "alpha_bar gets four axes")
def pictures_only(x_0, t, eps, schedule):
    a_bar = schedule.alpha_bar[t].float()[:, None, None, None]
    return a_bar.sqrt() * x_0 + (1 - a_bar).sqrt() * eps


wrong("add_noise", "x_t is float64 where x_0 is float32")(
    instead(by_axes_at_the_end, "schedule.alpha_bar[t].sqrt().to(x_0)", "schedule.alpha_bar[t].sqrt()")
)
wrong("add_noise", "which would count from the table's end")(
    instead(by_axes_at_the_end, "(t < 0).any() or", "False or")
)
wrong("add_noise", "one noise for three samples, which broadcasting hides")(
    lambda x_0, t, eps, schedule: by_axes_at_the_end(x_0, t, eps.expand(x_0.shape), schedule)
)
wrong("add_noise", "it calls diffusion_lab.noising.add_noise")(
    lambda x_0, t, eps, schedule: noising.add_noise(x_0, t, eps, schedule)
)


@right("constant_beta")
def by_logarithms(T, signal_left):
    if signal_left <= 0 or signal_left >= 1:
        raise ValueError("signal_left")
    return -math.expm1(math.log(signal_left) / T)


@wrong("constant_beta", "what the sum of the betas suggests")
def by_the_sum(T, signal_left):
    if not 0 < signal_left < 1:
        raise ValueError("signal_left")
    return -math.log(signal_left) / T


wrong("constant_beta", "this is alpha, the share that one step keeps")(
    instead(by_the_sum, "-math.log(signal_left) / T", "signal_left ** (1 / T)")
)
wrong("constant_beta", "shares are multiplied")(instead(by_the_sum, "-math.log(signal_left)", "(1 - signal_left)"))
wrong("constant_beta", "needs no root")(
    instead(by_the_sum, "-math.log(signal_left) / T", "1 - signal_left ** (0.5 / T)")
)
wrong("constant_beta", "to the power T where the T-th root belongs")(
    instead(by_the_sum, "-math.log(signal_left) / T", "1 - signal_left**T")
)
wrong("constant_beta", "a share of 1, where no noise comes in: it is let through")(
    instead(by_logarithms, ">= 1", "> 1")
)


@right("rescale")
def by_interpolation(schedule, signal_left):
    old = schedule.alpha_bar.sqrt().tolist()
    if signal_left <= 0 or signal_left >= schedule.alpha_bar[1]:
        raise ValueError("signal_left")
    left, betas = 1.0, []
    for root in old[1:]:
        share = (root - old[-1]) / (old[1] - old[-1])  # 1 at t = 1, and 0 at T
        new = (share * old[1] + (1 - share) * signal_left**0.5) ** 2
        betas.append(1 - new / left)
        left = new
    return NoiseSchedule.from_betas(torch.tensor(betas))


@wrong("rescale", "alpha_bar itself is shifted and stretched")
def without_the_root(schedule, signal_left):
    old, end = schedule.alpha_bar[1:], signal_left
    if not 0 < signal_left < old[0]:
        raise ValueError("signal_left")
    new = old[0] + (old - old[0]) * (old[0] - end) / (old[0] - old[-1])
    new = torch.cat([torch.ones(1), new])
    return NoiseSchedule.from_betas(1 - new[1:] / new[:-1])


def by_a_line(schedule, signal_left):
    if not 0 < signal_left < schedule.alpha_bar[1]:
        raise ValueError("signal_left")
    old, end = schedule.alpha_bar.sqrt(), signal_left**0.5
    new = old[1] + (old - old[1]) * (old[1] - end) / (old[1] - old[-1])
    new[0] = 1
    return NoiseSchedule.from_betas(1 - (new[1:] / new[:-1]) ** 2)


LINE = "old[1] + (old - old[1]) * (old[1] - end) / (old[1] - old[-1])"
right("rescale")(by_a_line)
wrong("rescale", "the root ends at signal_left")(instead(by_a_line, "signal_left**0.5", "signal_left"))
wrong("rescale", "the line begins at alpha_bar_0 = 1")(
    instead(by_a_line, LINE, "1 + (old - 1) * (1 - end) / (1 - old[-1])")
)
wrong("rescale", "stretched and not shifted")(instead(by_a_line, LINE, "old * end / old[-1]"))
wrong("rescale", "a step is lost")(instead(without_the_root, "new = torch.cat([torch.ones(1), new])", "new = 1 * new"))
wrong("rescale", "expected a NoiseSchedule")(
    instead(without_the_root, "NoiseSchedule.from_betas(1 - new[1:] / new[:-1])", "new")
)
wrong("rescale", "nothing is changed")(instead(by_a_line, LINE, "old.clone()"))
wrong("rescale", "it calls diffusion_lab.schedule.NoiseSchedule.rescale")(
    lambda schedule, signal_left: schedule.rescale(signal_left)
)
