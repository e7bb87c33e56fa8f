"""The exercises tell right answers from wrong ones, and say what is wrong."""

import importlib
import re

import pytest
import torch
from answers import all_answers
from chapter import ROOT

from diffusion_lab.exercises import NotYet

MODULES = sorted(
    path.stem for path in ROOT.glob("diffusion_lab/exercises/*.py") if path.stem not in ("__init__", "asking")
)
ANSWERS = all_answers()
CASES = [(module, *case) for module, cases in ANSWERS.items() for case in cases]
RIGHT = [case for case in CASES if case[3] is None]
WRONG = [case for case in CASES if case[3] is not None]
SEEDS = [0, 1, 20261122]


def named(case):
    module, exercise, function, _ = case
    return f"{module}-{exercise}-{function.__name__}"


def asked(module: str) -> dict:
    """The exercises of a module, by name."""
    found = vars(importlib.import_module(f"diffusion_lab.exercises.{module}"))
    return {name: value for name, value in found.items() if hasattr(value, "instead_of")}


@pytest.mark.parametrize("case", RIGHT, ids=named)
def test_a_right_answer_passes(case, capsys):
    module, exercise, answer, _ = case
    for seed in SEEDS:
        asked(module)[exercise](answer, seed)
    assert "wrong" not in capsys.readouterr().out


@pytest.mark.parametrize("case", WRONG, ids=named)
def test_a_wrong_answer_is_told_its_slip(case):
    module, exercise, answer, says = case
    for seed in SEEDS:
        with pytest.raises(NotYet, match=re.escape(says)):
            asked(module)[exercise](answer, seed)


@pytest.mark.parametrize("module", MODULES)
def test_every_exercise_has_a_right_answer_and_three_wrong_ones(module):
    cases = ANSWERS[module]
    for exercise in asked(module):
        says = [words for name, _, words in cases if name == exercise]
        assert None in says, exercise
        assert len({words for words in says if words}) >= 3, exercise


@pytest.mark.parametrize(
    "answer",
    [
        None,
        3,
        lambda *_, **__: None,
        lambda *_, **__: torch.tensor(float("nan")),
        lambda *_, **__: "x",
        lambda *_, **__: (),
        lambda *_, **__: 1 / 0,
    ],
)
@pytest.mark.parametrize("module", MODULES)
def test_whatever_an_answer_is_the_reader_gets_sentences(module, answer):
    for check in asked(module).values():
        with pytest.raises(NotYet) as told:
            check(answer)
        assert "Traceback" not in str(told.value)
