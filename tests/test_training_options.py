"""Weighting, precision and compilation: what they change in training, and what not."""

import shutil

import pytest
import torch
from conftest import TRAINED_UNDER as SCHEDULE
from conftest import quick, same_weights, small

from diffusion_lab import MLP, add_noise, datasets, eps_from_x0, loss_weight, v_from_eps

TIMES = torch.arange(1, 51)


def test_min_snr_is_one_weighting_of_the_error_in_x_0_whatever_is_predicted(g):
    """The same wrong answer, said as x_0, as eps and as v, costs the same: min(snr, 5) times its error in x_0."""
    x_0, eps, wrong = torch.randn(3, 50, 4, generator=g, dtype=torch.float64)
    x_t = add_noise(x_0, TIMES, eps, SCHEDULE)
    wrong_eps = eps_from_x0(x_t, TIMES, wrong, SCHEDULE)
    answers = {
        "x_0": (wrong, x_0),
        "eps": (wrong_eps, eps),
        "v": (v_from_eps(x_t, TIMES, wrong_eps, SCHEDULE), v_from_eps(x_t, TIMES, eps, SCHEDULE)),
    }
    capped = torch.tensor([min(snr, 5.0) for snr in SCHEDULE.snr[1:].tolist()], dtype=torch.float64)[:, None]
    assert capped.min() < 0.1 < 5 == capped.max()
    for target, (said, right) in answers.items():
        weight = loss_weight("min-snr", target, TIMES, x_t, SCHEDULE)
        assert weight.shape == (50, 1)
        torch.testing.assert_close(weight * (said - right) ** 2, capped * (wrong - x_0) ** 2, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("target", ["eps", "v", "x_0"])
def test_simple_counts_every_time_alike(target):
    weight = loss_weight("simple", target, TIMES, torch.zeros(50, 1, 4, 4), SCHEDULE)
    assert torch.equal(weight, torch.ones(50, 1, 1, 1))


class Zero(MLP):
    def forward(self, x_t, t):
        return 0 * super().forward(x_t, t)


def test_training_minimises_the_weighted_error():
    """A network that always says 0, on data that are all 3, at every time equally often."""
    data = torch.full((4000, 1), 3.0)
    options = {"steps": 1, "batch_size": 4000, "timesteps": "stratified", "weighting": "min-snr"}
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
    assert learns(weighting="min-snr")


def test_bfloat16_learns_what_float32_learns():
    data = datasets.s_curve(500, generator=torch.Generator().manual_seed(0))
    options = {"steps": 100, "batch_size": 128, "lr": 1e-2, "target": "v"}
    exact = quick(small(0, MLP, 2, 64, 2), data, **options)
    run = quick(small(0, MLP, 2, 64, 2), data, precision="bfloat16", **options)
    assert run.losses != exact.losses
    assert run.losses[0] == pytest.approx(exact.losses[0], rel=1e-2)
    assert sum(run.losses[-50:]) == pytest.approx(sum(exact.losses[-50:]), rel=0.05)
    assert learns(precision="bfloat16")
    assert {p.dtype for p in run.network.parameters()} == {torch.float32}
    assert {p.dtype for p in run.denoiser.parameters()} == {torch.float32}
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(1))
    assert run.denoiser(x, 10).dtype == torch.float32


def test_the_network_computes_in_the_precision_asked_for():
    heard = {}
    for precision in ("float32", "bfloat16"):
        network = small()
        network.out.register_forward_hook(lambda _, inputs, out, at=precision: heard.update({at: out.dtype}))
        quick(network, torch.zeros(16, 2), steps=1, precision=precision)
    assert heard == {"float32": torch.float32, "bfloat16": torch.bfloat16}


def test_compile_is_asked_once_and_the_weights_are_the_networks_own(monkeypatch):
    """What is compiled is the network itself, so it is what gets trained."""
    asked = []
    monkeypatch.setattr(torch, "compile", lambda network: asked.append(network) or network)
    points = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))
    network = small()
    run = quick(network, points, compile=True)
    assert asked == [network]
    assert same_weights(run.network, quick(small(), points).network)
    assert len(asked) == 1


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))), reason="there is no C++ compiler")
def test_compiled_it_learns_the_same():
    points = torch.randn(64, 2, generator=torch.Generator().manual_seed(1))
    plain = quick(small(0, MLP, 2, 16, 1), points, steps=8)
    torch._dynamo.reset()
    compiled = quick(small(0, MLP, 2, 16, 1), points, steps=8, compile=True)
    assert compiled.losses == pytest.approx(plain.losses, rel=1e-3)
    assert compiled.denoiser.network.state_dict().keys() == plain.denoiser.network.state_dict().keys()
    for one, two in zip(compiled.network.parameters(), plain.network.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-2, atol=1e-3)
