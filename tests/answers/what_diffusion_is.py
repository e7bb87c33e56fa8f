"""Answers to the exercises of the chapter What diffusion is."""

import torch

from diffusion_lab import add_noise, posterior

from . import instead, right, wrong


@right("modes_found")
def by_loops(x, centres, radius, share):
    if x.shape[0] < 1:
        raise ValueError("no samples")
    counts = [0] * len(centres)
    for sample in x:
        distances = [float((sample - centre).norm()) for centre in centres]
        nearest = distances.index(min(distances))
        if distances[nearest] <= radius:
            counts[nearest] += 1
    return sum(count / len(x) >= share for count in counts)


@right("modes_found")
def by_a_table(x, centres, radius, share):
    if not len(x):
        raise ValueError("x is empty")
    squared = ((x[:, None] - centres) ** 2).sum(2)
    mine = torch.nn.functional.one_hot(squared.argmin(1), len(centres)).bool()
    found = (mine & (squared <= radius**2)).sum(0) >= share * len(x)
    return found.sum().item()


wrong("modes_found", "counts too: at least")(instead(by_loops, ">= share", "> share"))
wrong("modes_found", "the radius has no say")(instead(by_a_table, "(mine & (squared <= radius**2))", "mine"))
wrong("modes_found", "a distance that is still squared")(instead(by_a_table, "radius**2", "radius"))
wrong("modes_found", "counts for all centres in its radius")(
    instead(by_a_table, "(mine & (squared <= radius**2))", "(squared <= radius**2)")
)
wrong("modes_found", "the share is one of all samples")(
    instead(by_loops, "count / len(x)", "count / max(sum(counts), 1)")
)
wrong("modes_found", "by the number of centres")(instead(by_a_table, "share * len(x)", "share / len(centres) * len(x)"))
wrong("modes_found", "x of shape (0, 2): it is let through")(
    instead(by_a_table, 'raise ValueError("x is empty")', "return 0")
)


@right("loss_by_kind")
def by_masks(denoiser, x_0, kind, t, eps, schedule):
    off = denoiser(add_noise(x_0, t, eps, schedule), t) - eps
    return torch.tensor([(off[kind == k] ** 2).mean() for k in kind.unique()])


@right("loss_by_kind")
def by_adding_up(denoiser, x_0, kind, t, eps, schedule):
    kept = schedule.alpha_bar[t].view(-1, 1).float()
    squared = (denoiser(kept.sqrt() * x_0 + (1 - kept).sqrt() * eps, t) - eps) ** 2
    errors, counts = torch.zeros(2, int(kind.max()) + 1)
    for k, error in zip(kind.tolist(), squared, strict=True):
        errors[k] += error.mean()
        counts[k] += 1
    return errors / counts


@wrong("loss_by_kind", "held to eps and not to x_0; and the errors of a kind are added up where they are averaged; and")
def as_it_was_found(denoiser, x_0, kind, t, eps, schedule):
    x_t = add_noise(x_0, t, eps, schedule)
    error = (denoiser(x_t, t) - x_0).square().mean(1)
    return torch.stack([error[kind == k].sum() for k in range(kind.max())])


wrong(
    "loss_by_kind",
    "wrong  a denoiser that knows all kinds: the errors of a kind are added up where they are averaged\n",
)(instead(by_adding_up, "errors / counts", "errors"))
wrong(
    "loss_by_kind", "wrong  a denoiser that knows all kinds: the last kind is left out, since range(n) ends before n\n"
)(instead(by_masks, "kind.unique()", "kind.unique()[:-1]"))
wrong("loss_by_kind", "held to eps and not to x_0")(instead(by_masks, "t) - eps", "t) - x_0"))
wrong("loss_by_kind", "the denoiser is shown the clean data")(
    instead(by_masks, "add_noise(x_0, t, eps, schedule)", "x_0")
)
wrong("loss_by_kind", "a mean goes over its numbers too")(instead(by_adding_up, "error.mean()", "error.sum()"))
wrong("loss_by_kind", "not squared")(instead(by_masks, "** 2).mean()", ").abs().mean()"))
wrong("loss_by_kind", "each kind has its own")(
    lambda denoiser, x_0, kind, t, eps, schedule: torch.nn.functional.mse_loss(
        denoiser(add_noise(x_0, t, eps, schedule), t), eps
    )
)


@right("fill_second")
def by_hand(first, n, goes, best_guess, schedule, generator):
    if goes < 1:
        raise ValueError("at least one go")

    def noise():
        return torch.randn(n, 2, generator=generator)

    beta, alpha_bar = schedule.beta.tolist(), schedule.alpha_bar.tolist()
    x = noise()
    for t in range(schedule.T, 0, -1):
        a, before, b = alpha_bar[t], alpha_bar[t - 1], beta[t]
        for go in range(goes):
            if go > 0:
                x = (1 - b) ** 0.5 * x + b**0.5 * noise()
            guess = best_guess(x, t)
            middle = before**0.5 * b / (1 - a) * guess + (1 - b) ** 0.5 * (1 - before) / (1 - a) * x
            x = middle + (b * (1 - before) / (1 - a)) ** 0.5 * noise()
            x[:, 0] = before**0.5 * first + (1 - before) ** 0.5 * noise()[:, 0]
    return x[:, 1]


wrong("fill_second", "what is put back is clean")(
    instead(by_hand, "before**0.5 * first + (1 - before) ** 0.5 * noise()[:, 0]", "first")
)
wrong("fill_second", "it is put back without noise")(instead(by_hand, " + (1 - before) ** 0.5 * noise()[:, 0]", ""))
wrong("fill_second", "sqrt(alpha_bar) stands in front of it")(
    instead(by_hand, "before**0.5 * first + (1 - before) ** 0.5", "before * first + (1 - before)")
)
wrong("fill_second", "with the noise of t; after the step")(
    instead(by_hand, "before**0.5 * first + (1 - before) ** 0.5", "a**0.5 * first + (1 - a) ** 0.5")
)
wrong("fill_second", "x is not brought to t again")(instead(by_hand, "if go > 0:", "if go < 0:"))


@wrong("fill_second", "after the last go as well")
def always_up_again(first, n, goes, best_guess, schedule, generator):
    if goes < 1:
        raise ValueError("goes")
    known, x = torch.full((n,), first), torch.randn(n, 2, generator=generator)
    for t in range(schedule.T, 0, -1):
        for _ in range(goes):
            mean, variance = posterior(best_guess(x, t), x, t, schedule)
            x = mean + variance.sqrt() * torch.randn(n, 2, generator=generator)
            x[:, 0] = add_noise(known, t - 1, torch.randn(n, generator=generator), schedule)
            x = schedule.alpha[t].sqrt() * x + schedule.beta[t].sqrt() * torch.randn(n, 2, generator=generator)
    return x[:, 1]


wrong("fill_second", "your variance is beta")(instead(by_hand, "(b * (1 - before) / (1 - a)) ** 0.5", "b**0.5"))
wrong("fill_second", "adds no fresh noise")(
    instead(by_hand, " + (b * (1 - before) / (1 - a)) ** 0.5 * noise()\n", "\n")
)
wrong("fill_second", "the step goes all of the way to the guess")(
    instead(by_hand, "x = middle + (b * (1 - before) / (1 - a)) ** 0.5 * noise()", "x = guess.clone()")
)
wrong("fill_second", "`goes` has no say")(instead(by_hand, "range(goes)", "range(1)"))
wrong("fill_second", "which are known; the second are asked for")(instead(by_hand, "x[:, 1]", "x[:, 0]"))
wrong("fill_second", "some of the noise is not theirs")(
    instead(by_hand, "torch.randn(n, 2, generator=generator)", "torch.randn(n, 2)")
)
wrong("fill_second", "no go at all: it is let through")(instead(by_hand, "goes < 1", "goes < 0"))
