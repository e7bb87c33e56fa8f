"""The exact denoiser is the truth: its score is autograd's, its posterior mean is an integral."""

import math

import pytest
import torch
from conftest import MEANS, PATHS, STDS, WEIGHTS, refused
from scipy import integrate, stats

from diffusion_lab import ExactDenoiser, StraightPath, add_noise, convert, x0_from_eps

SCHEDULE = PATHS["cosine"]


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_mixture(*shape, K=4):
    return ExactDenoiser.mixture(2 * draw(K, *shape), draw(K, seed=1).abs() + 0.05, draw(K, seed=2).abs(), SCHEDULE)


def log_prob_by_torch(denoiser, x_t, t):
    """log q(x_t) from torch.distributions alone."""
    a, b = (each.view(-1, 1, 1) for each in SCHEDULE.ab(t))  # (B, 1, 1)
    means, stds = denoiser.means.flatten(1), denoiser.stds[:, None]  # (K, D), (K, 1)
    bells = torch.distributions.Normal(a * means, (a**2 * stds**2 + b**2).sqrt())
    return (bells.log_prob(x_t.flatten(1)[:, None]).sum(2) + denoiser.weights.log()).logsumexp(1)


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (1, 4, 4), (3, 4, 8)])
@pytest.mark.parametrize("seed", range(3))
def test_score_is_autograds_gradient_of_log_q(shape, seed):
    denoiser = some_mixture(*shape)
    x_t, t = (2 * draw(6, *shape, seed=seed)).requires_grad_(), torch.tensor([1, 2, 10, 50, 99, 100])
    log_q = log_prob_by_torch(denoiser, x_t, t)
    torch.testing.assert_close(denoiser.log_prob(x_t, t), log_q)
    (gradient,) = torch.autograd.grad(log_q.sum(), x_t)
    x_t, same = x_t.detach(), {"rtol": 1e-7, "atol": 1e-7}
    score, eps, x_0 = denoiser.score(x_t, t), denoiser(x_t, t), denoiser.x_0(x_t, t)
    assert score.shape == eps.shape == x_0.shape == x_t.shape
    torch.testing.assert_close(score, gradient, **same)
    torch.testing.assert_close(convert(x_t, t, eps, SCHEDULE, "eps", "score"), gradient, **same)
    torch.testing.assert_close(add_noise(x_0, t, eps, SCHEDULE), x_t, **same)  # the two answers are one


@pytest.mark.parametrize("t", [1, 10, 50, 90])
@pytest.mark.parametrize("x_t", [-2.2, -0.3, 0.0, 1.4])
def test_predicted_x_0_is_the_posterior_mean_by_integration(x_t, t, mixture):
    a = SCHEDULE.alpha_bar[t].item()

    def density(x_0):
        data = sum(w * stats.norm.pdf(x_0, m[0], s) for m, s, w in zip(MEANS, STDS, WEIGHTS, strict=True))
        return data * stats.norm.pdf(x_t, a**0.5 * x_0, (1 - a) ** 0.5)

    peak = x_t / a**0.5  # where the likelihood sits, narrow at small t
    options = {"points": sorted([-2.0, 0.5, 1.5, max(-6.0, min(6.0, peak))]), "limit": 500, "epsabs": 1e-14}
    evidence, _ = integrate.quad(density, -6, 6, **options)
    first_moment, _ = integrate.quad(lambda x_0: x_0 * density(x_0), -6, 6, **options)
    state = torch.tensor([[x_t]], dtype=torch.float64)
    for x_0 in (x0_from_eps(state, t, mixture(state, t), SCHEDULE), mixture.x_0(state, t)):
        assert x_0.item() == pytest.approx(first_moment / evidence, abs=1e-6)
    assert mixture.log_prob(state, t).item() == pytest.approx(math.log(evidence), abs=1e-8)


def test_no_other_guess_of_the_noise_is_better(mixture, g):
    """E[eps | x_t] has the least mean squared error; moved by a constant c it is worse by c^2."""
    component = torch.multinomial(mixture.weights.float(), 20_000, replacement=True, generator=g)
    x_0 = torch.tensor(MEANS)[component] + torch.tensor(STDS)[component, None] * torch.randn(20_000, 1, generator=g)
    eps = torch.randn(20_000, 1, generator=g)
    x_t = add_noise(x_0, 30, eps, SCHEDULE)
    error = (mixture(x_t, 30) - eps).flatten()
    assert abs(error.mean()) < 4 * error.std() / math.sqrt(20_000)
    assert (error**2).mean() < ((error + 0.1) ** 2).mean()
    assert (error**2).mean() < ((1.1 * mixture(x_t, 30) - eps) ** 2).mean()


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 4, 4)])
def test_a_data_set_is_a_mixture_of_the_narrowest_bells(shape):
    points, x_t, t = draw(7, *shape), draw(5, *shape, seed=1), torch.tensor([1, 5, 20, 60, 100])
    spikes = ExactDenoiser.dataset(points, SCHEDULE)
    bells = ExactDenoiser.mixture(points, torch.full((7,), 1e-6), torch.ones(7), SCHEDULE)
    torch.testing.assert_close(spikes(x_t, t), bells(x_t, t), rtol=1e-6, atol=1e-6)
    with refused("t"):
        spikes.log_prob(x_t, 0)  # no density to ask for


def test_one_point_is_always_the_answer():
    eight = ExactDenoiser.dataset(torch.tensor([[8.0]]), SCHEDULE)
    x_t, expected = draw(100, 1).float() * 3, torch.full((100, 1), 8.0)
    for t in (1, 50, 99):
        torch.testing.assert_close(x0_from_eps(x_t, t, eight(x_t, t), SCHEDULE), expected, rtol=1e-3, atol=0)
        torch.testing.assert_close(eight.x_0(x_t, t), expected, rtol=1e-6, atol=0)


def test_of_nothing_but_noise_the_guess_is_the_mean_of_the_data():
    """Where the straight path ends, eps says nothing of x_0."""
    x_t, exact = draw(9, 1), ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, StraightPath())
    mean = sum(m[0] * w for m, w in zip(MEANS, WEIGHTS, strict=True))
    torch.testing.assert_close(exact.x_0(x_t, 1.0), torch.full_like(x_t, mean))
    torch.testing.assert_close(exact(x_t, 1.0), x_t)


def test_at_time_zero_log_prob_is_the_datas_own(mixture):
    x = torch.tensor([[0.4]], dtype=torch.float64)
    expected = sum(w * stats.norm.pdf(0.4, m[0], s) for m, s, w in zip(MEANS, STDS, WEIGHTS, strict=True))
    assert mixture.log_prob(x, 0).item() == pytest.approx(math.log(expected))


def test_weights_count_by_their_share():
    x_t = draw(6, 1)
    few = ExactDenoiser.mixture(MEANS, STDS, [1, 2, 3], SCHEDULE)
    many = ExactDenoiser.mixture(MEANS, STDS, [10, 20, 30], SCHEDULE)
    even = ExactDenoiser.mixture(MEANS, STDS, [1, 1, 1], SCHEDULE)
    assert few.weights.sum().item() == pytest.approx(1)
    torch.testing.assert_close(few(x_t, 30), many(x_t, 30))
    assert not torch.allclose(few(x_t, 30), even(x_t, 30), atol=1e-2)


def test_far_from_all_data_it_stays_finite(mixture):
    for far in (-1e4, 1e4):
        x_t = torch.full((1, 1), far)
        for answer in (mixture(x_t, 1), mixture.x_0(x_t, 1)):
            assert answer.isfinite().all()
            assert answer.dtype == torch.float32
