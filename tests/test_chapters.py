"""What a chapter says of itself in its text and in its metadata is the same, and one reader reads it."""

import re

import nbformat
import number
import pytest
from chapter import ROOT
from chapters import Chapter, chapters, disagreements, exercises_of, sources, text_of
from execute import clean
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CHAPTERS = chapters()
TEXTS = {path.stem: text_of(path) for path in sources()[1:]}
GIVEN = number.new_numbers(TEXTS)
TOP = """# One

> **What you will be able to do.**
>
> - Say it.
> - Do it.
>
> **Time**: {time} to read.
>
> **You need**: [Zero](00-zero.ipynb). More is in [Two](02-two.ipynb).
"""
ONE = Chapter("01-one", "1", "One", "I", ("00-zero",), ("say it", "do it"), 50, (), ())


# ---- the book -------------------------------------------------------------------------------------------------------


def test_every_notebook_is_read_once():
    assert sorted(one.stem for one in CHAPTERS) == sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: one.stem)
def test_text_and_metadata_say_the_same(chapter):
    assert disagreements(chapter, TEXTS[chapter.stem]) == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: one.stem)
def test_every_exercise_is_read(chapter):
    assert [one.number for one in chapter.exercises] == re.findall(r"(?m)^### Exercise (\S+)", TEXTS[chapter.stem])
    assert chapter.exercises
    assert all(0 < one.minutes <= 60 for one in chapter.exercises)


def test_nothing_is_left_of_what_a_new_chapter_begins_with():
    """`make chapter` writes TODO wherever something has to be written."""
    patterns = ["diffusion_lab/exercises/*.py", "tests/answers/*.py", "book/index.md", "README.md"]
    files = {path.name: path.read_text("utf-8") for pattern in patterns for path in ROOT.glob(pattern)}
    assert [name for name, text in (files | TEXTS).items() if "TODO" in text] == []
    assert [one.stem for one in CHAPTERS if "TODO" in " ".join(one.teaches)] == []
    assert [path.name for path in sources()[1:] if '"alt": "TODO' in path.read_text("utf-8")] == []


def test_no_two_cells_of_the_grader_have_one_name():
    for chapter in CHAPTERS:
        ids = [name for exercise in chapter.exercises for name in exercise.ids]
        assert len(set(ids)) == len(ids), chapter.stem


def test_what_pages_and_exercises_name_is_there():
    """A page may hold a number in brackets that is no equation's; with the word before it, it is one."""
    files = [path for pattern in number.NAMED_IN for path in ROOT.glob(pattern) if path.parent.name != "tests"]
    named = {"equation": rf"equations? \({number.NUMBER}\)", "exercise": rf"Exercise {number.NUMBER}"}
    lost = [
        (path.name, match[0])
        for path in files
        for kind, pattern in named.items()
        for match in re.finditer(pattern, path.read_text("utf-8"))
        if match["number"] not in GIVEN[kind]
    ]
    assert lost == []


# ---- the reader can be contradicted ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "read"), [("50 minutes", 50), ("an hour", 60)])
def test_a_chapter_that_agrees_with_itself(time, read):
    assert disagreements(Chapter(**{**vars(ONE), "read": read}), TOP.format(time=time)) == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("needs", (), "You need"),
        ("needs", ("00-zero", "02-two"), "You need"),
        ("read", 55, "Time"),
        ("teaches", ("say it",), "able to do"),
        ("teaches", ("do it", "say it"), "able to do"),
    ],
)
def test_a_chapter_that_does_not(field, value, said):
    [sentence] = disagreements(Chapter(**{**vars(ONE), field: value}), TOP.format(time="50 minutes"))
    assert sentence.startswith("01-one: ")
    assert said in sentence


def write_book(root, book: dict[str, list[str]], **other) -> None:
    """A book of chapters with nothing in them."""
    (root / "notebooks").mkdir()
    files = "".join(f"      - file: notebooks/{stem}\n" for stem in book)
    (root / "_toc.yml").write_text(f"parts:\n  - caption: I\n    chapters:\n{files}", "utf-8")
    for stem, needed in book.items():
        told = {"needs": needed, "teaches": [], "minutes": {"read": 5}} | other
        nb = new_notebook(cells=[new_markdown_cell("# Title: more")], metadata={"diffusion_lab": {"chapter": told}})
        nbformat.write(nb, root / f"notebooks/{stem}.ipynb")


def test_a_book_is_read_in_order(tmp_path):
    write_book(tmp_path, {"02-b": [], "01-a": ["02-b"], "common-slips": ["01-a", "02-b"]})
    found = [(one.stem, one.number, one.title, one.part, one.needs) for one in chapters(tmp_path)]
    assert found == [
        ("02-b", "2", "Title", "I", ()),
        ("01-a", "1", "Title", "I", ("02-b",)),
        ("common-slips", "", "Title", "I", ("01-a", "02-b")),
    ]


@pytest.mark.parametrize(
    "needs",
    [{"01-a": ["02-b"], "02-b": ["01-a"]}, {"01-a": ["01-a"]}, {"01-a": ["00-x"]}, {"01-a": ["02-b"], "02-b": []}],
)
def test_a_circle_or_a_need_that_comes_later_is_refused(tmp_path, needs):
    write_book(tmp_path, needs)
    with pytest.raises(ValueError, match=r"01-a needs '.*', but no chapter of that name comes before it"):
        chapters(tmp_path)


@pytest.mark.parametrize(
    "told", [{"needs": "01-a"}, {"needs": [1]}, {"teaches": None}, {"minutes": {}}, {"minutes": {"read": "an hour"}}]
)
def test_metadata_of_another_form_is_refused(tmp_path, told):
    write_book(tmp_path, {"01-a": []}, **told)
    with pytest.raises(ValueError, match=r"01-a: the notebook's metadata diffusion_lab\.chapter must be like"):
        chapters(tmp_path)


# ---- exercises ------------------------------------------------------------------------------------------------------


def graded(source: str, **told):
    return new_code_cell(source, metadata={"nbgrader": told})


def test_an_exercise_has_the_cells_below_its_heading():
    nb = new_notebook(
        cells=[
            graded("before", grade_id="no", grade=True, points=9),
            new_markdown_cell("## Exercises\n\n### Exercise 6.1 · Half of it\n\n*Predict, then check, 2 min.* Why?"),
            new_code_cell("1"),
            new_markdown_cell(
                "### Exercise 6.2 · $x_s$ · again\n*Code, 15 min.* Write it.\n\n```python\n## no heading\n```"
            ),
            graded("def f(): ...", grade_id="f", solution=True, grade=False, points=0),
            new_markdown_cell("#### A hint"),
            graded("check.f(f)", grade_id="f-check", grade=True, points=3),
            graded("hidden", grade_id="f-more", grade=True, points=1.5),
            new_markdown_cell("### Exercise 6.3 · By hand\n\n*Derive, 5 min.*"),
            new_markdown_cell(
                "So.", metadata={"nbgrader": {"grade_id": "so", "grade": True, "solution": True, "points": 2}}
            ),
            graded("by hand, too", grade_id="too", grade=True, solution=True, points=1),
            new_markdown_cell("## What to take away"),
            graded("after", grade_id="no", grade=True, points=9),
        ]
    )
    first, second, third = exercises_of(nb, "06-x")
    assert (first.number, first.title, first.kind, first.minutes) == ("6.1", "Half of it", "Predict, then check", 2)
    assert (first.points, first.checked, first.ids) == (None, False, ())
    assert (second.number, second.title, second.kind, second.minutes) == ("6.2", "$x_s$ · again", "Code", 15)
    assert (second.points, second.checked, second.ids) == (4.5, True, ("f", "f-check", "f-more"))
    assert (third.points, third.checked, third.ids) == (3, False, ("so", "too"))


@pytest.mark.parametrize("line", ["Write it.", "*Code.* Write it.", "*Code, 15 minutes.*", "See *Code, 5 min.*"])
def test_an_exercise_without_kind_or_minutes_is_refused(line):
    nb = new_notebook(cells=[new_markdown_cell(f"### Exercise 6.1 · X\n\n{line}")])
    with pytest.raises(ValueError, match=r"06-x, exercise 6\.1: expected its kind and its minutes"):
        exercises_of(nb, "06-x")


# ---- what must keep all this ----------------------------------------------------------------------------------------


def test_a_run_keeps_what_a_chapter_says_of_itself():
    told = {"needs": [], "teaches": ["do it"], "minutes": {"read": 5}}
    nb = new_notebook(metadata={"diffusion_lab": {"chapter": told, "fingerprint": {"cells": "old"}, "other": 1}})
    clean(nb)
    assert set(nb.metadata.diffusion_lab) == {"chapter", "fingerprint"}
    assert nb.metadata.diffusion_lab.chapter == told
    assert nb.metadata.diffusion_lab.fingerprint["cells"] != "old"


def test_numbers_are_carried_to_pages_plans_and_exercises(tmp_path):
    write_book(tmp_path, {"02-a": []})
    path = tmp_path / "notebooks/02-a.ipynb"
    nb = nbformat.read(path, as_version=4)
    nb.cells.append(new_markdown_cell("$$ a \\tag{2.2} $$\n\n### Exercise 2.4 · X\n\n### Exercise 2.1 · Y"))
    nbformat.write(nb, path)
    texts = {
        "book/plans.yml": ('exercises: ["2.4", "2.1", "2.9"]  # 2.4', 'exercises: ["2.1", "2.2", "2.9"]  # 2.4'),
        "book/page.md": ("(2.2) and (2.5), Exercise 2.4", "(2.1) and (2.5), Exercise 2.1"),
        "diffusion_lab/exercises/a.py": ('f = (2.2) * 1\n"x: equation (2.2)"', 'f = (2.2) * 1\n"x: equation (2.1)"'),
        "tests/answers/a.py": ('says = "equation (2.2)"', 'says = "equation (2.1)"'),
        "tests/test_a.py": ("a = (2.2)  # check: (2.2)", "a = (2.2)  # check: (2.1)"),
    }
    for name, (before, _) in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(before, "utf-8")
    found = number.numbered(tmp_path)
    assert {name: found[tmp_path / name] for name in texts} == {name: after for name, (_, after) in texts.items()}
