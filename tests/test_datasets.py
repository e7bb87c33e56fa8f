"""Data that are always there: points and scikit-learn's digits; and the real MNIST where there is a copy."""

import hashlib
import subprocess
import sys

import pytest
import torch
from sklearn.datasets import load_digits, make_s_curve

from diffusion_lab import datasets, energy_distance


def test_number_eight():
    assert datasets.number_eight().tolist() == [[8.0]]
    assert torch.equal(datasets.number_eight(5), torch.full((5, 1), 8.0))


def test_the_s_curve_is_scikit_learns_seen_from_the_side(g):
    points = datasets.s_curve(2000, generator=g)
    theirs = torch.tensor(make_s_curve(2000, noise=0.1, random_state=1)[0][:, [0, 2]], dtype=torch.float32)
    assert (points.shape, points.dtype) == ((2000, 2), torch.float32)
    assert energy_distance(points, theirs) < 0.01 < energy_distance(points, theirs + 0.2)
    clean = datasets.s_curve(500, noise=0, generator=g)
    on_a_circle = (
        clean[:, 0] ** 2 + (clean[:, 1].abs() - 1) ** 2
    ).sqrt()  # two arcs of radius 1 around (0, 1), (0, -1)
    torch.testing.assert_close(on_a_circle, torch.ones(500))


def test_the_s_curve_follows_its_generator_and_else_the_global_one():
    one, two, other = (datasets.s_curve(10, generator=torch.Generator().manual_seed(s)) for s in (4, 4, 5))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    generator = torch.Generator().manual_seed(4)
    datasets.s_curve(10, generator=generator)
    assert not torch.equal(datasets.s_curve(10, generator=generator), one)  # a second set is a fresh one
    torch.manual_seed(3)
    drawn = datasets.s_curve(10)
    torch.manual_seed(3)
    assert torch.equal(datasets.s_curve(10), drawn)


def test_digits_are_scikit_learns_enlarged():
    images, labels = datasets.digits()
    small, expected = load_digits(return_X_y=True)
    assert (images.shape, images.dtype, labels.dtype) == ((1797, 1, 28, 28), torch.float32, torch.int64)
    assert labels.tolist() == expected.tolist()
    assert (images.min(), images.max()) == (-1, 1)
    border = images.clone()
    border[..., 2:-2, 2:-2] = -1
    assert (border == -1).all()
    shrunk = torch.nn.functional.avg_pool2d(images[..., 2:-2, 2:-2], 3).flatten(1)
    original = torch.tensor(small, dtype=torch.float32) / 8 - 1
    assert torch.corrcoef(torch.stack([shrunk.flatten(), original.flatten()]))[0, 1] > 0.95


@pytest.mark.parametrize(("split", "n", "first"), [("train", 60_000, 5), ("test", 10_000, 7)])
def test_the_real_mnist(split, n, first):
    if not datasets.has_mnist():
        pytest.skip("no whole copy of MNIST on this machine; DIFFUSION_LAB_DATA may name one")
    images, labels = datasets.mnist(split)
    assert (images.shape, labels.shape) == ((n, 1, 28, 28), (n,))
    assert (images.min(), images.max(), labels[0]) == (-1, 1, first)
    assert images.mean().item() == pytest.approx(2 * 0.1307 - 1, abs=0.01)


def test_it_is_there_if_all_four_files_are_and_are_right(monkeypatch, tmp_path):
    monkeypatch.setenv("DIFFUSION_LAB_DATA", str(tmp_path))
    contents = {name: name.encode() for name in datasets.MNIST_FILES}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(datasets, "MNIST_FILES", sums)
    raw = tmp_path / "MNIST" / "raw"
    assert not datasets.has_mnist()
    raw.mkdir(parents=True)
    assert not datasets.has_mnist()
    for name, content in contents.items():
        assert not datasets.has_mnist()
        (raw / name).write_bytes(content)
    assert datasets.has_mnist()
    for name, content in contents.items():
        for wrong in (b"", content[:-1], content + b"\0"):
            (raw / name).write_bytes(wrong)
            assert not datasets.has_mnist()
        (raw / name).write_bytes(content)
    assert datasets.has_mnist()


def test_where_data_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("DIFFUSION_LAB_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert datasets.data_folder() == tmp_path / "own"
    monkeypatch.setenv("DIFFUSION_LAB_DATA", "")
    assert datasets.data_folder() == tmp_path / "cache" / "diffusion_lab"
    monkeypatch.delenv("DIFFUSION_LAB_DATA")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert datasets.data_folder() == tmp_path / "home" / ".cache" / "diffusion_lab"
    monkeypatch.setenv("DIFFUSION_LAB_DATA", "~/data")
    assert datasets.data_folder() == tmp_path / "home" / "data"


MISMATCHED = """
import sys, importlib.abc, importlib.machinery
from diffusion_lab import datasets
# A torchvision whose import asks for operators that its binary half would have registered.
source = "import torch; torch.library.register_fake('torchvision::nms')(lambda *a: None)"
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec): return None
    def exec_module(self, module):
        exec(source, module.__dict__)
        module.loaded_by = "the finder above"
sys.meta_path.insert(0, Finder())
print(datasets.torchvision().loaded_by)
"""


def test_torchvision_brings_its_data_sets_with_it():
    assert datasets.torchvision().datasets.MNIST.mirrors


def test_a_torchvision_of_another_build_can_be_imported():
    done = subprocess.run([sys.executable, "-c", MISMATCHED], capture_output=True, text=True, check=False)
    assert done.stdout == "the finder above\n", done.stderr
