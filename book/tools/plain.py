"""What a chapter's Markdown may hold so that it reads right everywhere, and how long a chapter's main path is.

python book/tools/plain.py [NOTEBOOK ...]      problems, and words and lines of each chapter (all if none is named)
"""

import re
import sys
from pathlib import Path

import nbformat
from chapter import ROOT, folded, markdown_of, pictures
from number import NUMBER

MAX_WORDS, MAX_VISIBLE_LINES = 3000, 250
MAX_INCHES, MIN_POINTS = 7, 9
FENCE = re.compile(r"^(`{3,}).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
DISPLAY = re.compile(r"\$\$.+?\$\$", re.DOTALL)
# What only Sphinx would understand.
RAW = {
    "a directive": r"^(?:> ?)* {0,3}(?:`{3,}|:{3,}|~{3,})\{",
    "a role": r"\{[a-z:]+\}`",
    "a label of a section": r"^\([\w-]+\)=",
    "a label of an equation": r"\$\$[ \t]*\([\w-]+\)",
    "attributes": r"\{[.#][\w-]+\}",
    "a comment of MyST": r"^%",
    "HTML other than <details>": r"<(?!/?details>|/?summary>|!--)/?[a-zA-Z][^>\n]*>",
    "a list of definitions": r"^:   ?\S",
}


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]+`", "`code`", FENCE.sub("", text))


def raw_markup(text: str) -> list[str]:
    """What of a cell's Markdown would stand on the screen as it is, as sentences."""
    marks = without_code(text)
    no_formulas = re.sub(r"\$[^$]*\$", "$", DISPLAY.sub("$$", marks))
    where = {"a directive": text, "HTML other than <details>": no_formulas, "attributes": no_formulas}
    found = [
        f"has {what}: {match[0]!r}"
        for what, pattern in RAW.items()
        for match in re.finditer(pattern, where.get(what, marks), re.MULTILINE)
    ]
    # Mathematics is read before quotes are: the > of its second line would become part of it.
    found += [
        f"has mathematics over two lines of a quote: {line!r}"
        for line in re.findall(r"^>.*$", marks, re.MULTILINE)
        if line.count("$$") % 2 or len(re.findall(r"(?<!\\)\$", line)) % 2
    ]
    if text.count("<details>") != text.count("</details>"):
        found.append("has a <details> that is not closed in the same cell")
    if re.search(r"<details><summary>[^\n]*</summary>\n(?!\n)|[^\n]\n</details>", text):
        found.append("lacks the empty line after <summary> or before </details>")
    return found


def main_path(nb: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells without exercises and without what is said to be for later."""
    kept, on = [], True
    for cell in nb.cells:
        if cell.cell_type == "markdown" and (heading := re.match(r"## (.*)", cell.source)):
            on = not re.match(r"Exercises|Going further", heading[1])
        if on:
            kept.append(cell)
    return kept


def words(nb: nbformat.NotebookNode) -> int:
    """Words to be read on the main path: a formula within a line is one, what is folded or set apart is none."""
    text = re.sub(r"<details>.*?</details>|<!--.*?-->", "", markdown_of(main_path(nb)), flags=re.DOTALL)
    text = DISPLAY.sub("", FENCE.sub("", text))
    text = re.sub(r"\$[^$]+\$", "x", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return len(re.findall(r"\w[\w'’-]*", text))


def visible_lines(nb: nbformat.NotebookNode) -> int:
    """Lines of code to be read on the main path."""
    shown = [cell for cell in main_path(nb) if cell.cell_type == "code" and not folded(cell)]
    return sum(bool(line.strip()) for cell in shown for line in cell.source.splitlines())


def problems(nb: nbformat.NotebookNode) -> list[str]:
    return [
        f"cell {number} {problem}"
        for number, cell in enumerate(nb.cells)
        if cell.cell_type == "markdown"
        for problem in raw_markup(cell.source)
    ]


def figure_problems(nb: nbformat.NotebookNode) -> list[str]:
    """Pictures without a caption, wider than the column, or with letters below nine points."""
    found = []
    for number, (cell, after) in enumerate(zip(nb.cells, [*nb.cells[1:], None], strict=True)):
        if cell.cell_type != "code":
            continue
        captioned = after is not None and re.match(rf"\*Figure {NUMBER}\. ", after.source)
        if pictures(cell) and not captioned:
            found.append(f"cell {number} shows a picture without a caption (*Figure 2.1. ...*) in the next cell")
        found += [
            f"cell {number} has letters that are too small: {size}"
            for size in re.findall(r"(?:font|label)size=([\d.]+)", cell.source)
            if float(size) < MIN_POINTS
        ]
        found += [
            f"cell {number} has a figure that is too wide: {width} inches"
            for width in re.findall(r"figsize=\(([\d.]+)", cell.source)
            if float(width) > MAX_INCHES
        ]
    return found


def main() -> int:
    failed = False
    for path in [Path(name) for name in sys.argv[1:]] or sorted(ROOT.glob("notebooks/*.ipynb")):
        nb = nbformat.read(path, as_version=4)
        print(f"{path.stem:22} {words(nb):5} words, {visible_lines(nb):4} visible lines of code")
        for problem in problems(nb) + figure_problems(nb):
            print(f"  {problem}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
