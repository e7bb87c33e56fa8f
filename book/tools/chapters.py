"""What each chapter needs, teaches and costs in minutes: one reader for the map, the instructors' page and the tests.

python book/tools/chapters.py        a line for each chapter, and where its text says something else than its data

A chapter says it in its notebook's metadata, an exercise in the line below its heading::

    "diffusion_lab": {"chapter": {"needs": ["01-number-eight"], "teaches": ["…"], "minutes": {"read": 60}}}

    ### Exercise 6.4 · Straight to an earlier time

    *Code, 15 min.* Find mean and variance of ...

The points of an exercise are those of its cells that nbgrader grades.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from chapter import ROOT, markdown_of
from number import LETTERS, NUMBER, prefix
from plain import FENCE

EXERCISE = re.compile(
    rf"### Exercise {NUMBER} · (?P<title>.+)\n+(?:\*(?P<kind>[A-Z][^*\n]*), (?P<minutes>\d+) min\.\*)?"
)
HEADING = re.compile(r"(?m)^#{1,3} ")
FIELDS = {"needs": list, "teaches": list, "minutes": dict}


def named(name: str) -> Path:
    """The notebook that is called so: by its file, with or without the ending, or by its number. SystemExit if none."""
    stem = name.removesuffix(".ipynb")
    every = sorted(ROOT.glob("notebooks/*.ipynb"))
    number = f"{int(stem):02}-" if stem.isascii() and stem.isdigit() else None
    found = [path for path in every if path.stem == stem or (number and path.stem.startswith(number))]
    if len(found) != 1:
        names = [path.stem for path in every]
        few, below = ", ".join(names[:2]), "\n  ".join(names)
        raise SystemExit(f"CHAPTER: expected one of {few} and so on, or a number; got {name!r}. There are\n  {below}")
    return found[0]


def module_of(stem: str) -> str:
    """The name of a chapter's module in `diffusion_lab.exercises`."""
    return re.sub(r"^\d+-", "", stem).replace("-", "_")


@dataclass(frozen=True)
class Exercise:
    chapter: str  # the stem of its notebook
    number: str  # "6.4"
    title: str
    kind: str  # "Code", "Predict, then run"
    minutes: int
    points: float | None  # None: nobody grades it
    checked: bool  # it checks itself, and needs nobody to grade it
    ids: tuple[str, ...]  # nbgrader's names of its cells


@dataclass(frozen=True)
class Chapter:
    stem: str
    number: str  # "6", or nothing for one that has none
    title: str
    part: str
    needs: tuple[str, ...]  # the stems of the chapters that it builds on itself, not those that they build on
    teaches: tuple[str, ...]
    read: int  # minutes to read and run
    exercises: tuple[Exercise, ...]
    sections: tuple[str, ...]

    @property
    def practice(self) -> int:
        """Minutes for all of its exercises."""
        return sum(one.minutes for one in self.exercises)

    @property
    def points(self) -> float:
        return sum(one.points or 0 for one in self.exercises)


# ---- the files --------------------------------------------------------------------------------------------------


def parts(root: Path = ROOT) -> list[tuple[str, list[Path]]]:
    """The parts of the book, each with its notebooks, in the order of the contents."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    found = [(part["caption"], [root / f"{one['file']}.ipynb" for one in part["chapters"]]) for part in toc["parts"]]
    found = [(caption, [path for path in paths if path.exists()]) for caption, paths in found]
    return [(caption, paths) for caption, paths in found if paths]


def sources(root: Path = ROOT) -> list[Path]:
    """What all of this is read from: a page that shows it is old when one of these is newer."""
    return [root / "_toc.yml", *(path for _, paths in parts(root) for path in paths)]


def text_of(path: Path) -> str:
    return markdown_of(nbformat.read(path, as_version=4).cells)


# ---- what a chapter says in its text ----------------------------------------------------------------------------


def title_of(text: str) -> str:
    return re.search(r"^# ([^:\n]+)", text, re.MULTILINE)[1]


def needs_of(text: str) -> set[str]:
    """The chapters that the sentence after "You need" links to, by the stem of their file."""
    sentence = re.search(r"\*\*You need:?\*\*:?\s(.+?\.)(?:\s|$)", text, re.DOTALL)
    return set(re.findall(r"\]\(([\w-]+)\.ipynb\)", sentence[1])) if sentence else set()


def read_of(text: str) -> int | None:
    """The minutes to read and run, as the chapter's top says."""
    said = re.search(r"\*\*Time\*\*:\s(?:(an hour)|(\d+) minutes)\b", text)
    return said and (60 if said[1] else int(said[2]))


def verbs_of(text: str) -> list[str]:
    """The first word of everything that the reader will be able to do."""
    found = re.search(r"\*\*What you will be able to do\.\*\*(.*?)\*\*Time\*\*", text, re.DOTALL)
    return [verb.lower() for verb in re.findall(r"(?m)^> - (\w+)", found[1])] if found else []


def exercises_of(nb: nbformat.NotebookNode, name: str) -> tuple[Exercise, ...]:
    """The exercises, each with the cells from its heading to the next. `name` is the chapter's, for errors."""
    found: list[tuple[re.Match, list[nbformat.NotebookNode]]] = []
    inside = False
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            text = FENCE.sub("", cell.source)
            for heading in HEADING.finditer(text):
                first_lines = EXERCISE.match(text, heading.start())
                inside = first_lines is not None
                if inside:
                    found.append((first_lines, []))
        if inside and "nbgrader" in cell.metadata:
            found[-1][1].append(cell)
    return tuple(exercise(first_lines, cells, name) for first_lines, cells in found)


def exercise(said: re.Match, cells: list[nbformat.NotebookNode], name: str) -> Exercise:
    if not said["kind"]:
        raise ValueError(
            f"{name}, exercise {said['number']}: expected its kind and its minutes in the line below its heading, "
            "as in *Code, 15 min.*"
        )
    graded = [cell for cell in cells if cell.metadata["nbgrader"].get("grade")]
    return Exercise(
        chapter=name,
        number=said["number"],
        title=said["title"].strip(),
        kind=said["kind"],
        minutes=int(said["minutes"]),
        points=sum(cell.metadata["nbgrader"]["points"] for cell in graded) if graded else None,
        checked=any(cell.cell_type == "code" and not cell.metadata["nbgrader"].get("solution") for cell in graded),
        ids=tuple(cell.metadata["nbgrader"]["grade_id"] for cell in cells),
    )


# ---- the reader -------------------------------------------------------------------------------------------------


def told_by(nb: nbformat.NotebookNode, name: str) -> dict:
    """The chapter's metadata. ValueError if something is missing or of another kind than it must be."""
    told = nb.metadata.get("diffusion_lab", {}).get("chapter")
    good = (
        isinstance(told, dict)
        and all(isinstance(told.get(field), kind) for field, kind in FIELDS.items())
        and all(isinstance(one, str) for one in [*told["needs"], *told["teaches"]])
        and type(told["minutes"].get("read")) is int
    )
    if not good:
        raise ValueError(
            f"{name}: the notebook's metadata diffusion_lab.chapter must be like "
            '{"needs": ["01-number-eight"], "teaches": ["jump to any step"], "minutes": {"read": 60}}, '
            f"got {told!r}"
        )
    return told


def chapter_of(path: Path, part: str) -> Chapter:
    nb = nbformat.read(path, as_version=4)
    told, text = told_by(nb, path.stem), markdown_of(nb.cells)
    return Chapter(
        stem=path.stem,
        number="" if path.stem in LETTERS else prefix(path.stem),
        title=title_of(text),
        part=part,
        needs=tuple(told["needs"]),
        teaches=tuple(told["teaches"]),
        read=told["minutes"]["read"],
        exercises=exercises_of(nb, path.stem),
        sections=tuple(re.findall(r"(?m)^## (.+)", FENCE.sub("", text))),
    )


def chapters(root: Path = ROOT) -> list[Chapter]:
    """All chapters in the order of the contents. ValueError if one needs what does not come before it."""
    found = [chapter_of(path, part) for part, paths in parts(root) for path in paths]
    before = set()
    for chapter in found:
        for need in chapter.needs:
            if need not in before:
                raise ValueError(
                    f"{chapter.stem} needs {need!r}, but no chapter of that name comes before it in _toc.yml"
                )
        before.add(chapter.stem)
    return found


def disagreements(chapter: Chapter, text: str) -> list[str]:
    """Where a chapter's text and its metadata do not say the same, as sentences."""
    found = []
    if needs_of(text) != set(chapter.needs):
        found.append(f'the sentence after "You need" links to {sorted(needs_of(text))}, needs are {[*chapter.needs]}')
    if read_of(text) != chapter.read:
        found.append(f'the minutes after "Time" are {read_of(text)}, minutes.read is {chapter.read}')
    verbs = [one.split()[0] for one in chapter.teaches]
    if verbs_of(text) != verbs:
        found.append(f'"What you will be able to do" begins with {verbs_of(text)}, teaches with {verbs}')
    return [f"{chapter.stem}: {sentence}" for sentence in found]


def main() -> int:
    found = []
    for one, path in zip(chapters(), sources()[1:], strict=True):
        print(f"{one.stem:22} read {one.read:3} min, exercises {one.practice:3} min, {one.points:g} points")
        found += disagreements(one, text_of(path))
    print("\n".join(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
