"""Make a new chapter in the form that all have, enter it wherever chapters are listed, and say what is left to do.

python book/tools/new_chapter.py 12-guidance "V · Steer it"      (or `make chapter NAME=... PART=...`)

Without a part it goes into the last one. What it is made from is the folder `skeleton`: a notebook, its exercises, and
the answers that test them. All of it runs and keeps the rules; TODO stands where something has to be written.
"""

import argparse
import keyword
import re
import sys
from pathlib import Path

import nbformat
import plain
from chapter import ROOT, problems
from chapters import chapters, disagreements, module_of, parts, text_of
from execute import execute, write
from number import LETTERS, new_numbers, renumber

SKELETON = Path(__file__).parent / "skeleton"
ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"]
PART = re.compile(r"([IVX]+) · \S")
CARD = """
:::{{div}} chapter
![A picture from the chapter {title}](_static/chapters/{stem}.webp)

**[{number} · {title}](../notebooks/{stem}.ipynb)**

TODO One or two sentences: what the reader builds, and what it shows.

*60 minutes · TODO what is trained*
:::
"""
NOT_AUTOMATIC = """\
and besides:
  what the picture shows on the first page, if all of it is too small to read: DETAILS in book/tools/chapter.py
  what of the package the chapter is the first to teach: book/tools/taught_in.py
  new words: book/glossary.md; new papers: book/references.bib
  its dotted numeral: make cover
  a place in the ready plans: book/plans.yml
  after every change: .venv/bin/python book/tools/execute.py notebooks/{stem}.ipynb"""


# ---- what it may be called, and where it may stand --------------------------------------------------------------


def numbered_before() -> list[tuple[str, str]]:
    """The chapters with a number, each with its part, in the order of the contents."""
    return [(path.stem, part) for part, paths in parts() for path in paths if path.stem not in LETTERS]


def refused(stem: str, part: str) -> str | None:
    """Why no chapter can be made with this name, or in this part."""
    before = numbered_before()
    captions = list(dict.fromkeys(part for _, part in before))
    following, next_part = int(before[-1][0][:2]) + 1, ROMAN[len(captions)]
    if not re.fullmatch(r"\d\d-[a-z][a-z0-9]*(-[a-z0-9]+)*", stem) or keyword.iskeyword(module_of(stem)):
        return f"NAME: expected two digits and words in small letters, such as {following:02}-guidance; got {stem!r}"
    for taken in ("notebooks/{0}.ipynb", "diffusion_lab/exercises/{1}.py", "tests/answers/{1}.py"):
        if (ROOT / taken.format(stem, module_of(stem))).exists():
            return f"NAME: {stem} is taken: there is {taken.format(stem, module_of(stem))}"
    if int(stem[:2]) != following:
        return f"NAME: chapters are numbered without a gap, and {following:02} is the next; got {stem!r}"
    if part in captions[:-1]:
        return f"PART: chapter {following} comes after those of {captions[-1]!r}; got {part!r}"
    if part != captions[-1] and not (PART.match(part) and PART.match(part)[1] == next_part):
        return f"PART: expected {captions[-1]!r}, or a new one such as '{next_part} · Steer it'; got {part!r}"
    return None


# ---- the files --------------------------------------------------------------------------------------------------


def notebook(stem: str, title: str) -> bytes:
    nb = nbformat.read(SKELETON / "chapter.ipynb", as_version=4)
    moved = new_numbers({stem: "\n\n".join(cell.source for cell in nb.cells)})
    for cell in nb.cells:
        cell.source = renumber(cell.source, moved).replace("import skeleton", f"import {module_of(stem)}")
    nb.cells[0].source = nb.cells[0].source.replace("# Title", f"# {title}")
    return (nbformat.writes(nb) + "\n").encode()


def insert(name: str, after: str, new: str) -> bytes:
    """The file with `new` behind the first place that the pattern `after` finds."""
    text = (ROOT / name).read_text("utf-8")
    found = re.search(after, text)
    if not found:
        raise ValueError(f"{name}: expected something like {after!r}, to put the chapter behind it")
    return (text[: found.end()] + new + text[found.end() :]).encode()


def files(stem: str, title: str, part: str) -> dict[str, bytes]:
    """Every file that is made or changed, with all that it will hold."""
    last, last_part = numbered_before()[-1]
    behind_last = rf"(?s)\(\.\./notebooks/{last}\.ipynb\).+?\n:::\n"
    card, entry = CARD.format(number=int(stem[:2]), title=title, stem=stem), f"      - file: notebooks/{stem}\n"
    if part != last_part:
        section = (
            f"\n## {part}\n\nTODO What the part is about, in a sentence.\n\n::::{{div}} chapters\n{card[1:]}::::\n"
        )
        entry = f"  - caption: {part}\n    numbered: 1\n    chapters:\n{entry}"
    row = f"| [{int(stem[:2])} · {title}](notebooks/{stem}.ipynb) | TODO what the reader will do |\n"
    made = {
        "exercises.py": f"diffusion_lab/exercises/{module_of(stem)}.py",
        "answers.py": f"tests/answers/{module_of(stem)}.py",
    }
    skeleton = {name: (SKELETON / source).read_text("utf-8") for source, name in made.items()}
    return {
        f"notebooks/{stem}.ipynb": notebook(stem, title),
        **{
            name: text.replace("TODO the chapter", f"chapter {int(stem[:2])}", 1).encode()
            for name, text in skeleton.items()
        },
        "_toc.yml": insert("_toc.yml", rf"      - file: notebooks/{last}\n(?:        .*\n)*", entry),
        "README.md": insert("README.md", rf"\|.*\(notebooks/{last}\.ipynb\).*\n", row),
        "book/index.md": insert(
            "book/index.md",
            behind_last + ("" if part == last_part else "::::\n"),
            card if part == last_part else section,
        ),
    }


# ---- what is left -----------------------------------------------------------------------------------------------


def left(names: list[str], stem: str) -> list[str]:
    """What has to be written, and the rules that are not kept yet."""
    path = ROOT / f"notebooks/{stem}.ipynb"
    nb = nbformat.read(path, as_version=4)
    [chapter] = [one for one in chapters() if one.stem == stem]
    texts = {f"{path.name}, metadata": "\n".join(chapter.teaches)}
    for count, cell in enumerate(nb.cells):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        texts[f"{path.name}, cell {count}"] = f"{alt}\n{cell.source}"
    texts |= {name: (ROOT / name).read_text("utf-8") for name in names if not name.endswith(".ipynb")}
    found = [
        f"{where}: {line.strip()}" for where, text in texts.items() for line in text.splitlines() if "TODO" in line
    ]
    broken = problems(path) + plain.problems(nb) + plain.figure_problems(nb) + disagreements(chapter, text_of(path))
    return [f"{path.name} {problem}" for problem in broken] + found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="such as 12-guidance")
    parser.add_argument("part", nargs="?", help="such as 'V · Steer it'; without it, the last one")
    given = parser.parse_args()
    stem, part = given.name, given.part or numbered_before()[-1][1]
    if why := refused(stem, part):
        parser.error(why)
    written = files(stem, stem[3:].replace("-", " ").capitalize(), part)
    new = [name for name in written if not (ROOT / name).exists()]
    try:
        for name in new:
            write(ROOT / name, written[name])
        execute(ROOT / f"notebooks/{stem}.ipynb")
    except BaseException:
        for name in new:
            (ROOT / name).unlink(missing_ok=True)
        raise
    for name in written.keys() - new:  # what lists the chapters
        write(ROOT / name, written[name])
    print("made or changed:", *written, sep="\n  ")
    print("to do:", *left(list(written), stem), sep="\n  ")
    print(NOT_AUTOMATIC.format(stem=stem))
    return 0


if __name__ == "__main__":
    sys.exit(main())
