"""How long it takes to grade a class: two hundred submissions of a chapter, and what a grading costs that was killed.

    python benchmarks/grading.py               some ten minutes on two cores
    python benchmarks/grading.py --n 20

Of the submissions every fourth is right, half right, empty, or stops the process that runs it. Writes ``grading.md``.
"""

import argparse
import copy
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "book/tools")]
from answers import closed_forms, standalone  # noqa: E402
from release import release  # noqa: E402
from sandbox import strongest  # noqa: E402
from submission import graded_id  # noqa: E402

CHAPTER = "06-closed-forms"


def hand_in(released: nbformat.NotebookNode, folder: Path, n: int) -> None:
    right = {
        "condition": standalone("condition", closed_forms.by_inverse),
        "posterior_between": standalone("posterior_between", closed_forms.by_precisions),
    }
    half = right | {"posterior_between": standalone("posterior_between", closed_forms.beta_for_beta_tilde)}
    stops = right | {"condition": "import os\nos._exit(0)"}
    for number in range(n):
        nb = copy.deepcopy(released)
        for cell in nb.cells:
            cell.source = (right, half, {}, stops)[number % 4].get(graded_id(cell), cell.source)
        path = folder / f"student-{number:03}" / f"{CHAPTER}.ipynb"
        path.parent.mkdir()
        nbformat.write(nb, path)


def timed(command: list[str], seconds: float | None = None) -> float:
    """Seconds that a command took; it is killed after ``seconds``."""
    start = time.perf_counter()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **silent, start_new_session=True) as run:
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200)
    n = parser.parse_args().n
    with tempfile.TemporaryDirectory() as name:
        course, folder = Path(name) / "course", Path(name) / "handed-in"
        folder.mkdir()
        hand_in(nbformat.read(release(ROOT / f"notebooks/{CHAPTER}.ipynb", course), as_version=4), folder, n)
        command = [sys.executable, str(ROOT / "book/tools/grade.py"), str(folder), "--course", str(course)]
        kept = course / "results" / CHAPTER
        killed = timed(command, seconds=60)
        done = len(list(kept.glob("*.json")))
        rest = timed(command)
        marks = len((course / f"{CHAPTER}.csv").read_text("utf-8-sig").splitlines()) - 1
        again = timed(command)
    print(
        f"{done} in {killed:.0f} s, then killed; the rest in {rest / 60:.1f} min; {marks} marked; again {again:.0f} s"
    )
    text = f"""# Grading a class

By `python benchmarks/grading.py`. {machine.describe()}. Around each submission: {strongest()}.

| {n} submissions of chapter 6 | |
|---|---:|
| killed after | {killed:.0f} s |
| of them graded by then | {done} |
| the same command again, to the end: all graded, marks and feedback | {rest / 60:.1f} min |
| students in the table | {marks} |
| once more, with nothing changed (feedback is written anew) | {again / 60:.1f} min |

A quarter of them are right, a quarter half right, a quarter empty, and a quarter stop the process that runs them.
"""
    Path(__file__).with_suffix(".md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
