"""What the tests share: one thread, a Hypothesis that never surprises, and a few small things to test with."""

import math

import pytest
import torch
from hypothesis import settings

from diffusion_lab import MLP, ExactDenoiser, NoiseSchedule, SigmaPath, StraightPath, datasets, train
from diffusion_lab.datasets import DataNotFoundError

torch.set_num_threads(1)
settings.register_profile("same-every-time", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("same-every-time")

PATHS = {"cosine": NoiseSchedule.cosine(T=100), "straight": StraightPath(), "sigma": SigmaPath()}
TRAINED_UNDER = NoiseSchedule.cosine(T=50)
# A training run of the command line that takes a moment.
TINY = ["--data", "digits", "--width", "8", "--blocks", "1", "--steps", "5", "--batch-size", "8", "--device", "cpu"]
MEANS, STDS, WEIGHTS = [[-2.0], [0.5], [1.5]], [0.3, 0.1, 0.5], [0.5, 0.2, 0.3]


@pytest.fixture
def g():
    """A generator with a fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def cosine():
    return PATHS["cosine"]


@pytest.fixture(params=PATHS)
def path(request):
    return PATHS[request.param]


@pytest.fixture
def mixture(cosine):
    """The exact denoiser of three bells on a line."""
    return ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, cosine)


@pytest.fixture
def bumpy():
    """A denoiser that is right about nothing, but listens to x_t and to t, and is not linear."""
    return lambda x_t, t: torch.tanh(1.3 * x_t + t.view(-1, *[1] * (x_t.ndim - 1)) / 60) + 0.1 * torch.sin(3 * x_t)


@pytest.fixture
def plain(models):
    """The file of a model without labels, from the folder that a file of tests makes; ``told`` is one with."""
    return str(models / "plain.safetensors")


@pytest.fixture
def told(models):
    return str(models / "told.safetensors")


@pytest.fixture
def no_mnist(monkeypatch):
    def missing(*_, **__):
        raise DataNotFoundError("MNIST: no copy")

    monkeypatch.setattr(datasets, "mnist", missing)


def z_score(values, expected):
    """How many standard errors the mean of independent ``values`` is from ``expected``."""
    return abs(values.mean() - expected).item() / (values.std() / math.sqrt(len(values))).item()


def refused(argument):
    """What bad input must do: raise an error whose message begins with the argument's name."""
    return pytest.raises((TypeError, ValueError), match=rf"^{argument}: ")


def same_weights(one, two):
    """Whether two networks are equal bit for bit."""
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def small(seed=0, kind=MLP, *sizes):
    """A small network, the same for the same seed."""
    torch.manual_seed(seed)
    return kind(*(sizes or (2, 16, 2)))


def quick(network, data, steps=12, **options):
    """A short training run."""
    options = {"batch_size": 16, "target": "eps", "lr": 1e-3, "progress": False} | options
    return train(network, data, TRAINED_UNDER, steps=steps, **options)
