"""`make chapter` makes a chapter that keeps the rules as far as an empty one can, and lists what is left to write."""

import importlib.util
import os
import shutil
import subprocess
import sys
from difflib import SequenceMatcher

import answers
import nbformat
import new_chapter
import number
import pytest
from chapter import ROOT
from chapters import chapters, disagreements, exercises_of, text_of

from diffusion_lab.exercises import NotYet

TOC = """\
format: jb-book
root: book/index
parts:
  - caption: I · See it
    numbered: 1
    chapters:
      - file: notebooks/01-number-eight
        title: The 8
  - caption: Look it up
    chapters:
      - file: book/map
"""


@pytest.fixture
def tree(tmp_path):
    """As much of the project as a new chapter touches, with one chapter in it."""
    leave_out = shutil.ignore_patterns("__pycache__", "weights")
    for folder in ("diffusion_lab", "book/tools", "tests/answers"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=leave_out)
    for name in (
        "README.md",
        "pyproject.toml",
        "notebooks/01-number-eight.ipynb",
        "notebooks/ruff.toml",
        "book/index.md",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "_toc.yml").write_text(TOC, "utf-8")
    (tmp_path / "book/_static").mkdir()
    return tmp_path


def contents(tree):
    return {path: path.read_bytes() for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def run(tree, *command) -> str:
    environment = os.environ | {"PYTHONPATH": str(tree), "IPYTHONDIR": str(tree / "ipython")}
    given = {"cwd": tree, "env": environment, "capture_output": True, "encoding": "utf-8"}
    done = subprocess.run([sys.executable, *command], **given)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- one is made ----------------------------------------------------------------------------------------------------


def test_a_new_chapter_keeps_the_rules(tree):
    before = contents(tree)
    said = run(tree, "-X", "utf8", "book/tools/new_chapter.py", "02-filling-in", "II · Steer it")

    chapter = chapters(tree)[-1]
    path = tree / "notebooks/02-filling-in.ipynb"
    assert (chapter.stem, chapter.number, chapter.part) == ("02-filling-in", "2", "II · Steer it")
    assert (chapter.title, chapter.needs) == ("Filling in", ("01-number-eight",))
    assert [one.number for one in chapter.exercises] == ["2.1", "2.2", "2.3"]
    assert [one.checked for one in chapter.exercises] == [False, True, True]
    assert disagreements(chapter, text_of(path)) == []
    assert number.numbered(tree)[path] == path.read_text("utf-8")
    made = ["notebooks/02-filling-in.ipynb", "diffusion_lab/exercises/filling_in.py", "tests/answers/filling_in.py"]
    run(tree, "-m", "ruff", "check", "--no-cache", *made)
    run(tree, "-m", "ruff", "format", "--no-cache", "--check", *made)

    to_do = said.partition("to do:\n")[2].partition("and besides:")[0].splitlines()
    assert len(to_do) > 20
    assert [line for line in to_do if "TODO" not in line] == []  # else a rule is broken
    for name in ("README.md", "book/index.md", "_toc.yml"):
        old, new = before[tree / name].decode().splitlines(), (tree / name).read_text("utf-8").splitlines()
        assert {kind for kind, *_ in SequenceMatcher(None, old, new).get_opcodes()} == {"equal", "insert"}, name
        assert "02-filling-in" in "".join(new), name
    changed = {
        file.relative_to(tree).as_posix() for file, content in contents(tree).items() if before.get(file) != content
    }
    assert {one for one in changed if not one.startswith("ipython/")} == {
        "README.md",
        "_toc.yml",
        "book/index.md",
        "book/_static/chapters/02-filling-in.webp",
        *made,
    }


def loaded(name: str, file: str):
    """A file of the skeleton as a module of the package that it is meant for."""
    spec = importlib.util.spec_from_file_location(name, new_chapter.SKELETON / file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_its_exercises_tell_right_from_wrong(monkeypatch):
    monkeypatch.setattr(answers, "ANSWERS", {})
    for name in ("diffusion_lab.exercises.skeleton", "answers.skeleton"):
        monkeypatch.setitem(sys.modules, name, None)  # taken away again
    exercises = loaded("diffusion_lab.exercises.skeleton", "exercises.py")
    loaded("answers.skeleton", "answers.py")
    tried = {"first_task": [], "second_task": []}
    for exercise, answer, says in answers.ANSWERS["skeleton"]:
        tried[exercise].append(says)
        if says is None:
            getattr(exercises, exercise)(answer)
        else:
            with pytest.raises(NotYet) as told:
                getattr(exercises, exercise)(answer)
            assert says in str(told.value)
    assert [(len(set(says)), None in says) for says in tried.values()] == [(4, True), (4, True)]


def test_its_anatomy_is_that_of_the_others():
    nb = nbformat.read(new_chapter.SKELETON / "chapter.ipynb", as_version=4)
    ours = nbformat.read(ROOT / "notebooks/06-closed-forms.ipynb", as_version=4)

    def kinds(nb):
        """What nbgrader is told of the cells of a prediction, of a function and of its check."""
        told = [(cell.cell_type, cell.metadata.nbgrader) for cell in nb.cells if "nbgrader" in cell.metadata]
        return {(kind, *(one[flag] for flag in ("grade", "solution", "task", "locked"))) for kind, one in told}

    assert kinds(nb) <= kinds(ours)
    assert len(exercises_of(nb, "skeleton")) == 3


# ---- or not ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tree, monkeypatch):
    """The tools work in the small tree."""
    monkeypatch.setattr(new_chapter, "ROOT", tree)
    monkeypatch.setattr(new_chapter, "numbered_before", lambda: [("01-number-eight", "I · See it")])
    return tree


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["guidance"], "NAME: expected two digits and words in small letters, such as 02-guidance; got 'guidance'"),
        (["2-guidance"], "NAME: expected"),
        (["02-Guidance"], "NAME: expected"),
        (["02_guidance"], "NAME: expected"),
        (["02-../x"], "NAME: expected"),
        (["02-class"], "NAME: expected"),
        ([""], "NAME: expected"),
        (["01-number-eight"], "NAME: 01-number-eight is taken: there is notebooks/01-number-eight.ipynb"),
        (["02-closed-forms"], "NAME: 02-closed-forms is taken: there is diffusion_lab/exercises/closed_forms.py"),
        (["02-asking"], "NAME: 02-asking is taken: there is diffusion_lab/exercises/asking.py"),
        (["03-guidance"], "NAME: chapters are numbered without a gap, and 02 is the next; got '03-guidance'"),
        (
            ["02-guidance", "Steer it"],
            "PART: expected 'I · See it', or a new one such as 'II · Steer it'; got 'Steer it'",
        ),
        (["02-guidance", "III · Steer it"], "PART: expected"),
        (["02-guidance", "I · Steer it"], "PART: expected"),
    ],
)
def test_a_name_or_part_that_will_not_do_is_refused(small, monkeypatch, capsys, given, said):
    before = contents(small)
    monkeypatch.setattr(sys, "argv", ["new_chapter.py", *given])
    with pytest.raises(SystemExit):
        new_chapter.main()
    assert said in capsys.readouterr().err
    assert contents(small) == before


def test_a_part_that_is_not_the_last_is_refused(small, monkeypatch):
    monkeypatch.setattr(new_chapter, "numbered_before", lambda: [("01-a", "I · See it"), ("02-b", "II · Build it")])
    assert "comes after those of 'II · Build it'" in new_chapter.refused("03-c", "I · See it")
    assert new_chapter.refused("03-c", "II · Build it") is None
    assert new_chapter.refused("03-c", "III · Prove it") is None


def test_a_run_that_fails_leaves_nothing(small, monkeypatch):
    def fails(path):
        assert path.exists()
        raise RuntimeError("no kernel")

    before = contents(small)
    monkeypatch.setattr(new_chapter, "execute", fails)
    monkeypatch.setattr(sys, "argv", ["new_chapter.py", "02-guidance"])
    with pytest.raises(RuntimeError, match="no kernel"):
        new_chapter.main()
    assert contents(small) == before
