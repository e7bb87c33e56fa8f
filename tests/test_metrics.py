"""The energy distance, against scipy on a line and against its definition elsewhere."""

import pytest
import torch
from scipy import stats

from diffusion_lab import datasets, energy_distance


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (200, 300), (1500, 1)])
def test_on_a_line_it_is_scipys_squared(n, m, g):
    x, y = torch.randn(n, 1, generator=g), 0.5 + 2 * torch.randn(m, 1, generator=g)
    expected = stats.energy_distance(x.flatten(), y.flatten()) ** 2
    assert energy_distance(x, y) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("shape", [(2,), (3, 4)])
def test_elsewhere_it_is_the_mean_over_all_pairs(shape, g):
    x, y = torch.randn(6, *shape, generator=g), torch.randn(9, *shape, generator=g) + 1

    def mean(a, b):
        return sum(((p - q) ** 2).sum().item() ** 0.5 for p in a for q in b) / (len(a) * len(b))

    assert energy_distance(x, y) == pytest.approx(2 * mean(x, y) - mean(x, x) - mean(y, y), rel=1e-5)
    assert energy_distance(y, x) == pytest.approx(energy_distance(x, y))


def test_blocks_of_rows_change_nothing(g):
    x, y = torch.randn(2345, 2, generator=g), torch.randn(1000, 2, generator=g)
    in_one_go = sum(
        sign * torch.cdist(a.double(), b.double()).mean().item() for sign, a, b in [(2, x, y), (-1, x, x), (-1, y, y)]
    )
    assert energy_distance(x, y) == pytest.approx(in_one_go, abs=1e-6)


def test_zero_for_the_same_points_and_small_distances_survive(g):
    x = torch.randn(500, 2, generator=g)
    assert energy_distance(x, x) == pytest.approx(0, abs=1e-12)
    far_away = x.double() + 1e4
    assert energy_distance(far_away, far_away + 0.01) == pytest.approx(energy_distance(x, x.double() + 0.01), rel=1e-4)


def test_the_floor_is_what_the_docstring_says(g):
    """Two finite samples of one distribution are about (1/n + 1/m) E|x - x'| apart."""
    x, y = datasets.s_curve(2000, generator=g), datasets.s_curve(1000, generator=g)
    floor = (1 / 2000 + 1 / 1000) * torch.cdist(x, y).mean().item()
    assert floor / 4 < energy_distance(x, y) < 4 * floor
    assert energy_distance(x, y + 0.2) > 4 * floor
