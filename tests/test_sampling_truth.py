"""With the exact denoiser, samplers give the data's own distribution; and the test that says so can fail."""

import pytest
import torch
from conftest import MEANS, STDS, WEIGHTS
from scipy import stats

from diffusion_lab import ExactDenoiser, NoiseSchedule, SigmaPath, StraightPath, ddim, ddpm, dpm_solver, sample

N = 20_000
STEPS = 200
SCHEDULE = NoiseSchedule.cosine(STEPS)


def exact(path=SCHEDULE):
    return ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, path)


def cdf(x):
    return sum(w * stats.norm.cdf(x, m[0], s) for m, s, w in zip(MEANS, STDS, WEIGHTS, strict=True))


def fresh(g):
    component = torch.multinomial(torch.tensor(WEIGHTS), N, replacement=True, generator=g)
    bells = torch.randn(N, generator=g) * torch.tensor(STDS)[component]
    return torch.tensor(MEANS).flatten()[component] + bells


def p_value(x, g):
    """The smaller of two: Kolmogorov-Smirnov against fresh data, and against the distribution function itself."""
    x = x.flatten().double()
    return min(stats.ks_2samp(x, fresh(g)).pvalue, stats.ks_1samp(x, cdf).pvalue)


@pytest.mark.parametrize("step", [ddpm("posterior"), ddpm("beta"), ddim(0.0), ddim(0.5)])
def test_ddpm_and_ddim_draw_from_the_mixture(step, g):
    assert p_value(sample(exact(), (N, 1), SCHEDULE, step, generator=g), g) > 0.01


@pytest.mark.parametrize(("eta", "steps"), [(0.0, 50), (1.0, 100)])
def test_so_does_dpm_solver_in_fewer_steps(eta, steps, g):
    assert p_value(sample(exact(), (N, 1), SCHEDULE, dpm_solver(eta), steps=steps, generator=g), g) > 0.01


STRAIGHT, SIGMA = StraightPath(), SigmaPath()
OTHERS = [(STRAIGHT, ddpm(), 200), (STRAIGHT, dpm_solver(), 50), (SIGMA, ddim(), 200), (SIGMA, dpm_solver(1), 100)]


@pytest.mark.parametrize(("path", "step", "steps"), OTHERS)
def test_so_they_do_on_the_other_paths(path, step, steps, g):
    assert p_value(sample(exact(path), (N, 1), path, step, steps=steps, generator=g), g) > 0.01


def test_fresh_data_pass(g):
    assert p_value(fresh(g), g) > 0.01


def test_too_much_or_too_little_noise_is_caught(g, monkeypatch):
    draw = torch.randn
    for wrong in (0.8, 1.2):
        monkeypatch.setattr("diffusion_lab.sampling.randn_like", lambda x, g, w=wrong: w * draw(x.shape, generator=g))
        assert p_value(sample(exact(), (N, 1), SCHEDULE, ddpm(), generator=g), g) < 1e-6


def test_a_denoiser_that_is_slightly_off_is_caught(g):
    right = exact()
    assert p_value(sample(lambda x_t, t: 1.1 * right(x_t, t), (N, 1), SCHEDULE, ddpm(), generator=g), g) < 1e-6
    assert p_value(sample(lambda x_t, t: right(x_t, t) + 0.02, (N, 1), SCHEDULE, ddpm(), generator=g), g) < 1e-6


def test_a_schedule_that_never_reaches_noise_is_caught(g):
    short = NoiseSchedule.linear(100, 1e-5, 5e-3)  # alpha_bar_T = 0.78
    assert p_value(sample(exact(short), (N, 1), short, ddpm(), generator=g), g) < 1e-6


def test_a_data_set_comes_back_point_for_point(g):
    points = torch.tensor([[-1.0, 0.5], [0.2, 0.8], [1.0, -1.0]])
    x_0 = sample(ExactDenoiser.dataset(points, SCHEDULE), (3000, 2), SCHEDULE, ddpm(), generator=g)
    distance, nearest = torch.cdist(x_0, points).min(1)
    assert distance.max() < 0.02
    assert stats.chisquare(nearest.bincount(minlength=3)).pvalue > 0.01
