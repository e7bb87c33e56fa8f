"""Diffusion Lab: the code of the book, small enough to read.

A denoiser is any callable ``eps = denoiser(x_t, t)``. Training makes one, samplers use one; see :mod:`.paths` and
:mod:`.noising` for the mathematics, :mod:`.models` for networks, :mod:`.exact` for the truth.
"""

from . import datasets, figures, metrics
from .datasets import DataNotFoundError
from .denoiser import Denoiser, predict_x0
from .engine import CheckpointError, TrainingError
from .exact import ExactDenoiser
from .guidance import Guided
from .judge import Judge, Verdict, load_judge
from .metrics import Gaussian, energy_distance, frechet_distance, nearest
from .models import MLP, UNet
from .noising import add_noise, forward_chain, posterior
from .paths import Path, SigmaPath, StraightPath, logit_normal, stratified, uniform
from .pretrained import WeightsError, load_pretrained, save_denoiser
from .sampling import clip, sample, threshold, walk
from .schedule import NoiseSchedule
from .steps import Moment, Place, ddim, ddpm, dpm_solver
from .targets import TARGETS, convert, denoising_loss, eps_from_x0, min_snr, training_target, x0_from_eps
from .training import Run, train, training_steps
