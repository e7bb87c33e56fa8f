"""A small Sphinx extension: dress the plain Markdown of the chapters for the book.

A chapter reads right wherever it is opened: its Markdown has no directive, role or label. What that means in the book
is added here:

- a quote that begins with bold words and a full stop is a box with that title;
- an equation with ``\\tag{2.3}`` gets its number beside it, and ``(2.3)`` in any chapter links to it;
- an italic paragraph that begins with "Figure 2.3." is a caption;
- a full stop or comma after a formula stays on its line;
- a link to the published book is a link within the book;
- the marks between which nbgrader finds a solution are left out.
"""

import re

from docutils import nodes
from number import NUMBER
from place import read_address, site

BOXES = {"Watch out": "warning", "In the field": "seealso"}
TAG = re.compile(rf"\s*\\tag\{{{NUMBER}\}}")
NAMED = re.compile(rf"\({NUMBER}\)")
CAPTION = re.compile(rf"Figure {NUMBER}\. ")
MARKS = re.compile(r"[.,;:?!)]+")
SOLUTION = re.compile(r"(?m)^ *### (?:BEGIN|END) SOLUTION\n?")
PUBLISHED = f"{site(read_address())}/"
# Where a number in brackets is no link.
KEPT = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.reference, nodes.title)


def said(paragraph: nodes.Element) -> list[nodes.Node]:
    """What a paragraph holds, without the empty texts that the parser leaves around bold and italic."""
    return [child for child in paragraph.children if child.astext()]


def box(quote: nodes.block_quote) -> None:
    """Turn a quote with a bold lead into a box; leave any other quote as it is."""
    lead, *rest = said(quote[0]) or [None] if isinstance(quote[0], nodes.paragraph) else [None]
    if not isinstance(lead, nodes.strong) or not lead.astext().endswith("."):
        return
    title, body = lead.astext().removesuffix("."), quote.children[1:]
    if rest:
        if isinstance(rest[0], nodes.Text):
            rest[0] = nodes.Text(rest[0].lstrip())
        body = [nodes.paragraph("", "", *rest), *body]
    classes = ["admonition", BOXES.get(title, "plain")]
    quote.replace_self(nodes.admonition("", nodes.title("", title), *body, classes=classes))


def dress(app, doctree):
    numbers = app.env.portable_numbers
    for quote in list(doctree.findall(nodes.block_quote)):
        box(quote)
    for equation in doctree.findall(nodes.math_block):
        if found := TAG.search(equation.astext()):
            number, anchor = found[1], f"equation-{found[1].replace('.', '-')}"
            equation.children = [nodes.Text(TAG.sub("", equation.astext()))]
            equation["number"], equation["label"] = number, None
            equation["ids"] = [anchor]
            numbers[number] = (app.env.docname, anchor)
    for paragraph in doctree.findall(nodes.paragraph):
        if [*map(type, said(paragraph))] == [nodes.emphasis] and CAPTION.match(paragraph.astext()):
            paragraph["classes"].append("figure-caption")
    for code in doctree.findall(nodes.literal_block):
        if SOLUTION.search(code.rawsource):
            code.rawsource = SOLUTION.sub("", code.rawsource)
            code.children = [nodes.Text(code.rawsource)]
    for formula in list(doctree.findall(nodes.math)):
        after = formula.next_node(descend=False, siblings=True)
        if isinstance(after, nodes.Text) and (marks := MARKS.match(after)):
            kept = nodes.inline("", "", classes=["nowrap"])
            after.parent.replace(after, nodes.Text(after[marks.end() :]))
            formula.replace_self(kept)
            kept += [formula, nodes.Text(marks[0])]


def link(app, doctree, docname):
    """Link what names an equation, and make links to the published book links of this one."""

    def inside(page: str, anchor: str) -> str:
        return app.builder.get_relative_uri(docname, page) + (f"#{anchor}" if anchor else "")

    for reference in doctree.findall(nodes.reference):
        page, _, anchor = reference.get("refuri", "").removeprefix(PUBLISHED).partition("#")
        page = page.removesuffix(".html")
        if reference.get("refuri", "").startswith(PUBLISHED) and page in app.env.found_docs:
            reference["refuri"], reference["internal"] = inside(page, anchor), True
    for text in list(doctree.findall(nodes.Text)):
        parts = NAMED.split(text)
        if len(parts) == 1 or any(isinstance(parent, KEPT) for parent in ancestors(text)):
            continue
        new = []
        for place, part in enumerate(parts):
            if place % 2 == 0:
                new.append(nodes.Text(part))
            elif part in app.env.portable_numbers:
                uri = inside(*app.env.portable_numbers[part])
                new.append(nodes.reference("", f"({part})", refuri=uri, internal=True))
            else:
                new.append(nodes.Text(f"({part})"))
        text.parent.replace(text, new)


def ancestors(node: nodes.Node):
    while node := node.parent:
        yield node


def begin(app, env, *_):
    if not hasattr(env, "portable_numbers"):
        env.portable_numbers = {}


def forget(app, env, docname):
    begin(app, env)
    env.portable_numbers = {number: place for number, place in env.portable_numbers.items() if place[0] != docname}


def merge(app, env, docnames, other):
    env.portable_numbers |= {number: place for number, place in other.portable_numbers.items() if place[0] in docnames}


def setup(app):
    app.connect("env-before-read-docs", begin)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", dress)
    app.connect("doctree-resolved", link)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
