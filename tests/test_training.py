"""Training: what it minimises, what it leaves alone, and how it stops."""

import math
from itertools import chain, pairwise

import pytest
import torch
from conftest import TRAINED_UNDER as SCHEDULE
from conftest import quick, refused, same_weights, small
from torch.utils.data import DataLoader

from diffusion_lab import MLP, NoiseSchedule, TrainingError, train, training_steps

POINTS = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))


def step_by_step(network, data=POINTS, steps=12, **options):
    """What ``quick`` runs to its end."""
    options = {"batch_size": 16, "target": "eps", "lr": 1e-3} | options
    return training_steps(network, data, SCHEDULE, steps=steps, **options)


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
    [of_eps] = quick(Zero(1, 8, 1), data, steps=1, batch_size=4000, target="eps").losses
    [of_x_0] = quick(Zero(1, 8, 1), data, steps=1, batch_size=4000, target="x_0").losses
    [of_v] = quick(Zero(1, 8, 1), data, steps=1, batch_size=4000, target="v").losses
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


def test_the_average_begins_as_a_copy_and_keeps_less_of_itself_in_the_first_steps():
    """keep = min(average, (1 + step) / (10 + step)), but 0 in the first step: by hand, from the weights after each."""
    network, expected = small(), []
    for step, run in enumerate(step_by_step(network, steps=9, average=0.4)):
        new = [parameter.detach().clone() for parameter in network.parameters()]
        keep = min(0.4, (1 + step) / (10 + step))
        means = zip(expected or new, new, strict=True)
        expected = [keep * mean + (1 - keep) * each for mean, each in means]
        torch.testing.assert_close(list(run.denoiser.network.parameters()), expected)
    assert (1 + 1) / (10 + 1) < 0.4 < (1 + step) / (10 + step)  # both sides of the minimum were met


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
    with pytest.raises(TrainingError, match=r"step 6 of 12.* learning rate .*clip_gradient.*data scaled"):
        quick(network, POINTS, checkpoint=tmp_path / "run", checkpoint_every=1)
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    healthy = Explodes(99)
    assert len(quick(healthy, POINTS, checkpoint=tmp_path / "run").losses) == 12  # what was saved is sound


def test_far_too_large_a_rate_is_such_a_case():
    with pytest.raises(TrainingError, match="smaller learning rate"):
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


def copies(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def test_it_gives_the_same_run_after_every_step():
    network, states = small(), []
    for step, run in enumerate(step_by_step(network, steps=5), start=1):
        assert (len(run.losses), run.network) == (step, network)
        states.append((run, torch.cat([each.flatten() for each in (*copies(network), *copies(run.denoiser))])))
    assert len(states) == 5
    for (run, before), (same, after) in pairwise(states):
        assert run is same
        assert (before != after).float().mean() > 0.4  # in the last step its rate is next to nothing
    assert same_weights(network, quick(small(), POINTS, steps=5).network)


def test_what_is_off_is_told_at_the_call_and_not_at_the_first_step():
    with refused("steps"):
        step_by_step(small(), steps=0)
    with refused("data"):
        step_by_step(small(), POINTS * float("nan"))


@pytest.mark.parametrize("data", [POINTS, DataLoader(POINTS, batch_size=16, shuffle=True)], ids=["tensor", "loader"])
def test_between_two_steps_the_global_generator_is_the_callers(data):
    """What the caller draws there does not follow from the run, and the run does not follow from it."""
    torch.manual_seed(7)
    expected = [torch.rand(1) for _ in range(13)]
    network = small()
    torch.manual_seed(7)
    loop = step_by_step(network, data)
    drawn = [torch.rand(1), *(torch.rand(1) for _ in loop)]
    assert drawn == expected
    assert same_weights(network, quick(small(), data).network)


@pytest.mark.parametrize("steps", [1, 5, 10])
def test_closed_early_it_writes_a_checkpoint_and_goes_on_from_there(steps, tmp_path):
    file, whole = tmp_path / "run", quick(small(), POINTS)
    loop = step_by_step(small(), checkpoint=file)
    taken = [next(loop).progress["process_seconds"] for _ in range(steps)][-1]
    assert not file.exists()
    loop.close()
    loop = step_by_step(small(), checkpoint=file)
    for run in loop:
        assert len(run.losses) == steps + 1  # nothing is done twice
        assert run.progress["process_seconds"] > taken
        break
    del loop  # left by a break, it is closed by Python
    [*runs] = step_by_step(small(), checkpoint=file)
    assert len(runs) == 12 - steps - 1
    run = runs[-1]
    assert run.losses == whole.losses
    assert same_weights(run.network, whole.network)
    assert same_weights(run.denoiser, whole.denoiser)
    [run] = step_by_step(small(), checkpoint=file)  # done: it is given once
    assert run.losses == whole.losses


def test_the_callers_own_optimizer_is_used_and_its_rate_left_alone():
    network = small()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    before = copies(network)
    for step, _ in enumerate(step_by_step(network, steps=4, optimizer=optimizer)):
        rate = [0.1, 0.1, 0.02, 0.02][step]
        assert optimizer.param_groups[0]["lr"] == rate
        after = [old - rate * parameter.grad for old, parameter in zip(before, network.parameters(), strict=True)]
        torch.testing.assert_close(list(network.parameters()), after)
        before = copies(network)
        if step == 1:
            optimizer.param_groups[0]["lr"] = 0.02


def test_the_callers_own_optimizer_is_resumed(tmp_path):
    def start(**options):
        network = small()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        return step_by_step(network, steps=8, optimizer=optimizer, **options)

    [*_, whole] = start()
    loop = start(checkpoint=tmp_path / "run")
    assert [len(next(loop).losses) for _ in range(5)] == [1, 2, 3, 4, 5]
    loop.close()
    [*_, run] = start(checkpoint=tmp_path / "run")
    assert run.losses == whole.losses
    assert same_weights(run.network, whole.network)
