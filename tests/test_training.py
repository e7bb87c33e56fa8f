"""Training: what it minimises, what it leaves alone, and how it stops."""

import math
from itertools import chain

import pytest
import torch
from conftest import TRAINED_UNDER as SCHEDULE
from conftest import quick, same_weights, small
from torch.utils.data import DataLoader

from diffusion_lab import MLP, NoiseSchedule, TrainingError, train

POINTS = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("target", ["eps", "v", "x_0"])
def test_two_runs_are_equal_bit_for_bit(target):
    one, two = quick(small(), POINTS, target=target), quick(small(), POINTS, target=target)
    assert one.losses == two.losses
    assert same_weights(one.network, two.network)
    assert same_weights(one.denoiser, two.denoiser)
    assert quick(small(), POINTS, target=target, seed=1).losses != one.losses


def test_the_global_generator_is_left_as_it_was():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    quick(MLP(2, 8, 1), DataLoader(POINTS, batch_size=16, shuffle=True))  # making a network draws, training may not
    torch.manual_seed(7)
    network = MLP(2, 8, 1)
    state = torch.get_rng_state()
    quick(network, POINTS)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(TrainingError):
        quick(Explodes(3), POINTS)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(3), expected)


def test_the_global_generator_does_not_matter():
    torch.manual_seed(1)
    one = quick(small(), DataLoader(POINTS, batch_size=16, shuffle=True))
    torch.manual_seed(2)
    network = small()
    torch.rand(5)
    assert quick(network, DataLoader(POINTS, batch_size=16, shuffle=True)).losses == one.losses


def test_the_loss_is_the_mean_squared_error_of_the_target():
    class Zero(MLP):
        def forward(self, x_t, t):
            return 0 * super().forward(x_t, t)

    data = torch.full((4000, 1), 3.0)
    [of_eps] = quick(Zero(1, 8, 1), data, steps=1, batch_size=4000).losses
    [of_x_0] = quick(Zero(1, 8, 1), data, steps=1, batch_size=4000, target="x_0").losses
    [of_v] = quick(Zero(1, 8, 1), data, steps=1, batch_size=4000, target="v", timesteps="stratified").losses
    a = SCHEDULE.alpha_bar[1:].mean().item()
    assert of_eps == pytest.approx(1, abs=4 * math.sqrt(2 / 4000))
    assert of_x_0 == pytest.approx(9)
    assert of_v == pytest.approx(a + 9 * (1 - a), rel=0.05)


def test_every_epoch_shows_every_sample_once():
    seen = []

    network = MLP(1, 8, 1)
    almost_clean = NoiseSchedule.constant(1, 1e-12)
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].round().flatten().tolist()))
    train(network, torch.arange(12.0)[:, None], almost_clean, steps=6, batch_size=4, progress=False)
    epochs = [list(chain(*seen[:3])), list(chain(*seen[3:]))]
    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2
    assert epochs[0] != epochs[1]


def test_averaged_weights_follow_slowly_and_evaluate():
    run = quick(small(), POINTS, average=0.0)
    assert same_weights(run.denoiser.network, run.network)
    run = quick(small(), POINTS, steps=40)
    assert not same_weights(run.denoiser.network, run.network)
    assert not run.denoiser.network.training
    assert not any(parameter.requires_grad for parameter in run.denoiser.parameters())


def test_the_average_is_the_one_of_the_docstring():
    """keep = min(average, (1 + step) / (10 + step)): by hand, from the weights after every step."""
    network, history = small(), []
    expected = [parameter.detach().clone() for parameter in network.parameters()]
    network.register_forward_pre_hook(lambda *_: history.append([p.detach().clone() for p in network.parameters()]))
    run = quick(network, POINTS, steps=9, average=0.4)
    history = [*history[1:], list(network.parameters())]
    for step, weights in enumerate(history):
        keep = min(0.4, (1 + step) / (10 + step))
        expected = [keep * mean + (1 - keep) * new for mean, new in zip(expected, weights, strict=True)]
    torch.testing.assert_close(list(run.denoiser.network.parameters()), expected)


class Explodes(MLP):
    """Says NaN at a step, or something finite whose gradient is not."""

    def __init__(self, step, silently=False):
        super().__init__(2, 8, 1)
        self.step, self.silently, self.calls = step, silently, 0

    def forward(self, x_t, t):
        self.calls += 1
        out = super().forward(x_t, t)
        if self.calls < self.step:
            return out
        return out + (out - out).abs().sqrt() if self.silently else out * float("nan")


@pytest.mark.parametrize("silently", [False, True])
def test_a_loss_that_is_not_finite_stops_it_and_says_what_to_try(silently, tmp_path):
    network = Explodes(6, silently)
    with pytest.raises(TrainingError, match=r"step 6 of 12.* lr .*clip_gradient.*data scaled"):
        quick(network, POINTS, checkpoint=tmp_path / "run", checkpoint_every=1)
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    healthy = Explodes(99)
    assert len(quick(healthy, POINTS, checkpoint=tmp_path / "run").losses) == 12  # what was saved is sound


def test_far_too_large_a_rate_is_such_a_case():
    with pytest.raises(TrainingError, match="smaller lr"):
        quick(small(), POINTS * 1e25, lr=1e30, clip_gradient=1e30, steps=50)


def test_gradients_are_clipped():
    network, before = small(), small()
    quick(network, POINTS * 1e3, steps=1, target="x_0", clip_gradient=1e-20, average=0.0)
    unclipped = quick(small(), POINTS * 1e3, steps=1, target="x_0", clip_gradient=1e20).network
    moved = [
        max((a - b).abs().max() for a, b in zip(n.parameters(), before.parameters(), strict=True))
        for n in (network, unclipped)
    ]
    assert moved[0] < moved[1] / 100  # below Adam's epsilon there is no step


def test_the_progress_bar_is_drawn_a_hundred_times_at_most_however_long_it_takes(capsys, monkeypatch):
    seconds = iter(range(10**6))
    monkeypatch.setattr("tqdm.std.time", lambda: next(seconds))  # each look at the clock is a second later
    train(small(), POINTS, SCHEDULE, steps=300, batch_size=4)
    assert 50 < capsys.readouterr().err.count("\r") < 110
