"""What students get of a chapter: its notebook without solutions, rubrics and whatever else stays at home.

python book/tools/release.py [--course FOLDER] 06-closed-forms ...      (all chapters if none is named)

The folder, `course` if none is given, is a course of nbgrader: `source` has our chapter, `release` what to hand out,
`gradebook.db` what may be earned. A release says in its metadata which chapter it is and which state of it.
"""

import argparse
import copy
import hashlib
import logging
import os
import sysconfig
from pathlib import Path

import nbformat
from chapter import ROOT, tagged
from chapters import named
from execute import write
from nbformat import NotebookNode
from nbgrader.apps import NbGraderAPI
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions
from traitlets.config import Config

COURSE = ROOT / "course"
STAYS = "solution"  # the tag of cells that are no part of a release


def config(course: Path) -> Config:
    """nbgrader's settings for the course in that folder."""
    scripts = sysconfig.get_path("scripts")
    if scripts not in os.environ["PATH"].split(os.pathsep):  # nbgrader calls `alembic` by its name
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ["PATH"]])
    settings = Config()
    settings.CourseDirectory.root = str(course)
    settings.CourseDirectory.course_id = "diffusion-lab"
    settings.CourseDirectory.db_url = f"sqlite:///{(course / 'gradebook.db').as_posix()}"
    settings.Application.log_level = settings.NbGraderAPI.log_level = logging.INFO
    return settings


SETTINGS = """\
# The settings of nbgrader for this course, for `nbgrader` and for its form in JupyterLab, started in this folder.
from pathlib import Path

c = get_config()
c.CourseDirectory.root = str(Path(__file__).parent)
c.CourseDirectory.course_id = "diffusion-lab"
"""


def handed_out(nb: NotebookNode) -> NotebookNode:
    """A copy without the cells that stay at home, in which what is left of a solution is not folded away."""
    nb = copy.deepcopy(nb)
    nb.cells = [cell for cell in nb.cells if not tagged(cell, STAYS)]
    for cell in nb.cells:
        if is_solution(cell):
            cell.metadata = nbformat.from_dict({"nbgrader": cell.metadata.nbgrader})
    return nb


def without_solutions(nb: NotebookNode) -> NotebookNode:
    """A chapter as the student's edition of the book shows it: with its outputs, but for those of the exercises."""
    nb = handed_out(nb)
    nb.cells = [cell for cell in nb.cells if cell.cell_type == "code" or not is_solution(cell)]
    for clear in (ClearSolutions(), ClearHiddenTests(), ClearMarkScheme()):
        nb, _ = clear.preprocess(nb, {})
    for cell in nb.cells:
        if cell.cell_type == "code" and "nbgrader" in cell.metadata:
            cell.outputs = []
    return nb


def is_solution(cell: NotebookNode) -> bool:
    """Whether it is an answer: of code, or in words with its rubric."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def release(path: Path, course: Path) -> Path:
    """Write the student's notebook of a chapter; its path."""
    name = path.stem
    nb = handed_out(nbformat.read(path, as_version=4))
    state = hashlib.sha256("\0".join(cell.source for cell in nb.cells).encode()).hexdigest()[:12]
    nb.metadata["diffusion_lab"] = {"assignment": name, "release": state}
    folder = course / "source" / name
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / path.name, nbformat.writes(nb).encode())
    write(course / "nbgrader_config.py", SETTINGS.encode())
    done = NbGraderAPI(config=config(course)).generate_assignment(name, force=True, create=True)
    made = course / "release" / name / path.name
    if not done["success"] or not made.exists():
        raise SystemExit(f"{name}: nbgrader made no release.\n{done.get('log', '')}{done.get('error', '')}")
    return made


def inside(path: Path) -> Path:
    """A path as it is best read: from the project's folder, if it is below it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="a chapter's file or number")
    parser.add_argument("--course", type=Path, default=COURSE, help="the course's folder (default: course)")
    given = parser.parse_args()
    for path in [named(name) for name in given.chapters] or sorted(ROOT.glob("notebooks/*.ipynb")):
        print(inside(release(path, given.course.resolve())))


if __name__ == "__main__":
    main()
