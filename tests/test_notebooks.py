"""The notebooks of the book keep the rules of book/tools/chapter.py, and each rule can be broken."""

import copy

import nbformat
import pytest
from chapter import ROOT, WIDGET, fingerprint, problems, thumbnail
from execute import clean, execute, write
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

CHAPTERS = sorted(ROOT.glob("notebooks/*.ipynb"))
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_keeps_the_rules(path):
    assert problems(path) == []


def test_every_chapter_is_in_the_contents():
    contents = (ROOT / "_toc.yml").read_text("utf-8")
    assert CHAPTERS
    assert [path.stem for path in CHAPTERS if f"notebooks/{path.stem}" not in contents] == []


# ---- a small package and a small notebook, to break ---------------------------------------------------------------


@pytest.fixture
def package(tmp_path):
    """A package in which `double` is passed on by __init__ and stands on `base`; `other` stands apart."""
    folder = tmp_path / "pack"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("from . import other\nfrom .double import double\nfrom .models import net\n")
    (folder / "base.py").write_text('"""Docs."""\ntwo = 2  # a comment\n')
    (folder / "double.py").write_text("from .base import two\n\n\ndef double(x):\n    return two * x\n")
    (folder / "other.py").write_text("def other():\n    return 1\n")
    (folder / "models/__init__.py").write_text("from .net import net\n")
    (folder / "models/net.py").write_text("from ..base import two\n\nnet = two\n")
    return folder


@pytest.fixture
def notebook(package):
    """A notebook with nothing wrong, and the folder of thumbnails that belongs to it."""
    picture = new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"})
    cells = [
        new_markdown_cell("# Title"),
        new_code_cell("from pack import double\n", execution_count=1),
        new_code_cell(
            "double(2)",
            execution_count=2,
            outputs=[picture],
            metadata={"tags": ["thumbnail"], "mystnb": {"image": {"alt": "a dot"}}},
        ),
    ]
    nb = new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    nb.metadata["diffusion_lab"] = {"fingerprint": fingerprint(nb, package)}
    return nb


def complaints(nb, package):
    """What `problems` says of a notebook whose thumbnail is as it should be."""
    path = package.parent / "01-title.ipynb"
    nbformat.write(nb, path)
    write(package.parent / "thumbnails/01-title.webp", thumbnail(PIXEL, "01-title"))
    return problems(path, package, package.parent / "thumbnails")


def test_nothing_is_wrong_with_a_good_notebook(notebook, package):
    assert complaints(notebook, package) == []


def without_count(nb):
    nb.cells[2].execution_count = None


def out_of_order(nb):
    nb.cells[1].execution_count, nb.cells[2].execution_count = 2, 1


def with_an_error(nb):
    nb.cells[1].outputs = [new_output("error", ename="E", evalue="e", traceback=[])]


def with_a_warning(nb):
    nb.cells[1].outputs = [new_output("stream", name="stderr", text="UserWarning")]


def with_a_long_cell(nb):
    nb.cells[1].source += "\n" * 20 + "# more\n" * 20


def without_alt_text(nb):
    nb.cells[2].metadata.mystnb.image.alt = " "


def with_a_local_path(nb):
    nb.cells[1].outputs = [new_output("stream", text="saved to /home/me/model.pt")]


def with_a_windows_path(nb):
    nb.cells[0].source += "\nC:\\Users\\me"


def with_another_kernel(nb):
    nb.metadata.kernelspec.name = "mine"


def with_changed_code(nb):
    nb.cells[2].source = "double(3)"


def without_thumbnail(nb):
    nb.cells[2].metadata.tags = []


def with_another_picture(nb):
    nb.cells[2].outputs[0].data["image/png"] = PIXEL.replace("AAAB", "AAAC", 1)


def too_large(nb):
    nb.cells[0].source += "x" * 1_500_000


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (without_count, "cell 2 has execution count None, not 2"),
        (out_of_order, "cell 1 has execution count 2, not 1"),
        (with_an_error, "cell 1 stores an error"),
        (with_a_warning, "cell 1 stores text on stderr"),
        (with_a_long_cell, "cell 1 is longer than"),
        (without_alt_text, "cell 2 shows a picture without alt text"),
        (with_a_local_path, "cell 1 names a path of one machine: /home/me/model.pt"),
        (with_a_windows_path, "cell 0 names a path of one machine: C:"),
        (with_another_kernel, "has a kernel other than python3"),
        (with_changed_code, "has outputs from older code (changed since: cells)"),
        (without_thumbnail, "has no cell tagged `thumbnail`"),
        (with_another_picture, "has another thumbnail than 01-title.webp"),
        (too_large, "is larger than 1,500,000 bytes"),
    ],
)
def test_each_rule_can_be_broken(notebook, package, break_it, complaint):
    break_it(notebook)
    found = complaints(notebook, package)
    assert any(problem.startswith(complaint) for problem in found), found


def test_an_error_that_the_chapter_wants_is_allowed(notebook, package):
    with_an_error(notebook)
    notebook.cells[1].metadata["tags"] = ["raises-exception"]
    assert complaints(notebook, package) == []


def test_links_and_fractions_are_not_taken_for_paths(notebook, package):
    notebook.cells[0].source += "\nhttps://example.org/home/me and a/tmp/b and 1/2 and x_t/T and ../home/x"
    assert complaints(notebook, package) == []


# ---- the fingerprint -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("from pack import double", {"pack.double", "pack.base"}),
        ("import pack.other as o", {"pack.other"}),
        ("from pack import other", {"pack.other"}),
        ("from pack.models import net", {"pack.models.net", "pack.base"}),
        ("def f():\n    from pack.models.net import net", {"pack.models.net", "pack.base"}),
        (
            "import pack",
            {"pack", "pack.other", "pack.double", "pack.base", "pack.models.net"},
        ),
        ("import numpy, package", set()),
        ("%matplotlib inline\n!ls\nfrom pack import net", {"pack.models.net", "pack.base"}),
    ],
)
def test_fingerprint_follows_the_imports(package, source, modules):
    nb = new_notebook(cells=[new_code_cell(source)])
    assert set(fingerprint(nb, package)) == modules | {"cells"}


def test_a_change_below_the_imported_module_is_seen(notebook, package):
    (package / "base.py").write_text("two = 3\n")
    assert any("changed since: pack.base)" in problem for problem in complaints(notebook, package))


def test_a_change_elsewhere_is_not(notebook, package):
    (package / "other.py").write_text("def other():\n    return 2\n")
    (package / "base.py").write_text('"""Other docs."""\n\ntwo = 2\n')
    notebook.cells[2].source = "double( 2 )  # a comment"
    assert complaints(notebook, package) == []


def test_the_words_of_an_error_do_not_count_but_what_raises_it_does(notebook, package):
    code = "def double(x):\n    if x < {limit}:\n        raise {kind}(f'{words} {{x}}')\n    return 2 * x\n"
    prints = []
    for limit, kind, words in [(0, "ValueError", "no"), (0, "ValueError", "never, ever"), (1, "ValueError", "no"),
                               (0, "TypeError", "no")]:  # fmt: skip
        (package / "double.py").write_text(code.format(limit=limit, kind=kind, words=words))
        prints.append(fingerprint(notebook, package)["pack.double"])
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_the_colab_cell_does_not_count(notebook, package):
    notebook.cells.insert(1, new_code_cell("%pip install x", id="colab", execution_count=1))
    for count, cell in enumerate(notebook.cells[1:], start=1):
        cell.execution_count = count
    assert complaints(notebook, package) == []


# ---- running one ---------------------------------------------------------------------------------------------------


def test_cleaning_keeps_what_the_page_needs_and_no_more(notebook):
    cell = notebook.cells[2]
    cell.metadata |= {"execution": {"iopub.status.busy": "2026"}, "collapsed": True}
    cell.outputs.append(new_output("display_data", {WIDGET: {"model_id": "1a2b"}, "text/plain": "IntSlider()"}))
    notebook.metadata |= {"widgets": {}, "jupytext": {}}
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    clean(notebook)
    assert set(cell.metadata) == {"tags", "mystnb"}
    assert cell.outputs[1] == new_output("display_data", {"text/plain": "IntSlider()"}, metadata={"widget": True})
    assert set(notebook.metadata) == {"kernelspec", "language_info", "diffusion_lab"}
    assert "version" not in notebook.metadata.language_info


def test_a_notebook_that_fails_stays_as_it_was(tmp_path, notebook):
    broken = copy.deepcopy(notebook)
    broken.cells[1:] = [new_code_cell("print(1)"), new_code_cell("1 / 0")]
    path = tmp_path / "01-title.ipynb"
    nbformat.write(broken, path)
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [path.name]


def test_a_slider_leaves_what_it_draws_first(tmp_path):
    code = "import ipywidgets\nipywidgets.interact(lambda t: print('t =', t), t=(0, 100));"
    path = tmp_path / "01-title.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell(code)]), path)
    execute(path)
    outputs = nbformat.read(path, as_version=4).cells[1].outputs
    assert [out.text for out in outputs if out.output_type == "stream"] == ["t = 50\n"]
    [widget] = [out for out in outputs if out.output_type == "display_data"]
    assert widget.metadata == {"widget": True}
    assert set(widget.data) == {"text/plain"}
