"""Every display equation of the book is named by code that checks it, or says beside it why there is nothing to check.

An identity carries a number, ``$$ ... \\tag{2.3} $$``; a cell or a test that asserts it has the comment
``# check: (2.3)``. What only defines a symbol has ``<!-- not checked: reason -->`` on the line above, which no reader
sees. The pages beside the chapters write a label instead, ``$$ ... $$ (eq-name)``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted((ROOT / "notebooks").glob("*.ipynb")), *sorted((ROOT / "book").glob("*.md"))]
DISPLAY = re.compile(
    r"(?:<!-- not checked: (?P<reason>[^\n]+?) -->\s*)?"
    r"(?P<math>\$\$.+?\$\$|^```\{math\}.+?^```|^\\begin\{(?:align|equation|gather)\*?\}.+?^\\end\{\w+\*?\})"
    r"[ \t]*(?:\((?P<name>[\w-]+)\))?",
    re.DOTALL | re.MULTILINE,
)
TAG = re.compile(r"\\tag\{([^}]*)\}")
ONE = r"(?:\([\dA-Z]+\.\d+[a-z]?\)|eq-[\w-]+)"
NAMED = re.compile(rf"# check: ({ONE}(?:, {ONE})*)")


@dataclass(frozen=True)
class Equation:
    page: str
    math: str
    label: str | None
    reason: str | None


def equations(page: str, text: str) -> list[Equation]:
    found = []
    for match in DISPLAY.finditer(text):
        tag = TAG.search(match["math"])
        label = f"({tag[1]})" if tag else match["name"]
        found.append(Equation(page, " ".join(match["math"].split()), label, match["reason"]))
    return found


def checked_by(code: str) -> set[str]:
    return {name for names in NAMED.findall(code) for name in names.split(", ")}


def read() -> tuple[list[Equation], dict[str, set[str]], list[str]]:
    """The equations of the book, the labels that each page's code or test names, and the code cells that name any."""
    found, named, cells = [], {}, []
    for path in PAGES:
        if path.suffix == ".md":
            found += equations(path.stem, path.read_text("utf-8"))
            continue
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                found += equations(path.stem, cell.source)
            elif names := checked_by(cell.source):
                named[path.stem] = named.get(path.stem, set()) | names
                cells.append(cell.source)
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        if path.name != Path(__file__).name and (names := checked_by(path.read_text("utf-8"))):
            named[path.name] = names
    return found, named, cells


EQUATIONS, CHECKS, CELLS = read()
CHECKED = set().union(*CHECKS.values())


def test_the_book_has_equations():
    assert len([one for one in EQUATIONS if one.label]) > 100


def test_every_equation_is_checked_or_says_why_not():
    assert [one for one in EQUATIONS if one.label not in CHECKED and not one.reason] == []


def test_no_equation_is_both():
    assert [one for one in EQUATIONS if one.label in CHECKED and one.reason] == []


def test_a_label_is_used_once():
    labels = [one.label for one in EQUATIONS if one.label]
    assert sorted(labels) == sorted(set(labels))


def test_every_check_names_an_equation_of_the_book():
    assert CHECKED - {one.label for one in EQUATIONS} == set()


def test_a_cell_that_checks_can_fail():
    assert [cell for cell in CELLS if not re.search(r"\bassert\b|\bassert_close\b", cell)] == []


def test_the_search_sees_what_a_reader_sees():
    text = (
        "$$ a = b \\tag{2.1} $$\n\n<!-- not checked: a definition -->\n$$\nc = d .\n$$\n\n$$ e $$\n\n"
        "```{math}\n:label: no\nf = g\n```\n\n\\begin{align*}\nh &= i\n\\end{align*}\n"
    )
    seen = equations("page", text)
    assert [one.label for one in seen] == ["(2.1)", None, None, None, None]
    assert [one.reason for one in seen] == [None, "a definition", None, None, None]
    assert checked_by("# check: (2.1), (W.12) (why)\nassert x  # check: eq-c\n") == {"(2.1)", "(W.12)", "eq-c"}
    assert equations("page", "$$ a $$ (eq-a)")[0].label == "eq-a"
