"""What this system can put around the process that runs a submission: the strongest wall that works here.

python book/tools/sandbox.py        says which

- Bubblewrap (Linux, `apt install bubblewrap`): the process sees Python, the package and an empty folder, and nothing
  else of the disk; it has no network and cannot see other processes.
- `unshare` (most Linux): no network.
- otherwise nothing: time and memory are limited and Python itself refuses files, network and programs (worker.py),
  which keeps out what students try and not what an expert can do.
"""

import functools
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from chapter import ROOT

TOOLS = Path(__file__).resolve().parent
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/ssl", "/etc/fonts")


def needed() -> list[Path]:
    """The folders and files that a submission's process has to read."""
    python = [sys.prefix, sys.base_prefix, sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"]]
    ours = [ROOT / "diffusion_lab", TOOLS / "worker.py", TOOLS / "wire.py"]
    return [Path(one) for one in dict.fromkeys(map(str, [*python, *ours])) if Path(one).exists()]


def bubblewrap(scratch: str) -> tuple[str, ...]:
    seen = [one for one in [*SYSTEM, *map(str, needed())] if Path(one).exists()]
    binds = [word for one in seen for word in ("--ro-bind", one, one)]
    apart = [
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
    ]
    return ("bwrap", *apart, *binds, "--bind", scratch, scratch, "--chdir", scratch, "--")


def unshare(scratch: str) -> tuple[str, ...]:
    return ("unshare", "--user", "--map-root-user", "--net", "--")


def nothing(scratch: str) -> tuple[str, ...]:
    return ()


WALLS = {
    "bubblewrap": (bubblewrap, "the process sees Python, the package and an empty folder; no other file, no network"),
    "unshare": (unshare, "no network; files are refused by Python only. `bubblewrap` would be stronger"),
    "none": (nothing, "files and network are refused by Python only. On Linux, `bubblewrap` would be stronger"),
}


@functools.cache
def strongest() -> str:
    """The name of the strongest wall that works here: tried, not guessed."""
    for name, (wall, _) in WALLS.items():
        command = (*wall(str(TOOLS)), sys.executable, "-c", "")
        if name == "none" or (
            shutil.which(command[0]) and subprocess.run(command, capture_output=True).returncode == 0
        ):
            return name
    raise AssertionError("none always works")


if __name__ == "__main__":
    print(f"{strongest()}: {WALLS[strongest()][1]}")
