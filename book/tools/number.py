"""Number equations, figures and exercises by chapter, in the order in which they stand, and all that names them.

python book/tools/number.py            rewrites the chapters, and the pages, plans, exercises and tests that name them
python book/tools/number.py --check    changes nothing; names the files that differ and exits with 1

Write a new one with any number that is not taken, such as ``\\tag{2.3a}``: this gives it the right one and moves the
others on, wherever they are named.
"""

import re
import sys
from pathlib import Path

import nbformat
from chapter import ROOT, markdown_of
from place import rewrite

# The chapters without a number, and what stands in its place.
LETTERS = {"00-before-you-start": "B", "what-diffusion-is": "W", "common-slips": "S", "one-screen": "O"}
NUMBER = r"(?P<number>(?:\d+|[A-Z])\.\d+[a-z]?)"
# Where each kind gets its number, and where it is named. A number after a word and a bracket is one in code.
KINDS = {
    "equation": (rf"\\tag\{{{NUMBER}\}}", rf"(?<!\w)\({NUMBER}\)"),
    "figure": (rf"(?m)^\*Figure {NUMBER}\. ", rf"Figure {NUMBER}"),
    "exercise": (rf"(?m)^### Exercise {NUMBER}", rf"Exercise {NUMBER}"),
}
# Where else they are named: all of a page; of code, what stands after a word, since a number in brackets may be one.
NAMED_IN = {
    "book/*.md": r"(?s).+",
    "tests/test_*.py": r"(?m)# check: .*$",
    "tests/answers/*.py": r"(?m)\b(?:equations?|Exercises?) .*$",
    "diffusion_lab/exercises/*.py": r"(?m)\b(?:equations?|Exercises?) .*$",
}


def prefix(stem: str) -> str:
    return LETTERS.get(stem) or str(int(stem[:2]))


def new_numbers(texts: dict[str, str]) -> dict[str, dict[str, str]]:
    """For each kind, from each number to the one it should have. ValueError if two have the same."""
    moved = {kind: {} for kind in KINDS}
    for stem, text in texts.items():
        for kind, (given, _) in KINDS.items():
            for count, old in enumerate((match["number"] for match in re.finditer(given, text)), 1):
                if old in moved[kind]:
                    raise ValueError(f"{kind} {old} is there twice, the second time in {stem}")
                moved[kind][old] = f"{prefix(stem)}.{count}"
    return moved


def renumber(text: str, moved: dict[str, dict[str, str]]) -> str:
    for kind, (given, named) in KINDS.items():

        def new(match: re.Match, kind=kind) -> str:
            return match[0].replace(match["number"], moved[kind].get(match["number"], match["number"]))

        # In two turns, an equation's tag and what names it; the others are named where they are given, too.
        for pattern in (given, named) if kind == "equation" else (named,):
            text = re.sub(pattern, new, text)
    return text


def numbered(root: Path = ROOT) -> dict[Path, str]:
    """Every file that gives a number or names one, with the numbers that it should have."""
    books = {path: nbformat.read(path, as_version=4) for path in sorted(root.glob("notebooks/*.ipynb"))}
    moved = new_numbers({path.stem: markdown_of(nb.cells) for path, nb in books.items()})
    found = {}
    for path, nb in books.items():
        for cell in nb.cells:
            cell.source = renumber(cell.source, moved)
        found[path] = nbformat.writes(nb) + "\n"
    for pattern, naming in NAMED_IN.items():
        for path in sorted(root.glob(pattern)):
            found[path] = re.sub(naming, lambda m: renumber(m[0], moved), path.read_text("utf-8"))
    in_quotes = {f'"{old}"': f'"{new}"' for old, new in moved["exercise"].items()}
    for path in root.glob("book/plans.yml"):
        found[path] = re.sub(rf'"{NUMBER}"', lambda m: in_quotes.get(m[0], m[0]), path.read_text("utf-8"))
    return found


def main(root: Path = ROOT) -> int:
    return rewrite(numbered(root), root, __doc__)


if __name__ == "__main__":
    sys.exit(main())
