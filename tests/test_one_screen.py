"""The program of the first page is the page's own, stands alone, and draws an S."""

import ast
import math

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from chapter import ROOT

from diffusion_lab import energy_distance

PROGRAM = ROOT / "notebooks/one_screen.py"
TEXT = PROGRAM.read_text("utf-8")
BOUND = 0.006  # the energy distance of 2,000 points; true ones get about 0.0014, an untrained network's more than 0.1


def run(seed: int, steps: int, folder, monkeypatch) -> torch.Tensor:
    """The points that the program draws, with another seed and number of training steps."""
    text = TEXT.replace("manual_seed(0)", f"manual_seed({seed})").replace("Network(), 2500", f"Network(), {steps}")
    assert text.count(f"manual_seed({seed})") == text.count(f"Network(), {steps}") == 1
    monkeypatch.chdir(folder)
    names = {"__name__": "__main__"}
    exec(compile(text, str(PROGRAM), "exec"), names)
    plt.close("all")
    assert (folder / "one_screen.png").exists()
    return names["x"]


def letter(n: int) -> torch.Tensor:
    """Points of the program's S, written anew."""
    g = torch.Generator().manual_seed(1)
    angle = (torch.rand(n, generator=g) * 3 - 1.5) * math.pi
    curve = torch.stack([angle.sin(), torch.where(angle > 0, angle.cos() - 1, 1 - angle.cos())], 1)
    return curve + 0.1 * torch.randn(n, 2, generator=g)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_draws_an_s(seed, tmp_path, monkeypatch):
    assert energy_distance(run(seed, 2500, tmp_path, monkeypatch), letter(10_000)) < BOUND


def test_the_bound_is_one_that_bad_points_do_not_keep(tmp_path, monkeypatch):
    assert energy_distance(letter(2000), letter(10_000)) < BOUND / 2
    assert energy_distance(run(0, 4, tmp_path, monkeypatch), letter(10_000)) > 10 * BOUND


def test_the_page_shows_the_program_and_reads_lines_that_are_in_it():
    nb = nbformat.read(ROOT / "notebooks/one-screen.ipynb", as_version=4)
    [cell] = [cell for cell in nb.cells if "program" in cell.metadata.get("tags", [])]
    assert cell.source == TEXT.rstrip()
    before = nb.cells[: nb.cells.index(cell)]  # beside it there are only the package for the checks, and the exercises
    assert [each.id for each in before if each.cell_type == "code"] == ["colab"]
    path = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown").split("## Exercises")[0]
    quoted = [line for block in path.split("```python\n")[1:] for line in block.split("\n```")[0].splitlines()]
    lines = set(TEXT.splitlines()) | {line.removeprefix("    ") for line in TEXT.splitlines()}
    assert [line for line in quoted if line.strip("(). ") and line not in lines] == []
    assert len(quoted) > 20


def test_it_fits_one_screen_and_needs_no_package():
    assert max(map(len, TEXT.splitlines())) <= 80
    assert sum(bool(line.strip()) for line in TEXT.splitlines()) <= 70
    tree = ast.parse(TEXT)
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} == {"math", "matplotlib", "torch"}
