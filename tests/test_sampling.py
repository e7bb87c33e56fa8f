"""The walk and its steps: step for step those of diffusers, and what a reader may change of them."""

from itertools import pairwise

import pytest
import torch
from conftest import MEANS, PATHS, STDS, WEIGHTS, small, z_score
from diffusers import DDIMScheduler, DDPMScheduler
from theirs import OURS, SHAPE, assert_same_states, scheduler, seeded, their_chain

import diffusion_lab as lab
from diffusion_lab import ExactDenoiser, NoiseSchedule, clip, convert, ddim, ddpm, dpm_solver, posterior, sample, walk

THOUSAND = NoiseSchedule.linear(1000, 1e-4, 0.02)
BOUNDS = [(None, None), (0.8, clip(0.8))]
STEPS = [ddpm(), ddpm("beta"), ddim(), ddim(0.5), dpm_solver(), dpm_solver(1)]


@pytest.fixture
def x_T(g):
    return torch.randn(SHAPE, generator=g, dtype=torch.float64)


@pytest.fixture
def exact(path):
    return ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, path)


@pytest.fixture
def start(path, g):
    """Where a walk along the path begins, for points on a line."""
    a, b = path.ab(path.T)
    return (a**2 + b**2) ** 0.5 * torch.randn(50, 1, generator=g, dtype=torch.float64)


@pytest.mark.parametrize(("bound", "edit"), BOUNDS)
@pytest.mark.parametrize("steps", [1, 10, 50, 100])
@pytest.mark.parametrize(("variance", "theirs"), [("posterior", "fixed_small"), ("beta", "fixed_large")])
@pytest.mark.parametrize("name", OURS)
def test_every_state_of_ddpm_is_that_of_diffusers(name, variance, theirs, steps, bound, edit, bumpy, x_T):
    chain = their_chain(scheduler(DDPMScheduler, OURS[name], steps, bound, variance_type=theirs), bumpy, x_T)
    options = {"steps": steps, "edit": edit, "generator": seeded()}
    assert_same_states(walk(bumpy, x_T, OURS[name], ddpm(variance), **options), chain)


@pytest.mark.parametrize(("bound", "edit"), BOUNDS)
@pytest.mark.parametrize("steps", [1, 10, 50, 100])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", OURS)
def test_every_state_of_ddim_is_that_of_diffusers(name, eta, steps, bound, edit, bumpy, x_T):
    theirs = scheduler(DDIMScheduler, OURS[name], steps, bound)
    chain = their_chain(theirs, bumpy, x_T, eta=eta, use_clipped_model_output=True)
    options = {"steps": steps, "edit": edit, "generator": seeded()}
    assert_same_states(walk(bumpy, x_T, OURS[name], ddim(eta), **options), chain)


@pytest.mark.parametrize(("bound", "edit"), BOUNDS)
def test_so_it_is_over_a_thousand_steps(bound, edit, bumpy, x_T):
    chain = their_chain(scheduler(DDPMScheduler, THOUSAND, 1000, bound), bumpy, x_T)
    assert_same_states(walk(bumpy, x_T, THOUSAND, ddpm(), edit=edit, generator=seeded()), chain)
    for eta in (0.0, 1.0):
        theirs = scheduler(DDIMScheduler, THOUSAND, 1000, bound)
        chain = their_chain(theirs, bumpy, x_T, eta=eta, use_clipped_model_output=True)
        assert_same_states(walk(bumpy, x_T, THOUSAND, ddim(eta), edit=edit, generator=seeded()), chain)


@pytest.mark.parametrize("steps", [10, 50])
def test_so_it_is_with_diffusers_as_it_comes(steps, bumpy, g):
    """Their own tables, in float32, at their defaults."""
    x_T = torch.randn(SHAPE, generator=g)
    for kind, step, option in [
        (DDPMScheduler, ddpm(), {}),
        (DDIMScheduler, ddim(), {"use_clipped_model_output": True}),
    ]:
        theirs = kind(num_train_timesteps=1000, timestep_spacing="trailing")
        theirs.set_timesteps(steps)
        *_, expected = their_chain(theirs, bumpy, x_T, **option)
        x_0 = sample(bumpy, x_T, THOUSAND, step, steps=steps, edit=clip(), generator=seeded())
        assert (x_0 - expected).abs().max() < 1e-5


@pytest.mark.parametrize("t", [1, 2, 50, 99, 100])
def test_one_step_of_diffusers_is_the_posterior_at_the_predicted_x_0(t, x_T, bumpy):
    theirs, schedule = scheduler(DDPMScheduler, OURS["linear"], 100), OURS["linear"]
    eps = bumpy(x_T, torch.full((3,), t))
    mean, variance = posterior(lab.x0_from_eps(x_T, t, eps, schedule), x_T, t, schedule)
    noise = torch.randn(SHAPE, generator=seeded(), dtype=x_T.dtype) if t > 1 else 0
    expected = theirs.step(eps, t - 1, x_T, generator=seeded()).prev_sample
    assert (mean + variance.sqrt() * noise - expected).abs().max() < 1e-5


@pytest.mark.parametrize("steps", [10, 100])
def test_ddim_at_eta_1_is_ddpm(steps, exact, path, start):
    one, two = (walk(exact, start, path, step, steps=steps, generator=seeded()) for step in (ddim(1), ddpm()))
    for x, y in zip(one, two, strict=True):
        torch.testing.assert_close(x, y)


def test_a_step_of_ones_own_is_as_good_as_ours(exact, path, start):
    own = walk(exact, start, path, lambda now, to: (to.a * now.x_0 + to.b * now.eps, 0), steps=20)
    for x, y in zip(own, walk(exact, start, path, ddim(), steps=20), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)


def test_a_step_is_told_where_it_is_and_what_was_before(exact, path, start):
    heard = []

    def step(now, to):
        heard.append((now, to, now.before))
        return ddim()(now, to)

    states, times = list(walk(exact, start, path, step, steps=5)), path.times(5)
    for k, (now, to, before) in enumerate(heard):
        assert before is (heard[k - 1][0] if k else None)
        assert (now.t, to.t) == (times[k], times[k + 1])
        assert ((now.a, now.b), (to.a, to.b)) == (path.ab(now.t), path.ab(to.t))
        assert torch.equal(now.x_t, states[k])
        torch.testing.assert_close(now.x_0, exact.x_0(now.x_t, now.t))
        torch.testing.assert_close(now.a * now.x_0 + now.b * now.eps, now.x_t)
    assert len(heard) == 5


@pytest.mark.parametrize(("name", "target"), [("straight", "flow"), ("sigma", "eps")])
def test_without_noise_ddim_is_eulers_step_of_the_flow(name, target):
    """On the straight path ``dx/dt = eps - x_0``, on EDM's ``dx/dsigma = eps``; for the network says just that."""
    path, network = PATHS[name], small().double()
    denoiser, times = lab.Denoiser(network, path, target), path.times(20)
    states = list(walk(denoiser, (50, 2), path, ddim(), steps=20, generator=seeded()))
    assert states[0].dtype == torch.float64
    for (x_t, x_s), (t, s) in zip(pairwise(states), pairwise(times), strict=True):
        slope = convert(x_t, t, denoiser.x_0(x_t, t), path, "x_0", target)
        torch.testing.assert_close(slope, network(x_t, torch.full((50,), t)), rtol=0, atol=1e-6)
        torch.testing.assert_close(x_s, x_t + (s - t) * slope, rtol=0, atol=1e-6)


def test_from_half_way_it_goes_on_as_it_would_have(exact, path, start):
    times = [path.times(40)[k] for k in (0, 3, 4, 17, 30, 39, 40)]
    states = list(walk(exact, start, path, times=times))
    assert len(states) == 7
    for k in range(6):
        for x, y in zip(walk(exact, states[k], path, times=times[k:]), states[k:], strict=True):
            assert torch.equal(x, y)
    *_, last = walk(exact, start, path, times=times[:4])
    assert torch.equal(last, states[3])
    for x, y in zip(walk(exact, start, path, times=path.times(9)), walk(exact, start, path, steps=9), strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize("step", STEPS)
def test_what_is_known_of_a_picture_comes_back_as_it_was(step, exact, path, start):
    known, picture = torch.arange(50)[:, None] % 2 == 0, torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    heard = []

    def edit(x_0, t):
        heard.append(t)
        return torch.where(known, picture, x_0)

    x_0 = sample(exact, start, path, step, steps=10, edit=edit, generator=seeded())
    assert torch.equal(x_0[known], picture[known])
    assert not torch.isclose(x_0[~known], picture[~known]).any()
    assert heard == path.times(10)[:-1]


@pytest.mark.parametrize("step", STEPS)
def test_one_step_serves_two_walks(step, exact, path, start):
    """They take turns, and neither sees what the other left."""
    starts = start, 0.5 * start + 1
    alone = [list(walk(exact, x, path, step, steps=10, generator=seeded())) for x in starts]
    together = zip(*(walk(exact, x, path, step, steps=10, generator=seeded()) for x in starts), strict=True)
    for turn, expected in zip(together, zip(*alone, strict=True), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(turn, expected, strict=True))


def test_fresh_noise_has_the_variance_asked_for(cosine):
    eight = ExactDenoiser.dataset(torch.tensor([[8.0]]), cosine)
    x_T = torch.full((20_000, 1), 0.3)
    beta = 1 - (cosine.alpha_bar[100] / cosine.alpha_bar[50]).item()
    small = beta * (1 - cosine.alpha_bar[50].item()) / (1 - cosine.alpha_bar[100].item())
    for variance, expected in [("posterior", small), ("beta", beta)]:
        states = list(walk(eight, x_T, cosine, ddpm(variance), steps=2, generator=seeded()))
        assert z_score((states[1] - states[1].mean()) ** 2, expected) < 4
        torch.testing.assert_close(states[2], torch.full_like(x_T, 8.0), rtol=1e-3, atol=0)  # no noise at the end


def test_a_shape_begins_with_noise_of_the_variance_that_is_there(path):
    first = next(walk(lambda x_t, t: x_t, (20_000, 1), path, steps=2, generator=seeded()))
    a, b = path.ab(path.T)
    assert z_score(first**2, a**2 + b**2) < 4


@pytest.mark.parametrize("step", STEPS)
def test_states_come_one_by_one_and_sample_is_the_last(step, bumpy, cosine):
    states = list(walk(bumpy, SHAPE, cosine, step, steps=7, generator=seeded()))
    assert len(states) == 8
    assert torch.equal(sample(bumpy, SHAPE, cosine, step, steps=7, generator=seeded()), states[-1])
    assert len(list(walk(bumpy, SHAPE, cosine, step))) == 101


def test_a_step_is_that_of_ddim_if_nothing_is_said(bumpy, cosine):
    one, other = (sample(bumpy, SHAPE, cosine, *step, steps=7, generator=seeded()) for step in ([], [ddim()]))
    assert torch.equal(one, other)


def test_the_denoiser_hears_the_times_and_the_labels(cosine):
    heard = []

    def listening(x_t, t, *, labels):
        heard.append((t.tolist(), labels.tolist()))
        return torch.zeros_like(x_t)

    sample(listening, (2, 1), cosine, steps=4, labels=torch.tensor([3, -1]))
    assert heard == [([t, t], [3, -1]) for t in (100, 75, 50, 25)]


@pytest.mark.parametrize("step", STEPS)
def test_predictions_are_clipped(step, cosine):
    x_0 = sample(lambda x_t, t: -5 * torch.ones_like(x_t), (4, 1), cosine, step, steps=10, edit=clip(0.5))
    torch.testing.assert_close(x_0, torch.full((4, 1), 0.5))


@pytest.mark.parametrize("step", STEPS)
def test_states_are_left_as_they_were_and_gradients_stay_out(step, cosine):
    start = torch.ones(3, 2)
    states = [(x, x.clone()) for x in walk(lab.MLP(2, 8, 1), start, cosine, step, steps=5)]
    assert torch.equal(start, torch.ones(3, 2))
    assert all(torch.equal(state, then) and not state.requires_grad for state, then in states)


def test_dtype_comes_from_the_network_or_the_start(cosine, bumpy):
    assert sample(lab.MLP(2, 8, 1).double(), (3, 2), cosine, steps=2).dtype == torch.float64
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        assert sample(bumpy, torch.zeros(3, 2, dtype=dtype), cosine, steps=2).dtype == dtype
