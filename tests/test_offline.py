"""The folder for a classroom without internet, made from stand-in wheels: which ones a system gets, what is refused,
going on after an interruption, and an installation from it."""

import contextlib
import functools
import hashlib
import io
import re
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import offline
import offline_wheels
import pytest
from offline_wheels import Missing

from diffusion_lab import datasets

PYTHON = f"3.{sys.version_info.minor}"
HERE = {"linux": "linux", "win32": "windows", "darwin": "mac"}[sys.platform]


def stand_in(folder, name, version="1.0", tag="py3-none-any", needs=(), says=""):
    """A wheel with one module, which `says` something."""
    file, info = folder / f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
    asked = "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{name}.py", says)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{asked}")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return file


@pytest.fixture
def index(tmp_path, tmp_path_factory, monkeypatch):
    """What can be downloaded, and a small project that needs some of it."""
    index = tmp_path / "index"
    index.mkdir()
    for version in ("1.0", "2.0"):
        stand_in(index, "numbers_and_more", version, needs=["only_windows; sys_platform == 'win32'"])
    stand_in(index, "jupyterlab", needs=["only_mac; sys_platform == 'darwin'"])
    stand_in(index, "only_windows", tag="py3-none-win_amd64")
    stand_in(index, "only_mac", tag="py3-none-macosx_14_0_arm64")
    root = tmp_path / "project"
    (root / "diffusion_lab").mkdir(parents=True)
    (root / "diffusion_lab/__init__.py").write_text("import numbers_and_more\n")
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "diffusion-lab"\nversion = "0.1.0"\ndependencies = ["numbers-and-more"]\n'
        '[project.optional-dependencies]\nnotebooks = ["jupyterlab"]\n'
        '[tool.setuptools]\npackages = ["diffusion_lab"]\n'
    )
    (root / "requirements.txt").write_text("numbers-and-more==1.0\nunused==7\n")
    for name in ("README.md", "LICENSE", "LICENSE-text"):
        (root / name).write_text(name)
    (root / "_build/html").mkdir(parents=True)
    (root / "_build/html/index.html").write_text("the book")
    (root / "notebooks").mkdir()
    (root / "notebooks/one.ipynb").write_text("new")
    (root / "notebooks/two.ipynb").write_text("new")
    for module in (offline, offline_wheels):
        monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(offline.datasets, "has_mnist", lambda: False)
    monkeypatch.setattr(offline.datasets, "mnist", no_data)
    monkeypatch.setenv("DIFFUSION_LAB_DATA", "")  # restored after the test: the tool sets it
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv"))
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    return index


def no_data(split):
    raise datasets.DataNotFoundError("no MNIST here")


@pytest.fixture
def make(index, monkeypatch, capsys):
    """Runs the tool: the exit code and what it printed."""

    def make(*arguments):
        monkeypatch.setattr(sys, "argv", ["offline.py", "--pythons", PYTHON, *map(str, arguments)])
        return offline.main(), capsys.readouterr().out

    make.out = offline.ROOT / "_build/offline"
    return make


def names(wheels):
    return {wheel["name"].partition("-")[0] for wheel in wheels}


def there(folder):
    return {file.name.partition("-")[0] for file in folder.iterdir()}


def test_each_system_gets_what_it_asks_for_in_the_pinned_versions(index):
    both = {"numbers_and_more", "jupyterlab"}
    assert names(offline_wheels.needed("linux", "3.12")) == both
    assert names(offline_wheels.needed("windows", "3.12")) == both | {"only_windows"}
    wheels = offline_wheels.needed("mac", "3.12")
    assert names(wheels) == both | {"only_mac"}
    assert "numbers_and_more-1.0-py3-none-any.whl" in {wheel["name"] for wheel in wheels}


def test_package_without_a_wheel_for_the_system_is_named(index):
    (index / "only_mac-1.0-py3-none-macosx_14_0_arm64.whl").unlink()
    stand_in(index, "only_mac", tag="py3-none-macosx_10_9_x86_64")
    with pytest.raises(Missing, match="only-mac"):
        offline_wheels.needed("mac", "3.12")


@pytest.fixture
def wheel(index):
    file = stand_in(index, "some")
    return {
        "name": file.name,
        "url": file.as_uri(),
        "size": file.stat().st_size,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }


def test_half_a_wheel_is_brought_again_and_a_whole_one_is_not(wheel, tmp_path, monkeypatch):
    (tmp_path / wheel["name"]).write_bytes(b"half of it")
    assert not offline_wheels.has(wheel, tmp_path)
    offline_wheels.bring(wheel, tmp_path)
    assert offline_wheels.has(wheel, tmp_path)


def test_wheel_with_another_checksum_is_never_there(wheel, tmp_path):
    folder = tmp_path / "wheels"
    folder.mkdir()
    with pytest.raises(Missing, match=r"some-1\.0-py3-none-any\.whl.*checksum"):
        offline_wheels.bring(wheel | {"sha256": "0" * 64}, folder)
    assert not list(folder.iterdir())


def test_download_that_fails_is_tried_again(wheel, tmp_path, monkeypatch):
    answers = [TimeoutError("slow"), ConnectionError("gone"), offline_wheels.urlopen]

    def urlopen(*args, **kwargs):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(*args, **kwargs)

    monkeypatch.setattr(offline_wheels, "urlopen", urlopen)
    offline_wheels.bring(wheel, tmp_path)
    assert offline_wheels.has(wheel, tmp_path)


def test_folder_that_lacks_a_wheel_is_not_complete(index, monkeypatch):
    stand_in(index, "diffusion_lab", "0.1.0", needs=["numbers-and-more", "jupyterlab; extra == 'notebooks'"])
    monkeypatch.delenv("UV_FIND_LINKS")
    offline_wheels.check_complete("windows", "3.12", index)
    (index / "only_windows-1.0-py3-none-win_amd64.whl").unlink()
    with pytest.raises(Missing, match="only-windows"):
        offline_wheels.check_complete("windows", "3.12", index)


def test_folder_installs_here_and_keeps_what_the_learner_has(make, tmp_path, monkeypatch):
    """All three systems; for this one with the script, a venv and no index, into a folder with a space in its name."""
    folder = tmp_path / "home/diffusion lab"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks/one.ipynb").write_text("mine")
    home = SimpleNamespace(TemporaryDirectory=lambda: contextlib.nullcontext(str(tmp_path / "home")))
    monkeypatch.setattr(offline, "tempfile", home)
    monkeypatch.setenv("PYTHONPATH", "somewhere else")
    monkeypatch.setenv("PIP_REQUIRE_HASHES", "1")  # a learner's pip may be set up in any way
    code, printed = make()
    assert code == 0, printed
    assert f"{HERE}, Python {PYTHON}: installed without a network, and imported" in printed
    assert printed.count("resolved without a network") == 2
    assert "scikit-learn" in printed and str(make.out) in printed
    assert there(make.out / "wheels") == {"numbers_and_more", "jupyterlab", "only_windows", "only_mac", "diffusion_lab"}

    kept = {file.name: file.read_text() for file in (folder / "notebooks").iterdir()}
    assert kept == {"one.ipynb": "mine", "two.ipynb": "new"}
    assert (folder / "book/index.html").read_text() == "the book"
    page = (make.out / "START-HERE.txt").read_text("utf-8")
    assert "sh install.sh" in page and "-File install.ps1" in page and "no MNIST" in page
    assert max(map(len, page.splitlines())) <= 80
    assert {"LICENSE", "LICENSE-text", "install.sh", "install.ps1", "book"} <= {
        file.name for file in make.out.iterdir()
    }


@pytest.fixture
def resolved(monkeypatch):
    """No installation, and our wheel comes ready made: every system is only resolved."""
    needs = ["numbers-and-more", "jupyterlab; extra == 'notebooks'"]
    ours = functools.partial(stand_in, name="diffusion_lab", needs=needs)
    monkeypatch.setattr(offline_wheels, "build_ours", lambda folder: ours(folder).name)
    monkeypatch.setattr(offline, "MACHINES", offline.MACHINES | {HERE: "elsewhere"})


def test_scripts_are_filled_in_and_use_the_wheels_alone(tmp_path):
    checked = {(system, python): "tried" for system in offline.SCRIPTS for python in ("3.12", "3.13")}
    offline.write_scripts(list(checked), tmp_path)
    offline.write_page(checked, True, tmp_path)
    for name in ("install.sh", "install.ps1", "START-HERE.txt"):
        # Windows PowerShell takes letters beyond ASCII for others.
        text = (tmp_path / name).read_bytes().decode("ascii")
        assert not re.findall(r"@[A-Z_]+@", text), name
        assert "3.13" in text and "3.12" in text
    for name in ("install.sh", "install.ps1"):
        text = (tmp_path / name).read_text()
        assert text.count("-m pip --isolated") == 1 and text.count("install --no-index --find-links") == 1
    if shutil.which("sh"):
        subprocess.run(["sh", "-n", tmp_path / "install.sh"], check=True)


def test_interrupted_it_goes_on_with_what_is_missing(make, resolved, monkeypatch):
    brought, open_it = [], offline_wheels.urlopen

    def urlopen(url, **kwargs):
        brought.append(url)
        if len(brought) == 2:
            return Interrupted(b"half of it")
        return open_it(url, **kwargs)

    class Interrupted(io.BytesIO):
        def read(self, size):
            if content := super().read(size):
                return content
            raise KeyboardInterrupt

    monkeypatch.setattr(offline_wheels, "urlopen", urlopen)
    with pytest.raises(KeyboardInterrupt):
        make("--systems", "windows")
    assert not (make.out / "START-HERE.txt").exists()
    assert len(there(make.out / "wheels")) == 2  # ours and the first
    assert make("--systems", "windows")[0] == 0
    assert len(brought) == 4 and len(set(brought)) == 3
    assert (make.out / "START-HERE.txt").exists()


def test_unfinished_folder_has_no_page_and_a_finished_one_nothing_old(make, resolved, monkeypatch):
    assert make("--systems", "mac", "windows")[0] == 0
    (make.out / "wheels/old-1.0-py3-none-any.whl").write_bytes(b"old")
    (make.out / "book/old.html").write_text("old")
    assert make("--systems", "windows")[0] == 0
    assert not {"old", "only_mac"} & there(make.out / "wheels")
    assert [file.name for file in (make.out / "book").iterdir()] == ["index.html"]
    assert not (make.out / "install.sh").exists()

    monkeypatch.setattr(offline, "mirror", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make("--systems", "windows")
    assert not (make.out / "START-HERE.txt").exists()


def test_wheel_missing_for_one_system_is_named_and_the_others_go_on(make, resolved, monkeypatch):
    open_it = offline_wheels.urlopen

    def urlopen(url, **kwargs):
        if "only_mac" in url:
            raise OSError("404")
        return open_it(url, **kwargs)

    monkeypatch.setattr(offline_wheels, "urlopen", urlopen)
    code, printed = make()
    assert code == 1
    assert f"mac, Python {PYTHON} is not complete:\n  only_mac-1.0" in printed
    assert f"windows, Python {PYTHON}: resolved without a network" in printed
    page = (make.out / "START-HERE.txt").read_text()
    assert "Windows" in page and "Linux" in page and "Apple" not in page
    assert "Darwin" not in (make.out / "install.sh").read_text()


def test_folder_in_which_a_wheel_is_broken_is_not_called_complete(make, resolved, monkeypatch):
    monkeypatch.setattr(
        offline_wheels, "build_ours", lambda folder: stand_in(folder, "diffusion_lab", needs=["lost"]).name
    )
    code, printed = make("--systems", "windows")
    assert code == 1 and "lost" in printed
    assert not (make.out / "START-HERE.txt").exists() and not (make.out / "install.ps1").exists()


def test_data_are_copied_from_where_they_are(make, resolved, tmp_path, monkeypatch):
    raw = tmp_path / "data/MNIST/raw"
    raw.mkdir(parents=True)
    for name in datasets.MNIST_FILES:
        (raw / name).write_text(name)
    monkeypatch.setenv("DIFFUSION_LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(offline.datasets, "has_mnist", lambda: True)
    monkeypatch.setattr(offline.datasets, "mnist", lambda split: None)
    assert make("--systems", "windows")[0] == 0
    assert {file.name for file in (make.out / "data/MNIST/raw").iterdir()} == set(datasets.MNIST_FILES)
    assert "no MNIST" not in (make.out / "START-HERE.txt").read_text()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--book", "nowhere"], "--book: expected the folder of a built book, with index.html, got nowhere"),
        (["--notebooks", "diffusion_lab"], "--notebooks: expected a folder with notebooks in it, got diffusion_lab"),
        (["--pythons", "py312"], "expected a version of Python such as 3.13, got 'py312'"),
        (["--systems", "beos"], "invalid choice: 'beos'"),
    ],
)
def test_bad_arguments_are_named(make, arguments, said, monkeypatch, capsys):
    monkeypatch.chdir(offline.ROOT)
    with pytest.raises(SystemExit) as stopped:
        make(*arguments)
    assert stopped.value.code == 2 and said in " ".join(capsys.readouterr().err.split())
    assert not make.out.exists()


def test_disk_without_room_is_said_before_the_download(make, resolved, monkeypatch):
    needed = offline_wheels.needed
    monkeypatch.setattr(offline_wheels, "needed", lambda *target: [w | {"size": 10**18} for w in needed(*target)])
    with pytest.raises(SystemExit, match="are free there"):
        make("--systems", "windows")
