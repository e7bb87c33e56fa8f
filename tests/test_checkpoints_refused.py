"""A checkpoint that is damaged or of another run is refused, and nothing is touched."""

import copy
import os

import pytest
import torch
from conftest import TRAINED_UNDER, quick, same_weights, small
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from diffusion_lab import MLP, CheckpointError, NoiseSchedule, train

POINTS = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
RECIPE = {"schedule": TRAINED_UNDER, "steps": 6, "batch_size": 10, "progress": False, "checkpoint_every": 2}


def start(path, network=None, data=POINTS, **changes):
    return train(network or small(), data, checkpoint=path, **(RECIPE | changes))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "run"
    start(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("bad") / "run"


def assert_refused(path, match="checkpoint: .* not a whole checkpoint", network=None, **changes):
    network = network or small()
    before = copy.deepcopy(network)
    with pytest.raises(CheckpointError, match=match):
        start(path, network, **changes)
    assert same_weights(network, before)


@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_off_anywhere(share, good, path):
    path.write_bytes(good[: int(share * len(good))])
    assert_refused(path)


@pytest.mark.parametrize("missing", [1, 2, 31, 32, 33, 1000])
def test_cut_off_near_the_end(missing, good, path):
    path.write_bytes(good[:-missing])
    assert_refused(path)


@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_flipped_anywhere(share, bit, good, path):
    broken = bytearray(good)
    broken[int(share * len(good))] ^= 1 << bit
    path.write_bytes(broken)
    assert_refused(path)


@given(content=st.binary(max_size=300))
def test_something_else_altogether(content, path):
    path.write_bytes(content)
    assert_refused(path)


def test_weights_that_torch_saved(path):
    for content in (small().state_dict(), torch.zeros(3), {"parts": 1, "recipe": 2, "losses": 3}):
        torch.save(content, path)
        assert_refused(path)


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
def test_of_another_network(network, data, good, path):
    path.write_bytes(good)
    assert_refused(path, "checkpoint: .* another network", network(), data=data)


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("steps", {"steps": 7}),
        ("target", {"target": "v"}),
        ("weighting", {"weighting": "min-snr"}),
        ("timesteps", {"timesteps": "uniform"}),
        ("precision", {"precision": "bfloat16"}),
        ("lr", {"lr": 2e-3}),
        ("average", {"average": 0.9}),
        ("seed", {"seed": 1}),
        ("clip_gradient", {"clip_gradient": 2.0}),
        ("label_dropout", {"label_dropout": 0.2}),
        ("beta", {"schedule": NoiseSchedule.linear(50)}),
        ("beta", {"schedule": NoiseSchedule.cosine(51)}),
        ("data", {"data": POINTS[:49]}),
        ("data", {"data": POINTS + 1}),
        ("data", {"batch_size": 11}),
        ("data", {"data": DataLoader(POINTS, batch_size=10)}),
        ("data", {"labels": torch.zeros(50).long()}),
    ],
)
def test_of_another_recipe(named, changes, good, path):
    path.write_bytes(good)
    assert_refused(path, f"checkpoint: .* another {named}", **changes)


def test_how_often_it_is_written_may_change(good, path):
    path.write_bytes(good)
    start(path, checkpoint_every=1, progress=False)


@pytest.mark.parametrize("moment", ["open", "write", "fsync", "replace"])
def test_a_failure_while_saving_leaves_the_checkpoint_before(moment, tmp_path, monkeypatch):
    """The disk is full, or the power fails: at step 4 the file of step 2 is still whole."""
    path, saved = tmp_path / "run", []

    def fail(*_, **__):
        raise OSError("no space left on device")

    class HalfWritten:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            fail()

    def at_step_4(function, instead):
        def counted(*arguments):
            saved.append(1)
            return (instead if len(saved) == 2 else function)(*arguments)

        return counted

    if moment in ("fsync", "replace"):
        monkeypatch.setattr(os, moment, at_step_4(getattr(os, moment), fail))
    else:
        half = (lambda *names: HalfWritten(open(*names))) if moment == "write" else fail  # noqa: SIM115
        monkeypatch.setattr("diffusion_lab.checkpoints.open", at_step_4(open, half), raising=False)
    with pytest.raises(OSError, match="no space left"):
        start(path)
    monkeypatch.undo()
    assert len(saved) == 2
    resumed, whole = start(path), quick(small(), POINTS, steps=6, batch_size=10)
    assert resumed.losses == whole.losses
    assert same_weights(resumed.network, whole.network)
