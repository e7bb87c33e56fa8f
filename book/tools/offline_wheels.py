"""The wheels of a classroom without internet: which ones a system needs, bringing them, and whether they are all there.

`uv` works out what `diffusion-lab[notebooks]` needs on a system that need not be this one, in the versions of
requirements.txt. (pip cannot: it reads a condition such as `sys_platform == "win32"` for the machine that it runs on.)
What it finds is a list of files with addresses and checksums, and each is downloaded whole or not at all.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import tomllib
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import certifi
from chapter import ROOT
from tqdm import tqdm

from diffusion_lab.files import whole

# What uv calls the systems. Linux is every one with glibc 2.28 or newer: Debian 10, Ubuntu 20.04, Fedora 29 and later.
SYSTEMS = {"linux": "x86_64-manylinux_2_28", "windows": "x86_64-pc-windows-msvc", "mac": "aarch64-apple-darwin"}
OLDEST_MAC = "14.0"  # of the pinned torch
TRIES = 3
Target = tuple[str, str]  # a system and a version of Python
FAILURES = (OSError, HTTPException)


class Missing(Exception):
    """A wheel cannot be had; the message names it."""


def bring_all(targets: list[Target], folder: Path) -> dict[Target, str]:
    """Fill the folder with the wheels of all targets, and ours: what is missing, by target."""
    folder.mkdir(parents=True, exist_ok=True)
    ours = build_ours(folder)
    missing, wheels = {}, {}
    for system, python in targets:
        try:
            wheels[system, python] = needed(system, python)
        except Missing as error:
            missing[system, python] = str(error)
            continue
        size = sum(wheel["size"] for wheel in wheels[system, python])
        cuda = any(wheel["name"].startswith("nvidia_") for wheel in wheels[system, python])
        print(f"{system}, Python {python}: {len(wheels[system, python])} wheels, {size / 1e6:,.0f} MB")
        if cuda:
            print(
                "  with CUDA: PyTorch's index for the CPU, download.pytorch.org, has no such wheels or was not reached"
            )
    files = {wheel["name"]: wheel for one in wheels.values() for wheel in one}
    to_bring = [wheel for wheel in files.values() if not has(wheel, folder)]
    size, free = sum(wheel["size"] for wheel in to_bring), shutil.disk_usage(folder).free
    if size > free:
        raise SystemExit(
            f"{folder}: {size / 1e6:,.0f} MB are to be downloaded, and {free / 1e6:,.0f} MB are free there."
        )
    failed = {}
    with tqdm(total=size, unit="B", unit_scale=True, desc="downloading", disable=None) as bar:
        for wheel in to_bring:
            bar.set_postfix_str(wheel["name"].split("-")[0], refresh=False)
            try:
                bring(wheel, folder)
            except Missing as error:
                failed[wheel["name"]] = str(error)
            bar.update(wheel["size"])
    for target, one in wheels.items():
        if lost := [failed[wheel["name"]] for wheel in one if wheel["name"] in failed]:
            missing[target] = "\n".join(lost)
    if not missing:  # a list that could not be made may have named any of the others
        for old in set(folder.iterdir()) - {folder / name for name in [*files, ours]}:
            old.unlink()
    return missing


def needed(system: str, python: str) -> list[dict]:
    """The wheels that a system needs: name of the file, `url`, `size` in bytes or 0, `sha256`.

    On Linux those of PyTorch's own index for the CPU, where it can be reached; PyPI's bring CUDA.

    Raises:
        Missing: with what uv says, if a package has no wheel for this system, or the index cannot be reached.
    """
    sources = [ROOT / "pyproject.toml", "--extra", "notebooks", "--constraints", ROOT / "requirements.txt"]
    if system == "linux":
        try:
            return _files(_resolve(system, python, *sources, "--torch-backend", "cpu"))
        except Missing:
            pass  # if that was not for want of the index, the next line fails as well
    return _files(_resolve(system, python, *sources))


def _files(lock: str) -> list[dict]:
    return [
        {
            "name": unquote(urlsplit(wheel["url"]).path.rpartition("/")[2]),
            "url": wheel["url"],
            "size": wheel.get("size", 0),
            "sha256": wheel["hashes"]["sha256"],
        }
        for package in tomllib.loads(lock)["packages"]
        for wheel in package.get("wheels", [])
    ]


def check_complete(system: str, python: str, folder: Path) -> None:
    """Resolves once more from the wheels in the folder and nothing else. Raises `Missing`."""
    with tempfile.TemporaryDirectory() as empty:
        wanted = Path(empty, "wanted.txt")
        wanted.write_text("diffusion-lab[notebooks]\n", "utf-8")
        _resolve(system, python, wanted, "--no-index", "--find-links", folder, "--offline", "--no-cache", "--no-config")


def uv() -> str:
    from uv import find_uv_bin  # of the extra `instructor`; offline.py says so where it is missing

    return find_uv_bin()


def _resolve(system: str, python: str, *what: str | Path) -> str:
    command = [
        uv(),
        "pip",
        "compile",
        *what,
        "--only-binary",
        ":all:",
        "--format",
        "pylock.toml",
        "--quiet",
        "--no-header",
    ]
    command += ["--python-platform", SYSTEMS[system], "--python-version", python]
    command += ["--python", sys.executable]  # only spares a search: no code of a package is run
    environment = os.environ | {"MACOSX_DEPLOYMENT_TARGET": OLDEST_MAC}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise Missing(done.stderr.strip())
    return done.stdout


def bring(wheel: dict, folder: Path) -> bool:
    """Download the wheel, unless it is there with the right checksum: whether there was something to do.

    Raises:
        Missing: if three tries did not bring the file expected.
    """
    if has(wheel, folder):
        return False
    for attempt in range(TRIES):
        try:
            with whole(folder / wheel["name"]) as unfinished:
                with (
                    urlopen(wheel["url"], timeout=60, context=_certificates()) as answer,
                    open(unfinished, "wb") as out,
                ):
                    shutil.copyfileobj(answer, out, 1 << 20)
                if _sha256(unfinished) != wheel["sha256"]:
                    raise OSError("what came has another checksum")
            return True
        except FAILURES as error:
            if attempt == TRIES - 1:
                raise Missing(f"{wheel['name']} from {wheel['url']}: {error or type(error).__name__}") from error


def has(wheel: dict, folder: Path) -> bool:
    file = folder / wheel["name"]
    return file.is_file() and _sha256(file) == wheel["sha256"]


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _certificates() -> ssl.SSLContext:
    """The system's and certifi's: a Python from python.org has none of its own on a Mac."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def build_ours(folder: Path) -> str:
    """Build the package's own wheel, from a copy, so that nothing old gets into it: the name of the file."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work, "source")
        shutil.copytree(ROOT / "diffusion_lab", source / "diffusion_lab", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
            shutil.copy(ROOT / name, source)
        pip = [sys.executable, "-m", "pip", "--isolated", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        if subprocess.run([*pip, "-w", work, source]).returncode:
            raise SystemExit("The package's own wheel could not be built; the lines above say why.")
        [built] = Path(work).glob("diffusion_lab-*.whl")
        with whole(folder / built.name) as unfinished:
            shutil.copyfile(built, unfinished)
        return built.name
