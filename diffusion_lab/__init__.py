"""Diffusion Lab: the code of the book, small enough to read.

A denoiser is any callable ``eps = denoiser(x_t, t)``. Training makes one, samplers use one; see :mod:`.schedule` and
:mod:`.noising` for the mathematics, :mod:`.models` for networks, :mod:`.exact` for the truth.
"""

from . import datasets, figures, metrics
from .checkpoints import CheckpointError
from .denoiser import Denoiser, loss_weight
from .exact import ExactDenoiser
from .guidance import Guided
from .judge import Judge, Verdict, load_judge
from .metrics import Gaussian, energy_distance, frechet_distance, nearest
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
from .pretrained import WeightsError, load_pretrained, save_denoiser
from .sampling import ddim, ddpm, dpm_solver, sample, timesteps
from .schedule import NoiseSchedule
from .training import Run, TrainingError, train

__all__ = [
    "MLP",
    "CheckpointError",
    "Denoiser",
    "ExactDenoiser",
    "Gaussian",
    "Guided",
    "Judge",
    "NoiseSchedule",
    "Run",
    "TrainingError",
    "UNet",
    "Verdict",
    "WeightsError",
    "add_noise",
    "datasets",
    "ddim",
    "ddpm",
    "dpm_solver",
    "energy_distance",
    "eps_from_score",
    "eps_from_v",
    "eps_from_x0",
    "figures",
    "forward_chain",
    "frechet_distance",
    "load_judge",
    "load_pretrained",
    "loss_weight",
    "metrics",
    "nearest",
    "posterior",
    "sample",
    "save_denoiser",
    "score_from_eps",
    "timesteps",
    "train",
    "v_from_eps",
    "velocity",
    "x0_from_eps",
]
