"""A run that is killed at any step and taken up again ends with the very weights of one that was not."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from conftest import quick, refused, same_weights
from torch import nn
from torch.utils.data import DataLoader, Dataset

from diffusion_lab import MLP

STEPS = 13
POINTS = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))


class Forgetful(MLP):
    """An MLP with dropout, and a buffer that counts calls: all that a network may keep or draw."""

    def __init__(self):
        torch.manual_seed(0)
        super().__init__(2, 16, 1)
        self.dropout = nn.Dropout(0.3)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.die_at = None

    def forward(self, x_t, t):
        self.calls += 1
        if self.training and self.die_at is not None and self.calls > self.die_at:
            raise KeyboardInterrupt
        return super().forward(self.dropout(x_t), t)


class Jittered(Dataset):
    """Points that come a little different each time they are asked for."""

    def __len__(self):
        return len(POINTS)

    def __getitem__(self, i):
        return POINTS[i] + 0.1 * torch.randn(2)


def own_generator():
    return torch.Generator().manual_seed(3)


DATA = {
    "tensor": lambda: POINTS,
    "loader": lambda: DataLoader(Jittered(), batch_size=10, shuffle=True),
    "loader with a generator of its own": lambda: DataLoader(Jittered(), 10, shuffle=True, generator=own_generator()),
    "loader in order": lambda: DataLoader(POINTS, batch_size=16),
    "loader with workers": lambda: DataLoader(Jittered(), 10, shuffle=True, num_workers=2),
}


def run(data, path=None, die_at=None, every=1):
    network = Forgetful()
    network.die_at = die_at
    return quick(network, DATA[data](), steps=STEPS, batch_size=10, checkpoint=path, checkpoint_every=every)


def assert_equal_runs(one, two):
    assert one.losses == two.losses
    assert same_weights(one.network, two.network)
    assert same_weights(one.denoiser, two.denoiser)


@pytest.mark.parametrize(("data", "every"), [("tensor", 1), *((name, 4) for name in DATA if "workers" not in name)])
def test_killed_at_any_step_and_resumed(data, every, tmp_path):
    whole = run(data)
    for step in range(STEPS):
        path = tmp_path / f"{step}"
        with pytest.raises(KeyboardInterrupt):
            run(data, path, die_at=step, every=every)
        torch.manual_seed(step)  # the new process is another one
        assert_equal_runs(run(data, path, every=every), whole)


def test_killed_again_and_again(tmp_path):
    for step in (2, 5, 6, 11):
        with pytest.raises(KeyboardInterrupt):
            run("loader", tmp_path / "run", die_at=step)
    assert_equal_runs(run("loader", tmp_path / "run"), run("loader"))


def test_killed_in_the_middle_of_an_epoch_with_workers(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run("loader with workers", tmp_path / "run", die_at=7)
    assert_equal_runs(run("loader with workers", tmp_path / "run"), run("loader with workers"))


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import test_checkpoints
class Killed(test_checkpoints.Jittered):
    asked = 0
    def __getitem__(self, i):
        Killed.asked += 1
        if Killed.asked > 77:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(i)
test_checkpoints.Jittered = Killed
test_checkpoints.run("loader", sys.argv[2], every=3)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so hard")
def test_killed_by_the_system(tmp_path):
    path = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", KILLED, os.path.dirname(__file__), path], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.exists()
    assert_equal_runs(run("loader", path), run("loader"))


def test_a_finished_run_is_only_read(tmp_path):
    first = run("tensor", tmp_path / "run")
    stamp = (tmp_path / "run").stat().st_mtime_ns
    assert_equal_runs(run("tensor", tmp_path / "run", die_at=0), first)
    assert (tmp_path / "run").stat().st_mtime_ns == stamp
    assert os.listdir(tmp_path) == ["run"]


def test_its_name_may_be_a_string_and_its_folder_must_be_there(tmp_path):
    run("tensor", str(tmp_path / "run"))
    assert (tmp_path / "run").exists()
    for wrong in (tmp_path / "deep" / "down" / "run", tmp_path):
        with refused("checkpoint"):
            run("tensor", wrong, die_at=0)
    assert os.listdir(tmp_path) == ["run"]
