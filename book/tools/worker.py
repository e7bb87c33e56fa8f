"""Runs the code of one submission, in a process of its own that the grader can do without.

python -I worker.py '{"module": "closed_forms", "closed": ["/home/me"], "open": ["/usr"], "memory": 2147483648}'

It is started by warden.py, takes orders on its standard input and answers on what was its standard output: run a cell,
call a function. What the submission prints goes to standard error. Before the first cell it shuts what it can from
within: an audit hook, which Python code cannot take away again, refuses files that are not the submission's business,
the network and other programs, and says so. What a hook cannot hold is held from without, where the system can:
see sandbox.py.
"""

import importlib
import json
import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from wire import Broken, plain, receive, send, write_plain

from diffusion_lab.exercises.asking import Watched, place

sys.path.pop(0)  # the grader's own folder is no place for a submission to import from

try:
    import resource
except ImportError:  # Windows
    resource = None

NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostby", "socket.sendto", "socket.sendmsg")
PROGRAMS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "pty.spawn",
    "os.startfile",
)
READS = ("os.listdir", "os.scandir", "os.chdir", "glob.glob")
WRITES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "shutil.",
)


# ---- what is refused ----------------------------------------------------------------------------------------------


def shut(closed: list[Path], opened: list[Path], scratch: Path, denied: list[str]) -> None:
    """From now on, refuse what a submission has no business with, and note it in ``denied``."""

    def within(path: Path, folders: list[Path]) -> bool:
        return any(path.is_relative_to(folder) for folder in folders)

    def refuse(what: str) -> None:
        denied.append(what)
        raise PermissionError(f"{what}, which is not allowed while it is graded")

    def look(path: object, writes: bool) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a file that is open already
        real = Path(os.path.realpath(os.fsdecode(path)))
        if writes and not within(real, [scratch, Path(os.devnull)]):
            refuse(f"it writes to a file outside its own folder, {real.name}")
        if within(real, closed) and not within(real, [*opened, scratch]):
            refuse(f"it reads a file that is not its own, {real.name}")

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            look(
                path, bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if mode is None else set(mode) & set("wax+")
            )
        elif event.startswith(NETWORK):
            refuse("it reaches for the network")
        elif event.startswith(PROGRAMS):
            refuse("it starts another program")
        elif event == "os.kill":
            refuse("it sends a signal to a process")
        elif event.startswith(READS):
            look(arguments[0], writes=False)
        elif event.startswith(WRITES):
            look(arguments[0], writes=True)

    sys.addaudithook(hook)


def limit(memory: int) -> None:
    """At most ``memory`` bytes more than now, small files, no core. Where the system has no such limits, none."""
    if resource is None:
        return
    with suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    for kind, most in ((resource.RLIMIT_FSIZE, 64 << 20), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def parts_of_package() -> dict[str, int]:
    """Every name of the package's modules and classes, and the identity of what it stands for."""
    found = {}
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "diffusion_lab" and module]:
        for name, value in vars(module).items():
            found[f"{module.__name__}.{name}"] = id(value)
            if isinstance(value, type) and value.__module__ == module.__name__:
                found |= {f"{module.__name__}.{name}.{one}": id(what) for one, what in vars(value).items()}
    return found


# ---- orders -------------------------------------------------------------------------------------------------------


def told(error: BaseException) -> dict:
    return {"type": type(error).__name__, "message": str(error)[:500], "line": place(error)}


def run(shell: InteractiveShell, code: str) -> dict:
    result = shell.run_cell(code, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    return {"error": told(error) if error else None}


def call(shell: InteractiveShell, name: str, not_to_call: list[str], args: tuple, kwargs: dict) -> dict:
    answer = Watched(shell.user_ns[name])
    answer.not_to_call = not_to_call
    sys.setprofile(None)  # the one of a submission would keep ours out
    try:
        return {"value": plain(answer(*args, **kwargs)), "called": sorted(answer.called)}
    except BaseException as error:  # SystemExit, too: it is the submission's, and nothing of ours
        return {"error": told(error), "called": sorted(answer.called)}


def main() -> None:
    orders = json.loads(sys.argv[1])
    source, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # nobody is there to answer a question
    os.dup2(2, 1)
    torch.set_num_threads(1)
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    shell.enable_gui = lambda *_: None  # `%matplotlib inline` is a habit, and no harm
    importlib.import_module(f"diffusion_lab.exercises.{orders['module']}")
    whole, denied = parts_of_package(), []
    shut([Path(one) for one in orders["closed"]], [Path(one) for one in orders["open"]], Path.cwd().resolve(), denied)
    limit(orders["memory"])
    send(answers, write_plain({"ready": True}))
    while True:
        try:
            order = pickle.loads(receive(source))
        except Broken:
            return
        if "defines" in order:
            done = {"found": callable(shell.user_ns.get(order["defines"]))}
        else:
            done = run(shell, order["code"]) if "code" in order else call(shell, **order)
        now = parts_of_package()
        replaced = [name for name in whole if now.get(name) != whole[name]]
        denied += [f"it replaces {name} in the package" for name in replaced]
        whole |= {name: now.get(name) for name in replaced}  # said once, and not of the next exercise
        done["denied"] = list(dict.fromkeys(denied))
        denied.clear()
        sys.stdout.flush()
        send(answers, write_plain(done))


if __name__ == "__main__":
    main()
