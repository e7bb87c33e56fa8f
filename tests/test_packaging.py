"""The wheel holds the package and no more, and what is installed from it works without the project beside it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project's wheel, built from a copy so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ["pyproject.toml", "README.md", "LICENSE", "LICENSE-text"]:
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "diffusion_lab", source / "diffusion_lab", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source, cwd=folder)
    [path] = folder.glob("diffusion_lab-*.whl")
    return path


def test_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    files = {path for path in ROOT.glob("diffusion_lab/**/*") if path.is_file() and path.parent.name != "__pycache__"}
    files = {path.relative_to(ROOT).as_posix() for path in files}
    weights = {name for name in files if Path(name).parent.name == "weights"}
    inside = set(zipfile.ZipFile(wheel).namelist())
    described = {name for name in inside if name.split("/")[0].endswith(".dist-info")}
    assert inside - described == files
    assert {Path(name).suffix for name in files - weights} <= {".py", ".js", ".css", ".mplstyle", ".csv"}
    assert {"judge", "mnist", "mnist-conditional"} <= {Path(name).stem for name in weights}
    assert sum((ROOT / name).stat().st_size for name in weights) < 5_000_000
    assert {"LICENSE", "LICENSE-text"} <= {Path(name).name for name in described}


def test_wheel_asks_for_ranges_without_upper_pins(wheel):
    archive = zipfile.ZipFile(wheel)
    [metadata] = [name for name in archive.namelist() if name.endswith("METADATA")]
    lines = archive.read(metadata).decode().splitlines()
    asked = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert any("torch>=2.6" in line for line in asked)
    assert [line for line in asked if "<" in line or "==" in line] == []


def test_wheel_brings_the_command(wheel):
    archive = zipfile.ZipFile(wheel)
    [commands] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "diffusion-lab = diffusion_lab.cli:main" in archive.read(commands).decode().splitlines()


def test_installed_wheel_imports_away_from_the_project(wheel, tmp_path):
    target = tmp_path / "site"
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", target, wheel, cwd=tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import diffusion_lab as lab; "
        "lab.load_pretrained('mnist'), lab.load_pretrained('mnist-conditional'), lab.load_judge(); "
        "lab.figures.use_style(); "
        "print(lab.__file__); print(tuple(lab.NoiseSchedule.cosine(T=10).alpha_bar.shape))"
    )
    printed = run(sys.executable, "-c", code, target, cwd=tmp_path)
    assert printed.splitlines() == [str(target / "diffusion_lab" / "__init__.py"), "(11,)"]
