"""Build the students' edition of the book: the same pages without solutions, rubrics and the instructors' part.

python book/tools/student.py        (make book EDITION=student)

The pages are built from a copy of the project in `_build/student/source`, whose chapters have lost what is not for
students. So nothing of it can be left in a page, in the notebooks that pages link to, or in the index of the search.
"""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import nbformat
from chapter import ROOT
from execute import write
from release import without_solutions

EDITION = ROOT / "_build/student"
COPIED = ("_config.yml", "_toc.yml", "pyproject.toml", "book", "notebooks", "diffusion_lab")
# The pages for instructors stay in the contents, so that links to them lead somewhere.
FOR_INSTRUCTORS = ("book/instructors.md", "book/questions.md")
SAYS = "This is the students' edition of the book. This page is in the full edition.\n"


def prepare(source: Path) -> None:
    """Write a copy of the project for students into the folder."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    left = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=left)
        else:
            shutil.copy(ROOT / name, source / name)
    for path in source.glob("notebooks/*.ipynb"):
        nb = without_solutions(nbformat.read(path, as_version=4))
        write(path, (nbformat.writes(nb) + "\n").encode())
    for name in FOR_INSTRUCTORS:
        title = (source / name).read_text("utf-8").partition("\n")[0]
        write(source / name, f"{title}\n\n{SAYS}".encode())
    if (ROOT / "_build/engine").is_dir():  # what npm brought for the digits
        shutil.copytree(ROOT / "_build/engine", source / "_build/engine")


def build(source: Path, output: Path) -> Path:
    """Build the book in that folder; the folder of its pages."""
    program = shutil.which("jupyter-book", path=sysconfig.get_path("scripts"))
    command = [program, "build", str(source), "-q", "--path-output", str(output)]
    subprocess.run(command, check=True)
    return output / "_build/html"


def main() -> None:
    prepare(EDITION / "source")
    print(f"The students' edition is in {build(EDITION / 'source', EDITION).relative_to(ROOT)}/index.html")


if __name__ == "__main__":
    main()
