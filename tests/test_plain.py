"""The chapters read right wherever they are opened, each is one session, and what they name is there."""

import re
from pathlib import Path

import nbformat
import number
import plain
import pytest
from chapter import ROOT, folded, markdown_of, pictures
from execute import FOLDS
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from place import read_address, site

BOOKS = {path.stem: nbformat.read(path, as_version=4) for path in sorted(ROOT.glob("notebooks/*.ipynb"))}
LINK = re.compile(r"\]\(([^)\s]+)\)")
REFERENCES = (ROOT / "book/references.bib").read_text("utf-8")

chapters = pytest.mark.parametrize("nb", BOOKS.values(), ids=BOOKS)


def prose(nb) -> str:
    return markdown_of(nb.cells)


@chapters
def test_nothing_that_only_the_book_understands(nb):
    assert plain.problems(nb) == []


@chapters
def test_one_session(nb):
    assert plain.words(nb) <= plain.MAX_WORDS
    assert plain.visible_lines(nb) <= plain.MAX_VISIBLE_LINES


@chapters
def test_what_the_book_folds_is_folded_elsewhere(nb):
    for cell in nb.cells:
        expected = FOLDS if folded(cell) else dict.fromkeys(FOLDS)
        assert {key: cell.metadata.get(key) for key in FOLDS} == expected, cell.id


@chapters
def test_figures_have_captions_and_legible_labels(nb):
    assert plain.figure_problems(nb) == []


@chapters
def test_links_lead_somewhere(nb):
    lost = []
    for address in LINK.findall(prose(nb)):
        page = address.partition("#")[0]
        if address.startswith(f"{site(read_address())}/"):
            file = ROOT / Path(page.removeprefix(f"{site(read_address())}/")).with_suffix(".md")
            good = file.exists()
        elif address.startswith("https://"):
            good = True
        else:
            good = (ROOT / "notebooks" / page).exists()
        lost += [] if good else [address]
    assert lost == []


@chapters
def test_papers_are_in_the_references(nb):
    cited = re.findall(r"https://(?:arxiv\.org/abs|doi\.org)/([^)\s]+)", prose(nb))
    assert {one for one in cited if one not in REFERENCES} == set()


def test_every_reference_is_cited():
    pages = "".join(path.read_text("utf-8") for path in ROOT.glob("book/*.md")) + "".join(map(prose, BOOKS.values()))
    entries = re.findall(r"@\w+\{(\S+?),.*?(?:eprint|doi) = \{([^}]*)\}", REFERENCES, re.DOTALL)
    assert len(entries) == REFERENCES.count("\n@") + REFERENCES.startswith("@")
    assert [key for key, address in entries if address not in pages and f"`{key}`" not in pages] == []


def test_numbers_are_in_order_and_what_is_named_is_there():
    assert [path.name for path, text in number.numbered().items() if path.read_text("utf-8") != text] == []
    given = number.new_numbers({stem: prose(nb) for stem, nb in BOOKS.items()})
    for stem, nb in BOOKS.items():
        for kind, (_, named) in number.KINDS.items():
            text = re.sub(r"`[^`\n]*`", "", plain.without_code(prose(nb)))
            found = {match["number"] for match in re.finditer(named, text)}
            # In brackets may stand a number that is no equation's, such as (0.5).
            found = {one for one in found if kind != "equation" or one.split(".")[0] == number.prefix(stem)}
            assert found <= set(given[kind]), (stem, kind)


# ---- the rules can be broken ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "```{note}\nx\n```",
        ":::{note}\nx\n:::",
        "> ```{note}\n> x\n> ```",
        "a {term}`word`",
        "(label)=\n# A",
        "$$\na\n$$ (eq-a)",
        "word {.class}",
        "100\n% of it",
        "a <b>bold</b> word",
        "> $a\n> b$",
        "> $$\n> a\n> $$",
        "<details><summary>Hint</summary>\n\nx\n",
        "<details><summary>Hint</summary>\nx\n\n</details>",
        "<details><summary>Hint</summary>\n\nx\n</details>",
    ],
)
def test_raw_markup_is_found(text):
    assert plain.raw_markup(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "> **Watch out.** A *word*, $a < b$ and $b > a$, `{term}` and `x{y}`.",
        "$$\n\\begin{gathered}\na < b \\\\\nc > d\n\\end{gathered}\n\\tag{2.1}\n$$",
        "<details><summary>Hint</summary>\n\n```python\nx = {.5}\n```\n\n</details>",
        "<!-- not checked: a definition -->\n$$ a $$",
        "Costs 5 \\$ here.",
    ],
)
def test_plain_markdown_is_let_be(text):
    assert plain.raw_markup(text) == []


def test_the_main_path_is_counted_and_the_rest_is_not():
    nb = new_notebook(
        cells=[
            new_markdown_cell("# One\n\nTwo [three](https://a.b/c) $x + y$ five.\n\n$$ z $$\n\n```python\na\n```"),
            new_markdown_cell("<details><summary>Hint</summary>\n\nnot this\n\n</details>"),
            new_code_cell("a = 1\n\nb = 2"),
            new_code_cell("c = 3", metadata={"tags": ["hide-input"]}),
            new_markdown_cell("## Going further\n\nnot this"),
            new_code_cell("d = 4"),
            new_markdown_cell("## What to take away\n\nsix"),
        ]
    )
    assert plain.words(nb) == 5 + 5
    assert plain.visible_lines(nb) == 2


def test_figures_without_caption_or_with_small_letters_are_found():
    def said(code="plt.plot()", after="*Figure 2.1. A line.*"):
        picture = new_output("display_data", {"image/png": "x"})
        cells = [new_code_cell(code, outputs=[picture]), new_markdown_cell(after)]
        assert pictures(cells[0])
        return plain.figure_problems(new_notebook(cells=cells))

    assert said() == []
    assert "caption" in said(after="A line.")[0]
    assert "small" in said("ax.set_title('x', fontsize=8)")[0]
    assert "wide" in said("plt.subplots(figsize=(8, 3))")[0]


TEXTS = {
    "02-a": "$$ a \\tag{2.2} $$ (2.2), (2.1) $$ b \\tag{2.1} $$\n\n### Exercise 2.4 · X\n\n*Figure 2.3. Y.* Figure 2.3",
    "03-b": "See (2.2), Exercise 2.4; f(2.2) stays, and (2.9). $$ c \\tag{3.1} $$",
}


def test_numbers_are_given_in_order_and_carried_to_what_names_them():
    moved = number.new_numbers(TEXTS)
    assert number.renumber(TEXTS["02-a"], moved) == (
        "$$ a \\tag{2.1} $$ (2.1), (2.2) $$ b \\tag{2.2} $$\n\n### Exercise 2.1 · X\n\n*Figure 2.1. Y.* Figure 2.1"
    )
    assert number.renumber(TEXTS["03-b"], moved) == (
        "See (2.1), Exercise 2.1; f(2.2) stays, and (2.9). $$ c \\tag{3.1} $$"
    )
    assert (number.prefix("02-a"), number.prefix("common-slips")) == ("2", "S")


def test_a_number_that_is_given_twice_is_refused():
    with pytest.raises(ValueError, match=r"equation 2\.1 is there twice"):
        number.new_numbers({"02-a": "\\tag{2.1} \\tag{2.1}"})
