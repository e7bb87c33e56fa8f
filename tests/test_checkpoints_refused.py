"""A checkpoint that is damaged or of another run is refused, and nothing is touched."""

import copy
import os
from pathlib import Path

import pytest
import torch
from conftest import TRAINED_UNDER, quick, same_weights, small
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from diffusion_lab import (
    MLP,
    CheckpointError,
    NoiseSchedule,
    StraightPath,
    files,
    logit_normal,
    min_snr,
    train,
    uniform,
)

POINTS = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
RECIPE = {"path": TRAINED_UNDER, "steps": 6, "batch_size": 10, "target": "eps", "lr": 1e-3, "checkpoint_every": 2}


def start(file, network=None, data=POINTS, **changes):
    return train(network or small(), data, checkpoint=file, progress=False, **(RECIPE | changes))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    file = tmp_path_factory.mktemp("good") / "run"
    start(file)
    return file.read_bytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("bad") / "run"


def assert_refused(file, match="checkpoint: .* not a whole checkpoint", network=None, **changes):
    network = network or small()
    before = copy.deepcopy(network)
    with pytest.raises(CheckpointError, match=match):
        start(file, network, **changes)
    assert same_weights(network, before)


@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_off_anywhere(share, good, file):
    file.write_bytes(good[: int(share * len(good))])
    assert_refused(file)


@pytest.mark.parametrize("missing", [1, 2, 31, 32, 33, 1000])
def test_cut_off_near_the_end(missing, good, file):
    file.write_bytes(good[:-missing])
    assert_refused(file)


@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_flipped_anywhere(share, bit, good, file):
    broken = bytearray(good)
    broken[int(share * len(good))] ^= 1 << bit
    file.write_bytes(broken)
    assert_refused(file)


@given(content=st.binary(max_size=300))
def test_something_else_altogether(content, file):
    file.write_bytes(content)
    assert_refused(file)


def test_weights_that_torch_saved(file):
    for content in (small().state_dict(), torch.zeros(3), {"parts": 1, "recipe": 2, "losses": 3}):
        torch.save(content, file)
        assert_refused(file)


@pytest.mark.parametrize(
    ("network", "data"),
    [
        (lambda: MLP(2, 24, 2), POINTS),
        (lambda: MLP(2, 16, 3), POINTS),
        (lambda: MLP(2, 16, 1), POINTS),
        (lambda: MLP(3, 16, 2), torch.randn(50, 3)),
        (lambda: torch.nn.Bilinear(2, 1, 2), POINTS),
    ],
)
def test_of_another_network(network, data, good, file):
    file.write_bytes(good)
    assert_refused(file, "checkpoint: .* another network", network(), data=data)


def an_optimizer(kind, network, **options):
    return {"network": network, "optimizer": kind(network.parameters(), **options)}


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("steps", {"steps": 7}),
        ("target", {"target": "v"}),
        ("weight", {"weight": min_snr}),
        ("weight", {"weight": lambda snr: snr}),
        ("draw", {"draw": uniform}),
        ("draw", {"draw": logit_normal()}),
        ("precision", {"precision": torch.bfloat16}),
        ("lr", {"lr": 2e-3}),
        ("average", {"average": 0.9}),
        ("seed", {"seed": 1}),
        ("clip_gradient", {"clip_gradient": 2.0}),
        ("condition_dropout", {"condition_dropout": 0.2}),
        ("optimizer", an_optimizer(torch.optim.SGD, small(), lr=1e-3)),
        ("path", {"path": NoiseSchedule.linear(50)}),
        ("path", {"path": NoiseSchedule.cosine(51)}),
        ("path", {"path": StraightPath()}),
        ("data", {"data": POINTS[:49]}),
        ("data", {"data": POINTS + 1}),
        ("data", {"batch_size": 11}),
        ("data", {"data": DataLoader(POINTS, batch_size=10)}),
        ("data", {"labels": torch.zeros(50).long()}),
    ],
)
def test_of_another_recipe(named, changes, good, file):
    file.write_bytes(good)
    assert_refused(file, f"checkpoint: .* another {named}", **changes)


def test_how_often_it_is_written_may_change(good, file):
    file.write_bytes(good)
    start(file, checkpoint_every=1)


@pytest.mark.parametrize("moment", ["open", "write", "fsync", "replace"])
def test_a_failure_while_saving_leaves_the_checkpoint_before(moment, tmp_path, monkeypatch):
    """The disk is full, or the power fails: at step 4 the file of step 2 is still whole."""
    file, saved = tmp_path / "run", []

    def fail(*_, **__):
        raise OSError("no space left on device")

    def half(unfinished, content):
        with open(unfinished, "wb") as opened:
            opened.write(content[: len(content) // 2])
        fail()

    def at_step_4(function, instead):
        def counted(*arguments):
            saved.append(1)
            return (instead if len(saved) == 2 else function)(*arguments)

        return counted

    where = {"write": Path, "open": files, "fsync": os, "replace": os}[moment]
    name = "write_bytes" if moment == "write" else moment
    function = open if moment == "open" else getattr(where, name)
    monkeypatch.setattr(where, name, at_step_4(function, half if moment == "write" else fail), raising=False)
    with pytest.raises(OSError, match="no space left"):
        start(file)
    monkeypatch.undo()
    assert len(saved) == 2
    assert os.listdir(tmp_path) == ["run"]  # and not half of another one beside it
    resumed, whole = start(file), quick(small(), POINTS, steps=6, batch_size=10)
    assert resumed.losses == whole.losses
    assert same_weights(resumed.network, whole.network)
