"""Runs the process of a submission (worker.py) behind a wall, with limits, and asks it for answers.

    with Process("closed_forms", Terms(wall="bubblewrap", seed=7)) as process:
        process.run("def double(x): return 2 * x")
        closed_forms.double(Remote(process, "double"), seed=7)     # the check runs here, the answer there

Nothing of the submission runs in this process, so nothing that it replaces or prints can change what a check says.
"""

import builtins
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
import matplotlib
import psutil
from sandbox import ROOT, TOOLS, WALLS, needed
from wire import Broken, read_plain, receive, send, value_of

KEPT = 20_000  # characters of what a cell prints


@dataclass(frozen=True)
class Terms:
    """Under which terms submissions run: a wall, a seed, folders that are closed to them, and what they may take.

    ``seconds`` are for one cell or one check, ``start`` for what comes before, ``in_all`` for the whole submission;
    ``memory`` is in bytes beyond what Python and the package need, ``printed`` in bytes.
    """

    wall: str
    seed: int
    closed: tuple[str, ...] = (str(ROOT), str(Path.home()))
    start: float = 120
    seconds: float = 30
    in_all: float = 300
    memory: int = 2 << 30
    printed: int = 1 << 20


class Ended(BaseException):
    """The process had to be stopped, or stopped itself; the message says why. No check may take it for an answer."""


class Process:
    """A submission's process: what it prints is kept in ``printed``, what it was refused in ``denied``."""

    def __init__(self, module: str, terms: Terms):
        self.terms, self.printed, self.denied, self.why = terms, "", [], None
        self.scratch = tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True)
        folder = os.path.realpath(self.scratch.name)
        for fonts in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
            shutil.copy(fonts, folder)  # to look for them again would take seconds
        opened = [os.path.realpath(one) for one in needed()]
        orders = {"module": module, "closed": terms.closed, "open": opened, "memory": terms.memory}
        threads = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
        places = {"HOME": folder, "IPYTHONDIR": folder, "TMPDIR": folder, "MPLCONFIGDIR": folder}
        self.process = subprocess.Popen(
            [*WALLS[terms.wall][0](folder), sys.executable, "-I", "-u", str(TOOLS / "worker.py"), json.dumps(orders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=kept | threads | places | {"MPLBACKEND": "Agg"},
            start_new_session=True,
        )
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        try:
            self.answer(terms.start, terms.start)
        except Ended as ended:  # nothing of the submission has run yet
            self.scratch.cleanup()
            raise RuntimeError(f"the process for a submission did not start: {ended}. {self.printed}") from ended

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_) -> None:
        self.stop("")
        self.scratch.cleanup()

    def stop(self, why: str) -> None:
        self.why = self.why or why
        if os.name == "posix":
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self.process.kill()
        else:
            self.process.kill()
        self.process.wait()

    def listen(self) -> None:
        """Read what is printed: keep its beginning, and stop who prints without end."""
        count = 0
        while piece := self.process.stderr.read1(1 << 16):
            count += len(piece)
            self.printed = (self.printed + piece.decode(errors="replace"))[:KEPT]
            if count > self.terms.printed:
                self.stop(f"it printed more than {self.terms.printed:,} bytes")

    def watch(self) -> None:
        """Stop who takes more memory than allowed, where the system does not see to it by itself."""
        try:
            process = psutil.Process(self.process.pid)
            while self.process.poll() is None:
                family = [process, *process.children(recursive=True)]
                if sum(one.memory_info().rss for one in family) > self.terms.memory + (1 << 30):
                    self.stop("it took more memory than it may")
                threading.Event().wait(0.2)
        except psutil.Error:
            return

    def begin(self) -> None:
        """From now on the seconds are counted that one cell or one check may take."""
        self.until = time.monotonic() + self.terms.seconds

    def ask(self, order: dict) -> dict:
        """Send an order and return the answer. Ended if none comes in time."""
        try:
            send(self.process.stdin, cloudpickle.dumps(order))
        except OSError as error:
            raise Ended(self.why or "its process ended") from error
        return self.answer(self.until - time.monotonic(), self.terms.seconds)

    def answer(self, left: float, allowed: float) -> dict:
        timer = threading.Timer(max(left, 0), self.stop, [f"it ran for more than {allowed:g} seconds"])
        timer.start()
        try:
            found = read_plain(receive(self.process.stdout))
        except (Broken, OSError) as error:
            self.stop(f"its process ended: {error}")
            raise Ended(self.why) from error
        finally:
            timer.cancel()
        denied = found.get("denied", [])
        self.denied += [str(one) for one in denied] if isinstance(denied, list) else []
        return found

    def run(self, code: str) -> str | None:
        """Run a cell. What it raised, as a sentence, or None."""
        self.begin()
        error = self.ask({"code": code}).get("error")
        return f"{error['type']}: {error['message']}{error['line']}" if error else None

    def defines(self, name: str) -> bool:
        """Whether the cells have made a function of that name."""
        self.begin()
        return self.ask({"defines": name}).get("found") is True


class Remote:
    """A function of a submission, called where the submission runs."""

    def __init__(self, process: Process, name: str):
        self.process, self.name = process, name
        self.called, self.not_to_call = set(), []

    def __call__(self, *args, **kwargs):
        order = {"name": self.name, "not_to_call": self.not_to_call, "args": args, "kwargs": kwargs}
        found = self.process.ask(order)
        try:
            self.called |= set(map(str, found.get("called", [])))
            if error := found.get("error"):
                raise raised(**{key: str(error[key]) for key in ("type", "message", "line")})
            return value_of(found["value"])
        except (KeyError, TypeError, AttributeError) as error:
            if hasattr(error, "__notes__"):
                raise  # it is the answer's own
            raise Broken("an answer that cannot be read") from error


def raised(type: str, message: str, line: str) -> Exception:
    """The error that an answer raised, as it would have come here; with the line as a note, for the check."""
    kind = getattr(builtins, type, None)
    known = isinstance(kind, builtins.type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError)
    error = kind(message) if known else RuntimeError(f"{type}: {message}")
    error.add_note(line)
    return error
