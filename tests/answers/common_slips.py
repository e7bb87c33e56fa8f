"""Answers to the exercises of the chapter on common slips."""

from itertools import pairwise

import torch

from diffusion_lab import add_noise, ddim, denoising_loss, posterior, sample, x0_from_eps

from . import instead, right, wrong

# ---- mended ---------------------------------------------------------------------------------------------------------


@right("mended")
def by_the_guess_of_x_0(x_t, eps, t, schedule, z):
    if t not in range(1, schedule.T + 1):
        raise ValueError("t")
    a, a_before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t - 1])
    x_0 = (x_t - (1 - a) ** 0.5 * eps) / a**0.5
    kept = a / a_before
    mean = (a_before**0.5 * (1 - kept) * x_0 + kept**0.5 * (1 - a_before) * x_t) / (1 - a)
    return mean + ((1 - kept) * (1 - a_before) / (1 - a)) ** 0.5 * z


@right("mended")
def in_three_lines(x_t, eps, t, schedule, z):
    if t < 1 or t > schedule.T:
        raise ValueError("t")
    alpha, beta, alpha_bar = schedule.alpha[t], schedule.beta[t], schedule.alpha[: t + 1].prod()
    mean = (x_t - beta / (1 - alpha_bar).sqrt() * eps) / alpha.sqrt()
    width = schedule.posterior_variance[t].sqrt()
    return mean + width * z


wrong("mended", "alpha_t to the power t stands where alpha_bar_t belongs")(
    instead(in_three_lines, "schedule.alpha[: t + 1].prod()", "schedule.alpha[t] ** t")
)
wrong("mended", "our tables begin at t = 0, so the index is t")(
    instead(in_three_lines, "schedule.alpha[: t + 1].prod()", "schedule.alpha_bar[t - 1]")
)
wrong("mended", "divided by 1 - alpha_bar_t where its root belongs")(
    instead(in_three_lines, "(1 - alpha_bar).sqrt()", "(1 - alpha_bar)")
)
wrong("mended", "x_t is divided by alpha_t where its root belongs")(instead(in_three_lines, "alpha.sqrt()", "alpha"))
wrong("mended", "x_t is never divided")(instead(in_three_lines, " / alpha.sqrt()", ""))
wrong("mended", "z is multiplied by a variance where a width belongs")(
    instead(in_three_lines, "schedule.posterior_variance[t].sqrt()", "schedule.posterior_variance[t]")
)
wrong("mended", "this is the width with beta_t")(
    instead(in_three_lines, "schedule.posterior_variance[t].sqrt()", "beta.sqrt()")
)
wrong("mended", "the last step adds noise")(
    instead(in_three_lines, "schedule.posterior_variance[t].sqrt()", "schedule.beta[t].sqrt()")
)
wrong("mended", "there is no fresh noise")(instead(in_three_lines, "mean + width * z", "mean"))
wrong("mended", "t = -1, which reads the tables from their end: it is let through")(
    instead(in_three_lines, "t < 1 or t > schedule.T", "t == 0 or t > schedule.T")
)


@wrong("mended", "it calls diffusion_lab.noising.posterior")
def ours_called(x_t, eps, t, schedule, z):
    mean, variance = posterior(x0_from_eps(x_t, t, eps, schedule), x_t, t, schedule)
    return mean + variance.sqrt() * z


def broken(x_t, eps, t, schedule, z):
    alpha_bar = schedule.alpha[t] ** t
    mean = (x_t - schedule.beta[t] / (1 - alpha_bar).sqrt() * eps) / schedule.alpha[t]
    return mean + schedule.posterior_variance[t] * z


for _slip in ("alpha_t to the power t", "x_t is divided by alpha_t where", "z is multiplied by a variance"):
    wrong("mended", _slip)(broken)

# ---- mended_loss ----------------------------------------------------------------------------------------------------


@right("mended_loss")
def sample_by_sample(network, x_0, t, eps, schedule):
    a, b = schedule.ab(t)
    x_t = torch.stack([a[i].float() * x_0[i] + b[i].float() * eps[i] for i in range(len(t))])
    off = (network(x_t, t) - eps) ** 2
    return torch.stack([one.mean() for one in off])


@right("mended_loss")
def with_axes(network, x_0, t, eps, schedule):
    alpha_bar = schedule.alpha_bar[t].view(-1, *[1] * (x_0.ndim - 1)).float()
    x_t = alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps
    loss = (network(x_t, t) - eps).square()
    return loss.mean(dim=tuple(range(1, x_0.ndim)))


wrong("mended_loss", "one that hands its input back gets full marks")(
    instead(with_axes, "network(x_t, t) - eps", "network(x_t, t) - x_t")
)
wrong("mended_loss", "it is to predict eps")(instead(with_axes, "network(x_t, t) - eps", "network(x_t, t) - x_0"))
wrong("mended_loss", "the table is read at t - 1")(instead(with_axes, "alpha_bar[t].view", "alpha_bar[t - 1].view"))
wrong("mended_loss", "in front of x_0 the root is missing")(
    instead(with_axes, "alpha_bar.sqrt() * x_0", "alpha_bar * x_0")
)
wrong("mended_loss", "in front of eps the root is missing")(
    instead(with_axes, "(1 - alpha_bar).sqrt() * eps", "(1 - alpha_bar) * eps")
)
wrong("mended_loss", "the sum over the whole batch")(
    instead(with_axes, "loss.mean(dim=tuple(range(1, x_0.ndim)))", "loss.sum()")
)
wrong("mended_loss", "the mean over the whole batch")(
    instead(with_axes, "loss.mean(dim=tuple(range(1, x_0.ndim)))", "loss.mean()")
)
wrong("mended_loss", "the mean does not depend on how many there are")(instead(with_axes, "loss.mean(", "loss.sum("))
wrong("mended_loss", "alpha_bar runs along the columns")(instead(with_axes, ".view(-1, *[1] * (x_0.ndim - 1))", ""))
wrong("mended_loss", "alpha_bar runs along the rows")(
    instead(with_axes, ".view(-1, *[1] * (x_0.ndim - 1))", "[:, None]")
)
wrong("mended_loss", "the network is told t - 1")(instead(with_axes, "network(x_t, t)", "network(x_t, t - 1)"))
wrong("mended_loss", "it calls diffusion_lab.noising.add_noise")(
    lambda network, x_0, t, eps, schedule: (
        (network(add_noise(x_0, t, eps, schedule), t) - eps).square().flatten(1).mean(1)
    )
)
wrong("mended_loss", "it calls diffusion_lab.targets.denoising_loss")(
    lambda network, x_0, t, eps, schedule: denoising_loss(network, x_0, t, eps, schedule, target="eps")
)


def broken_loss(network, x_0, t, eps, schedule):
    alpha_bar = schedule.alpha_bar[t - 1].float()
    x_t = alpha_bar * x_0 + (1 - alpha_bar) * eps
    return (network(x_t, t) - x_t).square().sum()


for _slip in (
    "one that hands its input back",
    "in front of x_0 the root is missing",
    "in front of eps the root is missing",
    "the table is read at t - 1",
    "the sum over the whole batch",
):
    wrong("mended_loss", _slip)(broken_loss)

# ---- mended_walk ----------------------------------------------------------------------------------------------------


@right("mended_walk")
def as_the_chapters_do(denoiser, x_T, schedule, steps):
    x = x_T
    for t, s in pairwise(schedule.times(steps)):
        (a_t, b_t), (a_s, b_s) = schedule.ab(t), schedule.ab(s)
        eps = denoiser(x, t)
        x = a_s * (x - b_t * eps) / a_t + b_s * eps
    return x


@right("mended_walk")
def by_ratios(denoiser, x_T, schedule, steps):
    """The step in x / a, where it is one of Euler."""
    if not 0 < steps <= schedule.T:
        raise ValueError("steps")
    ratio = ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt().tolist()
    root = schedule.alpha_bar.sqrt().tolist()
    t, y = schedule.T, x_T / root[-1]
    for k in range(1, steps + 1):
        s = round(schedule.T - k * schedule.T / steps)
        y = y + (ratio[s] - ratio[t]) * denoiser(root[t] * y, t)
        t = s
    return y


def broken_walk(denoiser, x_T, schedule, steps):
    x, stride = x_T, schedule.T // steps
    for t in range(schedule.T - 1, 0, -stride):
        s = t - stride
        eps = denoiser(x, s)
        x_0 = (x - (1 - schedule.alpha_bar[t]).sqrt() * eps) / schedule.alpha_bar[t].sqrt()
        x = schedule.alpha_bar[s].sqrt() * x_0 + (1 - schedule.alpha_bar[s]).sqrt() * eps
    return x


for _slip in ("asks for index -1, the other end of the table", "the denoiser was told t = -1"):
    wrong("mended_walk", _slip)(broken_walk)
_begun_right = instead(broken_walk, "schedule.T - 1,", "schedule.T,")
wrong("mended_walk", "the denoiser was told t = 0")(_begun_right)


@wrong("mended_walk", "with T // steps the stride is 2")
def a_stride(denoiser, x_T, schedule, steps):
    if not 1 <= steps <= schedule.T:
        raise ValueError("steps")
    x, stride = x_T, schedule.T // steps
    for t in range(schedule.T, 0, -stride):
        (a_t, b_t), (a_s, b_s) = schedule.ab(t), schedule.ab(t - stride)
        eps = denoiser(x, t)
        x = a_s * (x - b_t * eps) / a_t + b_s * eps
    return x


wrong("mended_walk", "the denoiser was told t = 0")(instead(as_the_chapters_do, "denoiser(x, t)", "denoiser(x, s)"))
wrong("mended_walk", "the denoiser is told t - 1")(instead(as_the_chapters_do, "denoiser(x, t)", "denoiser(x, t - 1)"))
wrong("mended_walk", "linspace(T, 0, steps) names `steps` times")(
    instead(as_the_chapters_do, "schedule.times(steps)",
            "torch.linspace(schedule.T, 0, steps).round().int().tolist()")
)  # fmt: skip
wrong("mended_walk", "it stops before the last step")(
    instead(as_the_chapters_do, "schedule.times(steps)", "schedule.times(steps)[:-1]")
)
wrong("mended_walk", "it walks from 0 to T")(
    instead(as_the_chapters_do, "schedule.times(steps)", "schedule.times(steps)[::-1]")
)
wrong("mended_walk", "cut off, not rounded")(
    instead(by_ratios, "round(schedule.T - k * schedule.T / steps)", "int(schedule.T - k * schedule.T / steps)")
)
wrong("mended_walk", "no step at all: it is let through")(instead(by_ratios, "0 < steps", "0 <= steps"))
wrong("mended_walk", "diffusion_lab.sampling.walk")(
    lambda denoiser, x_T, schedule, steps: sample(denoiser, x_T, schedule, ddim(), steps=steps)
)
