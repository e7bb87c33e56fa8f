"""Answers to the exercises of chapter 7."""

import math

import torch

from diffusion_lab import add_noise, denoising_loss

from . import instead, right, wrong


@right("kl_clouds")
def cross_entropy_less_entropy(mean_1, variance_1, mean_2, variance_2):
    if mean_1.shape != mean_2.shape or min(variance_1.min(), variance_2.min()) <= 0:
        raise ValueError("means or variances")
    total = torch.zeros(len(mean_1), dtype=mean_1.dtype)
    for b in range(len(mean_1)):
        v, w = variance_1.expand(mean_1.shape)[b], variance_2.expand(mean_1.shape)[b]
        entropy = torch.log(2 * math.pi * math.e * v) / 2
        cross = torch.log(2 * math.pi * w) / 2 + (v + (mean_1[b] - mean_2[b]).pow(2)) / (2 * w)
        total[b] = (cross - entropy).sum()
    return total


@wrong("kl_clouds", "the logarithm of a shared variance has to count once a pixel")
def logarithm_by_itself(mean_1, variance_1, mean_2, variance_2):
    if mean_1.shape != mean_2.shape or (variance_1 <= 0).any() or (variance_2 <= 0).any():
        raise ValueError("means or variances")
    log = 0.5 * (variance_2 / variance_1).log()
    log = log.flatten(1).sum(1) if log.ndim > 1 else log
    apart = (mean_1 - mean_2) ** 2
    return log + ((variance_1 + apart) / (2 * variance_2) - 0.5).flatten(1).sum(1)


wrong("kl_clouds", "it matters who draws")(
    lambda mean_1, variance_1, mean_2, variance_2: cross_entropy_less_entropy(mean_2, variance_2, mean_1, variance_1)
)
wrong("kl_clouds", "this is the mean over the pixels")(
    instead(cross_entropy_less_entropy, "(cross - entropy).sum()", "(cross - entropy).mean()")
)
wrong("kl_clouds", "a half is missing in front of the logarithm")(
    instead(logarithm_by_itself, "0.5 * (variance_2", "(variance_2")
)
wrong("kl_clouds", "the distance of the means is not squared")(
    instead(logarithm_by_itself, "(mean_1 - mean_2) ** 2", "(mean_1 - mean_2)")
)
wrong("kl_clouds", "a second variance below 0: it is let through")(
    instead(cross_entropy_less_entropy, "min(variance_1.min(), variance_2.min())", "variance_1.min()")
)


@wrong("kl_clouds", "it calls torch.distributions.kl_divergence")
def by_torch(mean_1, variance_1, mean_2, variance_2):
    first = torch.distributions.Normal(mean_1, variance_1.sqrt().expand_as(mean_1))
    second = torch.distributions.Normal(mean_2, variance_2.sqrt().expand_as(mean_2))
    return torch.distributions.kl_divergence(first, second).flatten(1).sum(1)


@right("bound_loss")
def one_by_one(network, x_0, t, eps, schedule):
    if t.min() < 1 or t.max() > schedule.T:
        raise ValueError("t")
    kept = schedule.alpha_bar[t]
    x_t = torch.stack([kept[i] ** 0.5 * x_0[i] + (1 - kept[i]) ** 0.5 * eps[i] for i in range(len(t))])
    missed = eps - network(x_t, t)
    losses = []
    for i, k in enumerate(t.tolist()):
        snr, alpha = schedule.snr[k], schedule.alpha[k]
        losses.append((1 / alpha - 1) * (1 + snr) / 2 * missed[i].pow(2).sum())
    return torch.stack(losses)


def by_weight(network, x_0, t, eps, schedule):
    if not ((t >= 1) & (t <= schedule.T)).all():
        raise ValueError("t")
    b, a, kept = (table[t].view(-1, 1, 1) for table in (schedule.beta, schedule.alpha, schedule.alpha_bar))
    guess = network(kept.sqrt() * x_0 + (1 - kept).sqrt() * eps, t)
    squares = (eps - guess) ** 2
    return (b / (2 * a * (1 - kept)) * squares).flatten(1).sum(1)


right("bound_loss")(by_weight)
wrong("bound_loss", "alpha_t is missing below the line")(instead(by_weight, "(2 * a *", "(2 *"))
wrong("bound_loss", "the 2 is missing below the line")(instead(by_weight, "(2 * a *", "(a *"))
wrong("bound_loss", "one beta_t is left above the line")(instead(by_weight, "(b / (2", "(1 / (2"))
wrong("bound_loss", "these are the squares without their weight")(
    instead(by_weight, "b / (2 * a * (1 - kept)) * squares", "squares")
)
wrong("bound_loss", "this is the mean over the numbers of an example")(instead(by_weight, ".sum(1)", ".mean(1)"))
wrong("bound_loss", "t runs along the last axis")(instead(by_weight, "[t].view(-1, 1, 1)", "[t]"))
wrong("bound_loss", "alpha_bar stands in x_t where its root belongs")(
    instead(by_weight, "kept.sqrt() * x_0 + (1 - kept).sqrt()", "kept * x_0 + (1 - kept)")
)
wrong("bound_loss", "t = 0, where nothing is noise: it is let through")(instead(by_weight, "(t >= 1)", "(t >= 0)"))


@wrong("bound_loss", "the weight for beta-tilde")
def the_weight_of_beta_tilde(network, x_0, t, eps, schedule):
    if t.min() < 1 or t.max() > schedule.T:
        raise ValueError("t")
    w = schedule.beta[t] / (2 * schedule.alpha[t] * (1 - schedule.alpha_bar[t - 1]))
    return w * (eps - network(add_noise(x_0, t, eps, schedule), t)).square().flatten(1).sum(1)


@wrong("bound_loss", "it calls diffusion_lab.targets.denoising_loss")
def the_packages_loss(network, x_0, t, eps, schedule):
    if t.min() < 1:
        raise ValueError("t")
    w = schedule.beta[t] / (2 * schedule.alpha[t] * (1 - schedule.alpha_bar[t]))
    return w * 3 * denoising_loss(network, x_0, t, eps, schedule, target="eps")


@right("tighter")
def call_by_call(draw, x_0, n):
    if n < 1:
        raise ValueError("n")
    values = torch.stack([draw(x_0) for _ in range(n)])
    least = values.min(0).values
    return least - (least - values).exp().mean(0).log()


@wrong("tighter", "exp(-2000) is 0 in any float")
def as_it_stands(draw, x_0, n):
    if n < 1:
        raise ValueError("n")
    values = draw(x_0.repeat_interleave(n)).view(len(x_0), n)
    return -(-values).exp().mean(1).log()


wrong("tighter", "their mean has to be divided by n as well")(instead(as_it_stands, ".mean(1)", ".sum(1)"))
wrong("tighter", "draw gives log q / p")(instead(as_it_stands, "(-values).exp()", "values.exp()"))
wrong("tighter", "paths of different examples are averaged together")(
    instead(as_it_stands, "repeat_interleave(n)", "repeat(n)")
)
wrong("tighter", "the logarithms are averaged: that is the bound itself")(
    instead(as_it_stands, "-(-values).exp().mean(1).log()", "values.mean(1)")
)
wrong("tighter", "each of them needs a path of its own")(
    instead(as_it_stands, "draw(x_0.repeat_interleave(n))", "draw(x_0).repeat_interleave(n)")
)
wrong("tighter", "n = 0: expected a ValueError, got RuntimeError")(instead(call_by_call, "n < 1", "n < 0"))
