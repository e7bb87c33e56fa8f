"""The samplers of diffusers, made to start from our tables, and a way to compare state for state."""

import torch
from diffusers import DDPMScheduler

from diffusion_lab import NoiseSchedule

SHAPE = (3, 2, 4, 4)
OURS = {
    "linear": NoiseSchedule.linear(100, 1e-4, 0.02),
    "scaled_linear": NoiseSchedule.scaled_linear(100, 0.00085, 0.012),
    "squaredcos_cap_v2": NoiseSchedule.cosine(100),
}


def seeded(seed=5):
    return torch.Generator().manual_seed(seed)


def scheduler(kind, schedule, steps, bound=None, **options):
    """Theirs, with our tables in float64 (compared elsewhere): here it is the arithmetic that is compared."""
    theirs = kind(
        num_train_timesteps=schedule.T,
        clip_sample=bound is not None,
        clip_sample_range=bound or 1.0,
        timestep_spacing="trailing",
        **options,
    )
    theirs.alphas_cumprod = schedule.alpha_bar[1:]
    theirs.set_timesteps(steps)
    return theirs


def their_chain(theirs, denoiser, x_t, **options):
    """Their states after each step."""
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
