"""axe-core, which looks for what keeps people from reading a page, finds nothing."""

from pathlib import Path

import axe_playwright_python
import pytest
from conftest import ROOT

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
TEXTS = [*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/*.ipynb")]
PAGES = ["search.html", "genindex.html", *sorted(f"{path.parent.name}/{path.stem}.html" for path in TEXTS)]
# One of each kind; the others have the same colours and the same parts.
KINDS = ["book/index.html", "book/notation.html", "notebooks/02-adding-noise.html", "search.html"]
# Highlighted code is most of a page and the same on each: it is looked at on one.
LOOK = """([rules, skip]) => axe.run(skip ? { exclude: [skip] } : document, rules).then(found => found.violations.map(
    one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join("; ")}`))"""
MATHJAX = "!document.querySelector('.math') || Boolean(document.querySelector('mjx-container'))"
COLOURS = {"runOnly": ["color-contrast"]}
# The slow rule, and the same on every page of a kind.
NO_COLOURS = {"rules": {"color-contrast": {"enabled": False}}}


def looked_at(page, rules, skip="div.highlight"):
    page.wait_for_function(MATHJAX)
    page.evaluate("window.MathJax?.startup.document.lazyTypesetAll()")  # as for printing
    for figure in page.locator("div.live").all():  # one that nobody has seen has not drawn itself
        figure.scroll_into_view_if_needed()
        page.wait_for_timeout(200)
    page.evaluate(AXE)
    return page.evaluate(LOOK, [rules | {"resultTypes": ["violations"]}, skip])


def test_axe_sees_what_is_broken(open_page):
    page = open_page("book/how-to-use.html")
    broken = "<h1 style='color: #ddd'>Pale</h1><button></button>"
    page.evaluate("html => { document.querySelector('h1').outerHTML = html; }", broken)
    assert [one.partition(":")[0] for one in looked_at(page, {})] == ["button-name", "color-contrast"]


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(open_page, path):
    assert looked_at(open_page(path), {} if path in KINDS else NO_COLOURS) == []


@pytest.mark.parametrize("path", KINDS)
def test_axe_finds_nothing_in_the_dark(open_page, path):
    assert looked_at(open_page(path, dark=True), COLOURS) == []


@pytest.mark.parametrize("path", KINDS)
def test_axe_finds_nothing_on_a_phone(open_page, path):
    assert looked_at(open_page(path, width=375), {}) == []


@pytest.mark.parametrize("dark", [False, True])
def test_code_can_be_read_in_its_colours(open_page, dark):
    assert looked_at(open_page("notebooks/one-screen.html", dark=dark), COLOURS, skip=None) == []


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_in_what_opens(open_page, dark):
    page = open_page("notebooks/02-adding-noise.html", dark=dark)
    page.keyboard.press("Control+k")
    page.keyboard.type("variance")
    page.wait_for_selector("ol.search-found a")
    page.evaluate(AXE)
    look = "rules => axe.run('dialog[open]', rules).then(found => found.violations.map(one => one.id))"
    assert page.evaluate(look, {"resultTypes": ["violations"]}) == []
    page.keyboard.press("Escape")
    page.locator("a.full-size").first.click()
    assert page.evaluate(look, {"resultTypes": ["violations"]}) == []
