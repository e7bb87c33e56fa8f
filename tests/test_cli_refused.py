"""What the command line refuses: it says why, before the work and not after it, and leaves nothing behind."""

import os
from pathlib import Path

import pytest
import torch
from conftest import TINY

from diffusion_lab import Denoiser, NoiseSchedule, UNet, commands, save_denoiser
from diffusion_lab.cli import main

HUGE = str(2**31 + 1)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models that have learnt nothing: one without labels, one with."""
    folder = tmp_path_factory.mktemp("models")
    for name, classes in (("plain", None), ("told", 10)):
        denoiser = Denoiser(UNet(1, 8, 1, num_classes=classes), NoiseSchedule.cosine(1000), "v")
        save_denoiser(denoiser, folder / f"{name}.safetensors", {})
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sample nothing.safetensors OUT", "name: expected "),
        ("sample DAMAGED OUT", "weights: "),
        ("sample mnist x.jpg", "out: expected a name that ends in .png or .gif"),
        ("train x.pt", "out: expected a name that ends in .safetensors"),
        ("sample PLAIN OUT --label 3", "label: "),
        ("sample PLAIN OUT --guidance 2", "labels: "),
        ("sample TOLD OUT --guidance -1", "scale: "),
        ("sample TOLD OUT --guidance nan", "scale: "),
        ("sample PLAIN OUT --method ddpm --eta 0.5", "eta: "),
        ("sample PLAIN OUT --eta 2", "eta: "),
        ("sample PLAIN OUT --steps 1001", "steps: "),
        ("sample PLAIN OUT --steps 0", "steps: "),
        ("sample PLAIN OUT --n 0", "n: "),
        ("sample PLAIN OUT --columns 0", "columns: "),
        ("sample PLAIN OUT --seed -1", "seed: "),
        (f"sample PLAIN OUT --seed {HUGE}", "seed: "),
        ("sample TOLD OUT --label -1", "label: "),
        ("sample PLAIN OUT --clip 0", "bound: "),
        ("sample PLAIN OUT --device abacus", "device: "),
        ("evaluate PLAIN --n 99", "n: "),
        ("evaluate PLAIN --n 10001", "n: "),
        ("evaluate PLAIN --n 100 --seed -1", "seed: "),
        ("evaluate nothing.safetensors", "name: expected "),
        ("train MODEL --data digits --steps 0", "steps: "),
        ("train MODEL --data digits --batch-size 0", "batch_size: "),
        ("train MODEL --data digits --checkpoint-every 0", "checkpoint_every: "),
        ("train MODEL --data digits --seed -1", "seed: "),
        (f"train MODEL --data digits --seed {HUGE}", "seed: "),
        ("train MODEL --data digits --width 12", "width: "),
        ("train MODEL --data digits --lr 0", "lr: "),
        ("train MODEL --data digits --device abacus", "device: "),
        ("train MODEL", "MNIST: no copy"),
    ],
)
def test_what_it_cannot_do_it_says_and_leaves_nothing_behind(words, message, plain, told, tmp_path, capsys, no_mnist):
    work = tmp_path / "work"
    work.mkdir()
    damaged = tmp_path / "damaged.safetensors"
    content = bytearray(Path(plain).read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    places = {"OUT": work / "x.png", "MODEL": work / "m.safetensors", "PLAIN": plain, "TOLD": told, "DAMAGED": damaged}
    arguments = [str(places.get(word, word)) for word in words.split()]
    assert main([*arguments, *([] if "--steps" in words else ["--steps", "1"])]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"diffusion-lab {arguments[0]}: {message}" in printed.err
    assert "Traceback" not in printed.err
    assert os.listdir(work) == []


@pytest.fixture
def nothing_starts(monkeypatch):
    """Neither training nor sampling: a mistake must show before them."""

    def started(*_, **__):
        raise AssertionError("it began")

    for name in ("training_steps", "walk"):
        monkeypatch.setattr(commands, name, started)


@pytest.fixture
def locked(tmp_path):
    """A folder that not even the system's administrator can write to, if there is one."""
    if Path("/proc/self").is_dir():
        return Path("/proc")
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user can write to every folder")
    return folder


@pytest.mark.parametrize("place", ["missing", "folder", "locked"])
@pytest.mark.parametrize(("command", "ending"), [("train", ".safetensors"), ("sample", ".png"), ("sample", ".gif")])
def test_where_nothing_can_be_written_it_does_not_begin(
    command, ending, place, plain, tmp_path, capsys, request, nothing_starts
):
    work = tmp_path / "work"
    (work / f"folder{ending}").mkdir(parents=True)
    folder = {"missing": work / "missing", "folder": work, "locked": None}[place]
    out = (folder or request.getfixturevalue("locked")) / f"{'folder' if place == 'folder' else 'x'}{ending}"
    words = [str(out), *TINY] if command == "train" else [plain, str(out), "--n", "1"]
    assert main([command, *words]) == 1
    what = {
        "missing": f"a folder that is there, got {out.parent}",
        "folder": f"the name of a file, got that of a folder, {out}",
        "locked": f"a folder that can be written to, got {out.parent}",
    }[place]
    assert capsys.readouterr().err.startswith(f"diffusion-lab {command}: out: expected {what}")
    assert os.listdir(work) == [f"folder{ending}"]
    assert os.listdir(work / f"folder{ending}") == []
    assert not out.is_file()


@pytest.mark.parametrize("label", ["10", "12"])
def test_a_label_that_there_is_none_of_is_refused_before_anything_is_drawn(
    label, told, tmp_path, capsys, nothing_starts
):
    for command, words in (("sample", [str(tmp_path / "x.png")]), ("evaluate", [])):
        assert main([command, told, *words, "--label", label]) == 1
        expected = f"diffusion-lab {command}: label: expected one of the model's 10 labels, got {label}\n"
        assert capsys.readouterr().err == expected
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has such a device")
def test_a_device_that_is_not_here_is_told_in_one_line(told, tmp_path, capsys):
    """What PyTorch itself says is for those who build it."""
    for command, words in (("sample", [told, str(tmp_path / "x.png")]), ("train", [str(tmp_path / "x.safetensors")])):
        assert main([command, *words, "--device", "mps"]) == 1
        expected = f"diffusion-lab {command}: device: expected one that this machine has, such as cpu; got 'mps'\n"
        assert capsys.readouterr().err == expected
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("", "command"),
        ("fly", "command"),
        ("sample mnist", "out"),
        ("train x.safetensors --steps a", "--steps"),
        ("train x.safetensors --seed 1.5", "--seed"),
        ("train x.safetensors --target y", "--target"),
        ("train x.safetensors --weighting simple", "--weighting"),
        ("sample mnist x.png --n 2.5", "--n"),
    ],
)
def test_what_it_does_not_understand_it_explains(words, named, tmp_path, monkeypatch, capsys, nothing_starts):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(words.split())
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert "usage: diffusion-lab" in printed
    assert named in printed.splitlines()[-1]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["x.png", "x.gif"])
def test_a_picture_is_whole_or_not_there(name, plain, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", fail)
    assert main(["sample", plain, str(tmp_path / name), "--n", "1", "--steps", "1"]) == 1
    assert "diffusion-lab sample: no space left on device" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
