"""Weights, precision and compilation: what they change in training, and what not."""

import shutil

import pytest
import torch
from conftest import TRAINED_UNDER as SCHEDULE
from conftest import quick, same_weights, small

from diffusion_lab import MLP, TARGETS, add_noise, convert, datasets, denoising_loss, min_snr, training_target
from diffusion_lab.engine import describe_data

TIMES = torch.arange(1, 51)


@pytest.mark.parametrize("target", TARGETS)
def test_a_weight_is_of_the_error_in_x_0_whatever_is_predicted(target, g):
    """The same wrong answer, said as x_0, as eps, as v, ..., costs the same: min(snr, 5) times its error in x_0."""
    x_0, eps, wrong = torch.randn(3, 50, 4, generator=g, dtype=torch.float64)
    x_t = add_noise(x_0, TIMES, eps, SCHEDULE)
    said = convert(x_t, TIMES, wrong, SCHEDULE, "x_0", target)
    capped = torch.tensor([min(snr, 5.0) for snr in SCHEDULE.snr[1:].tolist()], dtype=torch.float64)
    assert capped.min() < 0.1 < 5 == capped.max()
    loss = denoising_loss(lambda x_t, t: said, x_0, TIMES, eps, SCHEDULE, target=target, weight=min_snr)
    torch.testing.assert_close(loss, capped * ((wrong - x_0) ** 2).mean(1), rtol=1e-6, atol=1e-12)
    assert not torch.allclose(loss, denoising_loss(lambda x_t, t: said, x_0, TIMES, eps, SCHEDULE, target=target))


@pytest.mark.parametrize("target", ["eps", "v", "x_0"])
def test_without_a_weight_every_time_counts_alike(target, g):
    x_0, eps = torch.randn(2, 50, 1, 4, 4, generator=g)
    off = torch.arange(50.0).view(50, 1, 1, 1)
    said = training_target(target, x_0, TIMES, eps, SCHEDULE) + off
    loss = denoising_loss(lambda x_t, t: said, x_0, TIMES, eps, SCHEDULE, target=target)
    torch.testing.assert_close(loss, torch.arange(50.0) ** 2, rtol=1e-4, atol=1e-6)


class Zero(MLP):
    def forward(self, x_t, t):
        return 0 * super().forward(x_t, t)


def test_training_minimises_the_weighted_error():
    """A network that always says 0, on data that are all 3, at every time equally often."""
    data = torch.full((4000, 1), 3.0)
    options = {"steps": 1, "batch_size": 4000, "weight": min_snr}
    snr, a = SCHEDULE.snr[1:], SCHEDULE.alpha_bar[1:]
    weight = snr.clamp(max=5)
    for target, expected, rel in [
        ("x_0", weight * 9, 1e-5),
        ("eps", weight / snr, 0.05),
        ("v", weight / (snr + 1) * (a + 9 * (1 - a)), 0.05),
    ]:
        [loss] = quick(Zero(1, 8, 1), data, target=target, **options).losses
        assert loss == pytest.approx(expected.mean().item(), rel=rel)


def learns(**options):
    """Whether the loss falls to a fifth, on data of which everything can be learnt: two numbers, always the same."""
    options = {"steps": 150, "batch_size": 64, "lr": 1e-2, "target": "v"} | options
    losses = quick(small(0, MLP, 2, 32, 2), torch.tensor([[1.0, -1.0]]).repeat(64, 1), **options).losses
    return sum(losses[-20:]) < sum(losses[:20]) / 5


def test_it_learns_under_min_snr():
    assert learns(weight=min_snr)


def test_bfloat16_learns_what_float32_learns():
    data = datasets.s_curve(500, generator=torch.Generator().manual_seed(0))
    options = {"steps": 100, "batch_size": 128, "lr": 1e-2, "target": "v"}
    exact = quick(small(0, MLP, 2, 64, 2), data, **options)
    run = quick(small(0, MLP, 2, 64, 2), data, precision=torch.bfloat16, **options)
    assert run.losses != exact.losses
    assert run.losses[0] == pytest.approx(exact.losses[0], rel=1e-2)
    assert sum(run.losses[-50:]) == pytest.approx(sum(exact.losses[-50:]), rel=0.05)
    assert learns(precision=torch.bfloat16)
    assert {p.dtype for p in run.network.parameters()} == {torch.float32}
    assert {p.dtype for p in run.denoiser.parameters()} == {torch.float32}
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(1))
    assert run.denoiser(x, 10).dtype == torch.float32


def test_the_network_computes_in_the_precision_asked_for():
    heard = {}
    for precision in (torch.float32, torch.bfloat16):
        network = small()
        network.out.register_forward_hook(lambda _, inputs, out, at=precision: heard.update({at: out.dtype}))
        quick(network, torch.zeros(16, 2), steps=1, precision=precision)
    assert heard == {torch.float32: torch.float32, torch.bfloat16: torch.bfloat16}


def test_a_compiled_network_is_called_as_such_and_the_weights_are_its_own(monkeypatch):
    """In every step, and not by its uncompiled way in; the averaged weights are not compiled with it."""
    calls = []

    def compiled(function, **_):
        return lambda *inputs: calls.append(1) or function(*inputs)

    monkeypatch.setattr(torch, "compile", compiled)
    points = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))
    network = small()
    network.compile()
    run = quick(network, points)
    assert len(calls) == len(run.losses) == 12
    run.denoiser(points, 10)
    assert len(calls) == 12
    assert run.network is network
    assert same_weights(run.network, quick(small(), points).network)


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))), reason="there is no C++ compiler")
def test_compiled_it_learns_the_same():
    points = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))
    plain = quick(small(0, MLP, 2, 16, 1), points, steps=8)
    torch._dynamo.reset()
    network = small(0, MLP, 2, 16, 1)
    network.compile()
    compiled = quick(network, points, steps=8)
    assert compiled.losses == pytest.approx(plain.losses, rel=1e-3)
    assert compiled.denoiser.network.state_dict().keys() == plain.denoiser.network.state_dict().keys()
    for one, two in zip(compiled.network.parameters(), plain.network.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-2, atol=1e-3)


def test_data_on_a_device_that_knows_no_float64_are_described_alike():
    """Such as Apple's GPUs: what a checkpoint says of its data is added up on the CPU."""

    class Elsewhere(torch.Tensor):
        def cpu(self):
            return self.as_subclass(torch.Tensor)

        def double(self):
            raise TypeError("this device knows no float64")

        def to(self, *arguments, **options):
            if torch.float64 in (*arguments, *options.values()):
                self.double()
            return super().to(*arguments, **options)

    points, labels = torch.randn(2500, 2), torch.arange(2500)
    told = describe_data(points.as_subclass(Elsewhere), {"labels": labels.as_subclass(Elsewhere)}, 8)
    assert told == describe_data(points, {"labels": labels}, 8)
    assert describe_data(points + 1, {"labels": labels}, 8) != told != describe_data(points, {"labels": labels + 1}, 8)
