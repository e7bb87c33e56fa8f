"""The command line: what it writes, and what it goes on with after an interruption."""

import inspect
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version

import pytest
import torch
from conftest import TINY
from PIL import Image

from diffusion_lab import (
    NoiseSchedule,
    commands,
    datasets,
    load_pretrained,
    logit_normal,
    min_snr,
    training_steps,
    uniform,
)
from diffusion_lab.cli import main
from diffusion_lab.pretrained import read_weights


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two tiny models, trained by the command: one without labels, one with."""
    folder = tmp_path_factory.mktemp("models")
    assert main(["train", str(folder / "plain.safetensors"), *TINY]) == 0
    assert main(["train", str(folder / "told.safetensors"), *TINY, "--labels"]) == 0
    return folder


def test_train_writes_a_model_with_its_card_and_nothing_else(models, plain, told):
    assert sorted(os.listdir(models)) == ["plain.safetensors", "told.safetensors"]
    denoiser = load_pretrained(plain)
    assert (denoiser.target, denoiser.path) == ("v", NoiseSchedule.cosine(1000))
    assert denoiser.network.options == {
        "channels": 1, "width": 8, "blocks": 1, "attention": True, "num_classes": None
    }  # fmt: skip
    assert load_pretrained(told).network.options["num_classes"] == 10
    card = denoiser.card
    assert card["command"] == f"diffusion-lab train {plain} {' '.join(TINY)}"
    assert (card["data"], card["seed"], card["steps"]) == ("digits, 1,797 images", 0, 5)
    assert card["parameters"] == sum(p.numel() for p in denoiser.parameters())
    assert {"process_seconds", "machine", "torch", "loss"} < card.keys()
    assert 0 < card["loss"] < 10


def listened_to(monkeypatch):
    """What the command asks ``training`` for; filled when it does."""
    heard = {}

    def listening(network, images, path, **options):
        heard.update(options, network=network, images=images, path=path)
        return training_steps(network, images, path, **options)

    monkeypatch.setattr(commands, "training_steps", listening)
    return heard


def test_options_of_train_are_heeded(tmp_path, monkeypatch):
    heard, compiled = listened_to(monkeypatch), []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: compiled.append(network))
    out = tmp_path / "model.safetensors"
    words = "--target x_0 --weight min-snr --draw uniform --schedule linear --precision bfloat16 --lr 0.01 --seed 7"
    more = "--checkpoint-every 3 --compile"
    assert main(["train", str(out), *TINY, *words.split(), *more.split()]) == 0
    expected = {
        "target": "x_0", "weight": min_snr, "draw": uniform, "precision": torch.bfloat16, "lr": 0.01, "seed": 7,
        "steps": 5, "batch_size": 8, "checkpoint_every": 3, "checkpoint": tmp_path / "model.checkpoint",
        "path": NoiseSchedule.linear(1000),
    }  # fmt: skip
    assert {name: heard[name] for name in expected} == expected
    assert "labels" not in heard
    assert heard["images"].shape == (1797, 1, 28, 28)
    assert compiled == [heard["network"]]
    denoiser = load_pretrained(out)
    assert (denoiser.target, denoiser.path, denoiser.card["seed"]) == ("x_0", expected["path"], 7)


def test_times_can_be_drawn_where_there_is_most_to_learn(tmp_path, monkeypatch, cosine):
    heard = listened_to(monkeypatch)
    assert main(["train", str(tmp_path / "x.safetensors"), *TINY, "--draw", "logit-normal"]) == 0
    drawn = [draw(50, cosine, torch.Generator().manual_seed(3)) for draw in (heard["draw"], logit_normal())]
    assert torch.equal(*drawn)


def test_what_is_not_asked_for_is_as_in_the_library(tmp_path, monkeypatch):
    """One recipe, written down once."""
    recipe = {name: option.default for name, option in inspect.signature(training_steps).parameters.items()}
    assert recipe == commands.RECIPE
    heard = listened_to(monkeypatch)
    words = ["--data", "digits", "--width", "8", "--blocks", "1", "--steps", "1", "--device", "cpu"]
    assert main(["train", str(tmp_path / "x.safetensors"), *words]) == 0
    told = heard.keys() - {"network", "images", "path", "steps", "checkpoint"}
    assert told >= {"batch_size", "target", "weight", "draw", "lr", "precision", "seed", "checkpoint_every"}
    assert {name: heard[name] for name in told} == {name: recipe[name] for name in told}


def interrupt_at(step, monkeypatch):
    """Ctrl-C while that step is under way. Returns what grows by one when times are drawn: for the description of the
    run, and then in each step."""

    def pressed(n, path, generator):
        times.append(n)
        if len(times) - 1 == step:
            signal.raise_signal(signal.SIGINT)
        return stratified(n, path, generator)

    times, stratified = [], commands.DRAWS["stratified"]
    monkeypatch.setitem(commands.DRAWS, "stratified", pressed)
    return times


@pytest.mark.parametrize("labels", [[], ["--labels"]])
def test_interrupted_and_called_again_it_ends_with_the_same_weights(labels, tmp_path, monkeypatch, capsys, plain, told):
    """Bit for bit those of a run that was not interrupted."""
    out = tmp_path / "again.safetensors"
    before = signal.getsignal(signal.SIGINT)
    times = interrupt_at(3, monkeypatch)
    assert main(["train", str(out), *TINY, *labels]) == 130
    assert len(times) == 1 + 3  # that step is the last
    message = "diffusion-lab train: interrupted after step 3 of 5; the same command goes on from there"
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["again.checkpoint"]  # no model yet
    assert signal.getsignal(signal.SIGINT) is before
    torch.manual_seed(99)
    monkeypatch.undo()
    times = interrupt_at(None, monkeypatch)
    assert main(["train", str(out), *TINY, *labels]) == 0
    assert len(times) == 1 + 2  # steps 4 and 5
    assert os.listdir(tmp_path) == ["again.safetensors"]
    again, notes = read_weights(out)
    whole, expected = read_weights(told if labels else plain)
    assert again.keys() == whole.keys()
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    assert notes["card"]["loss"] == expected["card"]["loss"]


def test_interrupted_in_the_last_step_it_is_done(tmp_path, monkeypatch):
    interrupt_at(5, monkeypatch)
    assert main(["train", str(tmp_path / "x.safetensors"), *TINY]) == 0
    assert os.listdir(tmp_path) == ["x.safetensors"]


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_interrupted_elsewhere_it_says_so_and_leaves_nothing(command, plain, tmp_path, monkeypatch, capsys):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "walk", pressed)
    out = [str(tmp_path / "x.png")] if command == "sample" else []
    assert main([command, plain, *out, "--n", "100"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"diffusion-lab {command}: interrupted; nothing was written"
    assert os.listdir(tmp_path) == []


def test_a_checkpoint_of_another_run_is_not_taken_up(tmp_path, monkeypatch, capsys):
    out = str(tmp_path / "b.safetensors")
    interrupt_at(2, monkeypatch)
    assert main(["train", out, *TINY]) == 130
    monkeypatch.undo()
    capsys.readouterr()
    before = (tmp_path / "b.checkpoint").read_bytes()
    assert main(["train", out, *TINY, "--lr", "0.5"]) == 1
    printed = capsys.readouterr().err
    assert f"diffusion-lab train: checkpoint: {tmp_path / 'b.checkpoint'} is of a run with another lr" in printed
    assert "0.003 there, 0.5 here. Ask for what it was begun with to go on, or delete it to start again." in printed
    assert main(["train", out, *TINY, "--width", "16"]) == 1
    assert "with another network" in capsys.readouterr().err
    assert (tmp_path / "b.checkpoint").read_bytes() == before
    assert main(["train", out, *TINY]) == 0  # and nothing is lost
    assert os.listdir(tmp_path) == ["b.safetensors"]


def test_a_model_that_cannot_be_written_is_not_lost(tmp_path, monkeypatch, capsys):
    out = str(tmp_path / "b.safetensors")
    monkeypatch.setattr(commands, "save_denoiser", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    assert main(["train", out, *TINY]) == 1
    monkeypatch.undo()
    assert "diffusion-lab train: disk full" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["b.checkpoint"]
    times = interrupt_at(None, monkeypatch)
    assert main(["train", out, *TINY]) == 0
    assert len(times) == 1  # no step is done again
    assert os.listdir(tmp_path) == ["b.safetensors"]


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
        denoiser.network.register_forward_pre_hook(
            lambda _, inputs, named: heard.append(named["labels"].tolist()), with_kwargs=True
        )
        return denoiser

    monkeypatch.setattr(commands, "load_pretrained", listening)
    drawn(tmp_path, told)
    drawn(tmp_path, told, "--label", "7")
    drawn(tmp_path, told, "--label", "7", "--guidance", "2")
    assert heard == [[0, 1, 2, 3]] * 2 + [[7] * 4] * 2 + [[7] * 4 + [-1] * 4] * 2


def not_a_number(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("model", ["plain", "told"])
def test_evaluate_prints_json(model, models, no_mnist, capsys):
    weights = str(models / f"{model}.safetensors")
    words = ["--n", "120", "--steps", "2", "--json", "--seed", "3"]
    assert main(["evaluate", weights, *words]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out, parse_constant=not_a_number)  # one object, and nothing beside it
    assert "no distance to the nearest training image: MNIST: no copy" in printed.err
    assert report["weights"] == weights
    assert (report["method"], report["steps"], report["eta"], report["seed"]) == ("dpm_solver", 2, 1.0, 3)
    assert (report["guidance"], report["network_calls"]) == (1.0, 2)
    assert report["seconds"] > 0
    for scores in (report["scores"], report["floor"]):
        assert scores.keys() == {"n", "frechet", "sure", "entropy", "agreement", "nearest"}
        assert (scores["n"], scores["nearest"]) == (120, None)
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
    assert 0 < report["scores"]["nearest"] != report["floor"]["nearest"]
    assert report["floor"]["nearest"] == pytest.approx(
        torch.cdist(images["test"].flatten(1), images["train"].flatten(1)).amin(1).median().item(), rel=1e-3
    )


def test_evaluate_says_it_in_words_beside_the_floor(told, no_mnist, capsys):
    assert main(["evaluate", told, *["--n", "100", "--steps", "1"]]) == 0
    printed, told = capsys.readouterr()
    assert printed.startswith("100 images, 1 network calls each")
    for name in ("Fréchet distance", "share that is sure", "entropy", "share with the label asked for"):
        [line] = [line for line in printed.splitlines() if line.startswith(name)]
        assert "real images: " in line
    assert "nearest training image" not in printed
    assert "no distance to the nearest training image: MNIST: no copy" in told


def test_the_largest_seed_is_taken(plain, tmp_path):
    assert drawn(tmp_path, plain, "--seed", str(2**31)) != drawn(tmp_path, plain)
    assert main(["train", str(tmp_path / "x.safetensors"), *TINY, "--seed", str(2**31)]) == 0


def test_the_device_is_the_best_there_is_but_a_shared_run_takes_no_mps(monkeypatch):
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *_, device: type("Tensor", (), {"device": device}))
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    for cuda, mps, alone, together in [
        (True, True, "cuda:0", "cuda:1"),
        (True, False, "cuda:0", "cuda:1"),
        (False, True, "mps", "cpu"),
        (False, False, "cpu", "cpu"),
    ]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)  # noqa: B023
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)  # noqa: B023
        assert commands.choose_device() == alone
        with monkeypatch.context() as torchrun:
            torchrun.setenv("WORLD_SIZE", "2")
            torchrun.setenv("LOCAL_RANK", "1")
            assert commands.choose_device() == together
    monkeypatch.setattr(torch, "empty", empty)
    assert commands.choose_device("cpu") == torch.device("cpu")


def test_it_can_be_called_as_a_module():
    command = [sys.executable, "-m", "diffusion_lab", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("usage: diffusion-lab", "train", "sample", "evaluate"):
        assert word in done.stdout


def test_it_says_its_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"diffusion-lab {version('diffusion-lab')}\n"
