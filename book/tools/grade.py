"""Grade a folder of submissions: a table, and a page of feedback for each.

python book/tools/grade.py SUBMISSIONS          (make grade SUBMISSIONS=...)

SUBMISSIONS holds a folder for each student with notebooks in it, `STUDENT/06-closed-forms.ipynb`, at any depth; or
files `STUDENT.ipynb`, which say themselves which chapter they are. The chapters must be released (release.py).

Each submission runs in a process of its own (warden.py). What came of it is kept in `course/results/`, so a grading
that was stopped goes on where it was, and a submission that has not changed is not graded again. nbgrader then keeps
the marks, in `course/gradebook.db`, and writes the feedback.
"""

import argparse
import contextlib
import csv
import hashlib
import importlib
import io
import json
import os
import re
import secrets
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import nbformat
from chapters import module_of
from execute import write
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    LimitOutput,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from release import COURSE, config, inside
from sandbox import ROOT, WALLS, strongest
from sqlalchemy.exc import SAWarning
from submission import Submission, graded_id, opened
from submission import read as read_notebook
from tqdm import tqdm
from traitlets import Unicode
from warden import Ended, Process, Remote, Terms

from diffusion_lab.exercises import NotYet

GRADER = ("grade", "sandbox", "submission", "warden", "wire", "worker")


# ---- one submission -----------------------------------------------------------------------------------------------


def graded(submission: Submission, terms: Terms) -> dict[str, dict]:
    """Run a submission and check its answers: ``{"right": bool, "said": what the student reads}`` by exercise.

    What stops the process costs the exercise in which it happened; the others are graded in a new process.
    """
    module = module_of(submission.assignment)
    found = {name: {"right": False, "said": why} for name, why in submission.refused.items()}
    skipped, started = set(), time.monotonic()
    names = [name for what, name, _ in submission.steps if what == "check"]
    while any(name not in found for name in names):
        if time.monotonic() - started > terms.in_all:
            late = f"the submission took more than {terms.in_all:g} seconds in all"
            return found | {name: {"right": False, "said": late} for name in names if name not in found}
        errors: dict[str, list[str]] = {}
        with Process(module, terms) as process:
            for place, (what, name, code) in enumerate(submission.steps):
                if place in skipped or (what == "check" and name in found):
                    continue
                try:
                    if what == "run":
                        errors.setdefault(name, []).append(process.run(code))
                    elif process.defines(name):
                        found[name] = checked(process, module, name)
                    else:
                        why = "; ".join(filter(None, errors.get(name, []))) or "its cell is empty, or was not run"
                        found[name] = {"right": False, "said": f"there is no function `{name}`: {why}"}
                    if process.denied:
                        found[name] = {"right": False, "said": "; ".join(process.denied)}
                        process.denied.clear()
                except Ended as ended:
                    skipped.add(place)
                    found[name] = {"right": False, "said": str(ended)}
                    break
    return found


def checked(process: Process, module: str, name: str) -> dict:
    """What the exercise's check says of the function in that process."""
    check = getattr(importlib.import_module(f"diffusion_lab.exercises.{module}"), name)
    printed = io.StringIO()
    try:
        process.begin()
        with contextlib.redirect_stdout(printed):
            check(Remote(process, name), process.terms.seed)
    except NotYet as not_yet:
        return {"right": False, "said": str(not_yet)}
    except Exception as error:  # of the check, which did not foresee such an answer
        return {"right": False, "said": f"the check can make nothing of the answer: {type(error).__name__}: {error}"}
    return {"right": True, "said": printed.getvalue()}


# ---- all of them --------------------------------------------------------------------------------------------------


def found_in(folder: Path, course: Path) -> list[tuple[str, str, Path]]:
    """Student, chapter and file of every submission below the folder. SystemExit names what cannot be one."""
    if not folder.is_dir():
        raise SystemExit(f"SUBMISSIONS: expected a folder, got {folder}")
    found, strange = {}, []
    for path in sorted(folder.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        inside = path.relative_to(folder).parts
        student, assignment = (inside[0], path.stem) if len(inside) > 1 else (path.stem, says(path))
        if not released(assignment, course):
            strange.append(f"{path.relative_to(folder)}: no chapter {assignment!r} is released")
        elif not re.fullmatch(r"[\w. @-]+", student):
            strange.append(f"{path.relative_to(folder)}: {student!r} cannot be the name of a folder")
        elif (student, assignment) in found:
            strange.append(f"{path.relative_to(folder)}: there is another submission of {assignment} by {student}")
        else:
            found[student, assignment] = path
    for one in strange:
        print(f"not graded: {one}", file=sys.stderr)
    if not found:
        raise SystemExit(f"SUBMISSIONS: there is no submission of a released chapter in {folder}")
    return [(*key, path) for key, path in found.items()]


def says(path: Path) -> str:
    """The chapter that a notebook says it is."""
    with contextlib.suppress(ValueError, AttributeError, KeyError):
        return str(read_notebook(path).metadata["diffusion_lab"]["assignment"])
    return "unknown"


def released(assignment: str, course: Path) -> Path | None:
    path = course / "release" / assignment / f"{assignment}.ipynb"
    return path if assignment and path.exists() else None


def seed_of(course: Path) -> int:
    """The seed of the course: drawn once, so that all are asked alike, and known to nobody beforehand."""
    path = course / "seed"
    if not path.exists():
        write(path, str(secrets.randbits(40)).encode())
    return int(path.read_text())


def state(path: Path, release: Path, terms: Terms) -> str:
    """What a result depends on: the submission, the release, the package and how it is graded."""
    ours = [Path(__file__).with_name(f"{name}.py") for name in GRADER]
    sources = [path, release, *sorted(ROOT.glob("diffusion_lab/**/*.py")), *ours]
    return hashlib.sha256(b"\0".join([repr(terms).encode(), *(one.read_bytes() for one in sources)])).hexdigest()


def grade_one(student: str, assignment: str, path: Path, terms: Terms, course: Path) -> Path:
    """Grade one submission and keep what came of it; nothing is done if that is there already."""
    kept, release = course / "results" / assignment / f"{student}.json", released(assignment, course)
    now = state(path, release, terms)
    if not kept.exists() or json.loads(kept.read_text("utf-8"))["state"] != now:
        submission = opened(student, path, nbformat.read(release, as_version=4))
        folder = course / "submitted" / student / assignment
        folder.mkdir(parents=True, exist_ok=True)
        found = graded(submission, terms)
        write(folder / f"{assignment}.ipynb", nbformat.writes(submission.notebook).encode())
        kept.parent.mkdir(parents=True, exist_ok=True)
        about = {"state": now, "notes": submission.notes, "exercises": found, "in_gradebook": False}
        write(kept, json.dumps(about, indent=1).encode())
    return kept


# ---- nbgrader -----------------------------------------------------------------------------------------------------


class Recorded(NbGraderPreprocessor):
    """In the place of nbgrader's Execute: what the checks said becomes the output of their cells."""

    results = Unicode(help="The folder of what the checks said.").tag(config=True)

    def preprocess(self, nb, resources):
        about = resources["nbgrader"]
        kept = Path(self.results) / about["assignment"] / f"{about['student']}.json"
        found = json.loads(kept.read_text("utf-8"))["exercises"]
        for cell in nb.cells:
            name = (graded_id(cell) or "").removeprefix("check-")
            if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade"):
                one = found.get(name, {"right": False, "said": "it was not graded"})
                kind = nbformat.v4.new_output
                if one["right"]:
                    cell.outputs = [kind("stream", text=one["said"])]
                else:
                    lines = one["said"].splitlines() or ["no reason was given"]
                    cell.outputs = [kind("error", ename="NotYet", evalue=lines[0], traceback=lines)]
        return nb, resources


def into_gradebook(kept: Path) -> None:
    """Let nbgrader keep the marks of a result, unless it has them, and write its feedback with all marks of the day."""
    about = json.loads(kept.read_text("utf-8"))
    assignment, student = kept.parent.name, kept.stem
    settings = config(kept.parents[2])
    settings.Recorded.results = str(kept.parents[1])
    then = [LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata]
    settings.Autograde.autograde_preprocessors = [Recorded, *then]
    nbgrader = NbGraderAPI(config=settings)
    for do in (
        (nbgrader.generate_feedback,) if about["in_gradebook"] else (nbgrader.autograde, nbgrader.generate_feedback)
    ):
        done = do(assignment, student, force=True)
        if not done["success"]:
            raise RuntimeError(
                f"{student}, {assignment}: nbgrader failed.\n{done.get('log', '')}{done.get('error', '')}"
            )
    if not about["in_gradebook"]:
        write(kept, json.dumps(about | {"in_gradebook": True}, indent=1).encode())


def table(assignment: str, course: Path) -> Path:
    """Write the marks of a chapter: a line for each student, a column for each exercise."""
    rows = []
    with Gradebook(config(course).CourseDirectory.db_url) as gradebook:
        for submission in sorted(gradebook.assignment_submissions(assignment), key=lambda one: one.student.id):
            kept = course / "results" / assignment / f"{submission.student.id}.json"
            about = json.loads(kept.read_text("utf-8")) if kept.exists() else {"notes": [], "exercises": {}}
            [notebook] = submission.notebooks
            row = {"student": submission.student.id, "points": submission.score, "of": submission.max_score}
            row["to mark by hand"] = sum(grade.needs_manual_grade for grade in notebook.grades)
            for grade in notebook.grades:  # what a person has to mark has no number yet
                row[grade.cell.name.removeprefix("check-")] = None if grade.needs_manual_grade else grade.score
            row["notes"] = "; ".join(about["notes"])
            wrong = {name: one["said"] for name, one in about["exercises"].items() if not one["right"]}
            row["why"] = " | ".join(f"{name}: {reason(said)}" for name, said in wrong.items())
            rows.append(row)
    path = course / f"{assignment}.csv"
    written = io.StringIO()
    writer = csv.DictWriter(written, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write(path, written.getvalue().encode("utf-8-sig"))  # so that spreadsheets know that it is UTF-8
    return path


def reason(said: str) -> str:
    """The first thing that is wrong, in a line."""
    lines = said.splitlines()
    return next((line.removeprefix("  wrong  ") for line in lines if line.startswith("  wrong  ")), lines[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--course", type=Path, default=COURSE, help="the course's folder (default: course)")
    given = parser.parse_args()
    warnings.simplefilter("ignore", SAWarning)  # of nbgrader, which grades all the same
    folder, course = given.submissions.resolve(), given.course.resolve()
    todo, wall = found_in(folder, course), strongest()
    terms = Terms(wall, seed_of(course))
    terms = replace(terms, closed=(*terms.closed, str(course), str(folder)))
    print(f"Around each submission: {wall}, {WALLS[wall][1]}.")
    done, failed = [], False
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        running = {pool.submit(grade_one, *one, terms, course): one for one in todo}
        for one in tqdm(as_completed(running), total=len(todo), desc="graded", disable=None):
            try:
                done.append(one.result())
            except Exception as error:  # of ours: the others go on
                student, assignment, _ = running[one]
                print(f"not graded: {assignment} by {student}: {type(error).__name__}: {error}", file=sys.stderr)
                failed = True
    for kept in tqdm(sorted(done), desc="into the gradebook", disable=None):
        into_gradebook(kept)
    for assignment in sorted({kept.parent.name for kept in done}):
        print(inside(table(assignment, course)))
    print(f"{inside(course / 'feedback')}: a page for each")
    sys.exit(failed)


if __name__ == "__main__":
    main()
