"""Diffusion Lab: the code of the book, small enough to read.

A denoiser is any callable ``eps = denoiser(x_t, t)``. Training makes one, samplers use one; see :mod:`.schedule` and
:mod:`.noising` for the mathematics, :mod:`.models` for networks, :mod:`.exact` for the truth.
"""

from . import datasets, figures, metrics
from .checkpoints import CheckpointError
from .denoiser import Denoiser
from .exact import ExactDenoiser
from .metrics import energy_distance
from .models import MLP, UNet
from .noising import (
    add_noise,
    eps_from_score,
    eps_from_v,
    eps_from_x0,
    forward_chain,
    posterior,
    score_from_eps,
    v_from_eps,
    velocity,
    x0_from_eps,
)
from .sampling import ddim, ddpm, sample, timesteps
from .schedule import NoiseSchedule
from .training import Run, TrainingError, train

__all__ = [
    "MLP",
    "CheckpointError",
    "Denoiser",
    "ExactDenoiser",
    "NoiseSchedule",
    "Run",
    "TrainingError",
    "UNet",
    "add_noise",
    "datasets",
    "ddim",
    "ddpm",
    "energy_distance",
    "eps_from_score",
    "eps_from_v",
    "eps_from_x0",
    "figures",
    "forward_chain",
    "metrics",
    "posterior",
    "sample",
    "score_from_eps",
    "timesteps",
    "train",
    "v_from_eps",
    "velocity",
    "x0_from_eps",
]
