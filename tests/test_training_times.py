"""The timesteps that training draws."""

import math

import pytest
import torch
from scipy import stats

from diffusion_lab.batches import draw_timesteps


@pytest.mark.parametrize("how", ["antithetic", "stratified", "uniform"])
@pytest.mark.parametrize(("batch", "T"), [(1, 1), (1, 7), (2, 7), (5, 1), (3, 7), (7, 10), (64, 10), (3, 1000)])
def test_every_time_of_1_to_T_comes_equally_often(how, batch, T):
    torch.manual_seed(0)
    draws = torch.stack([draw_timesteps(batch, T, how) for _ in range(20_000 // batch)])
    counts = draws.flatten().bincount(minlength=T + 1)
    assert (draws.dtype, counts[0], len(counts)) == (torch.int64, 0, T + 1)
    standard_error = math.sqrt(draws.numel() / T)  # and in pairs t, T + 1 - t a little more
    assert (counts[1:] - draws.numel() / T).abs().max() < 6 * standard_error
    if 1 < T < 100 and (how == "uniform" or batch == 1):
        assert stats.chisquare(counts[1:]).pvalue > 0.001


def test_antithetic_times_come_in_pairs_and_stratified_ones_from_every_slice():
    torch.manual_seed(0)
    for _ in range(50):
        t = draw_timesteps(8, 20, "antithetic")
        assert (t[:4] + t[4:]).tolist() == [21] * 4
        t = draw_timesteps(10, 20, "stratified")
        assert [(k - 1) // 2 for k in t.tolist()] == list(range(10))
        t = draw_timesteps(20, 20, "stratified")
        assert t.tolist() == list(range(1, 21))
