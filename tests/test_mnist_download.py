"""MNIST: a good copy is read, anything else is fetched again or refused. A small fake one, from a local server."""

import gzip
import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from diffusion_lab import datasets
from diffusion_lab.datasets import DataNotFoundError


def idx(values):
    """Bytes in the format of the MNIST files."""
    header = bytes([0, 0, 8, values.ndim]) + b"".join(length.to_bytes(4, "big") for length in values.shape)
    return header + values.to(torch.uint8).numpy().tobytes()


def make_split(n, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, 28, 28), generator=generator), torch.arange(n) % 10


SPLITS = {"train": make_split(20, 0), "t10k": make_split(10, 1)}
FILES = {
    f"{split}-{kind}-ubyte": idx(values)
    for split, (images, labels) in SPLITS.items()
    for kind, values in (("images-idx3", images), ("labels-idx1", labels))
}
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}


class Server(BaseHTTPRequestHandler):
    """Serves the packed files, or misbehaves as ``server.mood`` says, from the file ``server.after`` on; in folders
    only, if ``server.in_folders``."""

    def do_GET(self):
        *folder, name = self.path.lstrip("/").split("/")
        self.server.asked.append(name)
        content = PACKED.get(name, b"")
        well = len(set(self.server.asked)) <= self.server.after or (self.server.in_folders and not folder)
        mood = "good" if well else self.server.mood
        if mood == "hangs up":
            return
        self.send_response(404 if mood == "not found" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if mood == "drops":
            content = content[: len(content) // 2]
        elif mood == "another page":
            content = b"<html>" + content[6:]
        if mood != "not found":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.mood, server.after, server.in_folders, server.asked = "good", 0, False, []
    point_to(monkeypatch, server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def point_to(monkeypatch, *ports):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mirrors = [f"http://127.0.0.1:{port}/" for port in ports]
    monkeypatch.setattr(datasets.torchvision().datasets.MNIST, "mirrors", mirrors)


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Where MNIST is looked for: an empty folder, and the fake files' checksums are the right ones."""
    monkeypatch.setenv("DIFFUSION_LAB_DATA", str(tmp_path))
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(datasets, "MNIST_FILES", sums)
    return tmp_path / "MNIST" / "raw"


@pytest.fixture
def nobody_there():
    """A port at which nobody answers."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()[1]


@pytest.fixture
def no_network(monkeypatch, nobody_there):
    point_to(monkeypatch, nobody_there)


def fill(raw):
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (raw / name).write_bytes(content)


def everything_in(folder):
    """What there is, down to the last byte."""
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def assert_right():
    for split, (images, labels) in {"train": SPLITS["train"], "test": SPLITS["t10k"]}.items():
        x, y = datasets.mnist(split)
        assert (x.shape, x.dtype, y.dtype) == ((len(images), 1, 28, 28), torch.float32, torch.int64)
        torch.testing.assert_close(x[:, 0], images / 127.5 - 1)
        assert torch.equal(y, labels)


def test_a_good_copy_is_read_without_a_network(raw, no_network):
    fill(raw)
    assert_right()


def test_what_is_not_there_is_fetched_once(raw, server):
    assert not datasets.has_mnist()
    assert_right()
    assert sorted(server.asked) == sorted(PACKED)
    assert datasets.has_mnist()
    assert_right()
    assert len(server.asked) == len(PACKED)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == FILES  # and nothing else


DAMAGES = {
    "missing": lambda content: None,
    "empty": lambda content: b"",
    "truncated": lambda content: content[:-100],
    "one bit flipped": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "longer": lambda content: content + b"\0",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_file_is_fetched_again(name, damage, raw, server):
    fill(raw)
    content = DAMAGES[damage](FILES[name])
    (raw / name).unlink() if content is None else (raw / name).write_bytes(content)
    assert not datasets.has_mnist()
    assert_right()
    assert {file: (raw / file).read_bytes() for file in FILES} == FILES
    assert server.asked == [f"{name}.gz"]  # the others were good


def test_half_a_download_from_before_is_not_unpacked(raw, server):
    raw.mkdir(parents=True)
    for name, content in PACKED.items():
        (raw / name).write_bytes(content[: len(content) // 2])
    assert_right()


def test_what_older_versions_of_torchvision_unpacked_is_not_trusted(raw, server):
    processed = raw.parent / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(3, 28, 28, dtype=torch.uint8), torch.zeros(3).long()), processed / name)
    assert_right()


@pytest.mark.parametrize("mood", ["hangs up", "drops", "not found", "another page"])
@pytest.mark.parametrize("after", [0, 2])
def test_a_server_that_fails_is_named_and_nothing_is_left(mood, after, raw, server, tmp_path):
    """Not even what came before it failed."""
    server.mood, server.after = mood, after
    with pytest.raises(DataNotFoundError, match="fetching it failed") as error:
        datasets.mnist()
    assert_helps(error, raw)
    assert os.listdir(tmp_path) == []
    server.mood = "good"
    assert_right()


def test_there_is_no_folder_after_a_download_that_failed(tmp_path, monkeypatch, raw, no_network):
    monkeypatch.setenv("DIFFUSION_LAB_DATA", str(tmp_path / "not" / "there"))
    with pytest.raises(DataNotFoundError):
        datasets.mnist()
    with pytest.warns(UserWarning, match="in place of MNIST"):
        datasets.mnist(fallback="digits")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mood", ["hangs up", "drops", "not found", "another page"])
def test_what_there_was_of_a_copy_is_left_as_it_was(mood, raw, server, tmp_path):
    """Two good files, one broken, one missing, and something that is none of ours."""
    fill(raw)
    (raw / "t10k-images-idx3-ubyte").write_bytes(b"broken")
    (raw / "t10k-labels-idx1-ubyte").unlink()
    (raw / "notes.txt").write_text("mine")
    before = everything_in(tmp_path)
    server.mood, server.after = mood, 1
    with pytest.raises(DataNotFoundError, match="broken copies of t10k-images-idx3-ubyte in"):
        datasets.mnist()
    assert len(set(server.asked)) == 2
    assert everything_in(tmp_path) == before
    server.mood = "good"
    assert_right()
    assert (raw / "notes.txt").read_text() == "mine"


def test_a_disk_that_is_full_leaves_no_half_of_a_file(raw, server, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.replace", full)
        with pytest.raises(DataNotFoundError, match="no space left on device"):
            datasets.mnist()
    assert os.listdir(raw) == []
    assert_right()


@pytest.mark.parametrize("first", ["nobody there", "not found", "another page"])
def test_where_one_mirror_fails_the_next_is_asked(first, raw, server, nobody_there, monkeypatch):
    server.mood, server.in_folders = first, True
    bad = nobody_there if first == "nobody there" else f"{server.server_port}/bad"
    point_to(monkeypatch, bad, server.server_port)
    assert_right()


def assert_helps(error, raw):
    """Both what was found and what was tried, and three ways out."""
    for told in (str(raw), "DIFFUSION_LAB_DATA", 'fallback="digits"', "With a network, run it again"):
        assert told in str(error.value)


@pytest.mark.parametrize("found", ["no copy", "broken copies of train-images-idx3-ubyte"])
def test_no_copy_and_no_network(found, raw, no_network):
    if found != "no copy":
        fill(raw)
        (raw / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(DataNotFoundError, match=found) as error:
        datasets.mnist()
    assert_helps(error, raw)
    assert "refused" in str(error.value)
    assert raw.exists() == (found != "no copy")


def test_a_folder_that_cannot_be_written_to_is_told(raw, server):
    raw.parent.mkdir()
    raw.write_text("a file in the way")
    with pytest.raises(DataNotFoundError, match="fetching it failed") as error:
        datasets.mnist()
    assert_helps(error, raw)


def test_files_that_are_others_than_expected_are_refused(raw, server, monkeypatch):
    monkeypatch.setattr(datasets, "MNIST_FILES", dict.fromkeys(FILES, "0" * 64))
    with pytest.raises(DataNotFoundError, match="is not the file expected"):
        datasets.mnist()
    assert not raw.exists()


def test_the_fallback_says_on_screen_what_it_uses_instead(raw, no_network):
    with pytest.warns(UserWarning, match=r"Using scikit-learn's 1,797 digits.*in place of MNIST.*no copy") as warned:
        images, labels = datasets.mnist(fallback="digits")
    assert warned[0].filename == __file__
    expected, expected_labels = datasets.digits()
    assert torch.equal(images, expected)
    assert torch.equal(labels, expected_labels)


def test_the_fallback_is_not_used_where_mnist_is(raw, server, recwarn):
    assert len(datasets.mnist(fallback="digits")[0]) == 20
    assert [str(w.message) for w in recwarn] == []


def test_an_error_without_words_is_told_by_its_name(raw, server, monkeypatch):
    def silent(*_, **__):
        raise EOFError

    monkeypatch.setattr(datasets, "urlopen", silent)
    with pytest.raises(DataNotFoundError, match="EOFError"):
        datasets.mnist()


def test_the_time_limit_for_the_network_is_its_own(raw, server, monkeypatch):
    """Nobody waits for ever for a server that says nothing, and nobody else's time limit is touched."""
    assert socket.getdefaulttimeout() is None
    limits = []

    def listening(address, timeout=None):
        limits.append((timeout, socket.getdefaulttimeout()))
        return urlopen(address, timeout=timeout)

    urlopen = datasets.urlopen
    monkeypatch.setattr(datasets, "urlopen", listening)
    assert_right()
    assert len(limits) == 4
    assert all(0 < own <= 60 and default is None for own, default in limits)
    assert socket.getdefaulttimeout() is None
