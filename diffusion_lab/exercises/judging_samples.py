"""Exercises of chapter 11, judging samples."""

import math
import re

import numpy as np
import torch

from ..metrics import frechet_distance
from .asking import Slip, equal, exercise, numeric, parts, randn, shown


def number(what: str, found: object) -> float:
    """``found``, if it is a float as asked for, or Slip."""
    if found is not None and numeric(found) and not isinstance(found, float):
        raise Slip(f"{what}: expected a float, got {shown(found)}; `.item()` or `float()` makes one of a tensor")
    return found


@exercise(instead_of=["diffusion_lab.metrics.frechet_distance"])
def frechet_of_points(answer, point, g):
    """frechet_of_points(x, y): the Fréchet distance of the bells fitted to two clouds, equation (11.4).

    ``x`` ``(n, d)`` and ``y`` ``(m, d)`` are points in float64, at least two of each, and there may be fewer than
    ``d``. The covariances have n - 1 and m - 1 below the line. Returns a float.
    """

    def root(C):
        values, axes = torch.linalg.eigh(C)
        return axes * values.clamp(min=0).sqrt() @ axes.T

    def of_widths(C_x, C_y):
        """The part of equation (11.4) that has the covariances, as it is and after one slip or another."""
        inner, both = root(C_x) @ C_y @ root(C_x), (C_x + C_y).trace()
        cross = root(inner).trace()
        return {
            "": both - 2 * cross,
            "the root is missing: C_x C_y has variances in it, no widths": both - 2 * inner.trace(),
            "the root is taken of the trace; it belongs to the matrix, and the trace comes after": both
            - 2 * inner.trace().sqrt(),
            "the root is taken entry by entry; the root of C is the matrix which squared is C": both
            - 2 * inner.diag().clamp(min=0).sqrt().sum(),
            "two roots are multiplied; equation (11.4) has one root around the whole product": both
            - 2 * (root(C_x) @ root(C_y)).trace(),
            "the covariances are added and nothing is taken off: the root of their product is missing": both,
            "the root of the product comes twice in equation (11.4)": both - cross,
            "the root of the product is added, where it has to be taken off": both + 2 * cross,
            "only the widths along the axes are compared: what goes up together is left out": both
            - 2 * (C_x.diag() * C_y.diag()).sqrt().sum(),
            "variances are compared, where equation (11.2) has widths": (C_x - C_y).square().sum(),
        }

    def hold(x, y):
        found = number("the distance", answer(x, y))
        moved_x, moved_y = x - x.mean(0), y - y.mean(0)
        C_x, C_y = moved_x.T @ moved_x / len(x), moved_y.T @ moved_y / len(y)
        with_n = of_widths(C_x, C_y)
        with_n_1 = of_widths(C_x * len(x) / (len(x) - 1), C_y * len(y) / (len(y) - 1))
        apart = (x.mean(0) - y.mean(0)).square().sum()
        slips = {}
        for below, widths in (("", with_n_1), ("n is below the line of the covariances, not n - 1", with_n)):
            for far, means in (("", apart), ("the distance of the means is not squared", apart.sqrt())):
                for why, wrong in widths.items():
                    slips["; and ".join(filter(None, (why, far, below)))] = (means + wrong).item()
        truth = frechet_distance(x, y)
        slips["this is the root of the distance; equation (11.4) keeps it squared"] = truth**0.5
        slips["the means are left out: equation (11.4) begins with them"] = truth - apart.item()
        equal("the distance", found, truth, slips)

    x, y = (randn(g, n, 3, dtype=torch.float64) @ randn(g, 3, 3, dtype=torch.float64) for n in (8, 6))
    line = x[:, :1]
    with point("two clouds that differ in their means only"):
        hold(line, line + 3)
    with point("two clouds of numbers with one mean"):
        hold(line - line.mean(), 2 * (y[:, :1] - y[:, :1].mean()))
    with point("three coordinates"):
        hold(x - x.mean(0), y - y.mean(0))
    with point("a cloud and itself"):
        equal("the distance", number("the distance", answer(x, x)), 0.0)
    with point("fewer points than coordinates"):
        x, y = randn(g, 3, 12, dtype=torch.float64), randn(g, 4, 12, dtype=torch.float64)
        clamp = "by rounding an eigenvalue 0 becomes -1e-17, whose root is NaN: clamp at 0 before the root"
        try:
            found = answer(x, y)
        except Exception as error:  # what decomposes a matrix refuses NaN, each library in its own way
            if re.search("nan|converge", str(error), re.IGNORECASE):
                raise Slip(clamp) from error
            raise
        if isinstance(found, float) and math.isnan(found):
            raise Slip(clamp)
        hold(x, y)


@exercise()
def at_infinity(answer, point, g):
    """at_infinity(sizes, scores): what would be left of a score with samples without end.

    ``sizes`` is a list of at least two different sample sizes n, ``scores`` the list of the Fréchet distances at
    them. Fits a straight line in 1/n by least squares and returns its value at 1/n = 0, a float.
    """
    left, slope = 3 + torch.rand(1, generator=g).item(), 400 + 100 * torch.rand(1, generator=g).item()

    def hold(sizes, luck):
        scores = [left + slope / n + luck * z for n, z in zip(sizes, randn(g, len(sizes)).tolist(), strict=True)]
        found = number("the value at 1/n = 0", answer(list(sizes), list(scores)))
        n, score = np.array(sizes, dtype=float), np.array(scores)
        low, high = n.argmin(), n.argmax()

        def line(x, at=1):
            return np.polyfit(x, score, 1)[at].item()

        def through(i, j):
            return ((n[j] * score[j] - n[i] * score[i]) / (n[j] - n[i])).item()

        slips = {
            "this is the slope of the line; asked is its value at 1/n = 0": line(1 / n, 0),
            "the line is fitted in n: its value at n = 0 is that for no samples at all": line(n),
            "this is the slope of a line in n; asked is the value at 0 of one in 1/n": line(n, 0),
            "the line is fitted in the root of 1/n; the bias goes with 1/n: equation (11.5)": line(n**-0.5),
            "there is no column of ones, so the line is forced through 0": (score @ n**-1 / (n**-1 @ n**-1)).item(),
            "this is the score at the largest n; there is some bias left in it": score[high].item(),
            "this is the mean of the scores; the bias of each is still in it": score.mean().item(),
            "this is the smallest score, and there is some bias left in it": score.min().item(),
            "only the smallest and the largest n are looked at: least squares uses them all": through(low, high),
            "only the first and the last n are looked at: least squares uses them all": through(0, -1),
        }
        equal("the value at 1/n = 0", found, line(1 / n), slips)

    with point("a line through two scores"):
        hold([100, 200], 0)
    with point("scores that lie on a line"):
        hold([400, 100, 1000, 250], 0)
    with point("scores that do not, by least squares"):
        hold([400, 100, 1000, 250, 150], 0.3)
    with point("scores that are all the same"):
        equal("the value at 1/n = 0", answer([50, 100, 400], [left] * 3), left)


@exercise()
def precision_recall(answer, point, g):
    """precision_recall(real, made, k=3): which share of each cloud lies within the other.

    ``real`` ``(n, d)`` and ``made`` ``(m, d)`` are features, both of more than ``k`` points. A ball around each real
    point reaches to its k-th nearest other real point. Precision is the share of made points that lie in one of these
    balls or more, its border included. Recall is the same with the roles exchanged. Returns two floats.
    """
    from scipy.spatial import KDTree, distance  # slow to import; scikit-learn brings it

    def shares(real, made, k, of=lambda inside: inside.any(1).mean(), itself=False, axis=None):
        """Of either, ``of`` the table that says which point (row) is in which ball (column)."""

        def share(points, centres):
            near = KDTree(centres).query(centres, k + 1)[0]  # a point itself, and k others
            radius = near[:, k - 1 if itself else k]
            return of(distance.cdist(points, centres) <= (radius if axis is None else radius[:, None])).item()

        return share(made, real), share(real, made)

    def hold(real, made, k, hidden=False):
        found = parts(answer(real, made) if hidden else answer(real, made, k), "precision", "recall")
        precision, recall = wanted = shares(real, made, k)
        slips = {
            "the ball is too small: a point is its own nearest, and that one does not count": shares(
                real, made, k, itself=True
            ),
            "the ball is too large: it reaches to the k-th nearest other point": shares(real, made, k + 1),
            "this is the share of balls with a point in them; asked is that of points in a ball": shares(
                real, made, k, lambda inside: inside.any(0).mean()
            ),
            "a point has to lie in one ball, not in all": shares(real, made, k, lambda inside: inside.all(1).mean()),
            "this is in how many balls a point lies; asked is whether it lies in one": shares(
                real, made, k, lambda inside: inside.sum(1).mean()
            ),
            "this is the share of all pairs; asked is that of points in one ball or more": shares(
                real, made, k, lambda inside: inside.mean()
            ),
            "k is always 3; it is an argument": shares(real, made, 3),
            "precision and recall have changed places": (recall, precision),
            "recall is precision once more: the roles are to be exchanged": (precision, precision),
            "recall is 1, since a real point lies in its own ball; look for it in those of made points": (
                precision,
                1.0,
            ),
        }
        if len(real) == len(made):
            along = "the radius is compared along the wrong axis: a ball has that of its centre"
            slips[along] = shares(real, made, k, axis=0)
        values = torch.tensor([number(name, one) for name, one in zip(("precision", "recall"), found, strict=True)])
        slips = {why: torch.tensor(wrong).double() for why, wrong in slips.items()}
        equal("precision and recall", values.double(), torch.tensor(wanted).double(), slips)

    real, made = torch.rand(2, 200, 2, generator=g, dtype=torch.float64)  # two squares that overlap
    made = 1.5 * made + torch.tensor([0.4, 0])
    with point("two clouds of one size"):
        hold(real, made, 3)
    with point("k is 3 if nobody says otherwise"):
        hold(real, made, 3, hidden=True)
    with point("another k"):
        hold(real, made, 5)
    with point("two clouds of different sizes"):
        hold(real, made[:120], 3)
    with point("a point on the border of a ball is in it"):
        found = parts(
            answer(torch.arange(8.0)[:, None], torch.tensor([[-1.0], [3.5], [9], [20]]), 1), "precision", "recall"
        )
        equal("precision", found[0], 0.5, {"the border of a ball counts, so `<=`": 0.25})
    with point("a cloud and itself, and one far away"):
        for far, share in ((0, 1.0), (100, 0.0)):
            found = parts(answer(real, real + far, 3), "precision", "recall")
            equal("precision", found[0], share)
            equal("recall", found[1], share)
