"""The Fréchet distance against scipy and closed forms, and the nearest neighbour against looking at all of them."""

import pytest
import torch
from bad_values import BROKEN
from conftest import refused
from scipy import linalg

from diffusion_lab import Gaussian, frechet_distance, nearest


def points(n, d, g, spread=1.0, shift=0.0):
    return torch.randn(n, d, generator=g).double() @ (spread * torch.randn(d, d, generator=g).double()) + shift


def by_scipy(x, y):
    """The formula as it is usually written, with the root of a product that is not symmetric."""
    root = linalg.sqrtm((x.covariance @ y.covariance).numpy()).real.trace()
    return ((x.mean - y.mean) ** 2).sum() + x.covariance.trace() + y.covariance.trace() - 2 * root


@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_it_is_that_of_scipys_matrix_root(d, g):
    x, y = points(200, d, g), points(300, d, g, spread=2, shift=1)
    expected = by_scipy(Gaussian.of(x), Gaussian.of(y)).item()
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-7)
    assert frechet_distance(Gaussian.of(x), y.float()) == pytest.approx(expected, rel=1e-5)


def test_on_a_line_it_is_the_difference_of_means_and_of_widths(g):
    x, y = 2 * torch.randn(500, 1, generator=g), 3 + 0.5 * torch.randn(400, 1, generator=g)
    expected = (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2
    assert frechet_distance(x, y) == pytest.approx(expected.item(), rel=1e-5)


def test_along_common_axes_the_widths_are_compared_one_by_one(g):
    axes, _ = torch.linalg.qr(torch.randn(6, 6, generator=g, dtype=torch.float64))
    widths = torch.rand(2, 6, generator=g, dtype=torch.float64) * 3
    mean = torch.randn(6, generator=g, dtype=torch.float64)
    one, two = (axes * widths[0] ** 2) @ axes.T, (axes * widths[1] ** 2) @ axes.T
    found = frechet_distance(Gaussian(mean, one), Gaussian(mean + 2, two))
    assert found == pytest.approx(6 * 4 + (widths[0] - widths[1]).square().sum().item(), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 100), (8, 3)])
def test_fewer_points_than_dimensions_are_no_trouble(n, m, g):
    """With C_x = A A' and C_y = B B', the trace of the root is the sum of the singular values of A'B."""
    x, y = points(n, 10, g), points(m, 10, g, shift=0.5)
    A, B = ((each - each.mean(0)).T / (len(each) - 1) ** 0.5 for each in (x, y))
    means = (x.mean(0) - y.mean(0)).square().sum()
    expected = means + A.square().sum() + B.square().sum() - 2 * torch.linalg.svdvals(A.T @ B).sum()
    assert frechet_distance(x, y) == pytest.approx(expected.item(), rel=1e-6)


def test_points_that_are_all_one_have_no_width(g):
    x = points(50, 4, g)
    still = torch.full((3, 4), 7.0)
    expected = (x.mean(0) - 7).square().sum() + Gaussian.of(x).covariance.trace()
    assert frechet_distance(x, still) == pytest.approx(expected.item(), rel=1e-9)
    assert frechet_distance(still, still) == 0


def test_it_is_the_same_both_ways_and_0_for_the_same(g):
    x, y = points(60, 8, g), points(70, 8, g, shift=0.1)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)
    for same in (x, points(5, 8, g), Gaussian.of(y)):
        assert 0 <= frechet_distance(same, same) < 1e-6
    assert frechet_distance(x, x.flip(0)) < 1e-6
    assert frechet_distance(x, y) > 0.01


def test_more_points_of_one_distribution_come_closer(g):
    """The bias of about 1/n."""
    many = torch.randn(40_000, 5, generator=g)
    small, large = (frechet_distance(torch.randn(n, 5, generator=g), many) for n in (100, 10_000))
    assert 20 < small / large < 500


def test_a_gaussian_is_mean_and_covariance_in_float64(g):
    x = torch.randn(30, 3, generator=g)
    found = Gaussian.of(x)
    centred = x.double() - x.double().mean(0)
    torch.testing.assert_close(found.mean, x.double().mean(0))
    torch.testing.assert_close(found.covariance, centred.T @ centred / 29)
    far = Gaussian.of(x.double() + 1e6)
    torch.testing.assert_close(far.covariance, found.covariance, rtol=1e-6, atol=1e-6)
    assert Gaussian.of(x[:, :1]).covariance.shape == (1, 1)


def test_bad_points_are_named(g):
    fine = torch.randn(5, 3, generator=g)
    wrong = [fine[:0], fine[:1], fine.long(), fine[0], fine[:, :, None], fine.tolist(), None]
    for broken in BROKEN:
        wrong.append(fine.clone())
        wrong[-1][2, 1] = broken
    for bad in wrong:
        with refused("points"):
            Gaussian.of(bad)
        for x, y in ((bad, fine), (fine, bad)):
            with refused("points"):
                frechet_distance(x, y)
    with refused("y"):
        frechet_distance(fine, fine[:, :2])
    with refused("y"):
        frechet_distance(Gaussian.of(fine), Gaussian.of(fine[:, :2]))


@pytest.mark.parametrize("shape", [(2,), (1, 6, 6)])
def test_the_nearest_is_that_of_looking_at_all(shape, g):
    x, data = torch.randn(1203, *shape, generator=g), torch.randn(150, *shape, generator=g)
    distance, index = nearest(x, data)
    every = (x[:, None] - data[None]).flatten(2).norm(dim=2)
    torch.testing.assert_close(distance, every.amin(1), rtol=1e-4, atol=1e-5)
    assert (index == every.argmin(1)).float().mean() > 0.999  # two that are equally near may change places


def test_a_copy_is_at_distance_0(g):
    data = torch.rand(300, 1, 28, 28, generator=g) * 2 - 1
    distance, index = nearest(data[[7, 299, 0]], data)
    assert index.tolist() == [7, 299, 0]
    assert distance.tolist() == [0, 0, 0]
    distance, index = nearest(data[[7]] + 0.01, data)
    assert (index.item(), distance.item()) == (7, pytest.approx(0.28, rel=1e-3))  # 0.01 in each of 784 pixels


def test_what_cannot_be_compared_is_named(g):
    x = torch.randn(4, 3, generator=g)
    for name, arguments in {"x": (x[:0], x), "data": (x, x[:, :2])}.items():
        with refused(name):
            nearest(*arguments)
    with refused("data"):
        nearest(x, x / 0)
