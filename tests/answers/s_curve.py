"""Answers to the exercises of chapter 3."""

import itertools
import math

import torch

from diffusion_lab import denoising_loss, energy_distance
from diffusion_lab.noising import add_noise

from . import instead, right, wrong


@right("velocity_loss")
def sample_by_sample(network, x_0, t, eps, schedule):
    angle = torch.acos(schedule.alpha_bar.sqrt()).float()[t]  # a and b are its cosine and sine
    rows = [(angle.cos()[i] * x_0[i] + angle.sin()[i] * eps[i]) for i in range(len(t))]
    out = network(torch.stack(rows), t)
    total = 0
    for i in range(len(t)):
        v = angle.cos()[i] * eps[i] - angle.sin()[i] * x_0[i]
        total = total + ((out[i] - v) ** 2).sum()
    return total / x_0.numel()


@right("velocity_loss")
def from_what_is_seen(network, x_0, t, eps, schedule):
    x_t = add_noise(x_0, t, eps, schedule)
    a = schedule.alpha_bar.sqrt()[t].to(x_0).reshape(len(t), *[1] * (x_0.dim() - 1))
    v = (a * x_t - x_0) / (1 - a**2).sqrt()  # (3.6), solved for v
    return torch.nn.functional.mse_loss(network(x_t, t), v)


SEEN = "network(x_t, t), v)"
wrong("velocity_loss", "compared with eps, as in the plain loop")(
    instead(from_what_is_seen, SEEN, "network(x_t, t), eps)")
)
wrong("velocity_loss", "compared with x_0")(instead(from_what_is_seen, SEEN, "network(x_t, t), x_0)"))
wrong("velocity_loss", "this is the sum of the squares")(
    instead(from_what_is_seen, SEEN, "network(x_t, t), v, reduction='sum')")
)
wrong("velocity_loss", "the mean is over its numbers, too")(instead(sample_by_sample, "x_0.numel()", "len(x_0)"))
wrong("velocity_loss", "this is the mean of the absolute differences")(
    instead(from_what_is_seen, "mse_loss", "l1_loss")
)
wrong("velocity_loss", "the network is shown x_0")(instead(from_what_is_seen, SEEN, "network(x_0, t), v)"))
wrong("velocity_loss", "forgotten where it came from")(instead(from_what_is_seen, SEEN, "network(x_t, t), v).item()"))
wrong("velocity_loss", "it calls diffusion_lab.targets.denoising_loss")(
    lambda network, x_0, t, eps, schedule: denoising_loss(network, x_0, t, eps, schedule, target="v").mean()
)


@wrong("velocity_loss", "alpha_bar runs along the numbers of a sample")
def the_last_axis(network, x_0, t, eps, schedule):
    a, b = schedule.alpha_bar[t].sqrt(), (1 - schedule.alpha_bar[t]).sqrt()
    out = network(a * x_0 + b * eps, t)
    return (out - (a * eps - b * x_0)).square().mean()


def with_axes(network, x_0, t, eps, schedule):
    left = schedule.alpha_bar[t].view(-1, *[1] * (x_0.ndim - 1))
    a, b = left.sqrt(), (1 - left).sqrt()
    out = network(a * x_0 + b * eps, t)
    return (out - (a * eps - b * x_0)).square().mean()


wrong("velocity_loss", "the roots are missing, in x_t and in v")(
    instead(with_axes, "left.sqrt(), (1 - left).sqrt()", "left, 1 - left")
)
wrong("velocity_loss", "v has the wrong sign")(instead(with_axes, "(a * eps - b * x_0)", "(b * x_0 - a * eps)"))
wrong("velocity_loss", "each other's roots in v")(instead(with_axes, "(a * eps - b * x_0)", "(b * eps - a * x_0)"))
wrong("velocity_loss", "there is a plus where v has a minus")(
    instead(with_axes, "(a * eps - b * x_0)", "(a * eps + b * x_0)")
)
wrong("velocity_loss", "the time of its first sample")(
    lambda network, x_0, t, eps, schedule: with_axes(network, x_0, t[:1].expand_as(t), eps, schedule)
)
wrong("velocity_loss", "the index is off by one: alpha_bar[t]")(
    instead(with_axes, "schedule.alpha_bar[t]", "schedule.alpha_bar[t - 1]")
)


@right("unbiased")
def pair_by_pair(x, y):
    if min(map(len, (x, y))) < 2:
        raise ValueError("two points or more")

    def within(cloud):
        pairs = list(itertools.combinations(cloud.tolist(), 2))
        return sum(math.dist(*pair) for pair in pairs) / len(pairs)

    between = [math.dist(one, other) for one in x.tolist() for other in y.tolist()]
    return 2 * sum(between) / len(between) - within(x) - within(y)


@right("unbiased")
def off_the_diagonal(x, y):
    def mean(one, other, leave_out):
        distances = (one[:, None] - other[None]).square().sum(2).sqrt()
        kept = ~torch.eye(*distances.shape, dtype=torch.bool) if leave_out else torch.ones_like(distances).bool()
        return distances[kept].mean()

    if x.shape[0] == 1 or y.shape[0] == 1:
        raise ValueError("two points or more")
    return float(2 * mean(x, y, False) - mean(x, x, True) - mean(y, y, True))


wrong("unbiased", "each point is still counted with itself")(
    lambda x, y: (2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()).item()
)
wrong("unbiased", "it calls diffusion_lab.metrics.energy_distance")(lambda x, y: energy_distance(x, y))
wrong("unbiased", "every pair twice")(
    instead(off_the_diagonal, "- mean(x, x, True) - mean(y, y, True)", "- 2 * mean(x, x, True) - 2 * mean(y, y, True)")
)
wrong("unbiased", "every pair once")(
    instead(pair_by_pair, "in pairs) / len(pairs)", "in pairs) / len(cloud) / (len(cloud) - 1)")
)
wrong("unbiased", "the 2 in front")(instead(off_the_diagonal, "2 * mean(x, y, False)", "mean(x, y, False)"))
wrong("unbiased", "this is the root")(
    instead(
        pair_by_pair,
        "2 * sum(between) / len(between) - within(x) - within(y)",
        "max(0, 2 * sum(between) / len(between) - within(x) - within(y)) ** 0.5",
    )
)
wrong("unbiased", "the distances are squared")(instead(off_the_diagonal, ".sum(2).sqrt()", ".sum(2)"))
wrong("unbiased", "what is below 0 is cut off")(lambda x, y: max(0.0, pair_by_pair(x, y)))
wrong("unbiased", "a single point in y, which has no pair: it is let through")(
    instead(off_the_diagonal, "x.shape[0] == 1 or y.shape[0] == 1", "x.shape[0] == 1")
)


@right("antithetic")
def by_shares(n, path, generator=None):
    if n % 2 == 1:
        raise ValueError("n has to be even")
    first = torch.rand(n // 2, generator=generator).mul(path.T).floor().long() + 1
    return torch.hstack((first, torch.tensor([path.T + 1]) - first))


@right("antithetic")
def by_weights(n, path, generator=None):
    if n != 2 * (n // 2):
        raise ValueError("odd")
    even = torch.ones(path.T)
    first = torch.multinomial(even, n // 2, replacement=True, generator=generator)
    times = torch.stack([first, path.T - 1 - first]) + 1
    return times.flatten()


@wrong("antithetic", "exclude its upper end")
def the_upper_end_excluded(n, path, generator=None):
    if n % 2:
        raise ValueError("n")
    first = torch.randint(1, path.T, (n // 2,), generator=generator)
    return torch.cat([first, path.T + 1 - first])


wrong("antithetic", "so times begin at 1")(
    instead(the_upper_end_excluded, "randint(1, path.T,", "randint(0, path.T + 1,")
)
wrong("antithetic", "the opposite of t is T + 1 - t")(
    instead(the_upper_end_excluded, "path.T + 1 - first", "path.T - first")
)
wrong("antithetic", "side by side")(
    instead(
        the_upper_end_excluded,
        "torch.cat([first, path.T + 1 - first])",
        "torch.stack([first, path.T + 1 - first], 1).flatten()",
    )
)
wrong("antithetic", "hand the generator to what draws")(instead(by_shares, "generator=generator", "generator=None"))
wrong("antithetic", "the times are floats")(instead(by_shares, ".floor().long()", ".floor()"))
wrong("antithetic", "n = 3: it is let through")(instead(by_shares, "n % 2 == 1", "n < 0"))
wrong("antithetic", "again and again")(
    instead(the_upper_end_excluded, "(n // 2,), generator=generator)", "(1,), generator=generator).expand(n // 2)")
)
wrong("antithetic", "another seed gives the same times")(
    instead(the_upper_end_excluded, "randint(1, path.T, (n // 2,), generator=generator)", "arange(n // 2) % path.T + 1")
)
