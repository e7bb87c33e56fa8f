"""A small Sphinx extension: put live figures on pages.

In the Markdown of a page the directive ``live`` places one::

    :::{live} two-bells
    m_1: -1
    :::

In a chapter it is a code cell tagged ``live`` that ends in ``live.figure("two-bells", m_1=-1)``: a widget where the
chapter is run, and the same figure on the page. Each figure is one script, `_static/live/NAME.js`, which only the pages
that show it load; see :mod:`diffusion_lab.live`.
"""

import ast
import html
import json
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from yaml import safe_load

from diffusion_lab import live

MISSING = "Here the page has a figure to play with. It needs a browser with JavaScript."


class Live(Directive):
    required_arguments = 1
    has_content = True

    def run(self):
        (name,) = self.arguments
        try:
            live.check_name(name)
        except ValueError as error:
            raise self.error(str(error)) from None
        given = json.dumps(safe_load("\n".join(self.content)) or {})
        attributes = f'class="live" id="live-{name}" data-live="{name}" data-given="{html.escape(given)}"'
        place = nodes.raw("", f"<div {attributes}><p>{MISSING}</p></div>", format="html")
        place["live"] = name
        return [place]


def cells_to_directives(app, docname, source):
    """A chapter's cell tagged ``live`` becomes the directive, before the notebook is read."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for i, cell in enumerate(notebook["cells"]):
        if "live" in cell["metadata"].get("tags", []):
            name, given = call("".join(cell["source"]))
            text = f":::{{live}} {name}\n{json.dumps(given)}\n:::"
            notebook["cells"][i] = {"cell_type": "markdown", "metadata": {}, "source": text}
    source[0] = json.dumps(notebook)


def call(code: str) -> tuple[str, dict]:
    """The name and the state that the last line of a cell hands to ``live.figure``."""
    match ast.parse(code).body[-1]:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name("live"), "figure"), [ast.Constant(str(name))], given)):
            return name, {each.arg: ast.literal_eval(each.value) for each in given}
    raise ValueError(f'a cell tagged live: expected live.figure("name") in its last line, got {code!r}')


def add_scripts(app, pagename, templatename, context, doctree):
    names = [place["live"] for place in doctree.findall(nodes.raw) if "live" in place] if doctree else []
    for name in dict.fromkeys(names):
        app.add_js_file(f"live/{name}.js", loading_method="defer")


def write_scripts(app, error):
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "live"
    folder.mkdir(parents=True, exist_ok=True)
    for name in live.FIGURES:
        (folder / f"{name}.js").write_text(live.page_script(name), "utf-8")
    (folder / "live.css").write_text((live.HERE / "live.css").read_text("utf-8"), "utf-8")


def setup(app):
    app.add_directive("live", Live)
    app.add_css_file("live/live.css")
    app.connect("source-read", cells_to_directives)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
