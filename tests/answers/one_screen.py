"""Answers to the exercises of the page with the whole program."""

import math

import torch

from diffusion_lab import NoiseSchedule, posterior

from . import instead, right, wrong


@right("ring")
def by_directions(n, radius, width, generator):
    direction = torch.randn(n, 2, generator=generator)
    direction = direction / direction.norm(dim=1, keepdim=True)
    return direction * torch.normal(radius, width, (n, 1), generator=generator)


@right("ring")
def moved_as_the_s(n, radius, width, generator):
    turn = torch.rand(n, generator=generator) * 2 * math.pi
    points = radius * torch.column_stack((turn.sin(), turn.cos()))
    return points + width * torch.randn(points.shape, generator=generator)


def by_angle(n, radius, width, generator):
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    distance = radius + width * torch.randn(n, generator=generator)
    return torch.stack([distance * angle.cos(), distance * angle.sin()], dim=1)


right("ring")(by_angle)
wrong("ring", "half of a ring")(instead(by_angle, "2 * math.pi", "math.pi"))
wrong("ring", "one turn and a half")(
    instead(
        by_angle,
        "2 * math.pi * torch.rand(n, generator=generator)",
        "3 * math.pi * (torch.rand(n, generator=generator) - 0.5)",
    )
)
wrong("ring", "all are moved outward")(instead(by_angle, "torch.randn", "torch.rand"))
wrong("ring", "draw one distance for each point")(instead(by_angle, "torch.randn(n,", "torch.randn(1,"))
wrong("ring", "all points lie in one direction")(instead(by_angle, "torch.rand(n,", "torch.rand(1,"))
wrong("ring", "a point is a row")(instead(by_angle, ", dim=1", ""))
wrong("ring", "the radius is 1")(instead(by_angle, "radius +", "1 +"))
wrong("ring", "the points fill the disc")(
    instead(
        by_angle,
        "radius + width * torch.randn(n, generator=generator)",
        "radius * torch.rand(n, generator=generator).sqrt()",
    )
)
wrong("ring", "it is squared")(instead(by_angle, "+ width *", "+ width**2 *"))
wrong("ring", "the same seed gives other points")(
    instead(by_angle, "torch.rand(n, generator=generator)", "torch.rand(n)")
)
wrong("ring", "stand at equal distances")(
    instead(by_angle, "torch.rand(n, generator=generator)", "torch.arange(n) / n")
)


@right("step_back")
def by_the_clean_point(x, eps, t, beta, alpha_bar, fresh):
    if t == 1:
        return (x - torch.sqrt(beta[1]) * eps) / torch.sqrt(1 - beta[1])
    here, before = float(alpha_bar[t]), float(alpha_bar[t - 1])
    clean = (x - (1 - here) ** 0.5 * eps) / here**0.5
    # Two bells: one around what x was before the step, one around the clean point as it is at t - 1.
    one, other = (1 - beta[t]) / beta[t], 1 / (1 - before)
    middle = (one * x / (1 - beta[t]) ** 0.5 + other * before**0.5 * clean) / (one + other)
    return middle + (one + other) ** -0.5 * fresh


def with_other_names(x, eps, t, beta, alpha_bar, fresh):
    noise = 1 - alpha_bar[t]
    x = (x - beta[t] / noise.sqrt() * eps) / (1 - beta[t]).sqrt()
    left = beta[t] * (1 - alpha_bar[t - 1]) / noise
    return x + left.sqrt() * fresh


right("step_back")(with_other_names)
wrong("step_back", "1 - alpha_bar stands under a root")(instead(with_other_names, "noise.sqrt() * eps", "noise * eps"))
wrong("step_back", "it shrinks once more")(
    instead(with_other_names, "/ (1 - beta[t]).sqrt()", "* (1 - beta[t]).sqrt()")
)
wrong("step_back", "`left` is a variance")(instead(with_other_names, "left.sqrt()", "left"))
wrong("step_back", "its variance is beta")(instead(with_other_names, "(1 - alpha_bar[t - 1])", "noise"))
wrong("step_back", "the last step, from t = 1 to 0, there is fresh noise")(
    instead(with_other_names, "(1 - alpha_bar[t - 1])", "noise")
)
wrong("step_back", "a step shrinks by the root")(instead(with_other_names, "(1 - beta[t]).sqrt()", "(1 - beta[t])"))
wrong("step_back", "noise is put in")(instead(with_other_names, "(x - beta[t]", "(x + beta[t]"))
wrong("step_back", "the data's")(instead(with_other_names, "noise.sqrt() * eps", "alpha_bar[t].sqrt() * eps"))
wrong("step_back", "the fresh noise is stretched, too")(
    instead(with_other_names, "left.sqrt() * fresh", "(left / (1 - beta[t])).sqrt() * fresh")
)


@wrong("step_back", "it calls diffusion_lab.noising.posterior")
def by_the_package(x, eps, t, beta, alpha_bar, fresh):
    clean = (x - (1 - alpha_bar[t]).sqrt() * eps) / alpha_bar[t].sqrt()
    mean, variance = posterior(clean, x, t, NoiseSchedule(beta))
    return mean + variance.sqrt() * fresh


@wrong("step_back", "`left` is a variance")
def as_it_was_found(x, eps, t, beta, alpha_bar, fresh):
    noise = 1 - alpha_bar[t]
    x = (x - beta[t] / noise * eps) * (1 - beta[t]).sqrt()
    left = beta[t] * (1 - alpha_bar[t - 1]) / noise
    return x + left * fresh


wrong("step_back", "1 - alpha_bar stands under a root")(as_it_was_found)
wrong("step_back", "it shrinks once more")(as_it_was_found)
