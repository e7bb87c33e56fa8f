"""The tool that breaks the formulas of checks breaks them in the ways it says, and sees which checks notice."""

import os

import nbformat
import pytest
from mutate import examine, mutants
from nbformat.v4 import new_code_cell, new_notebook


def said(source: str) -> list[str]:
    return [what for _, what, _ in mutants(source)]


def test_formulas_are_broken_in_the_usual_ways():
    assert said("y = a + b") == ["sign: a + b -> a - b", "factor 2: a + b -> 2 * (a + b)"]
    assert "root or square: x.sqrt() -> x" in said("y = x.sqrt() * 3")
    assert "root or square: math.sqrt(x) -> x" in said("y = math.sqrt(x)")
    assert "root or square: x ** 0.5 -> x" in said("y = x ** 0.5")
    assert "sign: -x -> x" in said("y = f(-x)")
    assert said("y = alpha_bar[t]") == ["index: alpha_bar[t] -> alpha_bar[t - 1]"]


@pytest.mark.parametrize(
    "source", ["assert x < 5 * 2", "print(a + b)", "f(x, atol=a - b)", "wrong = a + b", "randn(n + 1)", 'f"{a + b}"']
)
def test_what_is_no_formula_is_let_be(source):
    assert said(source) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_check_that_notices_and_one_that_does_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cells = [
        new_code_cell("a, b = 3.0, 2.0"),
        new_code_cell("# check: (1.1)\nassert a + b == 5\nassert a - b < 100"),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "x.ipynb")
    assert examine(tmp_path / "x.ipynb") == (4, 2)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(": ", 1)[1] for line in printed] == ["sign: a - b -> a + b", "factor 2: a - b -> 2 * a - b"]
