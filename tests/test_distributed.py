"""Two processes that share a batch do what one process does with all of it."""

import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import quick, small

from diffusion_lab import UNet, datasets
from diffusion_lab.cli import main
from diffusion_lab.pretrained import read_weights

POINTS = torch.randn(48, 2, generator=torch.Generator().manual_seed(1))
# With a width of 8, group norm has a group for each channel, and a bias before it no gradient but rounding.
COMMAND = ["--data", "digits", "--labels", "--width", "16", "--blocks", "1"]
COMMAND += ["--steps", "3", "--device", "cpu", "--batch-size"]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="torchrun asks for libuv, which PyTorch for Windows comes without"
)

# The command opens the group of processes; it is kept open for what comes after, since it can be opened only once.
SCRIPT = """
import json, os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch, torch.distributed as dist
import test_distributed as here
from diffusion_lab.cli import main

# The first process writes checkpoints, slowly; the second must not go on with what is not written yet.
fsync = os.fsync
os.fsync = lambda file: (time.sleep(0.3), fsync(file))

out = Path(sys.argv[2])
destroy, dist.destroy_process_group = dist.destroy_process_group, lambda: None
assert main(["train", str(out / "good.safetensors"), *here.COMMAND, "8"]) == 0
rank = dist.get_rank()
network, run, heard = here.train_points(out / "run")
again = here.train_points(out / "run")[1]  # finished: only read
_, labelled = here.train_images()
try:
    here.quick(here.small(), here.POINTS, batch_size=7)
    odd = "it went through"
except ValueError as error:
    odd = str(error)
report = {"losses": run.losses, "again": again.losses, "labelled": labelled.losses, "heard": heard, "odd": odd,
          "size": dist.get_world_size()}
(out / f"{rank}.json").write_text(json.dumps(report))
torch.save([network.state_dict(), run.denoiser.network.state_dict()], out / f"{rank}.pt")
dist.init_process_group = lambda *_: None
code = main(["train", str(out / "odd.safetensors"), *here.COMMAND, "7"])
destroy()
sys.exit(code)
"""


def train_points(checkpoint=None):
    """The times that the network heard in each step are kept as well."""
    network, heard = small(3), []
    network.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[1].tolist()))
    run = quick(network, POINTS, steps=10, batch_size=12, target="v", checkpoint=checkpoint, checkpoint_every=4)
    return network, run, heard


def train_images():
    images, labels = datasets.digits()
    network = small(2, UNet, 1, 8, 1, True, 10)
    return network, quick(network, images[:32, :, 10:18, 10:18], steps=4, batch_size=8, labels=labels[:32])


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes left behind, and how they ended."""
    out = tmp_path_factory.mktemp("together")
    (out / "script.py").write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*launch, out / "script.py", os.path.dirname(__file__), out],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=400)
    except subprocess.TimeoutExpired:
        process.terminate()  # it ends the two as well
        try:
            printed, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            printed, _ = process.communicate()
        pytest.fail(f"the processes did not end:\n{printed}")
    assert (out / "0.json").exists(), printed
    assert (out / "1.json").exists(), printed
    return out, process.returncode, printed


def reports(together):
    return [json.loads((together[0] / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_they_give_the_losses_of_one_process(together):
    _, points, _ = train_points()
    _, images = train_images()
    for report in reports(together):
        assert report["size"] == 2
        assert report["losses"] == pytest.approx(points.losses, rel=1e-5)
        assert report["labelled"] == pytest.approx(images.losses, rel=1e-4)
        assert report["again"] == report["losses"]


def test_they_end_with_its_weights(together):
    network, run, _ = train_points()
    saved = [torch.load(together[0] / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for states in saved:
        for theirs, ours in zip(states, (network, run.denoiser.network), strict=True):
            torch.testing.assert_close(theirs, dict(ours.state_dict()), rtol=1e-3, atol=1e-5)
    for one, two in zip(*saved, strict=True):  # of each other, to the last bit
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_each_does_half_of_the_work(together):
    _, _, joint = train_points()
    first, second = (report["heard"] for report in reports(together))
    assert len(joint) == len(first) == len(second) == 10
    for all_of_it, one, two in zip(joint, first, second, strict=True):
        assert (all_of_it[::2], all_of_it[1::2]) == (one, two)


def test_the_command_line_shares_too(together, tmp_path, capsys):
    out, _, printed = together
    assert main(["train", str(tmp_path / "alone.safetensors"), *COMMAND, "8"]) == 0
    assert printed.count("wrote ") == 1
    theirs, notes = read_weights(out / "good.safetensors")
    ours, expected = read_weights(tmp_path / "alone.safetensors")
    torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4)
    assert notes["card"]["loss"] == pytest.approx(expected["card"]["loss"], rel=1e-4)


def test_a_batch_that_cannot_be_shared_is_refused_and_both_end(together):
    out, code, printed = together
    assert [report["odd"] for report in reports(together)] == [
        "batch_size: expected a multiple of the 2 processes, got 7"
    ] * 2
    assert code != 0
    assert "diffusion-lab train: batch_size: expected a multiple of the 2 processes, got 7" in printed
    assert not (out / "odd.safetensors").exists()
