"""q(x_t | x_0), q(x_s | x_t, x_0) and the converters, by diffusers, by integration and by going there and back."""

from itertools import product

import pytest
import torch
from conftest import PATHS, z_score
from diffusers import DDPMScheduler
from scipy import stats

from diffusion_lab import (
    TARGETS,
    NoiseSchedule,
    SigmaPath,
    add_noise,
    convert,
    eps_from_x0,
    forward_chain,
    posterior,
    training_target,
    x0_from_eps,
)

SHAPES = [(5, 1), (5, 2), (5, 3, 4, 8)]
BACK = {
    "cosine": [(1, 0), (2, 1), (40, 39), (40, 10), (90, 0), (99, 60)],
    "straight": [(0.4, 0.0), (0.5, 0.4), (1.0, 0.3)],
    "sigma": [(1.0, 0.0), (2.0, 0.5)],
}


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_add_noise_and_v_are_those_of_diffusers(shape):
    scheduler = DDPMScheduler(num_train_timesteps=1000)
    schedule = NoiseSchedule.linear()
    x_0, eps = draw(*shape), draw(*shape, seed=1)
    t = torch.tensor([1, 2, 500, 999, 1000])
    assert (add_noise(x_0, t, eps, schedule) - scheduler.add_noise(x_0, eps, t - 1)).abs().max() < 1e-5
    assert (training_target("v", x_0, t, eps, schedule) - scheduler.get_velocity(x_0, eps, t - 1)).abs().max() < 1e-5


def test_time_zero_is_clean_data(cosine):
    x_0, eps = draw(5, 2), draw(5, 2, seed=1)
    assert torch.equal(add_noise(x_0, 0, eps, cosine), x_0)
    assert torch.equal(x0_from_eps(x_0, 0, eps, cosine), x_0)


def test_an_int_stands_for_the_whole_batch(cosine):
    x_0, eps = draw(5, 2), draw(5, 2, seed=1)
    assert torch.equal(add_noise(x_0, 7, eps, cosine), add_noise(x_0, torch.full((5,), 7), eps, cosine))


@pytest.mark.parametrize("shape", SHAPES)
def test_all_of_them_say_the_same(shape, cosine):
    """From each to each, against the definition from x_0 and eps."""
    x_0, eps, t, same = (
        draw(*shape),
        draw(*shape, seed=1),
        torch.tensor([1, 2, 30, 70, 95]),
        {"rtol": 1e-7, "atol": 1e-7},
    )
    x_t, said = add_noise(x_0, t, eps, cosine), {name: training_target(name, x_0, t, eps, cosine) for name in TARGETS}
    for source, target in product(TARGETS, TARGETS):
        torch.testing.assert_close(convert(x_t, t, said[source], cosine, source, target), said[target], **same)
    for ours, expected in [(said["x_0"], x_0), (said["eps"], eps)]:
        torch.testing.assert_close(ours, expected, **same)
    torch.testing.assert_close(x0_from_eps(x_t, t, eps, cosine), x_0, **same)
    torch.testing.assert_close(eps_from_x0(x_t, t, x_0, cosine), eps, **same)


def test_the_score_of_one_point_is_the_slope_of_its_bell(cosine):
    x_0, eps = draw(4, 2), draw(4, 2, seed=1)
    x_t = add_noise(x_0, 30, eps, cosine).requires_grad_()
    alpha_bar = cosine.alpha_bar[30]
    bell = torch.distributions.Normal(alpha_bar.sqrt() * x_0, (1 - alpha_bar).sqrt())
    (slope,) = torch.autograd.grad(bell.log_prob(x_t).sum(), x_t)
    torch.testing.assert_close(convert(x_t.detach(), 30, eps, cosine, "eps", "score"), slope)


@pytest.mark.parametrize(("name", "t", "s"), [(name, t, s) for name, pairs in BACK.items() for t, s in pairs])
def test_posterior_is_bayes_on_a_grid(name, t, s):
    """q(x_s | x_t, x_0) = q(x_t | x_s) q(x_s | x_0) / q(x_t | x_0), summed up numerically."""
    x_0, x_t, path = 0.7, -0.4, PATHS[name]
    [clean, noisy] = torch.tensor([[[x_0]], [[x_t]]], dtype=torch.float64)
    mean, variance = posterior(clean, noisy, t, path, s)
    if s == 0:
        assert (mean.item(), variance.item()) == (pytest.approx(x_0), pytest.approx(0, abs=1e-15))
        return
    (a_t, b_t), (a_s, b_s) = path.ab(t), path.ab(s)
    grid = torch.linspace(-8, 8, 200_001, dtype=torch.float64)
    from_x_0 = -((grid - a_s * x_0) ** 2) / (2 * b_s**2)
    to_x_t = -((x_t - a_t / a_s * grid) ** 2) / (2 * (b_t**2 - (a_t / a_s * b_s) ** 2))
    density = (from_x_0 + to_x_t).softmax(0)
    by_hand = (density * grid).sum().item()
    assert mean.item() == pytest.approx(by_hand, abs=1e-8)
    assert variance.item() == pytest.approx((density * (grid - by_hand) ** 2).sum().item(), rel=1e-6)


def test_posterior_of_one_step_is_the_default_and_has_the_table_variance(cosine):
    x_0, x_t, t = draw(5, 3), draw(5, 3, seed=1), torch.tensor([1, 2, 3, 50, 100])
    mean, variance = posterior(x_0, x_t, t, cosine)
    torch.testing.assert_close(variance, cosine.posterior_variance[t][:, None], rtol=1e-6, atol=1e-12)
    torch.testing.assert_close((mean, variance), posterior(x_0, x_t, t, cosine, t - 1))


@pytest.mark.parametrize(("t", "s"), [(2, 1), (50, 49), (80, 20), (100, 7)])
def test_stepping_back_from_where_noise_leads_is_where_noise_was(t, s, cosine):
    """The mean of q(x_s | x_t, x_0) over q(x_t | x_0) is that of q(x_s | x_0), and so is the variance."""
    x_0 = torch.full((2, 1), 0.7, dtype=torch.float64)
    a_t, a_s = cosine.alpha_bar[t], cosine.alpha_bar[s]
    x_t = a_t.sqrt() * x_0 + (1 - a_t).sqrt() * torch.tensor([[-1.0], [1.0]])  # a mean and a width tell a line
    mean, variance = posterior(x_0, x_t, t, cosine, s)
    width = (mean[1] - mean[0]) / 2
    torch.testing.assert_close(mean.mean(), a_s.sqrt() * 0.7)
    torch.testing.assert_close(width**2 + variance[0], (1 - a_s).view(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("last", [0.1, 0.7, 80.0])
def test_the_last_time_is_one_of_the_path_to_whatever_it_is_rounded(last, dtype):
    """In float32 the first of these is more, the second less."""
    assert SigmaPath(sigma_max=last).ab(torch.tensor([last], dtype=dtype))[1].item() == pytest.approx(last)


def test_walking_the_chain_is_jumping():
    schedule = NoiseSchedule.linear(30, 0.001, 0.2)
    x_0 = torch.full((20_000, 1), 0.7)
    states = list(forward_chain(x_0, schedule, torch.Generator().manual_seed(3)))
    assert len(states) == 31
    assert torch.equal(states[0], x_0)
    for t in (1, 5, 30):
        a = schedule.alpha_bar[t].item()
        assert stats.kstest(states[t].flatten(), "norm", (a**0.5 * 0.7, (1 - a) ** 0.5)).pvalue > 0.01
    one_step = states[12] - (1 - schedule.beta[12].item()) ** 0.5 * states[11]
    assert z_score(one_step**2, schedule.beta[12].item()) < 4


def test_dtype_follows_the_data(cosine):
    for dtype in (torch.float32, torch.float64):
        x_0, eps = draw(3, 2).to(dtype), draw(3, 2, seed=1).to(dtype)
        x_t = add_noise(x_0, 5, eps, cosine)
        results = [x_t, *posterior(x_0, x_t, 5, cosine), convert(x_t, 5, eps, cosine, "eps", "score")]
        results += [state for _, state in zip(range(3), forward_chain(x_0, cosine), strict=False)]
        assert {result.dtype for result in results} == {dtype}
