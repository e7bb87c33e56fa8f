"""What must not be in anything that students get: the lines of a chapter's solutions.

The tests look for them in releases, in the wheel, in slides and in the students' edition of the book.
"""

import re

import nbformat
from chapter import tagged
from release import STAYS, handed_out, is_solution

SHORTEST = 30  # characters; a shorter line may be anybody's


def words(text: str) -> str:
    """A text without what editors, HTML and notebooks do to blanks."""
    return re.sub(r"\s+", " ", text).strip()


def solutions(nb: nbformat.NotebookNode) -> list[str]:
    """The lines of a chapter that only its solutions and rubrics have."""
    kept = nbformat.from_dict({"cells": [cell for cell in handed_out(nb).cells if not is_solution(cell)]})
    elsewhere = words("\n".join(cell.source for cell in kept.cells))
    texts = [hidden(cell) for cell in nb.cells if tagged(cell, STAYS) or is_solution(cell)]
    lines = [words(line) for text in texts for line in text.splitlines()]
    own = [line for line in lines if len(line) >= SHORTEST and not line.startswith(("import ", "from "))]
    return [line for line in own if line not in elsewhere]


def hidden(cell: nbformat.NotebookNode) -> str:
    """What of a cell students do not get: of code what stands between the marks, of text all."""
    if cell.cell_type == "markdown" or not is_solution(cell):
        return cell.source
    return "\n".join(re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL))


def leaks(nb: nbformat.NotebookNode, text: str) -> list[str]:
    """The lines of the chapter's solutions that are in a text."""
    text = words(text)
    return [line for line in solutions(nb) if line in text]
