"""The exact denoiser is the truth: its score is autograd's, its posterior mean is an integral."""

import math

import pytest
import torch
from conftest import MEANS, STDS, WEIGHTS
from scipy import integrate, stats

from diffusion_lab import ExactDenoiser, NoiseSchedule, add_noise, score_from_eps, x0_from_eps

SCHEDULE = NoiseSchedule.cosine(T=100)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_mixture(*shape, K=4):
    return ExactDenoiser.mixture(2 * draw(K, *shape), draw(K, seed=1).abs() + 0.05, draw(K, seed=2).abs(), SCHEDULE)


def log_prob_by_torch(denoiser, x_t, t):
    """log q(x_t) from torch.distributions alone."""
    alpha_bar = SCHEDULE.alpha_bar[t].view(-1, 1, 1)  # (B, 1, 1)
    means, stds = denoiser.means.flatten(1), denoiser.stds[:, None]  # (K, D), (K, 1)
    bells = torch.distributions.Normal(alpha_bar.sqrt() * means, (alpha_bar * stds**2 + 1 - alpha_bar).sqrt())
    return (bells.log_prob(x_t.flatten(1)[:, None]).sum(2) + denoiser.weights.log()).logsumexp(1)


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (1, 4, 4), (3, 4, 8)])
@pytest.mark.parametrize("seed", range(3))
def test_score_is_autograds_gradient_of_log_q(shape, seed):
    denoiser = some_mixture(*shape)
    x_t, t = (2 * draw(6, *shape, seed=seed)).requires_grad_(), torch.tensor([1, 2, 10, 50, 99, 100])
    log_q = log_prob_by_torch(denoiser, x_t, t)
    torch.testing.assert_close(denoiser.log_prob(x_t, t), log_q)
    (gradient,) = torch.autograd.grad(log_q.sum(), x_t)
    score = denoiser.score(x_t.detach(), t)
    assert score.shape == x_t.shape
    torch.testing.assert_close(score, gradient, rtol=1e-7, atol=1e-7)
    eps = denoiser(x_t.detach(), t)
    torch.testing.assert_close(score_from_eps(x_t.detach(), t, eps, SCHEDULE), gradient, rtol=1e-7, atol=1e-7)


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
    x_0 = x0_from_eps(state, t, mixture(state, t), SCHEDULE)
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
    with pytest.raises(ValueError, match="t:"):
        spikes.log_prob(x_t, 0)  # no density to ask for


def test_one_point_is_always_the_answer():
    eight = ExactDenoiser.dataset(torch.tensor([[8.0]]), SCHEDULE)
    x_t = draw(100, 1).float() * 3
    for t in (1, 50, 99):
        torch.testing.assert_close(
            x0_from_eps(x_t, t, eight(x_t, t), SCHEDULE), torch.full((100, 1), 8.0), rtol=1e-3, atol=0
        )


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
        assert mixture(x_t, 1).isfinite().all()
        assert mixture(x_t, 1).dtype == torch.float32
