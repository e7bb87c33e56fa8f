"""The project's address is set in pyproject.toml alone, and everything that repeats it agrees."""

import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from place import ROOT, main, place_notebook, place_text, placed, read_address

OTHER = "https://github.com/someone/some-where"


def test_every_file_agrees_with_pyproject():
    assert [path.name for path, text in placed().items() if path.read_text("utf-8") != text] == []


@pytest.fixture
def copy(tmp_path):
    """The files that name the address, in a folder of their own."""
    for path in [ROOT / "pyproject.toml", *placed()]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def move(root, address):
    settings = root / "pyproject.toml"
    settings.write_text(settings.read_text("utf-8").replace(read_address(), address), "utf-8")


def test_a_new_address_reaches_every_file(copy, monkeypatch, capsys):
    move(copy, OTHER)
    monkeypatch.setattr("sys.argv", ["place.py", "--check"])
    assert main(copy) == 1
    differing = capsys.readouterr().out
    for name in ["_config.yml", "CITATION.cff", *(path.name for path in copy.glob("notebooks/*.ipynb"))]:
        assert name in differing

    monkeypatch.setattr("sys.argv", ["place.py"])
    assert main(copy) == 0
    slug = read_address().removeprefix("https://github.com/")
    assert [path.name for path in copy.rglob("*") if path.is_file() and slug in path.read_text("utf-8")] == []

    monkeypatch.setattr("sys.argv", ["place.py", "--check"])
    assert main(copy) == 0


@pytest.mark.parametrize("address", ["https://gitlab.com/a/b", "https://github.com/a", "https://github.com/a/b/"])
def test_an_address_that_colab_cannot_open_is_refused(copy, address):
    move(copy, address)
    with pytest.raises(ValueError, match=r"Repository in pyproject\.toml must look like"):
        read_address(copy)


def test_other_peoples_links_stay():
    text = "See https://github.com/huggingface/diffusers and https://colab.research.google.com/."
    assert place_text(text, OTHER) == text


def test_a_notebook_gets_the_header_once():
    nb = new_notebook(cells=[new_markdown_cell("# Title\n\nA question."), new_code_cell("import diffusion_lab")])
    place_notebook(nb, "01-title.ipynb", OTHER)
    title, link, rest = nb.cells[0].source.split("\n\n")
    assert (title, rest) == ("# Title", "A question.")
    colab = "https://colab.research.google.com/github/someone/some-where/blob/main/notebooks/01-title.ipynb"
    assert link == f"[Open in Colab]({colab})"
    assert f'"git+{OTHER}"' in nb.cells[1].source
    assert nb.cells[2].source == "import diffusion_lab"

    again = nbformat.from_dict(nb)
    place_notebook(again, "01-title.ipynb", OTHER)
    assert nbformat.writes(again) == nbformat.writes(nb)


def test_a_notebook_that_does_not_use_the_package_does_not_install_it():
    nb = new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("1 + 1")])
    place_notebook(nb, "01-title.ipynb", OTHER)
    assert [cell.source for cell in nb.cells[1:]] == ["1 + 1"]


def test_links_to_the_published_book_follow():
    text = "A [word](https://OWNER.github.io/diffusion-lab/book/glossary.html#term-word), https://a.github.io/blog/."
    assert place_text(text, OTHER) == text.replace("OWNER.github.io/diffusion-lab", "someone.github.io/some-where")


def test_a_notebook_without_a_title_is_refused():
    with pytest.raises(ValueError, match="first cell must be markdown"):
        place_notebook(new_notebook(cells=[new_code_cell("1")]), "x.ipynb", OTHER)
