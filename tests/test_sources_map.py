"""Every row of book/sources-map.md names sections that exist, under exactly those headings; nothing is unmapped."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAP = ROOT / "book/sources-map.md"
SOURCES = {"gentle_introduction.md", "closed_form_and_elbo.md", "s_curve_mlp.md", "mnist_ddpm.md"}
PAGES = (".ipynb", ".md")
KINDS = ("heading", "formula", "picture", "topic", "term")


def headings_in(markdown: str) -> list[str]:
    """The headings of a Markdown text, without their number signs; lines inside a fence are none."""
    found, fence = [], None
    for line in markdown.splitlines():
        mark = re.match(r"(`{3,}|~{3,}|:{3,})", line)
        if mark and fence is None:
            fence = mark[1]
        elif mark and line.startswith(fence) and not line.strip(fence[0]).strip():
            fence = None
        elif fence is None and (heading := re.match(r"#{1,6} +(.+?) *$", line)):
            found.append(heading[1])
    return found


def glossary_terms(markdown: str) -> list[str]:
    """The terms of a ``{glossary}`` block: its lines that are not indented."""
    block = re.search(r"^```\{glossary\}\n(.*?)^```", markdown, re.M | re.S)
    return [line for line in block[1].splitlines() if line and not line[0].isspace()] if block else []


@cache
def sections(stem: str) -> tuple[str, ...]:
    """The headings of the one page called ``stem``, a notebook or Markdown; of a glossary, its terms too."""
    pages = [p for folder in ("notebooks", "book") for p in (ROOT / folder).glob(f"{stem}.*") if p.suffix in PAGES]
    if len(pages) != 1:
        raise FileNotFoundError(f"{stem}: expected one page of that name in notebooks/ or book/, found {pages}")
    text = pages[0].read_text("utf-8")
    if pages[0].suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return tuple(h for c in cells if c["cell_type"] == "markdown" for h in headings_in("".join(c["source"])))
    return (*headings_in(text), *glossary_terms(text))


def rows_of(text: str) -> dict[str, list[tuple[int, str, str, list[tuple[str, str]]]]]:
    """For each source, its rows ``(line, kind, what, [(page, section), ...])``."""
    rows, source = {}, None
    for line in text.splitlines():
        if named := re.match(r"`(\w+\.md)`: ", line):
            source = named[1]
            rows[source] = []
        elif re.match(r"\| *\d", line):
            number, kind, what, taught, *_ = (cell.strip() for cell in line.strip().strip("|").split("|"))
            targets = [re.fullmatch(r"`([\w-]+)` § (.+)", part.strip()) for part in taught.split("<br>")]
            assert all(targets), f"line {number} of {source}: cannot read where it is taught: {taught!r}"
            rows[source].append((int(number), kind, what, [(t[1], t[2]) for t in targets]))
    return rows


@pytest.fixture(scope="module")
def text() -> str:
    return MAP.read_text("utf-8")


def test_the_reader_sees_what_it_should():
    page = "# A\n```python\n# no heading\n```\n## B: $x_0$\n````{note}\n```\n## no\n```\n````\n### C\n"
    assert headings_in(page) == ["A", "B: $x_0$", "C"]
    glossary = "# G\n```{glossary}\nscore\n  A slope.\n\nalpha bar\n  A share.\n```\n"
    assert glossary_terms(glossary) == ["score", "alpha bar"]
    row = "`s_curve_mlp.md`: 1 x\n| 3 | formula | $q(a \\mid b)$ | `a-b` § C · D<br>`e` § F | note |"
    assert rows_of(row) == {"s_curve_mlp.md": [(3, "formula", "$q(a \\mid b)$", [("a-b", "C · D"), ("e", "F")])]}


def test_every_source_is_there_with_as_many_rows_as_it_says(text):
    rows = rows_of(text)
    assert set(rows) == SOURCES
    for source, found in rows.items():
        declared = re.search(rf"^`{source}`: (.*)\.$", text, re.M)[1]
        expected = {kind: int(n) for n, kind in re.findall(r"(\d+) (\w+?)s\b", declared)}
        assert {kind: sum(row[1] == kind for row in found) for kind in KINDS} == expected, source


def test_rows_follow_the_order_of_the_text(text):
    for source, found in rows_of(text).items():
        for is_term in (False, True):
            lines = [line for line, kind, *_ in found if (kind == "term") == is_term]
            assert lines == sorted(lines), source


def test_nothing_is_unmapped(text):
    lost = []
    for source, found in rows_of(text).items():
        for line, _, what, targets in found:
            for page, section in targets:
                try:
                    if section not in sections(page):
                        lost.append(f"{source}:{line} {what!r}: {page} has no section {section!r}")
                except FileNotFoundError as missing:
                    lost.append(f"{source}:{line} {what!r}: {missing}")
    if lost:
        pytest.fail(f"{len(lost)} sections are missing\n" + "\n".join(lost), pytrace=False)
