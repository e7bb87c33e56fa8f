"""Answers to the exercises of chapter 11."""

import numpy as np
import torch

from diffusion_lab.metrics import frechet_distance

from . import instead, right, wrong


@right("frechet_of_points")
def by_singular_values(x, y):
    """tr (C_x^(1/2) C_y C_x^(1/2))^(1/2) is the sum of the singular values of the clouds' product."""
    x_0, y_0 = x - x.mean(0), y - y.mean(0)
    x_0, y_0 = x_0 / (len(x) - 1) ** 0.5, y_0 / (len(y) - 1) ** 0.5
    cross = torch.linalg.svdvals(x_0 @ y_0.T).sum()
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    return float(shift + (x_0**2).sum() + (y_0**2).sum() - 2 * cross)


@right("frechet_of_points")
def by_eigenvalues(x, y):
    a, b = np.asarray(x), np.asarray(y)
    C, D = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b))
    of_product = np.linalg.eigvals(C @ D).real
    root = np.sqrt(np.maximum(of_product, 0)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(C) + np.trace(D) - 2 * root


@wrong("frechet_of_points", "the root is taken of the trace")
def planted(x, y):
    """As the exercise gives it, with its three slips."""
    m_x, m_y = x.mean(dim=0), y.mean(dim=0)
    C_x = (x - m_x).T @ (x - m_x) / len(x)
    C_y = (y - m_y).T @ (y - m_y) / len(y)
    cross = (C_x @ C_y).trace().sqrt()
    return ((m_x - m_y).norm() + (C_x + C_y).trace() - 2 * cross).item()


wrong("frechet_of_points", "two clouds that differ in their means only: the distance of the means is not squared")(
    planted
)
wrong("frechet_of_points", "two clouds of numbers with one mean: n is below the line")(planted)
for _says, _old, _new in (
    (
        "the distance of the means is not squared",
        "((x.mean(0) - y.mean(0)) ** 2).sum()",
        "(x.mean(0) - y.mean(0)).norm()",
    ),
    (
        "n is below the line of the covariances",
        "(len(x) - 1) ** 0.5, y_0 / (len(y) - 1) ** 0.5",
        "len(x) ** 0.5, y_0 / len(y) ** 0.5",
    ),
    (
        "the root is missing",
        "cross = torch.linalg.svdvals(x_0 @ y_0.T)",
        "cross = torch.linalg.svdvals(x_0 @ y_0.T).square()",
    ),
    ("the covariances are added and nothing is taken off", " - 2 * cross", ""),
    ("the root of the product comes twice", " - 2 * cross", " - cross"),
    ("has to be taken off", "- 2 * cross", "+ 2 * cross"),
    ("this is the root of the distance", "- 2 * cross)", "- 2 * cross) ** 0.5"),
    ("the means are left out", "shift + (x_0", "(x_0"),
    ("expected a float, got torch.float64", "return float", "return "),
    ("only the widths along the axes", "torch.linalg.svdvals(x_0 @ y_0.T)", "(x_0.norm(dim=0) * y_0.norm(dim=0))"),
):
    wrong("frechet_of_points", _says)(instead(by_singular_values, _old, _new))


def half(C):
    values, axes = np.linalg.eigh(C)
    return (axes * np.sqrt(np.maximum(values, 0))) @ axes.T


for _says, _old, _new in (
    (
        "the root is taken entry by entry",
        "linalg.eigvals(C @ D).real",
        "diag(half(C) @ D @ half(C))",
    ),
    (
        "two roots are multiplied",
        "root = np.sqrt(np.maximum(of_product, 0)).sum()",
        "root = np.trace(half(C) @ half(D))",
    ),
    (
        "clamp at 0 before the root",
        "np.sqrt(np.maximum(of_product, 0)).sum()",
        "torch.as_tensor(of_product).sqrt().sum().item()",
    ),
):
    wrong("frechet_of_points", _says)(instead(by_eigenvalues, _old, _new))


@wrong("frechet_of_points", "it calls diffusion_lab.metrics.frechet_distance")
def by_the_package(x, y):
    return frechet_distance(x, y)


@wrong("frechet_of_points", "clamp at 0 before the root")
def without_a_clamp(x, y):
    C_x, C_y = ((z - z.mean(0)).T @ (z - z.mean(0)) / (len(z) - 1) for z in (x, y))
    values, axes = torch.linalg.eigh(C_x)
    root = axes @ values.sqrt().diag() @ axes.T
    cross = torch.linalg.eigvalsh(root @ C_y @ root).sqrt().sum()
    return ((x.mean(0) - y.mean(0)).square().sum() + (C_x + C_y).trace() - 2 * cross).item()


@right("at_infinity")
def by_covariance(sizes, scores):
    x, y = 1 / torch.tensor(sizes, dtype=torch.float64), torch.tensor(scores, dtype=torch.float64)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return float(y.mean() - slope * x.mean())


@right("at_infinity")
def by_polyfit(sizes, scores):
    return np.polyfit([1 / n for n in sizes], scores, 1)[-1]


for _says, _old, _new in (
    ("this is the slope of the line", "[-1]", "[0]"),
    ("the line is fitted in n", "[1 / n for n in sizes]", "sizes"),
    ("in the root of 1/n", "1 / n for", "n**-0.5 for"),
    ("this is the mean of the scores", "scores, 1)", "scores, 0)"),
):
    wrong("at_infinity", _says)(instead(by_polyfit, _old, _new))
wrong("at_infinity", "expected a float, got torch.float64")(instead(by_covariance, "return float", "return "))


@wrong("at_infinity", "this is the score at the largest n")
def as_large_as_there_is(sizes, scores):
    return scores[sizes.index(max(sizes))]


@wrong("at_infinity", "there is no column of ones")
def through_zero(sizes, scores):
    x = torch.tensor([[1 / n] for n in sizes], dtype=torch.float64)
    return torch.linalg.lstsq(x, torch.tensor(scores, dtype=torch.float64)[:, None]).solution[0].item()


@wrong("at_infinity", "only the first and the last n are looked at")
def two_of_them(sizes, scores):
    n, m = sizes[0], sizes[-1]
    return (n * scores[0] - m * scores[-1]) / (n - m)


@wrong("at_infinity", "only the smallest and the largest n are looked at")
def two_ends(sizes, scores):
    (n, low), *_, (m, high) = sorted(zip(sizes, scores, strict=True))
    return (n * low - m * high) / (n - m)


@right("precision_recall")
def one_by_one(real, made, k=3):
    def share(points, centres):
        reach = torch.stack([(centres - c).norm(dim=1).sort().values[k] for c in centres])
        inside = [bool(((centres - p).norm(dim=1) <= reach).any()) for p in points]
        return sum(inside) / len(inside)

    return share(made, real), share(real, made)


@right("precision_recall")
def in_numpy(real, made, k=3):
    real, made = np.asarray(real), np.asarray(made)

    def apart(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1)

    def share(points, centres):
        radius = np.sort(apart(centres, centres), axis=1)[:, k]
        return float((apart(centres, points) <= radius[:, None]).any(axis=0).mean())

    return share(made, real), share(real, made)


for _says, _old, _new in (
    ("the ball is too small", "axis=1)[:, k]", "axis=1)[:, k - 1]"),
    ("the ball is too large", "axis=1)[:, k]", "axis=1)[:, k + 1]"),
    ("the border of a ball counts", "<= radius", "< radius"),
    (
        "precision and recall have changed places",
        "share(made, real), share(real, made)",
        "share(real, made), share(made, real)",
    ),
    ("the radius is compared along the wrong axis", "radius[:, None]", "radius"),
    ("this is the share of balls", "any(axis=0)", "any(axis=1)"),
    ("in one ball, not in all", "any(axis=0)", "all(axis=0)"),
    ("in how many balls", "any(axis=0)", "sum(axis=0)"),
    ("this is the share of all pairs", ".any(axis=0)", ""),
    ("k is always 3", "axis=1)[:, k]", "axis=1)[:, 3]"),
    ("recall is precision once more", "share(real, made)\n", "share(made, real)\n"),
    ("recall is 1", "share(real, made)\n", "share(real, real)\n"),
    ("precision: expected a float, got torch.float64", "return float(", "return torch.tensor("),
    ("missing 1 required positional argument: 'k'", "k=3", "k"),
):
    wrong("precision_recall", _says)(instead(in_numpy, _old, _new))
