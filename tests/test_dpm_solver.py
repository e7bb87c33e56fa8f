"""DPM-Solver++(2M): step for step that of diffusers, of second order; and thresholding, which every sampler can do."""

import pytest
import torch
from bad_values import not_a_share
from conftest import MEANS, WEIGHTS, refused
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st
from test_sampling import OURS, SHAPE, assert_same_states, scheduler, seeded, their_chain

from diffusion_lab import ExactDenoiser, NoiseSchedule, ddim, ddpm, dpm_solver, sample

SCHEDULES = {
    "linear": NoiseSchedule.linear(1000),
    "scaled_linear": NoiseSchedule.scaled_linear(1000),
    "cosine": NoiseSchedule.cosine(1000),
}
ETA = {"dpmsolver++": 0.0, "sde-dpmsolver++": 1.0}


@pytest.fixture
def x_T(g):
    return torch.randn(SHAPE, generator=g)


def their_states(name, algorithm, steps, denoiser, x_t, as_it_comes=False):
    """With our noise levels, in float64, unless ``as_it_comes``: they keep theirs in float32."""
    schedule = SCHEDULES[name]
    theirs = DPMSolverMultistepScheduler(
        trained_betas=schedule.beta[1:].numpy(),
        algorithm_type=algorithm,
        timestep_spacing="trailing",
        final_sigmas_type="zero",
    )
    theirs.alphas_cumprod = theirs.alphas_cumprod.numpy()  # set_timesteps wants it so, and NumPy warns if it is not
    theirs.set_timesteps(steps)
    if not as_it_comes:
        theirs.sigmas[:-1] = (1 / schedule.snr[theirs.timesteps + 1]).sqrt()
    generator = seeded()
    for i in theirs.timesteps:
        eps = denoiser(x_t, torch.full((len(x_t),), i + 1))  # their timestep i is our t = i + 1
        noise = torch.randn(SHAPE, generator=generator) if "sde" in algorithm else None
        x_t = theirs.step(eps, i, x_t, variance_noise=noise).prev_sample
        yield x_t


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 20, 50])
@pytest.mark.parametrize("algorithm", ETA)
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_state_is_that_of_diffusers(name, algorithm, steps, bumpy, x_T):
    options = {"steps": steps, "eta": ETA[algorithm], "x_T": x_T, "generator": seeded()}
    ours = list(dpm_solver(bumpy, SHAPE, SCHEDULES[name], **options))
    assert len(ours) == steps + 1
    assert_same_states(ours, their_states(name, algorithm, steps, bumpy, x_T))


@pytest.mark.parametrize("steps", [10, 20])
@pytest.mark.parametrize("algorithm", ETA)
@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_so_it_is_with_diffusers_as_it_comes(name, algorithm, steps, bumpy, x_T):
    options = {"steps": steps, "eta": ETA[algorithm], "x_T": x_T, "generator": seeded()}
    *_, x_0 = dpm_solver(bumpy, SHAPE, SCHEDULES[name], **options)
    *_, expected = their_states(name, algorithm, steps, bumpy, x_T, as_it_comes=True)
    assert (x_0 - expected).abs().max() < 1e-4 * max(1, expected.abs().max())


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_first_step_is_that_of_ddim_and_with_noise_that_of_ddpm(name, bumpy, x_T):
    options = {"steps": 10, "x_T": x_T.double()}
    for eta, other in [(0.0, ddim), (1.0, ddpm)]:
        ours = list(dpm_solver(bumpy, SHAPE, SCHEDULES[name], eta=eta, generator=seeded(), **options))
        theirs = list(other(bumpy, SHAPE, SCHEDULES[name], generator=seeded(), **options))
        torch.testing.assert_close(ours[1], theirs[1], rtol=1e-9, atol=1e-9)
        assert (ours[2] - theirs[2]).abs().max() > 1e-3  # and no other is


def test_four_times_the_steps_make_a_sixteenth_of_the_error():
    """A quarter with DDIM, which is of first order. The error is the distance to where all steps lead."""
    schedule = NoiseSchedule.cosine(1024)
    exact = ExactDenoiser.mixture(MEANS, [0.3, 0.3, 0.5], WEIGHTS, schedule)
    options = {"x_T": torch.linspace(-2.5, 2.5, 100, dtype=torch.float64)[:, None]}
    fine = sample(exact, (100, 1), schedule, method="dpm_solver", **options)

    def error(method, steps):
        return (sample(exact, (100, 1), schedule, method=method, steps=steps, **options) - fine).abs().mean().item()

    assert error("dpm_solver", 12) / error("dpm_solver", 48) > 13
    assert 3 < error("ddim", 12) / error("ddim", 48) < 5
    assert error("dpm_solver", 48) < error("ddim", 48) / 10


def test_on_one_bell_it_follows_the_path_that_is_known():
    """Without noise a bell is carried to a bell: each x_t stays at the same number of standard deviations."""
    schedule = NoiseSchedule.cosine(1000)
    exact = ExactDenoiser.mixture([[2.0]], [0.5], [1.0], schedule)
    x_T = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
    alpha_bar = schedule.alpha_bar[-1].item()
    known = 2 + 0.5 * (x_T - 2 * alpha_bar**0.5) / (0.25 * alpha_bar + 1 - alpha_bar) ** 0.5
    x_0 = sample(exact, (13, 1), schedule, method="dpm_solver", steps=100, x_T=x_T)
    assert (x_0 - known).abs().max() < 2e-3


def test_at_half_an_eta_its_noise_is_that_of_the_formula(x_T):
    """A denoiser that always finds x_0 = 8: what is random in x_s is then nothing but the fresh noise."""
    schedule = SCHEDULES["linear"]
    eight = ExactDenoiser.dataset(torch.full((1, *SHAPE[1:]), 8.0), schedule)
    options = {"steps": 2, "eta": 0.5, "x_T": x_T.double()}
    one, two = (
        list(dpm_solver(eight, SHAPE, schedule, generator=torch.Generator().manual_seed(seed), **options))
        for seed in (0, 1)
    )
    noise = [torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    snr = schedule.snr[500] / schedule.snr[1000]  # exp(2 h)
    std = ((1 - schedule.alpha_bar[500]) * (1 - snr**-0.25)).sqrt()
    torch.testing.assert_close(one[1] - two[1], std * (noise[0] - noise[1]))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.995])
@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize("name", OURS)
def test_thresholding_is_that_of_diffusers(name, steps, share, bumpy, x_T):
    dynamic = {"thresholding": True, "dynamic_thresholding_ratio": share, "sample_max_value": 1e9}
    options = {"steps": steps, "threshold": share, "x_T": x_T.double()}
    for kind, ours, more in [(DDIMScheduler, ddim, {"use_clipped_model_output": True}), (DDPMScheduler, ddpm, {})]:
        chain = their_chain(scheduler(kind, OURS[name], steps, **dynamic), bumpy, x_T.double(), **more)
        states = list(ours(bumpy, SHAPE, OURS[name], generator=seeded(), **options))
        assert_same_states(states, chain)
        assert states[-1].abs().max() <= 1


def test_thresholding_holds_for_the_solver_too_and_each_sample_has_its_own_bound(cosine):
    x_0 = torch.stack([torch.linspace(-0.5, 0.5, 11), torch.linspace(-4, 4, 11)])

    def knows(x_t, t):
        alpha_bar = cosine.alpha_bar[t][:, None].to(x_t)
        return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    found = sample(knows, (2, 11), cosine, method="dpm_solver", steps=3, threshold=0.9, generator=seeded())
    # Of 11 values evenly spaced on both sides of 0 the quantile of 0.9 of the absolute values is the largest.
    torch.testing.assert_close(found, torch.stack([x_0[0], x_0[1] / 4]), rtol=1e-4, atol=1e-4)


@given(not_a_share.filter(lambda bad: bad is not None), st.sampled_from(["ddpm", "ddim", "dpm_solver"]))
def test_a_threshold_is_a_share_above_0_and_not_beside_a_clip(bad, method):
    for threshold in (bad, 0, 0.0):
        with refused("threshold"):
            sample(lambda x_t, t: x_t, (2, 2), OURS["linear"], method=method, threshold=threshold)
    with refused("threshold"):
        sample(lambda x_t, t: x_t, (2, 2), OURS["linear"], method=method, threshold=0.9, clip=1.0)
    with refused("eta"):
        dpm_solver(lambda x_t, t: x_t, (2, 2), OURS["linear"], eta=bad)
