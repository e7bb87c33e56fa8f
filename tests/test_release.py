"""What students get has no solution in it: releases, the students' edition of the book, the wheel."""

import copy
import csv
import json
import re
import subprocess
import sys

import nbformat
import pytest
import student
from answers import all_answers, standalone
from chapter import ROOT
from chapters import module_of, named
from leaks import leaks, solutions, words
from nbformat.v4 import new_code_cell
from release import handed_out, release, without_solutions
from submission import exercises_of, graded_id

CHAPTERS = sorted(ROOT.glob("notebooks/*.ipynb"))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course in which every chapter is released."""
    folder = tmp_path_factory.mktemp("course")
    for path in CHAPTERS:
        release(path, folder)
    return folder


def read(path):
    return nbformat.read(path, as_version=4)


def released(course, path):
    return read(course / f"release/{path.stem}/{path.name}")


def text_of(nb):
    return "\n".join([cell.source + str(cell.get("outputs", "")) for cell in nb.cells])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_is_released_without_solutions(path, course):
    source, theirs = read(path), released(course, path)
    assert len(solutions(source)) >= 5 and leaks(source, text_of(source))  # there is something to find
    assert leaks(source, text_of(theirs)) == []
    assert "BEGIN SOLUTION" not in text_of(theirs) and "To grade" not in text_of(theirs)
    assert not any(cell.get("outputs") for cell in theirs.cells)
    assert len(exercises_of(theirs)) >= 2


def test_the_whole_set_is_graded(course, tmp_path):
    """One student hands in every chapter; every second answer is wrong. nbgrader has the marks in the end."""
    expected = {}
    for path in CHAPTERS:
        nb, cells = released(course, path), {}
        for place, name in enumerate(exercises_of(nb)):
            right = place % 2 == 0
            given = [case[1:] for case in all_answers()[module_of(path.stem)] if case[0] == name]
            answer, says = next(case for case in given if (case[1] is None) == right and case[0].__name__ != "<lambda>")
            cells[name], expected[path.stem, name] = standalone(name, answer), says
        for cell in nb.cells:
            cell.source = cells.get(graded_id(cell), cell.source)
        (tmp_path / "ann").mkdir(exist_ok=True)
        nbformat.write(nb, tmp_path / "ann" / path.name)
    command = [sys.executable, str(ROOT / "book/tools/grade.py"), str(tmp_path), "--course", str(course)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in CHAPTERS:
        with (course / f"{path.stem}.csv").open(encoding="utf-8-sig", newline="") as file:
            [row] = csv.DictReader(file)
        for name in exercises_of(released(course, path)):
            says = expected[path.stem, name]
            assert (float(row[name]) > 0) == (says is None), (path.stem, name, row["why"])
        checks = json.loads((course / f"results/{path.stem}/ann.json").read_text("utf-8"))["exercises"]
        for name, one in checks.items():
            assert (expected[path.stem, name] or "all of it is right") in one["said"]


def test_hidden_tests_and_mark_schemes_stay_at_home(tmp_path):
    nb = read(CHAPTERS[0])
    hidden = "### BEGIN HIDDEN TESTS\nassert a_line_for_the_grader_alone\n### END HIDDEN TESTS"
    check = next(cell for cell in nb.cells if (graded_id(cell) or "").startswith("check-"))
    check.source += f"\n{hidden}"
    path = tmp_path / CHAPTERS[0].name
    nbformat.write(nb, path)
    assert "for_the_grader_alone" not in text_of(read(release(path, tmp_path)))
    assert "for_the_grader_alone" not in text_of(without_solutions(nb))


def test_what_is_looked_for_would_be_found():
    nb = read(ROOT / "notebooks/06-closed-forms.ipynb")
    bad = handed_out(nb)
    bad.cells.append(new_code_cell(f"{solutions(nb)[0]}   # with another blank"))
    assert leaks(nb, text_of(bad))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_students_edition_has_no_solution(path):
    nb = read(path)
    before = copy.deepcopy(nb)
    theirs = without_solutions(nb)
    assert nb == before
    assert leaks(nb, text_of(theirs)) == [] and "To grade" not in text_of(theirs)
    shown = [cell for cell in theirs.cells if cell.cell_type == "code" and "nbgrader" not in cell.metadata]
    assert any(cell.outputs for cell in shown)  # the pages keep their pictures


def test_built_the_students_edition_has_no_solution_anywhere(tmp_path):
    """Two chapters and the instructors' pages, as Sphinx writes them: pages, sources and index."""
    student.prepare(tmp_path / "source")
    pages = ["notebooks/06-closed-forms", "notebooks/11-judging-samples", "book/instructors", "book/questions"]
    contents = "format: jb-book\nroot: book/index\nparts:\n  - caption: All\n    chapters:\n"
    contents += "".join(f"      - file: {page}\n" for page in pages)
    (tmp_path / "source/_toc.yml").write_text(contents, "utf-8")
    built = student.build(tmp_path / "source", tmp_path)
    texts = {path: path.read_text("utf-8", errors="ignore") for path in built.rglob("*") if path.is_file()}
    assert (built / "notebooks/06-closed-forms.html") in texts and (built / "searchindex.js") in texts
    for name in ("06-closed-forms", "11-judging-samples"):
        nb = read(ROOT / f"notebooks/{name}.ipynb")
        for path, text in texts.items():
            plain = re.sub(r"<[^>]+>", "", text).replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">")
            assert leaks(nb, plain.replace("&#39;", "'").replace("&amp;", "&")) == [], path
    questions = words((ROOT / "book/questions.md").read_text("utf-8"))
    assert words((built / "_sources/book/questions.md").read_text("utf-8")) not in questions


def test_the_package_has_no_solution():
    texts = [path.read_text("utf-8") for path in ROOT.glob("diffusion_lab/**/*.py")]
    for path in CHAPTERS:
        nb = read(path)
        code = [cell for cell in nb.cells if cell.cell_type == "code"]
        assert leaks(nbformat.from_dict({"cells": code}), "\n".join(texts)) == [], path.stem


def test_chapters_are_found_by_number_too():
    assert named("6") == named("06") == named("06-closed-forms") == ROOT / "notebooks/06-closed-forms.ipynb"
    with pytest.raises(SystemExit, match=r"CHAPTER: expected one of 00-before-you-start, .*; got 'x'"):
        named("x")
