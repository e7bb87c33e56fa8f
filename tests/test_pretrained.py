"""Weights in a file: what comes back, and that nothing comes back from a file that is not sound."""

import json
import os
import pickle

import pytest
import torch
from conftest import refused, small
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from diffusion_lab import (
    MLP,
    TARGETS,
    Denoiser,
    NoiseSchedule,
    SigmaPath,
    StraightPath,
    UNet,
    WeightsError,
    load_pretrained,
    save_denoiser,
)
from diffusion_lab.pretrained import NAMES, read_weights, shipped, write_weights

SCHEDULE = NoiseSchedule.cosine(50)
CARD = {"data": "none", "steps": 0, "scores": {"frechet": 1.5}, "note": 'é, "quoted",\nover two lines'}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "mlp.safetensors"
    save_denoiser(Denoiser(small(0, MLP, 2, 8, 1), SCHEDULE, "v"), path, CARD)
    return path.read_bytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("bad") / "weights.safetensors"


def assert_refused(path, match=r"^weights: .*weights\.safetensors"):
    with pytest.raises(WeightsError, match=match):
        load_pretrained(path)
    with pytest.raises(WeightsError, match=match):
        read_weights(path)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_is_ready_to_sample(name, g):
    denoiser = load_pretrained(name)
    assert isinstance(denoiser, Denoiser)
    assert isinstance(denoiser.path, NoiseSchedule)
    assert isinstance(denoiser.card, dict)
    assert denoiser.card
    assert not any(module.training for module in denoiser.modules())
    assert not any(parameter.requires_grad for parameter in denoiser.parameters())
    assert {(p.dtype, p.device.type) for p in denoiser.parameters()} == {(torch.float32, "cpu")}
    assert denoiser.path.signal_left < 1e-3
    x_t, t = torch.randn(2, 1, 28, 28, generator=g), torch.tensor([1, denoiser.path.T])
    told = {} if name == "mnist" else {"labels": torch.tensor([-1, 3])}
    eps = denoiser(x_t, t, **told)
    assert (eps.shape, bool(eps.isfinite().all())) == ((2, 1, 28, 28), True)
    assert (eps[1] - x_t[1]).square().mean() < 0.05  # at T there is nothing but noise
    assert denoiser.network.options["num_classes"] == (None if name == "mnist" else 10)


def test_all_that_is_shipped_is_small():
    files = sorted(shipped("mnist.safetensors").parent.iterdir())
    weights = {file.stem for file in files if file.suffix == ".safetensors"}
    cards = {file.stem for file in files if file.suffix == ".md"}
    assert weights == cards == {"judge", *NAMES}
    assert len(files) == 2 * len(weights)
    assert sum(file.stat().st_size for file in files) < 5_000_000


def test_nothing_is_fetched_and_nothing_is_unpickled(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("a network connection, or a pickle")

    for name in ("socket.socket.connect", "torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler"):
        monkeypatch.setattr(name, fail)
    for name in NAMES:
        load_pretrained(name)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("network", "shape", "told"),
    [
        (lambda: small(1, MLP, 3, 16, 2), (3,), {}),
        (lambda: small(1, UNet, 1, 8, 1), (1, 8, 8), {}),
        (lambda: small(1, UNet, 3, 8, 1, False, 4), (3, 4, 4), {"labels": torch.tensor([0, 3, -1, 2])}),
    ],
)
def test_what_is_saved_comes_back(network, shape, told, target, tmp_path, g):
    network = network().train()
    with torch.no_grad():
        for parameter in network.parameters():  # a fresh U-Net says 0
            parameter += 0.1 * torch.randn(parameter.shape, generator=g)
    denoiser = Denoiser(network, SCHEDULE, target)
    save_denoiser(denoiser, tmp_path / "weights", CARD)
    again = load_pretrained(tmp_path / "weights")
    assert (again.card, again.target, again.network.options) == (CARD, target, network.options)
    assert type(again.network) is type(network)
    assert torch.equal(again.path.beta, SCHEDULE.beta)  # to the last digit
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], weight, rtol=5e-4, atol=1e-6)
    x_t, t = torch.randn(4, *shape, generator=g), torch.tensor([10, 25, 40, 50])
    eps = denoiser.eval()(x_t, t, **told)
    assert eps.std() > 0.01
    torch.testing.assert_close(again(x_t, t, **told), eps, rtol=1e-2, atol=1e-2)
    assert load_pretrained(str(tmp_path / "weights")).card == CARD
    assert os.listdir(tmp_path) == ["weights"]


@pytest.mark.parametrize("path", [StraightPath(), SigmaPath(), SigmaPath(0.01, 20, 5)])
def test_the_other_paths_come_back_too(path, tmp_path, g):
    denoiser = Denoiser(small(1, MLP, 2, 8, 1), path, "flow")
    save_denoiser(denoiser, tmp_path / "weights", CARD)
    again = load_pretrained(tmp_path / "weights")
    assert (again.path, again.target, again.card) == (path, "flow", CARD)
    x_t = torch.randn(4, 2, generator=g)
    torch.testing.assert_close(again(x_t, 0.5), denoiser(x_t, 0.5), rtol=1e-2, atol=1e-2)


def test_every_number_of_a_dtype_of_its_own_comes_back(tmp_path):
    tensors = {
        "count": torch.tensor(3),
        "double": torch.tensor([1 / 3], dtype=torch.float64),
        "across": torch.arange(6.0).view(2, 3).T,
    }
    write_weights(tmp_path / "w", tensors, {"kind": "other"})
    again, notes = read_weights(tmp_path / "w")
    assert notes == {"kind": "other"}
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) and again[name].dtype == tensors[name].dtype for name in again)
    with pytest.raises(WeightsError, match=r"^name: expected the file of a denoiser, got that of a other"):
        load_pretrained(tmp_path / "w")


@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=150)
def test_a_bit_flipped_anywhere(share, bit, good, path):
    broken = bytearray(good)
    broken[int(share * len(good))] ^= 1 << bit
    path.write_bytes(broken)
    assert_refused(path)


@pytest.mark.parametrize("spot", [b"sha256", b"UNet", b"options", b"card", b"schedule.beta", b"F64", b"mnist"])
def test_a_byte_changed_where_it_matters_in_what_is_shipped(spot, path):
    content = shipped("mnist.safetensors").read_bytes()
    place = content.find(spot)
    assert place >= 0
    for at in (place, len(content) // 2, len(content) - 1):
        broken = bytearray(content)
        broken[at] ^= 1
        path.write_bytes(broken)
        assert_refused(path)


def test_every_part_is_under_the_checksum(good, path):
    """Someone who rewrites the header properly, and not only damages it: the notes, a name, a shape, a tensor."""
    length = int.from_bytes(good[:8], "little")
    header = json.loads(good[8 : 8 + length])
    notes = json.loads(header["__metadata__"]["notes"])
    path.write_bytes(good)
    tensors, _ = read_weights(path)
    half = {name: tensor.half() if name != "schedule.beta" else tensor.clone() for name, tensor in tensors.items()}
    metadata = header["__metadata__"]
    name = "out.weight"

    def write(tensors, **changes):
        path.write_bytes(save(tensors, {key: value for key, value in (metadata | changes).items() if value}))

    write(half)
    assert load_pretrained(path).card == CARD  # written so, and unchanged, it is sound
    changed = half[name].clone()
    changed[0, 0] += 0.5
    renamed = {"out.wait" if key == name else key: tensor for key, tensor in half.items()}
    for tensors in (
        half | {name: changed},
        half | {name: half[name].float()},
        half | {name: half[name].reshape(4, 4)},
        half | {"one.more": torch.zeros(1)},
        {key: tensor for key, tensor in half.items() if key != name},
        renamed,
    ):
        write(tensors)
        assert_refused(path, "checksum does not agree")
    for changes in (
        {"notes": json.dumps(notes | {"target": "eps"})},
        {"notes": ""},
        {"sha256": ""},
        {"sha256": metadata["sha256"][::-1]},
    ):
        write(half, **changes)
        assert_refused(path, "checksum does not agree")


def test_what_was_read_does_not_hang_on_the_file(good, path):
    """Whoever writes over it afterwards changes nothing that is in use."""
    path.write_bytes(good)
    denoiser, (tensors, _) = load_pretrained(path), read_weights(path)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    path.write_bytes(bytes(len(good)))
    assert denoiser.path == SCHEDULE
    assert all(torch.equal(tensors[name], before[name]) for name in before)


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=25)
def test_cut_off_anywhere(share, good, path):
    path.write_bytes(good[: int(share * len(good))])
    assert_refused(path)


@given(content=st.binary(max_size=100))
@settings(max_examples=25)
def test_something_else_altogether(content, path):
    path.write_bytes(content)
    assert_refused(path)


class Trap:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


def test_a_pickle_is_not_opened(path, tmp_path):
    victim = tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Trap(victim)))
    assert_refused(path)
    torch.save({"trap": Trap(victim)}, path)
    assert_refused(path)
    assert not victim.exists()


def test_another_ones_safetensors(path):
    for metadata in (None, {"format": "pt"}, {"notes": "{}"}, {"notes": "{}", "sha256": "0" * 64}):
        path.write_bytes(save(small().state_dict(), metadata))
        assert_refused(path, "not one of ours")


def test_what_is_not_there(tmp_path):
    for name in ("mnits", "", tmp_path / "none.safetensors", "judge"):
        with pytest.raises(WeightsError):
            load_pretrained(name)
    with pytest.raises(WeightsError, match=r'^name: expected "mnist" or "mnist-conditional", or a file'):
        load_pretrained("mnits")
    with pytest.raises(WeightsError, match=r"cannot be read"):
        load_pretrained(tmp_path)  # a folder
    with pytest.raises(WeightsError, match=r"^name: expected the file of a denoiser, got that of a judge"):
        load_pretrained(shipped("judge.safetensors"))


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_failure_while_saving_leaves_what_was_there(moment, good, tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    denoiser = Denoiser(small(5, MLP, 2, 8, 1), SCHEDULE, "eps")

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(f"os.{moment}", fail)
    for before in (None, good):
        if before is not None:
            with open(path, "wb") as file:
                file.write(before)
        with pytest.raises(OSError, match="no space left"):
            save_denoiser(denoiser, path, {})
        assert (path.read_bytes() if path.exists() else None) == before
    monkeypatch.undo()
    save_denoiser(denoiser, path, {})
    assert load_pretrained(path).card == {}
    assert os.listdir(tmp_path) == [path.name]


def test_only_our_networks_and_paths_can_be_built_again(tmp_path):
    class OwnPath(StraightPath):
        pass

    for denoiser in (Denoiser(torch.nn.Linear(2, 2), SCHEDULE, "eps"), Denoiser(small(), OwnPath(), "eps")):
        with refused("denoiser"):
            save_denoiser(denoiser, tmp_path / "w", {})
    with pytest.raises(TypeError):  # JSON cannot hold it
        save_denoiser(Denoiser(small(), SCHEDULE, "eps"), tmp_path / "w", {"tensor": torch.zeros(2)})
    assert os.listdir(tmp_path) == []
