"""The command line: what it writes, what it goes on with after an interruption, and how it refuses."""

import functools
import json
import os
import subprocess
import sys

import pytest
import torch
from PIL import Image

import diffusion_lab.training
from diffusion_lab import datasets, load_pretrained, train
from diffusion_lab.cli import main
from diffusion_lab.datasets import DataNotFoundError
from diffusion_lab.pretrained import read_weights

TINY = ["--data", "digits", "--width", "8", "--blocks", "1", "--steps", "5", "--batch-size", "8", "--device", "cpu"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two tiny models, trained by the command: one without labels, one with."""
    folder = tmp_path_factory.mktemp("models")
    assert main(["train", str(folder / "plain.safetensors"), *TINY]) == 0
    assert main(["train", str(folder / "told.safetensors"), *TINY, "--labels"]) == 0
    return folder


@pytest.fixture
def plain(models):
    return str(models / "plain.safetensors")


@pytest.fixture
def told(models):
    return str(models / "told.safetensors")


@pytest.fixture
def no_mnist(monkeypatch):
    def missing(*_, **__):
        raise DataNotFoundError("MNIST: no copy")

    monkeypatch.setattr(datasets, "mnist", missing)


def test_train_writes_a_model_with_its_card_and_nothing_else(models, plain, told):
    assert sorted(os.listdir(models)) == ["plain.safetensors", "told.safetensors"]
    denoiser = load_pretrained(plain)
    assert (denoiser.target, denoiser.schedule.T) == ("v", 1000)
    assert denoiser.network.options == {
        "channels": 1, "width": 8, "blocks": 1, "attention": True, "num_classes": None
    }  # fmt: skip
    assert load_pretrained(told).network.options["num_classes"] == 10
    card = denoiser.card
    assert card["command"] == f"diffusion-lab train {plain} {' '.join(TINY)}"
    assert (card["data"], card["seed"], card["steps"]) == ("digits, 1,797 images", 0, 5)
    assert card["parameters"] == sum(p.numel() for p in denoiser.parameters())
    assert {"seconds", "process_seconds", "machine", "torch", "loss"} < card.keys()
    assert 0 < card["loss"] < 10


def test_options_of_train_are_heeded(tmp_path, monkeypatch):
    heard = {}

    def listening(network, images, schedule, **options):
        heard.update(options, images=images, schedule=schedule)
        return train(network, images, schedule, **options)

    monkeypatch.setattr("diffusion_lab.cli.train", listening)
    out = tmp_path / "deep" / "model.safetensors"
    words = [
        "--target",
        "x_0",
        "--weighting",
        "min-snr",
        "--schedule",
        "linear",
        "--precision",
        "bfloat16",
        "--lr",
        "0.01",
        "--seed",
        "7",
    ]
    assert main(["train", str(out), *TINY, *words]) == 0
    expected = {
        "target": "x_0", "weighting": "min-snr", "precision": "bfloat16", "lr": 0.01, "seed": 7, "steps": 5,
        "batch_size": 8, "labels": None, "compile": False,
    }  # fmt: skip
    assert {name: heard[name] for name in expected} == expected
    assert heard["images"].shape == (1797, 1, 28, 28)
    assert heard["schedule"].beta[1].item() == pytest.approx(1e-4)
    assert (load_pretrained(out).target, load_pretrained(out).card["seed"]) == ("x_0", 7)


@pytest.mark.parametrize("labels", [[], ["--labels"]])
def test_interrupted_and_called_again_it_ends_with_the_same_weights(labels, tmp_path, monkeypatch, plain, told):
    """Bit for bit those of a run that was not interrupted."""
    out = tmp_path / "again.safetensors"
    calls = []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return add_noise(*arguments)

    add_noise = diffusion_lab.training.add_noise
    monkeypatch.setattr("diffusion_lab.cli.train", functools.partial(train, checkpoint_every=2))
    monkeypatch.setattr(diffusion_lab.training, "add_noise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["train", str(out), *TINY, *labels])
    assert os.listdir(tmp_path) == ["again.checkpoint"]  # no model yet
    torch.manual_seed(99)
    assert main(["train", str(out), *TINY, *labels]) == 0
    assert len(calls) == 7  # steps 1, 2, 3, the one cut short, and 3, 4, 5
    assert os.listdir(tmp_path) == ["again.safetensors"]
    again, notes = read_weights(out)
    whole, expected = read_weights(told if labels else plain)
    assert again.keys() == whole.keys()
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    assert notes["card"]["loss"] == expected["card"]["loss"]


def test_a_checkpoint_of_another_run_is_not_taken_up(tmp_path, monkeypatch, capsys):
    out = tmp_path / "model.safetensors"
    main(["train", str(out), *TINY])
    monkeypatch.setattr("diffusion_lab.cli.save_denoiser", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    assert main(["train", str(tmp_path / "b.safetensors"), *TINY]) == 1
    monkeypatch.undo()
    assert "diffusion-lab train: disk full" in capsys.readouterr().err
    assert main(["train", str(tmp_path / "b.safetensors"), *TINY, "--lr", "0.5"]) == 1
    assert "diffusion-lab train: checkpoint: " in capsys.readouterr().err
    assert main(["train", str(tmp_path / "b.safetensors"), *TINY]) == 0  # and nothing is lost
    assert sorted(os.listdir(tmp_path)) == ["b.safetensors", "model.safetensors"]


def test_sample_draws_a_png(plain, tmp_path, capsys):
    out = tmp_path / "grid.png"
    assert main(["sample", plain, str(out), "--n", "7", "--columns", "4", "--steps", "2"]) == 0
    picture = Image.open(out)
    assert (picture.format, picture.mode) == ("PNG", "L")
    assert picture.size == (4 * 28 + 3 * 2, 2 * 28 + 2)
    assert capsys.readouterr().out == f"wrote {out}: 7 images\n"
    assert os.listdir(tmp_path) == ["grid.png"]


def test_sample_draws_a_gif_of_the_way(plain, tmp_path):
    out = tmp_path / "walk.GIF"
    assert main(["sample", plain, str(out), "--n", "2", "--steps", "4"]) == 0
    movie = Image.open(out)
    assert movie.format == "GIF"
    frames, milliseconds = [], []
    for k in range(movie.n_frames):
        movie.seek(k)
        frames.append(movie.convert("L"))
        milliseconds.append(movie.info["duration"])
    assert len(frames) >= 5  # five states; the last stays, in frames that a viewer may find merged into one
    assert sum(milliseconds) == 15 * 100
    assert len({frame.tobytes() for frame in frames[:5]}) == 5
    assert os.listdir(tmp_path) == ["walk.GIF"]


def drawn(tmp_path, *words):
    out = tmp_path / "x.png"
    assert main(["sample", "--n", "4", "--steps", "2", *words, str(out)]) == 0
    return out.read_bytes()


def test_the_seed_and_what_the_sampler_is_told_count(plain, tmp_path):
    first = drawn(tmp_path, plain)
    assert drawn(tmp_path, plain) == first
    for words in (["--seed", "1"], ["--eta", "0"], ["--clip", "0.1"], ["--steps", "3"]):
        assert drawn(tmp_path, plain, *words) != first
    # In its first and its last step DPM-Solver++ is DDIM, so it is in two.
    first_order = ["--eta", "0", "--method", "ddim"]
    assert drawn(tmp_path, plain, *first_order) == drawn(tmp_path, plain, "--eta", "0")
    assert drawn(tmp_path, plain, *first_order, "--steps", "3") != drawn(tmp_path, plain, "--eta", "0", "--steps", "3")


def test_labels_and_guidance_reach_the_network(told, monkeypatch, tmp_path):
    heard = []
    load = load_pretrained

    def listening(name):
        denoiser = load(name)
        denoiser.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[2].tolist()))
        return denoiser

    monkeypatch.setattr("diffusion_lab.cli.load_pretrained", listening)
    drawn(tmp_path, told)
    drawn(tmp_path, told, "--label", "7")
    drawn(tmp_path, told, "--label", "7", "--guidance", "2")
    assert heard == [[0, 1, 2, 3]] * 2 + [[7] * 4] * 2 + [[7] * 4 + [-1] * 4] * 2


def not_a_number(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("model", ["plain", "told"])
def test_evaluate_prints_json(model, request, no_mnist, capsys):
    weights = request.getfixturevalue(model)
    words = ["--n", "120", "--steps", "2", "--json", "--seed", "3"]
    assert main(["evaluate", weights, *words]) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=not_a_number)  # one object, and nothing beside it
    assert report["weights"] == weights
    assert (report["method"], report["steps"], report["eta"], report["seed"]) == ("dpm_solver", 2, 1.0, 3)
    assert (report["guidance"], report["network_calls"]) == (1.0, 2)
    assert report["seconds"] > 0
    assert report["nearest"] is None
    for scores in (report["scores"], report["floor"]):
        assert scores.keys() == {"n", "frechet", "sure", "entropy", "agreement"}
        assert scores["n"] == 120
    assert report["scores"]["frechet"] > 10 * report["floor"]["frechet"]  # five steps of training
    assert (report["scores"]["agreement"] is None) == (model == "plain")
    assert main(["evaluate", weights, *words]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["scores"] == report["scores"]


def test_guidance_is_counted_and_copies_are_looked_for(told, monkeypatch, capsys, g):
    images = {split: torch.rand(30, 1, 28, 28, generator=g) * 2 - 1 for split in ("train", "test")}
    monkeypatch.setattr(datasets, "mnist", lambda split: (images[split], None))
    assert main(["evaluate", told, *["--n", "100", "--steps", "1", "--guidance", "2", "--json"]]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["network_calls"] == 2
    assert report["nearest"].keys() == {"samples", "test"}
    assert report["nearest"]["test"] == pytest.approx(
        torch.cdist(images["test"].flatten(1), images["train"].flatten(1)).amin(1).median().item(), rel=1e-3
    )


def test_evaluate_says_it_in_words_beside_the_floor(told, no_mnist, capsys):
    assert main(["evaluate", told, *["--n", "100", "--steps", "1"]]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("100 images, 1 network calls each")
    for name in ("Fréchet distance", "share that is sure", "entropy", "share with the label asked for"):
        [line] = [line for line in printed.splitlines() if line.startswith(name)]
        assert "real images: " in line
    assert "needs MNIST, which is not here" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sample nothing.safetensors OUT", "name: expected "),
        ("sample DAMAGED OUT", "weights: "),
        ("sample PLAIN OUT --label 3", "label, guidance: "),
        ("sample PLAIN OUT --guidance 2", "label, guidance: "),
        ("sample TOLD OUT --label 10", "labels: "),
        ("sample TOLD OUT --guidance -1", "scale: "),
        ("sample TOLD OUT --guidance nan", "scale: "),
        ("sample PLAIN OUT --method ddpm --eta 0.5", "eta: "),
        ("sample PLAIN OUT --eta 2", "eta: "),
        ("sample PLAIN OUT --n 0", "n: "),
        ("sample PLAIN OUT --steps 0", "steps: "),
        ("sample PLAIN OUT --steps 1001", "steps: "),
        ("sample PLAIN OUT --clip 0", "clip: "),
        ("sample PLAIN OUT --columns 0", "columns: "),
        ("sample PLAIN OUT --device abacus", "device: "),
        ("sample PLAIN FOLDER/x.png", "out: "),
        ("evaluate PLAIN --n 99", "n: "),
        ("evaluate PLAIN --n 10001", "n: "),
        ("evaluate nothing.safetensors", "name: expected "),
        ("train MODEL --data digits --steps 0", "steps: "),
        ("train MODEL --data digits --width 12", "width: "),
        ("train MODEL --data digits --batch-size 0", "batch_size: "),
        ("train MODEL --data digits --lr 0", "lr: "),
        ("train MODEL --data digits --seed -1", "seed: "),
        ("train MODEL --data digits --device abacus", "device: "),
        ("train MODEL", "MNIST: no copy"),
    ],
)
def test_what_it_cannot_do_it_says_and_leaves_nothing_behind(words, message, plain, told, tmp_path, capsys, no_mnist):
    work = tmp_path / "work"
    work.mkdir()
    damaged = tmp_path / "damaged.safetensors"
    content = bytearray((tmp_path.parent / plain).read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    places = {
        "OUT": work / "x.png", "MODEL": work / "m.safetensors", "PLAIN": plain, "TOLD": told, "DAMAGED": damaged,
        "FOLDER/x.png": work / "missing" / "x.png",
    }  # fmt: skip
    arguments = [str(places.get(word, word)) for word in words.split()]
    assert main([*arguments, *([] if "--steps" in words else ["--steps", "1"])]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"diffusion-lab {arguments[0]}: {message}" in printed.err
    assert "Traceback" not in printed.err
    assert os.listdir(work) == []


@pytest.mark.parametrize("words", ["", "fly", "sample mnist x.jpg", "train x.pt", "sample mnist", "train x --steps a"])
def test_what_it_does_not_understand_it_explains(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words.split())
    assert stopped.value.code == 2
    assert "usage: diffusion-lab" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.png", "x.gif"])
def test_a_picture_is_whole_or_not_there(name, plain, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", fail)
    assert main(["sample", plain, str(tmp_path / name), "--n", "1", "--steps", "1"]) == 1
    assert "diffusion-lab sample: no space left on device" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_it_can_be_called_as_a_module():
    command = [sys.executable, "-m", "diffusion_lab", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("usage: diffusion-lab", "train", "sample", "evaluate"):
        assert word in done.stdout
