"""A small Sphinx extension: what is done to the pages when all of them are written.

Each is read once. Its pictures get their sizes (pictures.py), its tables and formulas what screen readers and slow
lines need, and then its sections go into the index of the search (sections.py).
"""

from bs4 import BeautifulSoup
from pictures import fit
from sections import index, letters, pagefind, records_of
from sphinx.util import logging

# The questions have answers, which a reader who searches has not asked for.
NOT_SEARCHED = {"index", "search", "genindex", "py-modindex", "book/questions"}


def mend(page: BeautifulSoup) -> None:
    """What the writers of tables and references leave to be desired."""
    for corner in page.select("th"):
        if not corner.get_text(strip=True) and not corner.find("img"):
            corner.name = "td"  # a heading with no words is none
            corner.attrs.pop("scope", None)
    for formula in page.select("th .math:not([aria-hidden])"):  # a heading needs words
        formula["aria-hidden"] = "true"
        heard = page.new_tag("span", string=letters(formula.get_text()), attrs={"class": "visually-hidden"})
        formula.insert_after(heard)
    for entry in page.select("[role=doc-biblioentry]"):
        entry["role"] = "listitem"  # the one above is deprecated, and what holds the entries is a list


def wait_with_scripts(page: BeautifulSoup) -> None:
    """Scripts run in their order when the page is read, and do not keep it from being shown."""
    for script in page.select("head script"):
        if script.get("src") and not script.has_attr("async"):
            script["defer"] = "defer"
        elif script.get_text().startswith("DOCUMENTATION_OPTIONS."):
            script.extract()  # for scripts of the theme that this book does without


def load_mathjax_late(page: BeautifulSoup) -> None:
    """A page with formulas loads MathJax by formulas.js, when the rest is there; any other loads neither."""
    mathjax, ours = page.select_one("script[src*='/mathjax/']"), page.select_one("script[src*='formulas.js']")
    if page.select_one(".math"):
        if mathjax:
            ours["data-mathjax"] = mathjax.extract()["src"]
        return
    for script in page.select("script"):
        if script in (mathjax, ours) or "window.MathJax" in script.get_text():
            script.extract()


def finish(app, exception):
    if exception or app.builder.name != "html":
        return
    records, searched = [], pagefind() is not None
    for docname in sorted(app.env.found_docs | {"search", "genindex", "py-modindex"}):
        path = app.outdir / f"{docname}.html"
        if not path.exists():
            continue
        page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        mend(page)
        wait_with_scripts(page)
        load_mathjax_late(page)
        fit(page, path)
        if searched:  # search.js looks for it
            page.html["data-pagefind"] = "pagefind/pagefind.js"
        path.write_text(str(page), "utf-8")
        if docname not in NOT_SEARCHED and docname != app.config.root_doc:
            records += records_of(f"{docname}.html", page)
    if searched:
        index(records, app.outdir / "pagefind")
    else:
        logging.getLogger(__name__).info("Pagefind is not here: the search is Sphinx's, a page at a time.")


def load_less(app, config):
    """MathJax without its menu and what the menu brings: the parts are named in _config.yml."""
    config.mathjax_path = "mathjax/startup.js"


def setup(app):
    for script in ("search.js", "pictures.js", "formulas.js"):
        app.add_js_file(script, loading_method="defer")
    app.connect("config-inited", load_less, priority=900)  # after sphinx-mathjax-offline
    app.connect("build-finished", finish, priority=900)  # after the extensions that copy files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
