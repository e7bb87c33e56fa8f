"""Packages that npm brings when they are needed: downloaded once, kept, and checked each time.

``package_files("reveal.js", "6.0.2", "sha512-…", cache, ["dist/reveal.js"])`` gives the named files of a package as
bytes. The sum is what `npm view PACKAGE@VERSION dist.integrity` says.
"""

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path


class Missing(Exception):
    """Something that is needed is not there; the message says what."""


def package_files(name: str, version: str, integrity: str, cache: Path, wanted: list[str]) -> dict[str, bytes]:
    """The wanted files of a package by their paths in it.

    Raises:
        Missing: without npm, without a connection, or if the package is not the one that we know.
    """
    package = cache / f"{name}-{version}.tgz"
    if not package.exists():
        bring(name, version, package)
    content = package.read_bytes()
    if f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}" != integrity:
        package.unlink()
        raise Missing(f"{name} {version} did not have the contents that the book knows, and was thrown away")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {path: tar.extractfile(f"package/{path}").read() for path in wanted}


def bring(name: str, version: str, package: Path) -> None:
    """Let npm download the package, whole or not at all."""
    npm = shutil.which("npm")
    if npm is None:
        raise Missing(f"npm, which brings {name}, was not there")
    package.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=package.parent, prefix=".") as folder:
        command = [npm, "pack", f"{name}@{version}", "--pack-destination", folder, "--fetch-retries=0"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300)
        except subprocess.TimeoutExpired:
            done = None
        brought = Path(folder, package.name)
        if done is None or done.returncode or not brought.exists():
            raise Missing(f"npm could not bring {name} {version}")
        os.replace(brought, package)
