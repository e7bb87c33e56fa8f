"""Answers to the exercises of chapter 9."""

import torch

from diffusion_lab import ExactDenoiser, convert

from . import instead, right, wrong


@right("tweedie")
def sample_by_sample(x_t, t, log_density, schedule):
    if t < 1 or t > schedule.T:
        raise ValueError("t")

    def of_one(x):
        return log_density(x[None])[0]

    score = torch.stack([torch.autograd.functional.jacobian(of_one, x) for x in x_t])
    variance = float(1 - schedule.alpha_bar[t])
    return (x_t + variance * score).div((1 - variance) ** 0.5)


@right("tweedie")
def by_vector_and_jacobian(x_t, t, log_density, schedule):
    if t not in range(1, len(schedule.alpha_bar)):
        raise ValueError(f"t = {t}")
    _, score = torch.autograd.functional.vjp(log_density, x_t, torch.ones(len(x_t), dtype=torch.float64))
    a = schedule.alpha_bar[t]
    return x_t / a.sqrt() + (1 - a) / a.sqrt() * score


wrong("tweedie", "the score is taken off")(instead(sample_by_sample, "x_t + variance", "x_t - variance"))
wrong("tweedie", "its variance belongs there")(instead(sample_by_sample, "variance * score", "variance**0.5 * score"))
wrong("tweedie", "not divided by the root of alpha_bar")(instead(sample_by_sample, ".div((1 - variance) ** 0.5)", ""))
wrong("tweedie", "alpha_bar is below the line")(instead(sample_by_sample, "** 0.5)", "** 1)"))
wrong("tweedie", "t = T is refused")(instead(sample_by_sample, "t > schedule.T", "t >= schedule.T"))
wrong("tweedie", "t = 0, where there is no noise: it is let through")(instead(sample_by_sample, "t < 1", "t < 0"))
wrong("tweedie", "the logarithm is taken twice")(
    instead(sample_by_sample, "log_density(x[None])[0]", "log_density(x[None]).log()[0]")
)
wrong("tweedie", "this is the slope of the density")(
    instead(sample_by_sample, "log_density(x[None])[0]", "log_density(x[None]).exp()[0]")
)


@wrong("tweedie", "not of the mean")
def of_the_mean(x_t, t, log_density, schedule):
    if not 1 <= t <= schedule.T:
        raise ValueError("t")
    x_t = x_t.clone().requires_grad_()
    (score,) = torch.autograd.grad(log_density(x_t).mean(), x_t)
    a = schedule.alpha_bar[t]
    return (x_t + (1 - a) * score) / a**0.5


wrong("tweedie", "this is the guess of the noise")(
    instead(sample_by_sample, "(x_t + variance * score).div((1 - variance) ** 0.5)", "-(variance**0.5) * score")
)


@wrong("tweedie", "it calls diffusion_lab.targets.convert")
def by_the_package(x_t, t, log_density, schedule):
    if not 1 <= t <= schedule.T:
        raise ValueError("t")
    x_t = x_t.clone().requires_grad_()
    (score,) = torch.autograd.grad(log_density(x_t).sum(), x_t)
    return convert(x_t.detach(), t, score, schedule, "score", "x_0")


@right("data_as_attention")
def by_keys(x_t, t, examples, schedule):
    signal = float(schedule.alpha_bar[t])
    noise = 1.0 - signal
    key = examples * signal**0.5 / noise
    bias = torch.einsum("nd,nd->n", examples, examples).mul(-0.5 * signal / noise)
    return x_t, key, examples, torch.stack([bias] * len(x_t))


@right("data_as_attention")
def by_distances(x_t, t, examples, schedule):
    """The query is 0, and the bias does it all: allowed, if not clever."""
    signal = schedule.alpha_bar[t]
    apart = ((x_t[:, None] - signal.sqrt() * examples) ** 2).sum(-1)
    return 0 * x_t, examples, examples, -apart / 2 / (1 - signal)


for _says, _old, _new in (
    ("there is no bias", "-0.5 * signal", "0.0"),
    ("the bias has the wrong sign", "-0.5", "0.5"),
    ("the bias is twice what it should be", "-0.5 * signal", "-signal"),
    ("squared it is alpha_bar itself", "-0.5 * signal", "-0.5 * signal**0.5"),
    ("not times the root of alpha_bar", "-0.5 * signal", "-0.5"),
    ("the length of each example", "examples, examples).mul", "examples, examples).sqrt().mul"),
    ("query times key has alpha_bar where its root belongs", "signal**0.5 / noise", "signal / noise"),
    ("query times key lacks the root", "signal**0.5 / noise", "1 / noise"),
    ("below the line is alpha_bar", "noise = 1.0 - signal", "noise = signal"),
    ("below the line is the standard deviation", "noise = 1.0 - signal", "noise = (1.0 - signal) ** 0.5"),
    ("nothing is divided by the variance", "noise = 1.0 - signal", "noise = 1.0"),
    ("the values are shrunk as in x_t", "key, examples, ", "key, signal**0.5 * examples, "),
    ("bias: expected the shape (4, 7)", "torch.stack([bias] * len(x_t))", "bias"),
    ("bias: expected the shape (4, 7)", "torch.stack([bias] * len(x_t))", "torch.stack([bias] * len(x_t), 1)"),
    ("key: expected the shape (7, 3)", "return x_t, key", "return x_t, key.T"),
):
    wrong("data_as_attention", _says)(instead(by_keys, _old, _new))


@wrong("data_as_attention", "expected 4 values, query and key and value and bias")
def what_comes_of_it(x_t, t, examples, schedule):
    return torch.softmax(x_t @ examples.T, dim=1) @ examples


@wrong("data_as_attention", "it calls diffusion_lab.exact.ExactDenoiser.x_0")
def by_the_denoiser(x_t, t, examples, schedule):
    guess = ExactDenoiser.dataset(examples, schedule).x_0(x_t, t)
    return x_t, examples, guess, torch.zeros(len(x_t), len(examples))


@right("langevin")
def by_normal(score, x, steps, size, g):
    for _ in range(steps):
        x = torch.normal(x + size * score(x), (2 * size) ** 0.5, generator=g)
    return x


@right("langevin")
def all_draws_first(score, x, steps, size, g):
    shaken = torch.randn((steps, *x.shape), generator=g, dtype=x.dtype).mul((2 * size) ** 0.5)
    here = x.clone()
    for each in shaken:
        here += size * score(here) + each
    return here


for _says, _old, _new in (
    ("it walks downhill", "+= size * score(here)", "+= -size * score(here)"),
    ("there is one step too few", "in shaken", "in shaken[1:]"),
    ("the score is not multiplied by the size", "size * score(here)", "score(here)"),
    ("the score is that of the beginning", "score(here)", "score(x)"),
    ("it needs that of twice the size", "(2 * size) ** 0.5", "size**0.5"),
    ("multiplied by 2 size, where its root belongs", "(2 * size) ** 0.5", "2 * size"),
    ("the 2 is below the root", "(2 * size) ** 0.5", "2 * size**0.5"),
    ("not made smaller at all", ".mul((2 * size) ** 0.5)", ""),
    ("draw it anew", "+ each", "+ shaken[0]"),
    ("no noise is added", "+ each", "+ 0 * each"),
    ("all points get the same noise", "+ each", "+ each[:1]"),
    ("all numbers of a point get the same noise", "+ each", "+ each[:, :1]"),
    ("two walks with equal generators differ", "generator=g, ", ""),
    ("another generator gives the same walk", "generator=g, ", "generator=torch.Generator().manual_seed(0), "),
):
    wrong("langevin", _says)(instead(all_draws_first, _old, _new))


@wrong("langevin", "the last one too")
def without_noise_at_the_end(score, x, steps, size, g):
    for step in range(steps):
        x = x + size * score(x)
        if step < steps - 1:
            x = x + (2 * size) ** 0.5 * torch.randn(x.shape, generator=g)
    return x
