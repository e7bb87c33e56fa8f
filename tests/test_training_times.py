"""The times that training draws."""

import math

import pytest
import torch
from conftest import quick, small
from scipy import stats

from diffusion_lab import NoiseSchedule, SigmaPath, StraightPath, logit_normal, stratified, train, uniform


@pytest.mark.parametrize("draw", [stratified, uniform])
@pytest.mark.parametrize(("batch", "T"), [(1, 1), (1, 7), (2, 7), (5, 1), (3, 7), (7, 10), (64, 10), (3, 1000)])
def test_every_time_of_1_to_T_comes_equally_often(draw, batch, T, g):
    schedule = NoiseSchedule.cosine(T)
    draws = torch.stack([draw(batch, schedule, g) for _ in range(20_000 // batch)])
    counts = draws.flatten().bincount(minlength=T + 1)
    assert (draws.dtype, counts[0], len(counts)) == (torch.int64, 0, T + 1)
    standard_error = math.sqrt(draws.numel() / T)
    assert (counts[1:] - draws.numel() / T).abs().max() < 6 * standard_error
    if 1 < T < 100 and (draw is uniform or batch == 1):
        assert stats.chisquare(counts[1:]).pvalue > 0.001


def test_stratified_times_come_from_every_slice(g):
    schedule = NoiseSchedule.cosine(20)
    for _ in range(50):
        t = stratified(10, schedule, g)
        assert [(k - 1) // 2 for k in t.tolist()] == list(range(10))
        assert stratified(20, schedule, g).tolist() == list(range(1, 21))


def law_on(path):
    """What is uniform on it: the time itself on the straight path, and the log of sigma on EDM's."""
    low, high = (0, 1) if isinstance(path, StraightPath) else (math.log(path.sigma_min), math.log(path.sigma_max))
    return lambda t: stats.kstest(t if high == 1 else t.log(), "uniform", args=(low, high - low))


@pytest.mark.parametrize("path", [StraightPath(), SigmaPath(), SigmaPath(0.1, 7)])
def test_on_paths_with_real_times_they_are_spread_evenly_too(path, g):
    test = law_on(path)
    assert test(uniform(2000, path, g)).pvalue > 0.001
    assert test(stratified(2000, path, g)).statistic <= 1 / 2000 + 1e-6
    assert test(torch.cat([stratified(1, path, g) for _ in range(500)])).pvalue > 0.001


@pytest.mark.parametrize("path", [NoiseSchedule.cosine(1000), StraightPath(), SigmaPath()])
@pytest.mark.parametrize(("mean", "std"), [(0, 1), (-1.2, 1.2)])
def test_under_logit_normal_the_log_of_noise_over_signal_is_normal(path, mean, std, g):
    """By Kolmogorov and Smirnov's test. On a schedule it is so but for its thousand steps: 0.004 of the probability."""

    def log_ratio(t):
        a, b = path.ab(t)
        return (b / a).log()

    draw = logit_normal(mean, std)
    together = stats.kstest(log_ratio(draw(2000, path, g)), "norm", args=(mean, std))
    assert together.statistic < 0.005  # one from each slice: nearer than independent ones would be
    alone = stats.kstest(log_ratio(torch.cat([draw(1, path, g) for _ in range(500)])), "norm", args=(mean, std))
    assert alone.pvalue > 0.001


@pytest.mark.parametrize("path", [NoiseSchedule.cosine(1000), StraightPath(), SigmaPath()])
def test_its_far_ends_are_still_times_of_the_path(path, g):
    for mean in (-20, 20):
        t = logit_normal(mean, 0.1)(100, path, g)
        a, b = path.ab(t)
        assert ((a >= 0) & (b > 0)).all()


def heard(path, **options):
    """The times that a network hears in training."""
    network, times = small(), []
    network.register_forward_pre_hook(lambda _, inputs: times.append(inputs[1].clone()))
    train(network, torch.zeros(64, 2), path, steps=4, batch_size=32, progress=False, **options)
    return torch.stack(times)


@pytest.mark.parametrize("path", [NoiseSchedule.cosine(50), StraightPath(), SigmaPath()])
def test_training_asks_where_it_is_told_to(path):
    asked = []

    def own(n, path, generator=None):
        asked.append((n, path))
        return path.spread(torch.full((n,), 0.3))

    t = heard(path, draw=own)
    assert torch.equal(t, path.spread(torch.full((4, 32), 0.3)))
    assert set(asked[-4:]) == {(32, path)}
    for draw in (uniform, stratified, logit_normal()):
        t = heard(path, draw=draw)
        assert len(t.unique()) > 20
        assert not torch.equal(t[0], t[1])
    assert torch.equal(heard(path), heard(path, draw=stratified))  # unless told otherwise


def test_another_draw_is_another_run():
    one, two = (quick(small(), torch.zeros(64, 2), draw=draw) for draw in (stratified, uniform))
    assert one.losses != two.losses
