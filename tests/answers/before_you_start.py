"""Answers to the exercises of the chapter Before you start."""

import numpy as np
import torch

from . import instead, right, wrong


@right("fit_line")
def by_a_matrix(x, y, steps, rate):
    if tuple(x.shape) != tuple(y.shape):
        raise ValueError("x and y: one y for each x")
    inputs = torch.stack([x, torch.ones_like(x)], 1)
    both = torch.zeros(2, dtype=x.dtype)
    for _ in range(steps):
        both = both - 2 * rate / len(x) * (inputs.T @ (inputs @ both - y))
    return tuple(both)


@right("fit_line")
def by_numpy(x, y, steps, rate):
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape:
        raise ValueError("shapes")
    w = b = 0.0
    for _ in range(steps):
        error = w * x + b - y
        of_w, of_b = np.mean(2 * x * error), np.mean(2 * error)
        w = w - rate * of_w
        b = b - rate * of_b
    return float(w), float(b)


@wrong("fit_line", "w is moved before the slope of b is taken")
def one_after_the_other(x, y, steps, rate):
    w, b = 0.0, 0.0
    for _ in range(steps):
        w -= rate * (2 * x * (w * x + b - y)).mean().item()
        b -= rate * (2 * (w * x + b - y)).mean().item()
    return w, b


@wrong("fit_line", "it calls torch.Tensor.backward")
def by_pytorch(x, y, steps, rate):
    weights = torch.zeros(2, dtype=x.dtype, requires_grad=True)
    sgd = torch.optim.SGD([weights], lr=rate)
    for _ in range(steps):
        sgd.zero_grad()
        (weights[0] * x + weights[1] - y).square().mean().backward()
        sgd.step()
    return weights.detach().tolist()


wrong("fit_line", "this goes uphill")(
    instead(by_numpy, "w - rate * of_w\n        b = b - rate", "w + rate * of_w\n        b = b + rate")
)
wrong("fit_line", "the loss is their mean")(instead(by_a_matrix, "2 * rate / len(x)", "2 * rate"))
wrong("fit_line", "lacks its 2")(instead(by_a_matrix, "2 * rate", "rate"))
wrong("fit_line", "no x belongs in it")(instead(by_numpy, "np.mean(2 * error)", "np.mean(2 * x * error)"))
wrong("fit_line", "b stays where it is")(instead(by_numpy, "b = b - rate * of_b", "pass"))
wrong("fit_line", "one nudge too few")(instead(by_numpy, "range(steps)", "range(1, steps)"))
wrong("fit_line", "a single y: it is let through")(instead(by_numpy, "x.shape != y.shape", "x.ndim != y.ndim"))


@right("bayes")
def by_logarithms(prior, likelihood):
    if len(prior) != len(likelihood):
        raise ValueError("one likelihood for each kind")
    heights = prior.log() + likelihood.log()
    if heights.max() == -torch.inf:
        raise ValueError("none of the kinds explains it")
    return (heights - heights.logsumexp(0)).exp()


@right("bayes")
def by_counting(prior, likelihood):
    if prior.shape != likelihood.shape:
        raise ValueError("shapes")
    areas = [p * q for p, q in zip(prior.tolist(), likelihood.tolist(), strict=True)]
    whole = sum(areas)
    if whole == 0:
        raise ValueError("impossible")
    return torch.tensor([area / whole for area in areas])


wrong("bayes", "these are the joint probabilities")(lambda prior, likelihood: prior * likelihood)
wrong("bayes", "the prior has no say")(instead(by_logarithms, "prior.log() + likelihood.log()", "likelihood.log()"))
wrong("bayes", "p(b) weighs each by its prior")(instead(by_counting, "sum(areas)", "likelihood.sum().item()"))
wrong("bayes", "it is multiplied with")(instead(by_logarithms, "prior.log() + ", "-prior.log() + "))
wrong("bayes", "impossible under every kind: it is let through")(instead(by_logarithms, "-torch.inf", "torch.inf"))


@wrong("bayes", "a likelihood for two: it is let through")
def it_broadcasts(prior, likelihood):
    dark = prior * likelihood
    if not dark.any():
        raise ValueError("impossible")
    return dark / dark.sum()


@right("best_guess")
def by_precisions(y, v):
    if v <= 0:
        raise ValueError("v must be above 0")
    precision = 1 + y.shape[1] / v
    return y.sum(dim=1) / v / precision, 1 / precision


@right("best_guess")
def look_by_look(y, v):
    if not v > 0:
        raise ValueError("v")
    mean, variance = torch.zeros(len(y)), torch.tensor(1.0)
    for look in y.T:
        gain = variance / (variance + v)
        mean = mean + gain * (look - mean)
        variance = variance * (1 - gain)
    return mean, variance


wrong("best_guess", "drawn back towards 0")(lambda y, v: (y.mean(1), v / y.shape[1]))
wrong("best_guess", "its variance is v/n")(lambda y, v: (y.mean(1) / (1 + v), torch.tensor(v / (1 + v))))
wrong("best_guess", "the others tell something too")(lambda y, v: (y[:, 0] / (1 + v), v / (1 + v)))
wrong("best_guess", "over the wrong axis")(lambda y, v: (y.mean(0) / (1 + v / len(y)), 1 / (1 + len(y) / v)))
wrong("best_guess", "this is the standard deviation")(instead(by_precisions, "1 / precision", "(1 / precision) ** 0.5"))
wrong("best_guess", "what the mean is multiplied by")(
    instead(by_precisions, "1 / precision", "1 / (1 + v / y.shape[1])")
)
wrong("best_guess", "and not n v")(lambda y, v: (y.mean(1) / (1 + v * y.shape[1]), 1 / (1 + 1 / (v * y.shape[1]))))
wrong("best_guess", "noise of variance 0: it is let through")(instead(look_by_look, "not v > 0", "v < 0"))
