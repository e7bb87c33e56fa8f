"""The samplers: step for step those of diffusers."""

from itertools import pairwise

import pytest
import torch
from conftest import z_score
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from diffusion_lab import MLP, ExactDenoiser, NoiseSchedule, ddim, ddpm, posterior, sample, timesteps, x0_from_eps

SHAPE = (3, 2, 4, 4)
OURS = {
    "linear": NoiseSchedule.linear(100, 1e-4, 0.02),
    "scaled_linear": NoiseSchedule.scaled_linear(100, 0.00085, 0.012),
    "squaredcos_cap_v2": NoiseSchedule.cosine(100),
}
THOUSAND = NoiseSchedule.linear(1000, 1e-4, 0.02)
CLIPS = [None, 0.8]


def seeded():
    return torch.Generator().manual_seed(5)


def scheduler(kind, schedule, steps, clip=None, **options):
    """Theirs, with our tables in float64 (compared elsewhere): here it is the arithmetic that is compared."""
    theirs = kind(
        num_train_timesteps=schedule.T,
        clip_sample=clip is not None,
        clip_sample_range=clip or 1.0,
        timestep_spacing="trailing",
        **options,
    )
    theirs.alphas_cumprod = schedule.alpha_bar[1:]
    theirs.set_timesteps(steps)
    return theirs


def their_chain(theirs, denoiser, x_t, **options):
    generator = seeded()
    for i in theirs.timesteps:
        eps = denoiser(x_t, torch.full((len(x_t),), i + 1))  # their timestep i is our t = i + 1
        if i == theirs.timesteps[-1] and isinstance(theirs, DDPMScheduler):
            theirs._get_variance = lambda *_, **__: torch.tensor(0.0)  # strided, they add noise even to the result
        x_t = theirs.step(eps, i, x_t, generator=generator, **options).prev_sample
        yield x_t


def assert_same_states(ours, theirs):
    _, *ours = ours
    for x, y in zip(ours, theirs, strict=True):
        assert (x - y).abs().max() < 1e-5 * max(1, y.abs().max())


@pytest.fixture
def x_T(g):
    return torch.randn(SHAPE, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("steps", [1, 10, 50, 100])
@pytest.mark.parametrize(("variance", "theirs"), [("posterior", "fixed_small"), ("beta", "fixed_large")])
@pytest.mark.parametrize("name", OURS)
def test_every_state_of_ddpm_is_that_of_diffusers(name, variance, theirs, steps, clip, bumpy, x_T):
    chain = their_chain(scheduler(DDPMScheduler, OURS[name], steps, clip, variance_type=theirs), bumpy, x_T)
    options = {"steps": steps, "variance": variance, "clip": clip, "x_T": x_T, "generator": seeded()}
    assert_same_states(ddpm(bumpy, SHAPE, OURS[name], **options), chain)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("steps", [1, 10, 50, 100])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", OURS)
def test_every_state_of_ddim_is_that_of_diffusers(name, eta, steps, clip, bumpy, x_T):
    theirs = scheduler(DDIMScheduler, OURS[name], steps, clip)
    chain = their_chain(theirs, bumpy, x_T, eta=eta, use_clipped_model_output=True)
    options = {"steps": steps, "eta": eta, "clip": clip, "x_T": x_T, "generator": seeded()}
    assert_same_states(ddim(bumpy, SHAPE, OURS[name], **options), chain)


@pytest.mark.parametrize("clip", CLIPS)
def test_so_it_is_over_a_thousand_steps(clip, bumpy, x_T):
    options = {"clip": clip, "x_T": x_T}
    chain = their_chain(scheduler(DDPMScheduler, THOUSAND, 1000, clip), bumpy, x_T)
    assert_same_states(ddpm(bumpy, SHAPE, THOUSAND, generator=seeded(), **options), chain)
    for eta in (0.0, 1.0):
        theirs = scheduler(DDIMScheduler, THOUSAND, 1000, clip)
        chain = their_chain(theirs, bumpy, x_T, eta=eta, use_clipped_model_output=True)
        assert_same_states(ddim(bumpy, SHAPE, THOUSAND, eta=eta, generator=seeded(), **options), chain)


@pytest.mark.parametrize("steps", [10, 50])
def test_so_it_is_with_diffusers_as_it_comes(steps, bumpy, g):
    """Their own tables, in float32, at their defaults."""
    x_T = torch.randn(SHAPE, generator=g)
    for kind, ours, option in [(DDPMScheduler, ddpm, {}), (DDIMScheduler, ddim, {"use_clipped_model_output": True})]:
        theirs = kind(num_train_timesteps=1000, timestep_spacing="trailing")
        theirs.set_timesteps(steps)
        *_, expected = their_chain(theirs, bumpy, x_T, **option)
        *_, x_0 = ours(bumpy, SHAPE, THOUSAND, steps=steps, x_T=x_T, clip=1.0, generator=seeded())
        assert (x_0 - expected).abs().max() < 1e-5


@pytest.mark.parametrize("t", [1, 2, 50, 99, 100])
def test_one_step_of_diffusers_is_the_posterior_at_the_predicted_x_0(t, x_T, bumpy):
    theirs, schedule = scheduler(DDPMScheduler, OURS["linear"], 100), OURS["linear"]
    eps = bumpy(x_T, torch.full((3,), t))
    mean, variance = posterior(x0_from_eps(x_T, t, eps, schedule), x_T, t, schedule)
    noise = torch.randn(SHAPE, generator=seeded(), dtype=x_T.dtype) if t > 1 else 0
    expected = theirs.step(eps, t - 1, x_T, generator=seeded()).prev_sample
    assert (mean + variance.sqrt() * noise - expected).abs().max() < 1e-5


@given(st.integers(1, 1200), st.data())
def test_timesteps_fall_from_T_to_0_in_even_steps(T, data):
    steps = data.draw(st.integers(1, T))
    times = timesteps(T, steps)
    gaps = [t - s for t, s in pairwise(times)]
    assert (times[0], times[-1], len(times)) == (T, 0, steps + 1)
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= (T % steps > 0)
    assert timesteps(T) == list(range(T, -1, -1))


@pytest.mark.parametrize("T", [10, 50, 100, 1000])
def test_timesteps_are_the_trailing_ones_of_diffusers(T):
    theirs = DDIMScheduler(num_train_timesteps=T, timestep_spacing="trailing")
    for steps in [n for n in range(1, T + 1) if T % n == 0] + [3, 6, 7]:
        theirs.set_timesteps(steps)
        assert timesteps(T, steps) == [*(theirs.timesteps + 1).tolist(), 0]


def test_ddim_at_eta_1_is_ddpm(bumpy, x_T):
    for steps in (10, 100):
        chains = [
            ddim(bumpy, SHAPE, OURS["linear"], eta=1, steps=steps, x_T=x_T, generator=seeded()),
            ddpm(bumpy, SHAPE, OURS["linear"], steps=steps, x_T=x_T, generator=seeded()),
        ]
        for x, y in zip(*chains, strict=True):
            torch.testing.assert_close(x, y)


def test_fresh_noise_has_the_variance_asked_for(cosine):
    eight = ExactDenoiser.dataset(torch.tensor([[8.0]]), cosine)
    x_T = torch.full((20_000, 1), 0.3)
    beta = 1 - (cosine.alpha_bar[100] / cosine.alpha_bar[50]).item()
    small = beta * (1 - cosine.alpha_bar[50].item()) / (1 - cosine.alpha_bar[100].item())
    for options, expected in [({"variance": "posterior"}, small), ({"variance": "beta"}, beta)]:
        states = list(ddpm(eight, x_T.shape, cosine, steps=2, x_T=x_T, generator=seeded(), **options))
        assert z_score((states[1] - states[1].mean()) ** 2, expected) < 4
        torch.testing.assert_close(states[2], torch.full_like(x_T, 8.0), rtol=1e-3, atol=0)  # no noise at the end


def test_states_come_one_by_one_and_sample_is_the_last(bumpy, cosine):
    for method, sampler in [("ddpm", ddpm), ("ddim", ddim)]:
        states = list(sampler(bumpy, SHAPE, cosine, steps=7, generator=seeded()))
        assert len(states) == 8
        last = sample(bumpy, SHAPE, cosine, method=method, steps=7, generator=seeded())
        assert torch.equal(last, states[-1])
    assert torch.equal(sample(bumpy, SHAPE, cosine, steps=7, generator=seeded()), last)  # DDIM, if nothing is said


def test_the_denoiser_hears_the_times_and_the_labels(cosine):
    heard = []

    def listening(x_t, t, labels):
        heard.append((t.tolist(), labels.tolist()))
        return torch.zeros_like(x_t)

    sample(listening, (2, 1), cosine, steps=4, labels=torch.tensor([3, -1]))
    assert heard == [([t, t], [3, -1]) for t in (100, 75, 50, 25)]


def test_predictions_are_clipped(cosine):
    for method in ("ddpm", "ddim"):
        x_0 = sample(lambda x_t, t: -5 * torch.ones_like(x_t), (4, 1), cosine, method=method, steps=10, clip=0.5)
        torch.testing.assert_close(x_0, torch.full((4, 1), 0.5))


def test_x_T_is_left_as_it_was_and_gradients_stay_out(cosine):
    network = MLP(2, 8, 1)
    x_T = torch.ones(3, 2)
    states = list(ddpm(network, (3, 2), cosine, x_T=x_T, steps=5))
    assert torch.equal(x_T, torch.ones(3, 2))
    assert not any(state.requires_grad for state in states)


def test_dtype_comes_from_the_network_or_x_T(cosine, bumpy):
    assert sample(MLP(2, 8, 1).double(), (3, 2), cosine, steps=2).dtype == torch.float64
    assert sample(bumpy, (3, 2), cosine, steps=2, x_T=torch.zeros(3, 2).double()).dtype == torch.float64
