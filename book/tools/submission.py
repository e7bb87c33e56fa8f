"""Reads what a student handed in. Nothing in it is believed: of a submission only the students' own words are taken.

What the grader runs and nbgrader sees is today's release with these words in it, so that edited metadata, missing cells
and notebooks that are none can do no harm; they are reported.
"""

import copy
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

MAX_BYTES = 20 << 20
SETUP = "exercises"  # the grade_id of the cell with which the exercises begin
FIELDS = ("grade", "solution", "locked", "task", "points")


@dataclass
class Submission:
    """One notebook of one student.

    ``steps`` are what the grader does, in order: ``("run", exercise, code)`` and ``("check", exercise, "")``;
    ``refused`` says for which exercises there is nothing to check, and why; ``notes`` concern the whole.
    """

    student: str
    assignment: str
    path: Path
    notebook: NotebookNode
    steps: list[tuple[str, str, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def graded_id(cell: NotebookNode) -> str | None:
    """The name that nbgrader has for a cell, whatever stands in its metadata."""
    about = cell.get("metadata", {}).get("nbgrader")
    found = about.get("grade_id") if isinstance(about, dict) else None
    return found if isinstance(found, str) else None


def exercises_of(release: NotebookNode) -> list[str]:
    """The exercises that a program grades, by the name of the function asked for."""
    ids = [graded_id(cell) or "" for cell in release.cells if cell.cell_type == "code"]
    return [one.removeprefix("check-") for one in ids if one.startswith("check-")]


def read(path: Path) -> NotebookNode:
    """A notebook from anywhere. ValueError says why it is none."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES:,} bytes")
    try:
        nb = nbformat.read(path, as_version=4)
        nbformat.validate(nb)
    except Exception as error:  # nbformat has a dozen ways to say so
        raise ValueError(f"the file is no notebook ({type(error).__name__})") from error
    return nb


def opened(student: str, path: Path, release: NotebookNode) -> Submission:
    """A submission against today's release of its chapter."""
    about = release.metadata["diffusion_lab"]
    found = Submission(student, about["assignment"], path, copy.deepcopy(release))
    # The chapter itself is the same for all, and would make every page of feedback long.
    titles = [cell.source.partition("\n")[0] for cell in release.cells[:1]]
    found.notebook.cells = [new_markdown_cell(f"{titles[0]} · {student}"), *section(found.notebook)]
    names = exercises_of(release)
    try:
        theirs = read(path)
    except ValueError as error:
        found.refused = dict.fromkeys(names, str(error))
        found.notes.append(str(error))
        return found
    made_from = theirs.metadata.get("diffusion_lab", {})
    made_from = made_from.get("release") if isinstance(made_from, dict) else None
    if made_from != about["release"]:
        found.notes.append(f"it was made from release {made_from}; it is graded by release {about['release']}")
    first = {}
    for cell in theirs.cells:
        first.setdefault(graded_id(cell), cell)
    for name in names:
        if why := refusal(name, first, release):
            found.refused[name] = why
    for cell in found.notebook.cells:
        mine = first.get(graded_id(cell)) if cell.metadata.get("nbgrader", {}).get("solution") else None
        if mine is not None and mine.cell_type == cell.cell_type:
            cell.source = mine.source
    found.steps = steps(theirs, first, release)
    return found


def section(nb: NotebookNode) -> list[NotebookNode]:
    """The cells from the heading Exercises on; where it is gone, from the first cell that nbgrader knows."""
    headed = [place for place, cell in enumerate(nb.cells) if re.match(r"## Exercises\b", cell.source)]
    known = [place for place, cell in enumerate(nb.cells) if graded_id(cell)]
    return nb.cells[min(headed or known or [len(nb.cells)]) :]


def refusal(name: str, first: dict[str, NotebookNode], release: NotebookNode) -> str | None:
    """Why the answer to an exercise is not looked at, or None."""
    what = {name: "the cell for the answer", f"check-{name}": "the check cell"}
    for ours in release.cells:
        if (called := what.pop(graded_id(ours), None)) is None:
            continue
        theirs = first.get(graded_id(ours))
        if theirs is None:
            return f"{called} is missing: it was deleted, or it is not in the release that this was made from"
        if theirs.cell_type != ours.cell_type:
            return f"{called} was turned into a {theirs.cell_type} cell"
        for name in FIELDS:
            was, now = ours.metadata.nbgrader.get(name), theirs.metadata.nbgrader.get(name)
            if was != now:
                return f"the metadata of {called} were edited: {name} is {now!r} where the release has {was!r}"
    return None


def steps(theirs: NotebookNode, first: dict[str, NotebookNode], release: NotebookNode) -> list[tuple[str, str, str]]:
    """The code of the section Exercises in the order in which it stands, each exercise's check after its own cells."""
    locked = {graded_id(cell): cell for cell in release.cells if cell.metadata.get("nbgrader", {}).get("locked")}
    cells = [cell for cell in section(theirs) if cell.cell_type == "code"]
    found, waiting = [("run", "", locked[SETUP].source)], []
    for cell in cells:
        name = graded_id(cell) or ""
        if name not in locked or first[name] is not cell:
            waiting.append(cell.source)
        elif name != SETUP:
            name = name.removeprefix("check-")
            found += [("run", name, code) for code in waiting] + [("check", name, "")]
            waiting = []
    return found
