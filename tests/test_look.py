"""What book/tools/look.py does to a page, piece by piece."""

import look
import pytest
from docutils import nodes
from docutils.core import publish_doctree
from place import read_address
from sphinx import addnodes

COLAB = f"{look.COLAB}/{read_address().removeprefix('https://github.com/')}/blob/main/notebooks/x.ipynb"
SENTENCE = "A sentence of some length, to begin with. "


@pytest.fixture
def doctree():
    """A page with all that needs an address."""
    text = f"""
`Open in Colab <{COLAB}>`__

See `the file <{look.ADDRESS}/blob/main/notebooks/one_screen.py>`__ and `elsewhere <https://a.org/>`__.

.. container:: address-decided

   Clone it.

.. container:: address-undecided

   Wait.
"""
    return publish_doctree(text)


def test_what_needs_an_address_is_left_out_until_there_is_one(doctree, monkeypatch):
    monkeypatch.setattr(look, "DECIDED", False)
    look.leave_out_address(doctree)
    assert [link["refuri"] for link in doctree.findall(nodes.reference) if "refuri" in link] == ["https://a.org/"]
    assert [link["reftarget"] for link in doctree.findall(addnodes.download_reference)] == ["/notebooks/one_screen.py"]
    assert doctree.astext().split("\n\n") == ["See the file and elsewhere.", "Wait."]


def test_what_needs_an_address_is_there_when_there_is_one(doctree, monkeypatch):
    monkeypatch.setattr(look, "DECIDED", True)
    look.leave_out_address(doctree)
    assert len(list(doctree.findall(nodes.reference))) == 2  # the page has a button for Colab
    assert doctree.astext().split("\n\n") == ["See the file and elsewhere.", "Clone it."]


def test_a_description_is_the_first_paragraph_cut_between_sentences():
    tree = publish_doctree(f"Short.\n\n.. note::\n\n   {6 * SENTENCE}\n\n{6 * SENTENCE}\n")
    assert look.description_of(tree) == (4 * SENTENCE).strip()


def test_a_glossary_gets_its_letters():
    tree = publish_doctree("alpha\n  One.\n\nAdam\n  Two.\n\nbias\n  Three.\n")
    [terms] = tree.children
    tree.children = []
    tree += addnodes.glossary("", terms)
    look.letter_glossary(tree)
    assert [len(part.children) for part in tree.findall(nodes.definition_list)] == [2, 1]
    heads = [head["ids"] for head in tree.findall(nodes.paragraph) if "letter" in head["classes"]]
    assert heads == [["letter-A"], ["letter-B"]]
    assert 'href="#letter-B"' in next(tree.findall(nodes.raw)).astext()


def test_wrong_and_right_lines_are_told_apart():
    code = '<pre>a <span class="c1"># wrong</span>\nb <span class="c1"># right: so</span>\nc\n</pre>'
    assert look.mark_slips(code) == (
        '<pre><span class="slip wrong">a <span class="c1"># wrong</span>\n</span>'
        '<span class="slip right">b <span class="c1"># right: so</span>\n</span>c\n</pre>'
    )


def test_cells_know_their_columns():
    table = "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"
    assert '<td data-column="b">2</td>' in look.name_columns(table)
