"""DPM-Solver++(2M): step for step that of diffusers, of second order; and thresholding, which every sampler can do."""

import pytest
import torch
from bad_values import not_a_share
from conftest import MEANS, PATHS, STDS, WEIGHTS, refused
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from hypothesis import given
from theirs import OURS, SHAPE, assert_same_states, scheduler, seeded, their_chain

from diffusion_lab import ExactDenoiser, NoiseSchedule, ddim, ddpm, dpm_solver, sample, threshold, walk

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
    ours = list(walk(bumpy, x_T, SCHEDULES[name], dpm_solver(ETA[algorithm]), steps=steps, generator=seeded()))
    assert len(ours) == steps + 1
    assert_same_states(ours, their_states(name, algorithm, steps, bumpy, x_T))


@pytest.mark.parametrize("steps", [10, 20])
@pytest.mark.parametrize("algorithm", ETA)
@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_so_it_is_with_diffusers_as_it_comes(name, algorithm, steps, bumpy, x_T):
    x_0 = sample(bumpy, x_T, SCHEDULES[name], dpm_solver(ETA[algorithm]), steps=steps, generator=seeded())
    *_, expected = their_states(name, algorithm, steps, bumpy, x_T, as_it_comes=True)
    assert (x_0 - expected).abs().max() < 1e-4 * max(1, expected.abs().max())


@pytest.mark.parametrize(("eta", "like"), [(0.0, ddim()), (1.0, ddpm())])
@pytest.mark.parametrize("name", PATHS)
def test_the_first_step_is_that_of_ddim_and_with_noise_that_of_ddpm(name, eta, like):
    path = PATHS[name]
    exact = ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, path)
    x_T = next(walk(exact, (50, 1), path, generator=seeded(), steps=10)).double()
    ours, theirs = (
        list(walk(exact, x_T, path, step, steps=10, generator=seeded())) for step in (dpm_solver(eta), like)
    )
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-9, atol=1e-9)
    other = 3 if path.ab(path.T)[0] == 0 else 2  # of where x_0 was going, nothing but noise says nothing
    assert (ours[other] - theirs[other]).abs().max() > 1e-3


def test_four_times_the_steps_make_a_sixteenth_of_the_error():
    """A quarter with DDIM, which is of first order. The error is the distance to where all steps lead."""
    schedule = NoiseSchedule.cosine(1024)
    exact = ExactDenoiser.mixture(MEANS, [0.3, 0.3, 0.5], WEIGHTS, schedule)
    x_T = torch.linspace(-2.5, 2.5, 100, dtype=torch.float64)[:, None]
    fine = sample(exact, x_T, schedule, dpm_solver())

    def error(step, steps):
        return (sample(exact, x_T, schedule, step, steps=steps) - fine).abs().mean().item()

    assert error(dpm_solver(), 12) / error(dpm_solver(), 48) > 13
    assert 3 < error(ddim(), 12) / error(ddim(), 48) < 5
    assert error(dpm_solver(), 48) < error(ddim(), 48) / 10


@pytest.mark.parametrize(("name", "steps"), [("cosine", 100), ("straight", 100), ("sigma", 200)])
def test_on_one_bell_it_follows_the_way_that_is_known(name, steps):
    """Without noise a bell is carried to a bell: each x_t stays at the same number of standard deviations."""
    path = PATHS[name]
    exact = ExactDenoiser.mixture([[2.0]], [0.5], [1.0], path)
    a, b = path.ab(path.T)
    x_T = (a**2 + b**2) ** 0.5 * torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
    known = 2 + 0.5 * (x_T - 2 * a) / (0.25 * a**2 + b**2) ** 0.5
    assert (sample(exact, x_T, path, dpm_solver(), steps=steps) - known).abs().max() < 2e-3


def test_at_half_an_eta_its_noise_is_that_of_the_formula(x_T):
    """A denoiser that always finds x_0 = 8: what is random in x_s is then nothing but the fresh noise."""
    schedule, x_T = SCHEDULES["linear"], x_T.double()
    eight = ExactDenoiser.dataset(torch.full((1, *SHAPE[1:]), 8.0), schedule)
    one, two = (list(walk(eight, x_T, schedule, dpm_solver(0.5), steps=2, generator=seeded(k))) for k in (0, 1))
    noise = [torch.randn(SHAPE, dtype=torch.float64, generator=seeded(k)) for k in (0, 1)]
    snr = schedule.snr[500] / schedule.snr[1000]  # exp(2 h)
    std = ((1 - schedule.alpha_bar[500]) * (1 - snr**-0.25)).sqrt()
    torch.testing.assert_close(one[1] - two[1], std * (noise[0] - noise[1]))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.995])
@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize("name", OURS)
def test_thresholding_is_that_of_diffusers(name, steps, share, bumpy, x_T):
    dynamic = {"thresholding": True, "dynamic_thresholding_ratio": share, "sample_max_value": 1e9}
    options, x_T = {"steps": steps, "edit": threshold(share), "generator": seeded()}, x_T.double()
    for kind, step, more in [(DDIMScheduler, ddim(), {"use_clipped_model_output": True}), (DDPMScheduler, ddpm(), {})]:
        chain = their_chain(scheduler(kind, OURS[name], steps, **dynamic), bumpy, x_T, **more)
        states = list(walk(bumpy, x_T, OURS[name], step, **options))
        assert_same_states(states, chain)
        assert states[-1].abs().max() <= 1


def test_thresholding_holds_for_the_solver_too_and_each_sample_has_its_own_bound(cosine):
    x_0 = torch.stack([torch.linspace(-0.5, 0.5, 11), torch.linspace(-4, 4, 11)])

    def knows(x_t, t):
        alpha_bar = cosine.alpha_bar[t][:, None].to(x_t)
        return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    found = sample(knows, (2, 11), cosine, dpm_solver(), steps=3, edit=threshold(0.9), generator=seeded())
    # Of 11 values evenly spaced on both sides of 0 the quantile of 0.9 of the absolute values is the largest.
    torch.testing.assert_close(found, torch.stack([x_0[0], x_0[1] / 4]), rtol=1e-4, atol=1e-4)


@given(not_a_share)
def test_a_threshold_is_a_share_above_0_and_eta_one_of_at_least_0(bad):
    for share in (bad, 0, 0.0):
        with refused("share"):
            threshold(share)
    for step in (ddim, dpm_solver):
        with refused("eta"):
            step(bad)
