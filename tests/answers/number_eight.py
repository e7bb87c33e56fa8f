"""Answers to the exercises of chapter 1."""

import math

import torch

from diffusion_lab import ExactDenoiser, add_noise, ddpm, posterior, sample, x0_from_eps

from . import instead, right, wrong


@right("ddpm_step")
def by_precisions(x_t, t, denoiser, schedule, generator):
    """x_{t-1} is known twice, from x_t and from x_0: the precisions add up."""
    if t < 1 or t > schedule.T:
        raise ValueError("t")
    kept, before = schedule.alpha_bar[t].item(), schedule.alpha_bar[t - 1].item()
    beta = schedule.beta[t].item()
    x_0 = (x_t - math.sqrt(1 - kept) * denoiser(x_t, t)) / math.sqrt(kept)
    if t == 1:
        return x_0
    by_x_t, by_x_0 = (1 - beta) / beta, 1 / (1 - before)
    mean = (by_x_t * x_t / math.sqrt(1 - beta) + by_x_0 * math.sqrt(before) * x_0) / (by_x_t + by_x_0)
    noise = torch.randn(x_t.shape, generator=generator)
    return mean + noise / math.sqrt(by_x_t + by_x_0)


@right("ddpm_step")
def by_the_paper(x_t, t, denoiser, schedule, generator):
    """Ho et al. 2020, algorithm 2, with beta-tilde for sigma squared."""
    if t not in range(1, len(schedule.beta)):
        raise ValueError("t is not in 1..T")
    beta, bar, bar_before = schedule.beta[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
    mean = (x_t - beta / (1 - bar).sqrt() * denoiser(x_t, t)) / (1 - beta).sqrt()
    variance = beta * (1 - bar_before) / (1 - bar)
    z = torch.randn(x_t.shape, generator=generator)
    return mean + variance.sqrt() * z


wrong("ddpm_step", "your variance is beta, the noise of a step there")(
    instead(by_the_paper, "variance = beta * (1 - bar_before) / (1 - bar)", "variance = beta")
)
wrong("ddpm_step", "there is noise at the last step")(
    instead(by_the_paper, "variance = beta * (1 - bar_before) / (1 - bar)", "variance = beta")
)
wrong("ddpm_step", "by its variance, where the root belongs")(instead(by_the_paper, "variance.sqrt()", "variance"))
wrong("ddpm_step", "or the same for all numbers")(instead(by_the_paper, "x_t.shape", "1"))
wrong("ddpm_step", "there is no fresh noise")(instead(by_the_paper, "mean + variance.sqrt() * z", "mean"))
wrong("ddpm_step", "without its beta")(instead(by_the_paper, "variance = beta * ", "variance = "))
wrong("ddpm_step", "draw from the one that is given")(instead(by_the_paper, ", generator=generator", ""))
wrong("ddpm_step", "about t - 1, but x_t has the noise of t")(
    instead(by_precisions, "denoiser(x_t, t)", "denoiser(x_t, max(t - 1, 1))")
)
wrong("ddpm_step", "t = 0, from which nothing leads back: it is let through")(
    instead(by_the_paper, "range(1, len", "range(len")
)


@wrong("ddpm_step", "it calls diffusion_lab.noising.posterior")
def by_the_package(x_t, t, denoiser, schedule, generator):
    mean, variance = posterior(x0_from_eps(x_t, t, denoiser(x_t, t), schedule), x_t, t, schedule)
    return mean + variance.sqrt() * torch.randn(x_t.shape, generator=generator)


@right("ddpm_step")
def as_in_the_chapter(x_t, t, denoiser, schedule, generator):
    if not 0 < t <= schedule.T:
        raise ValueError("t")
    a, s, b = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]
    x_0 = (x_t - (1 - a) ** 0.5 * denoiser(x_t, t)) / a**0.5
    mean = s**0.5 * b / (1 - a) * x_0 + (1 - b) ** 0.5 * (1 - s) / (1 - a) * x_t
    return mean + (b * (1 - s) / (1 - a)) ** 0.5 * torch.randn(x_t.shape, generator=generator)


wrong("ddpm_step", "alpha_bar stands in front of x_0 where its root belongs: equation (1.7)")(
    instead(as_in_the_chapter, "s**0.5 * b", "s * b")
)
wrong("ddpm_step", "1 - beta stands in front of x_t")(instead(as_in_the_chapter, "(1 - b) ** 0.5", "(1 - b)"))
wrong("ddpm_step", "alpha_bar is that of t everywhere")(
    instead(as_in_the_chapter, "schedule.alpha_bar[t - 1]", "schedule.alpha_bar[t]")
)
wrong("ddpm_step", "the noise, which is not yet x_0: equation (1.6)")(
    instead(as_in_the_chapter, "x_0 = (x_t - (1 - a) ** 0.5 * denoiser(x_t, t)) / a**0.5", "x_0 = denoiser(x_t, t)")
)
wrong("ddpm_step", "one root is missing where the noise becomes x_0")(
    instead(as_in_the_chapter, "(1 - a) ** 0.5 * denoiser", "(1 - a) * denoiser")
)
wrong("ddpm_step", "a step back goes only a part of the way")(
    instead(as_in_the_chapter, "return mean + ", "return x_0 + ")
)


@right("best_guess_wide")
def by_the_score(x_t, t, means, stds, weights, schedule):
    """Tweedie's formula, with the slope of the log density by autograd."""
    if len({len(means), len(stds), len(weights)}) > 1:
        raise ValueError("means, stds and weights")
    kept = schedule.alpha_bar[t]
    x = x_t.double().clone().requires_grad_()
    with torch.enable_grad():
        bells = torch.distributions.Normal(kept.sqrt() * means.double(), (kept * stds**2 + 1 - kept).sqrt())
        log_density = torch.logsumexp(bells.log_prob(x) + weights.double().log(), 1)
        slope = torch.autograd.grad(log_density.sum(), x)[0]
    return ((x.detach() + (1 - kept) * slope) / kept.sqrt()).to(x_t)


@right("best_guess_wide")
def bell_by_bell(x_t, t, means, stds, weights, schedule):
    if len(means) != len(stds) or len(means) != len(weights):
        raise ValueError("means, stds and weights")
    kept = schedule.alpha_bar[t].item()
    above, below = torch.zeros(2, *x_t.shape)
    for mean, std, weight in zip(means.tolist(), stds.tolist(), weights.tolist(), strict=True):
        v = kept * std**2 + 1 - kept
        off = x_t - math.sqrt(kept) * mean
        height = weight / math.sqrt(v) * torch.exp(-(off**2) / (2 * v))
        above += height * (mean + math.sqrt(kept) * std**2 / v * off)
        below += height
    return above / below


wrong("best_guess_wide", "each is multiplied by its share")(instead(bell_by_bell, "height = weight /", "height = 1 /"))
wrong("best_guess_wide", "by which a narrow one is higher: equation (1.1)")(
    instead(bell_by_bell, "weight / math.sqrt(v) *", "weight *")
)
wrong("best_guess_wide", "it is a straight line in x_t")(
    instead(bell_by_bell, "(mean + math.sqrt(kept) * std**2 / v * off)", "mean")
)
wrong("best_guess_wide", "the widths have no say")(
    instead(bell_by_bell, "in zip(means.tolist(), stds.tolist()", "in zip(means.tolist(), (0 * stds).tolist()")
)
wrong("best_guess_wide", "where their squares belong")(instead(bell_by_bell, "stds.tolist()", "stds.sqrt().tolist()"))
wrong("best_guess_wide", "not yet divided by their sum")(
    instead(bell_by_bell, "return above / below", "return above / math.sqrt(2 * math.pi)")
)
wrong("best_guess_wide", "four means and a single width: it is let through")(
    instead(by_the_score, "len({len(means), len(stds), len(weights)}) > 1", "len(means) != len(weights)")
)
wrong("best_guess_wide", "it calls diffusion_lab.exact.ExactDenoiser.x_0")(
    lambda x_t, t, means, stds, weights, schedule: ExactDenoiser.mixture(
        means.view(-1, 1), stds, weights, schedule
    ).x_0(x_t, t)
)


@wrong("best_guess_wide", "where its root belongs: equation (1.3)")
def a_missing_root(x_t, t, means, stds, weights, schedule):
    kept = schedule.alpha_bar[t]
    v = kept * stds**2 + 1 - kept
    heights = weights * torch.distributions.Normal(kept * means, v.sqrt()).log_prob(x_t).exp()
    guesses = means + kept.sqrt() * stds**2 / v * (x_t - kept * means)
    return ((heights / heights.sum(1, keepdim=True)) * guesses).sum(1, keepdim=True)


@right("best_guess_wide")
def by_a_table(x_t, t, means, stds, weights, schedule):
    if not len(means) == len(stds) == len(weights):
        raise ValueError("three lengths")
    a = schedule.alpha_bar[t].sqrt().float()
    v = (a * stds) ** 2 + 1 - a**2
    off = x_t - a * means
    heights = weights * (-(off**2) / (2 * v)).exp() / (2 * torch.pi * v).sqrt()
    heights = heights / heights.sum(dim=1, keepdim=True)
    return torch.einsum("nk,nk->n", heights, means + a * stds**2 / v * off)[:, None]


wrong("best_guess_wide", "it goes over the bells")(instead(by_a_table, "dim=1, keepdim=True", "dim=0"))
wrong("best_guess_wide", "expected the shape (40, 1), got (40,)")(instead(by_a_table, "[:, None]", ""))
wrong("best_guess_wide", "have only the variance of the noise")(
    instead(
        by_a_table,
        "(-(off**2) / (2 * v)).exp() / (2 * torch.pi * v).sqrt()",
        "(-(off**2) / (2 * (1 - a**2))).exp()",
    )
)
wrong("best_guess_wide", "and not at sqrt(alpha_bar) times them")(
    instead(by_a_table, "heights = weights * (-(off**2)", "heights = weights * (-((x_t - means) ** 2)")
)


@right("shares_made")
def step_by_step(schedule, n, generator):
    if not n >= 1:
        raise ValueError("n")
    places = torch.tensor([[2.0], [5.0], [8.0]])
    denoiser = ExactDenoiser.mixture(places, [0.5] * 3, [3, 2, 5], schedule)
    x = torch.randn(n, 1, generator=generator)
    for t in range(schedule.T, 0, -1):
        mean, variance = posterior(denoiser.x_0(x, t), x, t, schedule)
        x = mean + variance.sqrt() * torch.randn(n, 1, generator=generator)
    kind = (x > 3.5).long() + (x > 6.5).long()
    return torch.bincount(kind.flatten(), minlength=3) / n


wrong("shares_made", "the three bells count alike")(instead(step_by_step, "[3, 2, 5]", "[1, 1, 1]"))
wrong("shares_made", "these are numbers of samples")(instead(step_by_step, "minlength=3) / n", "minlength=3)"))
wrong("shares_made", "is every number in exactly one of them?")(
    instead(step_by_step, "minlength=3) / n", "minlength=3) / n * torch.tensor([1, 1, 0])")
)
wrong("shares_made", "n = 0: ")(instead(step_by_step, "n >= 1", "n >= 0"))


@right("shares_made")
def by_the_sampler(schedule, n, generator):
    if n < 1:
        raise ValueError("n")
    means, stds, weights = torch.tensor([[2.0], [5.0], [8.0]]), torch.full((3,), 0.5), torch.tensor([0.3, 0.2, 0.5])
    denoiser = ExactDenoiser.mixture(means, stds, weights, schedule)
    made = sample(denoiser, (n, 1), schedule, ddpm(), generator=generator)
    return torch.stack(
        [(made < 3.5).float().mean(), (abs(made - 5) <= 1.5).float().mean(), (made > 6.5).float().mean()]
    )


wrong("shares_made", "unless it is told ddpm()")(instead(by_the_sampler, "schedule, ddpm(),", "schedule,"))
wrong("shares_made", "take every step")(instead(by_the_sampler, "schedule, ddpm(),", "schedule, ddpm(), steps=1,"))
wrong("shares_made", "two generators with the same seed")(
    instead(by_the_sampler, "ddpm(), generator=generator", "ddpm()")
)
wrong("shares_made", "path: expected that of the denoiser")(
    instead(by_the_sampler, "weights, schedule)", "weights, type(schedule).cosine(300))")
)


@wrong("shares_made", "you did not begin at N(0, 1)")
def from_noised_data(schedule, n, generator):
    if n < 1:
        raise ValueError("n")
    means, weights = torch.tensor([[2.0], [5.0], [8.0]]), torch.tensor([0.3, 0.2, 0.5])
    x_0 = means[torch.multinomial(weights, n, True, generator=generator)]
    x_0 = x_0 + 0.5 * torch.randn(x_0.shape, generator=generator)
    start = add_noise(x_0, schedule.T, torch.randn(x_0.shape, generator=generator), schedule)
    denoiser = ExactDenoiser.mixture(means, [0.5] * 3, weights, schedule)
    made = sample(denoiser, start, schedule, ddpm(), generator=generator)[:, 0]
    return torch.bincount(torch.bucketize(made, torch.tensor([3.5, 6.5])), minlength=3) / n
