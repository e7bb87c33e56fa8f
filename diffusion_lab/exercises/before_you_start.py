"""Exercises of the chapter Before you start."""

from collections.abc import Callable

import torch
from torch import Tensor

from .asking import equal, exercise, parts, randn, refuses


@exercise(instead_of=["torch.Tensor.backward", "torch.autograd.grad"])
def fit_line(answer, point, g):
    """fit_line(x, y, steps, rate): a line with two weights, f(x) = w x + b, learned by nudges.

    ``x`` and ``y`` have the shape ``(N,)``. Both weights begin at 0. Each of the ``steps`` nudges moves both at once
    against the slope of the mean squared error, times the learning rate ``rate``. Returns the two numbers ``w`` and
    ``b``. Raises ``ValueError`` if the shapes of ``x`` and ``y`` differ.
    """
    x = 1 + randn(g, 40, dtype=torch.float64)
    y = 2 * x - 3 + 0.5 * randn(g, 40, dtype=torch.float64)
    for name, steps in (("one nudge", 1), ("many nudges", 20)):
        with point(name):
            found = parts(answer(x, y, steps, 0.05), "w", "b")
            found = torch.stack([torch.as_tensor(one).double().squeeze() for one in found])
            slips = {
                "the slope of b is 2 times the error: no x belongs in it": nudged(
                    x, y, steps, lambda of_w, of_b: (of_w, of_w)
                ),
                "the slope of w lacks its x: equation (B.3)": nudged(x, y, steps, lambda of_w, of_b: (of_b, of_b)),
                "this goes uphill: a nudge goes against the slope": nudged(x, y, steps, lambda *slopes: slopes, -0.05),
                "a slope is a sum over all examples here; the loss is their mean": nudged(
                    x, y, steps, lambda *slopes: slopes, 0.05 * len(x)
                ),
                "a slope lacks its 2, which comes of the square: equation (B.3)": nudged(
                    x, y, steps, lambda *slopes: slopes, 0.05 / 2
                ),
                "w and b have each other's place: w comes first": nudged(x, y, steps).flip(0),
                "b stays where it is: it is a weight too, with a slope of its own": nudged(
                    x, y, steps, lambda of_w, of_b: (of_w, 0)
                ),
                "w is moved before the slope of b is taken: both slopes belong to one guess": nudged(
                    x, y, steps, in_turn=True
                ),
                "this is one nudge too few": nudged(x, y, steps - 1),
                "this is one nudge too many": nudged(x, y, steps + 1),
            }
            equal("w and b", found, nudged(x, y, steps), slips)
    with point("ValueError if the shapes differ"):
        refuses(answer, x, y[:1], 1, 0.05, because="40 of x and a single y")
        refuses(answer, x, y[:, None], 1, 0.05, because="y of shape (40, 1)")


def nudged(
    x: Tensor,
    y: Tensor,
    steps: int,
    change: Callable = lambda *slopes: slopes,
    rate: float = 0.05,
    in_turn: bool = False,
) -> Tensor:
    """w and b by PyTorch's slopes, which ``change`` may spoil; ``in_turn``: the second slope is taken after w moved."""
    weights = torch.zeros(2, dtype=x.dtype)
    for _ in range(steps):
        for moved in ([0], [1]) if in_turn else ([0, 1],):
            at = weights.clone().requires_grad_()
            with torch.enable_grad():
                loss = (at[0] * x + at[1] - y).square().mean()
            slopes = torch.stack([torch.as_tensor(one) for one in change(*torch.autograd.grad(loss, at)[0])])
            weights[moved] -= rate * slopes[moved]
    return weights


@exercise()
def bayes(answer, point, g):
    """bayes(prior, likelihood): what is probable once something was seen.

    ``prior`` ``(K,)`` sums to 1, and says how probable each of ``K`` hidden kinds is. ``likelihood`` ``(K,)`` says how
    probable what was seen is, given each kind. Returns the posterior ``(K,)``, which sums to 1. Raises ``ValueError``
    if the shapes differ, or if what was seen is impossible under every kind.
    """
    fog = torch.tensor([0.3, 0.7]), torch.tensor([0.9, 0.2])
    any_prior = torch.rand(5, generator=g) + 0.1
    drawn = any_prior / any_prior.sum(), 0.1 + 0.8 * torch.rand(5, generator=g)
    for name, (prior, likelihood) in (("the drawings in the fog", fog), ("five kinds", drawn)):
        with point(name):
            joint = torch.distributions.Categorical(probs=prior * likelihood)
            slips = {
                "these are the joint probabilities; what is seen is sure, so divide by p(b): equation (B.8)": (
                    prior * likelihood
                ),
                "the prior has no say: how many there are of a kind counts as well": likelihood / likelihood.sum(),
                "the likelihood has no say: this is what was believed before": prior,
                "you divide by the sum of the likelihoods; p(b) weighs each by its prior: equation (B.8)": (
                    prior * likelihood / likelihood.sum()
                ),
                "you divide by the largest, and not by the sum": prior * likelihood / (prior * likelihood).max(),
                "e to the power of the joint probabilities is something else than they are": (
                    (prior * likelihood).softmax(0)
                ),
                "you divide by the prior; it is multiplied with": (likelihood / prior) / (likelihood / prior).sum(),
            }
            equal("the posterior", answer(prior, likelihood), joint.probs, slips)
    with point("a sight that is rare, but possible"):
        even = torch.ones(4) / 4
        equal("the posterior", answer(even, torch.full((4,), 1e-9)), even)
        equal("the posterior", answer(fog[0], torch.tensor([0.0, 0.5])), torch.tensor([0.0, 1.0]))
    with point("ValueError if the shapes differ, or nothing explains what was seen"):
        refuses(answer, torch.ones(1), torch.ones(2), because="a prior for one kind, a likelihood for two")
        refuses(answer, torch.ones(2) / 2, torch.zeros(2), because="what was seen is impossible under every kind")
        refuses(
            answer,
            torch.tensor([1.0, 0.0]),
            torch.tensor([0.0, 1.0]),
            because="the only kind that explains it has a prior of 0",
        )


@exercise()
def best_guess(answer, point, g):
    """best_guess(y, v): what is believed about a number after several looks at it.

    A number x is N(0, 1) beforehand. ``y`` ``(B, n)`` holds ``n`` looks at each of ``B`` such numbers, with fresh noise
    of variance ``v``. Returns the mean ``(B,)`` and the variance ``()`` of p(x | y_1, ..., y_n). Raises ``ValueError``
    unless ``v`` is above 0.
    """
    cases = (
        ("one look", torch.tensor([[1.5], [-0.6]]), 0.5),
        ("four looks", randn(g, 3, 1) + 0.8 * randn(g, 3, 4), 0.64),
        ("ten looks", randn(g, 3, 1) + 1.5 * randn(g, 3, 10), 2.25),
    )
    for name, y, v in cases:
        n = y.shape[1]
        # By the table of how all the looks hang together: 1 by the x that they share, v more with themselves.
        weight = torch.linalg.solve(torch.ones(n, n) + v * torch.eye(n), torch.ones(n))
        average = y.mean(1)
        with point(f"the mean, {name}"):
            slips = {
                "this is the average of the looks; some of it is noise, so it is drawn back towards 0": average,
                "this is how the first look is believed; the others tell something too": y[:, 0] / (1 + v),
                "this is how the last look is believed; the others tell something too": y[:, -1] / (1 + v),
                "the average of n looks has less noise than one of them: its variance is v/n": average / (1 + v),
                "the looks are added up where their average belongs": y.sum(1) / (1 + v / n),
                "noise gets less in an average: its variance is v/n, and not n v": average / (1 + n * v),
                "v is squared, but it is a variance already": average / (1 + v**2 / n),
                "v/n is a variance already: take no root of it": average / (1 + (v / n) ** 0.5),
                "the width of an average is that of one look by the root of n; its variance is v/n": average
                / (1 + v / n**0.5),
            }
            found = parts(answer(y, v), "mean", "variance")[0]
            if n > 1:
                slips["the average goes over the wrong axis: each row is one number, seen n times"] = y.mean(0) / (
                    1 + v / len(y)
                )
            equal("the mean", found, y @ weight, slips)
        with point(f"the variance, {name}"):
            left = 1 - weight.sum().item()
            slips = {
                "this is the variance after one look; n looks leave less": v / (1 + v),
                "this is the variance of the noise alone; what was believed before narrows it": v / n,
                "this is 1/(1 + v/n), which is what the mean is multiplied by: equation (B.10)": 1 / (1 + v / n),
                "this is the standard deviation; the variance is its square": left**0.5,
                "noise gets less in an average: its variance is v/n, and not n v": n * v / (1 + n * v),
                "v is squared, but it is a variance already": v**2 / n / (1 + v**2 / n),
            }
            variance = parts(answer(y, v), "mean", "variance")[1]
            equal("the variance", variance, left, slips)
    with point("ValueError unless v is above 0"):
        refuses(answer, torch.zeros(1, 2), 0.0, because="noise of variance 0")
        refuses(answer, torch.zeros(1, 2), -1.0, because="a variance below 0")
