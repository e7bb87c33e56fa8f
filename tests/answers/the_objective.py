"""Answers to the exercises of chapter 8."""

import math

import torch

from diffusion_lab import posterior, walk, x0_from_eps
from diffusion_lab.steps import ddpm

from . import instead, right, wrong


@right("end_cost")
def cross_entropy_less_entropy(x_0, schedule):
    if not torch.is_tensor(x_0) or not torch.is_floating_point(x_0):
        raise TypeError("x_0")
    kept = schedule.alpha_bar[schedule.T].item()
    costs = []
    for picture in x_0.double():
        cross = 0.5 * math.log(2 * math.pi) + (kept * picture**2 + (1 - kept)) / 2
        costs.append((cross - 0.5 * math.log(2 * math.pi * math.e * (1 - kept))).sum())
    return torch.stack(costs)


wrong("end_cost", "alpha_bar_T stands in front of x_0 where its root belongs")(
    instead(cross_entropy_less_entropy, "kept * picture**2", "(kept * picture) ** 2")
)
wrong("end_cost", "this is the mean over the pixels")(instead(cross_entropy_less_entropy, ".sum())", ".mean())"))
wrong("end_cost", "the end is taken at T - 1")(instead(cross_entropy_less_entropy, "[schedule.T]", "[schedule.T - 1]"))
wrong("end_cost", "whole numbers: it is let through")(
    instead(cross_entropy_less_entropy, "not torch.is_tensor(x_0) or not torch.is_floating_point(x_0)", "x_0 is None")
)
wrong("end_cost", "expected float64, got torch.float32")(
    instead(cross_entropy_less_entropy, "in x_0.double()", "in x_0")
)


def by_eight_seven(x_0, schedule):
    if not isinstance(x_0, torch.Tensor) or not x_0.is_floating_point():
        raise TypeError("x_0")
    left, x_0 = schedule.signal_left, x_0.double()
    return 0.5 * (left * x_0**2 - left - math.log(1 - left)).flatten(1).sum(1)


right("end_cost")(by_eight_seven)
wrong("end_cost", "each example has an x_0 of its own")(instead(by_eight_seven, "left * x_0**2", "0 * x_0 + left"))
wrong("end_cost", "the logarithm has the wrong sign")(instead(by_eight_seven, "- math.log", "+ math.log"))
wrong("end_cost", "a half is missing")(instead(by_eight_seven, "0.5 * (left", "(left"))


@right("draw_by_weight")
def by_the_staircase(weights, n, generator):
    if weights.min() <= 0:
        raise ValueError("weights")
    stairs = weights.cumsum(0)
    u = torch.rand(n, generator=generator, dtype=weights.dtype) * stairs[-1]
    t = torch.searchsorted(stairs, u, right=True).clamp(max=len(weights) - 1)
    return 1 + t, weights[t] / (weights[t] / stairs[-1])


def by_multinomial(weights, n, generator):
    if (weights <= 0).any():
        raise ValueError("weights")
    chance = weights / weights.sum()
    t = torch.multinomial(chance, n, replacement=True, generator=generator) + 1
    return t, weights[t - 1] / chance[t - 1]


wrong("draw_by_weight", "0 is among the times")(
    instead(by_the_staircase, "return 1 + t, weights[t]", "return t, weights[t]")
)
wrong("draw_by_weight", "this counts the weight twice")(instead(by_multinomial, " / chance[t - 1]", ""))
wrong("draw_by_weight", "the mean of the weights, and a sum over all times is asked for")(
    instead(by_multinomial, "weights[t - 1] / chance[t - 1]", "weights.mean().expand(n)")
)
wrong("draw_by_weight", "leaves the weights out")(
    instead(by_multinomial, "weights[t - 1] / chance[t - 1]", "1 / (len(weights) * chance[t - 1])")
)
wrong("draw_by_weight", "the softmax takes the weights for logarithms")(
    instead(by_multinomial, "weights / weights.sum()", "weights.softmax(0)")
)
wrong("draw_by_weight", "every time comes equally often")(
    instead(by_multinomial, "weights / weights.sum()", "torch.ones_like(weights) / len(weights)")
)
wrong("draw_by_weight", "the same generator gives other times")(instead(by_multinomial, ", generator=generator", ""))
wrong("draw_by_weight", "a weight of 0: it is let through")(instead(by_the_staircase, "weights.min() <= 0", "False"))
wrong("draw_by_weight", "without replacement")(instead(by_multinomial, "replacement=True", "replacement=False"))


@right("walk_back")
def by_way_of_x_0(denoiser, x_T, schedule, sigma2, generator):
    t, x = schedule.T, x_T
    while t > 0:
        now = torch.tensor([t] * len(x))
        guess = x0_from_eps(x, now, denoiser(x, now), schedule)
        x, t = posterior(guess, x, t, schedule)[0], t - 1
        if t:
            x = torch.normal(x, sigma2[t + 1].sqrt().item(), generator=generator)
    return x


def by_the_page(denoiser, x_T, schedule, sigma2, generator):
    x_t = x_T
    for t in range(schedule.T, 0, -1):
        eps = denoiser(x_t, torch.full((len(x_t),), t))
        part = schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt()
        x_t = (x_t - part * eps) / schedule.alpha[t].sqrt()
        z = torch.randn(x_t.shape, generator=generator, dtype=x_t.dtype)
        if t > 1:
            x_t = x_t + sigma2[t].sqrt() * z
    return x_t


right("walk_back")(by_the_page)
wrong("walk_back", "the walk begins at T - 1")(instead(by_the_page, "range(schedule.T,", "range(schedule.T - 1,"))
wrong("walk_back", "stops at t = 1, a step too early")(instead(by_the_page, "0, -1)", "1, -1)"))
wrong("walk_back", "1 - alpha_bar_t stands below beta_t where its root belongs")(
    instead(by_the_page, "(1 - schedule.alpha_bar[t]).sqrt()", "(1 - schedule.alpha_bar[t])")
)
wrong("walk_back", "alpha_t is divided by where its root belongs")(
    instead(by_the_page, "schedule.alpha[t].sqrt()", "schedule.alpha[t]")
)
wrong("walk_back", "sigma2 is a variance, and is taken for the spread")(
    instead(by_the_page, "sigma2[t].sqrt()", "sigma2[t]")
)
wrong("walk_back", "at t = 1 noise is added")(instead(by_the_page, "if t > 1", "if t > 0"))
wrong("walk_back", "one draw serves many numbers")(instead(by_the_page, "torch.randn(x_t.shape", "torch.randn(1"))
wrong("walk_back", "every step adds the same z")(
    instead(by_the_page, "generator=generator, dtype", "generator=generator.manual_seed(1), dtype")
)
wrong("walk_back", "the variance is the schedule's beta")(
    instead(by_the_page, "sigma2[t].sqrt()", "schedule.beta[t].sqrt()")
)
wrong("walk_back", "the same generator gives another x_0")(instead(by_the_page, "generator=generator, ", ""))


@wrong("walk_back", "the walk begins at T - 1")
def as_on_the_page(denoiser, x_T, schedule, sigma2, generator):
    x_t = x_T
    for t in range(schedule.T - 1, 0, -1):
        eps = denoiser(x_t, torch.full((len(x_t),), t))
        noise_out = schedule.beta[t] / (1 - schedule.alpha_bar[t]) * eps
        mean = (x_t - noise_out) / schedule.alpha[t].sqrt()
        z = torch.randn(1, generator=generator)
        x_t = mean + sigma2[t] * z
    return x_t


@wrong("walk_back", "it calls diffusion_lab.sampling.walk")
def the_packages_walk(denoiser, x_T, schedule, sigma2, generator):
    return list(walk(denoiser, x_T, schedule, ddpm("beta"), generator=generator))[-1]
