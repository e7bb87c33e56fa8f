"""What comes out of training: the exact denoiser, nearly, and what the labels say."""

import pytest
import torch
from conftest import MEANS, STDS, WEIGHTS, quick, small
from conftest import TRAINED_UNDER as SCHEDULE
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from diffusion_lab import (
    MLP,
    TARGETS,
    Denoiser,
    ExactDenoiser,
    SigmaPath,
    StraightPath,
    UNet,
    add_noise,
    clip,
    ddpm,
    energy_distance,
    sample,
    train,
    training_target,
)


@pytest.mark.parametrize("target", TARGETS)
def test_a_network_that_says_its_target_is_a_denoiser_that_says_eps(target, g):
    x_0, eps, t = torch.randn(64, 2, generator=g), torch.randn(64, 2, generator=g), torch.arange(64) % 50 + 1
    x_t = add_noise(x_0, t, eps, SCHEDULE)
    a, b = (each.float()[:, None] for each in (SCHEDULE.alpha_bar[t].sqrt(), (1 - SCHEDULE.alpha_bar[t]).sqrt()))
    v = a * eps - b * x_0
    answer = {"eps": eps, "x_0": x_0, "v": v, "edm": v, "flow": eps - x_0, "score": -eps / b}[target]
    torch.testing.assert_close(training_target(target, x_0, t, eps, SCHEDULE), answer)

    class Knows(nn.Module):
        def forward(self, x_t, t):
            return answer

    denoiser = Denoiser(Knows(), SCHEDULE, target)
    torch.testing.assert_close(denoiser(x_t, t), eps, rtol=1e-3, atol=1e-3)
    good = t < 50  # at T, of eps, hardly any of x_0 is left to be seen
    torch.testing.assert_close(denoiser.x_0(x_t, t)[good], x_0[good], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("target", ["eps", "v", "x_0"])
def test_it_learns_the_exact_denoiser(target, g):
    component = torch.multinomial(torch.tensor(WEIGHTS), 4000, replacement=True, generator=g)
    data = torch.tensor(MEANS)[component] + torch.tensor(STDS)[component, None] * torch.randn(4000, 1, generator=g)
    run = quick(small(0, MLP, 1, 64, 2), data, steps=600, target=target, batch_size=256, lr=1e-2)
    exact = ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, SCHEDULE)
    for t in (10, 25, 40):
        x_t = add_noise(data, t, torch.randn(4000, 1, generator=g), SCHEDULE)
        wrong = ((run.denoiser(x_t, t) - exact(x_t, t)) ** 2).mean()
        untold = ((x_t / x_t.std() * (1 - SCHEDULE.alpha_bar[t].item()) ** 0.5 - exact(x_t, t)) ** 2).mean()
        assert wrong < (0.1 if t == 10 else 0.01)
        assert wrong < untold / 4
    x_0 = sample(run.denoiser, (2000, 1), SCHEDULE, ddpm(), generator=g)
    assert energy_distance(x_0, data) < 0.04 < energy_distance(torch.randn(2000, 1, generator=g), data)


@pytest.mark.parametrize(("path", "target"), [(StraightPath(), "flow"), (SigmaPath(0.01, 20), "edm")])
def test_it_learns_it_on_the_other_paths(path, target, g):
    component = torch.multinomial(torch.tensor(WEIGHTS), 4000, replacement=True, generator=g)
    data = torch.tensor(MEANS)[component] + torch.tensor(STDS)[component, None] * torch.randn(4000, 1, generator=g)
    network = small(0, MLP, 1, 64, 2)
    run = train(network, data, path, steps=500, target=target, batch_size=256, lr=1e-2, progress=False)
    exact = ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, path)
    for sigma in (0.3, 1.0, 3.0):
        t = path.time_at(torch.tensor(sigma)).item()
        x_t = add_noise(data, t, torch.randn(4000, 1, generator=g), path)
        wrong = ((run.denoiser(x_t, t) - exact(x_t, t)) ** 2).mean()
        assert wrong < (0.1 if sigma == 0.3 else 0.01)
    x_0 = sample(run.denoiser, (2000, 1), path, steps=50, generator=g)
    assert energy_distance(x_0, data) < 0.04


def told(labels, **options):
    """The labels that a network hears in training, batch after batch."""
    heard = []
    network = small(0, UNet, 1, 8, 1, False, 10)
    network.register_forward_pre_hook(lambda _, inputs, named: heard.append(named["labels"].clone()), with_kwargs=True)
    quick(network, torch.zeros(len(labels), 1, 4, 4), labels=labels, batch_size=100, **options)
    return torch.cat(heard)


def test_labels_stay_with_their_images_and_some_are_dropped():
    labels = torch.arange(400) % 10
    assert torch.equal(told(labels, steps=4, condition_dropout=0.0).bincount(), torch.full((10,), 40))
    assert told(labels, steps=1, condition_dropout=1.0).tolist() == [-1] * 100
    dropped = told(labels, steps=8, condition_dropout=0.25) == -1
    assert stats.binomtest(int(dropped.sum()), 800, 0.25).pvalue > 0.001


def test_a_network_learns_what_the_labels_say():
    images = torch.cat([torch.full((64, 1, 4, 4), -1.0), torch.full((64, 1, 4, 4), 1.0)])
    labels = torch.arange(2).repeat_interleave(64)
    for data, more in [(images, {"labels": labels}), (DataLoader(TensorDataset(images, labels), 64, shuffle=True), {})]:
        network = small(0, UNet, 1, 8, 1, False, 2)
        run = quick(network, data, steps=150, target="x_0", lr=1e-2, batch_size=64, **more)
        x_0 = sample(run.denoiser, (8, 1, 4, 4), SCHEDULE, steps=10, edit=clip(), labels=torch.arange(8) % 2)
        assert torch.equal(x_0.mean((1, 2, 3)) > 0, torch.arange(8) % 2 == 1)
