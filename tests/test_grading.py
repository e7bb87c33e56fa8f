"""Submissions are graded whatever is in them: right answers, wrong ones, and code that means harm."""

import copy
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import grade
import nbformat
import pytest
from answers import closed_forms as answers
from answers import standalone
from chapter import ROOT
from release import release
from sandbox import strongest
from submission import Submission, graded_id, opened
from warden import Ended, Process, Remote, Terms

from diffusion_lab.exercises import NotYet, closed_forms

CHAPTER = "06-closed-forms"
RIGHT = {
    "condition": standalone("condition", answers.by_inverse),
    "posterior_between": standalone("posterior_between", answers.by_precisions),
}
SOLUTIONS = ROOT / f"notebooks/{CHAPTER}.ipynb"
WALLS = sorted({strongest(), "none"})
TERMS = Terms(strongest(), seed=7, seconds=20)
SCRIBBLE = """
import os
for one in range(3, 30):
    try:
        os.write(one, b"x" * 64)  # one of them is the line to the grader
    except OSError:
        pass
"""
HASTY = Terms(strongest(), seed=7, seconds=4)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    release(SOLUTIONS, folder)
    return folder


@pytest.fixture(scope="module")
def released(course):
    return nbformat.read(course / f"release/{CHAPTER}/{CHAPTER}.ipynb", as_version=4)


def filled(released, **cells):
    """The released notebook with these texts in the cells of these names."""
    nb = copy.deepcopy(released)
    for cell in nb.cells:
        cell.source = cells.get(graded_id(cell), cell.source)
    return nb


def handed_in(folder, student, nb):
    path = folder / student / f"{CHAPTER}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)
    return path


# ---- a process that is shut --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=WALLS)
def process(request):
    with Process("closed_forms", Terms(request.param, seed=7, seconds=20)) as process:
        yield process


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (f"open({str(SOLUTIONS)!r}).read()", "it reads a file"),
        (f"import os\nos.listdir({str(SOLUTIONS.parent)!r})", "it reads a file"),
        ("open('/tmp/left-behind', 'w')", "it writes to a file"),
        ("import urllib.request\nurllib.request.urlopen('http://192.0.2.1')", "it reaches for the network"),
        ("import socket\nsocket.getaddrinfo('example.org', 80)", "it reaches for the network"),
        ("import subprocess\nsubprocess.run(['true'])", "it starts another program"),
        ("import os\nos.system('true')", "it starts another program"),
        ("import os\nos.kill(os.getppid(), 9)", "it sends a signal"),
        ("check.condition = print", "replaces diffusion_lab.exercises.closed_forms.condition"),
        ("import diffusion_lab.paths as p\np.Path = None", "replaces diffusion_lab.paths.Path"),
        (
            "import diffusion_lab as d\nd.NoiseSchedule.cosine = 3",
            "replaces diffusion_lab.schedule.NoiseSchedule.cosine",
        ),
    ],
)
def test_what_a_submission_has_no_business_with_is_refused_and_named(process, code, why):
    process.run("from diffusion_lab.exercises import closed_forms as check")
    process.denied.clear()
    process.run("try:\n" + textwrap.indent(code, "    ") + "\nexcept Exception:\n    pass")  # as one who would hide it
    assert any(why in one for one in process.denied), process.denied
    process.denied.clear()


def test_what_a_submission_replaces_changes_no_check(process):
    process.run(
        "check.condition = lambda answer, seed=0: print('right')\nimport torch\ntorch.allclose = lambda *a, **k: True"
    )
    process.run("def condition(mean, covariance, told):\n    return mean[:1], covariance")
    with pytest.raises(NotYet):
        closed_forms.condition(Remote(process, "condition"))
    process.denied.clear()


def test_what_students_do_every_day_is_allowed(process):
    code = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('seen')"
    assert process.run(code) is None
    assert process.run("open('notes.txt', 'w').write('mine')\nassert open('notes.txt').read() == 'mine'") is None
    assert process.denied == []


def test_an_error_comes_with_the_line_in_which_it_was_raised(process):
    process.run("def condition(mean, covariance, told):\n    return nothing_of_this_name")
    with pytest.raises(NotYet, match=r"NameError: .*in the line `return nothing_of_this_name`"):
        closed_forms.condition(Remote(process, "condition"))


# ---- what goes wrong costs one exercise ----------------------------------------------------------------------------

STOPS = {
    "endless": ("while True: pass", "it ran for more than 4 seconds"),
    "talkative": ("while True: print('x' * 100_000)", "it printed more than 1,048,576 bytes"),
    "gone": ("import os\nos._exit(0)", "its process ended"),
    "scribbling": (SCRIBBLE, "its process ended"),
}
GOES_ON = {
    "leaves": ("raise SystemExit", "there is no function `leaves`: SystemExit"),
    "not_there": ("import nothing_of_this_name", "there is no function `not_there`: ModuleNotFoundError"),
    "unfinished": ("def unfinished(", "there is no function `unfinished`: SyntaxError"),
    "greedy": ("import torch\nx = torch.ones(1 << 33)", "there is no function `greedy`: RuntimeError"),
    "curious": (f"def curious(): pass\nopen({str(SOLUTIONS)!r})", "it reads a file that is not its own"),
    "empty": ("", "there is no function `empty`: its cell is empty"),
}


def test_what_goes_wrong_costs_its_exercise_and_no_other(released):
    steps = [("run", "condition", "import torch\n" + RIGHT["condition"]), ("check", "condition", "")]
    for name, (code, _) in (STOPS | GOES_ON).items():
        steps += [("run", name, code), ("check", name, "")]
    steps += [("run", "posterior_between", RIGHT["posterior_between"]), ("check", "posterior_between", "")]
    found = grade.graded(Submission("eve", CHAPTER, SOLUTIONS, released, steps), HASTY)
    assert [name for name, one in found.items() if one["right"]] == ["condition", "posterior_between"]
    for name, (_, why) in (STOPS | GOES_ON).items():
        assert found[name]["said"].startswith(why), found[name]


def test_a_check_that_never_ends_costs_its_exercise_and_no_other(released):
    steps = [("run", "condition", "def condition(*_):\n    while True: pass"), ("check", "condition", "")]
    steps += [("run", "posterior_between", RIGHT["posterior_between"]), ("check", "posterior_between", "")]
    found = grade.graded(Submission("eve", CHAPTER, SOLUTIONS, released, steps), HASTY)
    assert found["condition"]["said"] == "it ran for more than 4 seconds" and found["posterior_between"]["right"]


def test_a_submission_has_so_much_time_in_all(released):
    steps = [("run", "condition", "while True: pass"), ("check", "condition", ""), ("check", "posterior_between", "")]
    found = grade.graded(Submission("eve", CHAPTER, SOLUTIONS, released, steps), replace(HASTY, in_all=1, seconds=2))
    assert found["posterior_between"]["said"] == "the submission took more than 1 seconds in all"


# ---- what is handed in -------------------------------------------------------------------------------------------


def without(nb, name):
    nb.cells = [cell for cell in nb.cells if graded_id(cell) != name]


def more_points(nb, name):
    next(cell for cell in nb.cells if graded_id(cell) == name).metadata.nbgrader["points"] = 400


def unlocked(nb, name):
    next(cell for cell in nb.cells if graded_id(cell) == name).metadata.nbgrader["locked"] = False


def as_text(nb, name):
    place = next(place for place, cell in enumerate(nb.cells) if graded_id(cell) == name)
    nb.cells[place] = nbformat.v4.new_markdown_cell("right", metadata=nb.cells[place].metadata)


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        (without, "check-condition", "the check cell is missing"),
        (without, "condition", "the cell for the answer is missing"),
        (more_points, "check-condition", "the metadata of the check cell were edited: points is 400"),
        (unlocked, "check-condition", "the metadata of the check cell were edited: locked is False"),
        (as_text, "condition", "the cell for the answer was turned into a markdown cell"),
    ],
)
def test_a_changed_frame_costs_its_exercise_and_no_other(released, tmp_path, change, name, why):
    nb = filled(released, **RIGHT)
    change(nb, name)
    found = opened("eve", handed_in(tmp_path, "eve", nb), released)
    assert list(found.refused) == ["condition"] and found.refused["condition"].startswith(why)
    # nbgrader sees the release's own cells, whatever was handed in.
    ours = [(graded_id(cell), cell.metadata.nbgrader) for cell in released.cells if graded_id(cell)]
    assert [(graded_id(cell), cell.metadata.nbgrader) for cell in found.notebook.cells if graded_id(cell)] == ours


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"cells": 3}', '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "\0"]
)
def test_what_is_no_notebook_gets_nothing_and_a_reason(released, tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_text(text, "utf-8")
    found = opened("eve", path, released)
    assert all("no notebook" in why for why in found.refused.values()) and len(found.refused) == 2


@pytest.mark.parametrize("metadata", [3, [], "x", {"grade_id": 3}, {"grade_id": ["condition"]}, {"nbgrader": None}])
def test_strange_metadata_do_no_harm(released, tmp_path, metadata):
    nb = filled(released, **RIGHT)
    nb.cells[3].metadata["nbgrader"] = metadata
    text = json.dumps(nb | {"metadata": nb.metadata | {"diffusion_lab": 3}})
    path = tmp_path / "x.ipynb"
    path.write_text(text, "utf-8")
    found = opened("eve", path, released)
    assert found.refused == {} and "release None" in found.notes[0]


def test_only_the_section_exercises_is_run(released, tmp_path):
    nb = filled(released, **RIGHT)
    nb.cells.insert(1, nbformat.v4.new_code_cell("1 / 0  # the chapter"))
    nb.cells.append(nbformat.v4.new_code_cell("1 / 0  # after the last check"))
    copied = copy.deepcopy(next(cell for cell in nb.cells if graded_id(cell) == "condition"))
    copied.source = "helper = 1"
    nb.cells.insert(nb.cells.index(next(cell for cell in nb.cells if graded_id(cell) == "check-condition")), copied)
    found = opened("ann", handed_in(tmp_path, "ann", nb), released)
    assert [step[:2] for step in found.steps] == [
        ("run", ""),
        ("run", "condition"),
        ("run", "condition"),
        ("check", "condition"),
        ("run", "posterior_between"),
        ("check", "posterior_between"),
    ]
    assert "1 / 0" not in "".join(code for *_, code in found.steps)


# ---- a folder of them --------------------------------------------------------------------------------------------


def graded_folder(folder, course):
    command = [sys.executable, str(ROOT / "book/tools/grade.py"), str(folder), "--course", str(course)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ)


def test_a_folder_is_graded_and_goes_on_where_it_stopped(course, released, tmp_path):
    half = standalone("posterior_between", answers.beta_for_beta_tilde)
    words = {"half-of-it-noise": "69, since $0.99^t = 1/2$", "the-forgotten-roots": "wrong"}
    old = filled(released, **RIGHT)
    old.metadata["diffusion_lab"]["release"] = "last year's"
    handed_in(tmp_path, "right", filled(released, **RIGHT | words))
    handed_in(tmp_path, "half", filled(released, **RIGHT | {"posterior_between": half}))
    handed_in(tmp_path, "empty", released)
    handed_in(tmp_path, "hostile", filled(released, **RIGHT | {"condition": "import os\nos._exit(0)"}))
    nbformat.write(old, tmp_path / "from-an-old-release.ipynb")
    (tmp_path / "notes.ipynb").write_text("{}")
    done = graded_folder(tmp_path, course)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not graded: notes.ipynb: no chapter 'unknown' is released" in done.stderr

    rows = {row["student"]: row for row in marks(course)}
    scores = {
        name: (row["condition"], row["posterior_between"], row["points"], row["of"]) for name, row in rows.items()
    }
    assert scores == {
        "right": ("4.0", "4.0", "8.0", "16.0"),
        "half": ("4.0", "0.0", "4.0", "16.0"),
        "empty": ("0.0", "0.0", "0.0", "16.0"),
        "hostile": ("0.0", "4.0", "4.0", "16.0"),
        "from-an-old-release": ("4.0", "4.0", "8.0", "16.0"),
    }
    assert rows["right"]["to mark by hand"] == "2" and rows["right"]["half-of-it-noise"] == ""
    assert "your variance is beta" in rows["half"]["why"] and "its process ended" in rows["hostile"]["why"]
    assert "release last year's" in rows["from-an-old-release"]["notes"]
    for name, says in (("half", "your variance is beta"), ("right", "all of it is right")):
        assert says in (course / f"feedback/{name}/{CHAPTER}/{CHAPTER}.html").read_text("utf-8")

    kept = {path.stem: path for path in (course / "results" / CHAPTER).glob("*.json")}
    before = {name: path.stat().st_mtime_ns for name, path in kept.items()}
    kept.pop("half").unlink()
    again = graded_folder(tmp_path, course)
    assert again.returncode == 0 and {row["student"]: row for row in marks(course)} == rows
    assert {name: path.stat().st_mtime_ns for name, path in kept.items()} == {name: before[name] for name in kept}


def marks(course: Path) -> list[dict]:
    import csv

    with (course / f"{CHAPTER}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_what_cannot_be_graded_is_said(course, tmp_path):
    for folder, says in ((tmp_path / "nothing", "expected a folder"), (tmp_path, "there is no submission")):
        with pytest.raises(SystemExit, match=says):
            grade.found_in(folder, course)


def test_a_process_that_does_not_start_is_no_zero(released, tmp_path):
    with pytest.raises(RuntimeError, match="did not start"):
        Process("closed_forms", Terms(strongest(), seed=7, start=0.01))


def test_nothing_is_left_behind_by_a_process_that_was_stopped():
    with Process("closed_forms", HASTY) as process:
        folder = Path(process.scratch.name)
        with pytest.raises(Ended):
            process.run("import time\ntime.sleep(60)")
    assert process.process.poll() is not None and not folder.exists()
