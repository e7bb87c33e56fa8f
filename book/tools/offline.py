"""Write a folder for a stick with which a classroom without internet works: `_build/offline`.

python book/tools/offline.py [--systems linux windows mac] [--pythons 3.12 3.13] [--book FOLDER] [--notebooks FOLDER]

In it are the wheels of the systems, the data, the built book, the notebooks, a script that installs all that, and
START-HERE.txt, which is written last: without it the folder is not finished. Interrupted, the same command goes on.
At the end the folder is tried: installed from where this machine can, resolved without a network for the rest.
The exit code is 1 if something is missing; it is named, and the rest is there.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from importlib.util import find_spec
from pathlib import Path

import offline_wheels
from chapter import ROOT
from execute import write
from offline_wheels import Missing, Target

from diffusion_lab import datasets

STICK = Path(__file__).with_name("stick")
# 3.12 is the Python of Ubuntu 24.04 and of Colab, 3.13 that of Debian 13 and of our own tests on the three systems.
PYTHONS = ["3.12", "3.13"]
SCRIPTS = {"linux": "install.sh", "windows": "install.ps1", "mac": "install.sh"}
MACHINES = {"linux": "Linux x86_64", "windows": "Windows AMD64", "mac": "Darwin arm64"}
NAMES = {
    "linux": "Linux (x86-64, glibc 2.28 or newer)",
    "windows": "Windows (x86-64)",
    "mac": f"Mac (Apple silicon, macOS {offline_wheels.OLDEST_MAC.removesuffix('.0')} or newer)",
}
NO_MNIST = "There is no MNIST here. The chapters that ask for it say so and use the small digits of scikit-learn."


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=offline_wheels.SYSTEMS, default=list(offline_wheels.SYSTEMS))
    parser.add_argument("--pythons", nargs="+", type=_version, default=PYTHONS)
    parser.add_argument("--book", type=Path, default=ROOT / "_build/html")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    parser.add_argument("--out", type=Path, default=ROOT / "_build/offline")
    asked = parser.parse_args()
    if not (asked.book / "index.html").is_file():
        parser.error(f"--book: expected the folder of a built book, with index.html, got {asked.book}; run make book")
    if not any(asked.notebooks.rglob("*.ipynb")):
        parser.error(f"--notebooks: expected a folder with notebooks in it, got {asked.notebooks}")
    if find_spec("uv") is None:
        parser.error("uv, which finds the wheels of other systems, is missing: pip install '.[instructor]'")
    return asked


def _version(text: str) -> str:
    if not re.fullmatch(r"3\.\d+", text):
        raise argparse.ArgumentTypeError(f"expected a version of Python such as 3.13, got {text!r}")
    return text


def bring_data(folder: Path) -> bool:
    """Copy MNIST, or download it: whether it is there in the end, with the right checksums."""
    if datasets.has_mnist():
        mirror(datasets.data_folder() / "MNIST" / "raw", folder / "MNIST" / "raw", "*.gz")
    os.environ["DIFFUSION_LAB_DATA"] = str(folder)
    try:
        datasets.mnist("test")  # compares all four files, and fetches those that are missing
    except datasets.DataNotFoundError as error:
        print(f"{error}\n{NO_MNIST}")
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def mirror(source: Path, target: Path, *left_out: str) -> None:
    """Make the target like the source. An interruption leaves the old target, the new one, or none."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part, ignore=shutil.ignore_patterns("__pycache__", ".*", *left_out))
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)


def write_scripts(targets: list[Target], out: Path) -> None:
    for name in set(SCRIPTS.values()):
        (out / name).unlink(missing_ok=True)
    pythons = sorted({python for _, python in targets}, key=lambda python: int(python[2:]), reverse=True)
    for name in {SCRIPTS[system] for system, _ in targets}:
        systems = dict.fromkeys(system for system, _ in targets if SCRIPTS[system] == name)
        text = (STICK / name).read_text("utf-8")
        text = text.replace("@MACHINES@", ", ".join(MACHINES[system] for system in systems))
        text = text.replace("@PYTHON_NAMES@", " ".join(f"python{python}" for python in pythons))
        write(out / name, text.replace("@VERSIONS@", " ".join(pythons)).encode())


def check(target: Target, out: Path) -> str:
    """Install from the folder where this machine can, else resolve: what was done. Raises `Missing`."""
    system, python = target
    interpreter = None
    if f"{platform.system()} {platform.machine()}" == MACHINES[system]:
        find = [offline_wheels.uv(), "python", "find", "--no-python-downloads", "--no-project", "--system", python]
        interpreter = subprocess.run(find, capture_output=True, text=True).stdout.strip()
    if not interpreter:
        offline_wheels.check_complete(system, python, out / "wheels")
        return "resolved without a network"
    with tempfile.TemporaryDirectory() as home:
        shell = ["sh", "install.sh", "--no-open"]
        if system == "windows":
            shell = ["powershell", "-ExecutionPolicy", "Bypass", "-File", "install.ps1", "-NoOpen", "-Folder"]
        folder = Path(home, "diffusion lab")
        environment = os.environ | {"HOME": home, "PYTHON": interpreter}
        _try([*shell, folder], out, environment)
        bin_ = folder / ".venv" / ("Scripts" if system == "windows" else "bin")
        _try([bin_ / "python", "-c", "import diffusion_lab, jupyterlab"], folder, environment)
    return "installed without a network, and imported"


def _try(command: list, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}".strip())


def write_page(checked: dict[Target, str], mnist: bool, out: Path) -> None:
    systems = dict.fromkeys(system for system, _ in checked)
    pythons = sorted({python for _, python in checked})
    commands = {"install.sh": ["sh install.sh", "sh ~/diffusion-lab/start.sh"]}
    power = "powershell -ExecutionPolicy Bypass -File "
    commands["install.ps1"] = [f"{power}install.ps1", f"{power}$HOME\\diffusion-lab\\start.ps1"]
    lines = [[], []]
    for name in dict.fromkeys(SCRIPTS[system] for system in systems):
        where = " and ".join(NAMES[system].partition(" (")[0] for system in systems if SCRIPTS[system] == name)
        for which in (0, 1):
            lines[which] += ["", f"   on {where}:", "", f"       {commands[name][which]}"]
    values = {
        "SIZE": f"{folder_size(out) / 1e9:.1f} GB",
        "ROOM": "6 GB" if any((out / "wheels").glob("nvidia_*")) else "2 GB",  # for CUDA
        "OR_VERSIONS": " or ".join(pythons),
        "COMMANDS": "\n".join([*lines[0], ""]),
        "STARTS": "\n".join([*lines[1], ""]),
        "DATA": "" if mnist else f"\n{textwrap.fill(NO_MNIST, 80)}\n",
        "CHECKED": "\n".join(
            f"{' ' * 17}{NAMES[s]},\n{' ' * 19}Python {p}: {what}" for (s, p), what in checked.items()
        ),
    }
    text = (STICK / "START-HERE.txt").read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    write(out / "START-HERE.txt", text.encode())


def folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> int:
    asked = read_arguments()
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    (out / "START-HERE.txt").unlink(missing_ok=True)
    targets = [(system, python) for system in dict.fromkeys(asked.systems) for python in dict.fromkeys(asked.pythons)]
    missing = offline_wheels.bring_all(targets, out / "wheels")
    mnist = bring_data(out / "data")
    mirror(asked.book, out / "book")
    mirror(asked.notebooks, out / "notebooks", "ruff.toml")
    for name in ("LICENSE", "LICENSE-text"):
        write(out / name, (ROOT / name).read_bytes())
    whole = [target for target in targets if target not in missing]
    write_scripts(whole, out)
    checked = {}
    for target in whole:
        try:
            checked[target] = check(target, out)
            print(f"{target[0]}, Python {target[1]}: {checked[target]}")
        except Missing as error:
            missing[target] = str(error)
    for (system, python), what in missing.items():
        print(f"\n{system}, Python {python} is not complete:\n{textwrap.indent(what, '  ')}")
    write_scripts(list(checked), out)
    if checked:
        write_page(checked, mnist, out)
    parts = [f"{name} {folder_size(out / name) / 1e6:,.0f} MB" for name in ("wheels", "data", "book", "notebooks")]
    print(f"{out}: {folder_size(out) / 1e9:.2f} GB ({', '.join(parts)})")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
