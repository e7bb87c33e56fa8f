"""A small Sphinx extension: what the book's templates ask for, and what its pages show of themselves.

- The part, the number and the dotted numeral of a chapter, the description of a page for search engines.
- Links that need the project's address, which stay out of the page until `make place` knows one.
- Letters to jump to in the glossary, names of columns in the notation, what is written on folded code.
"""

import html
import re
from types import SimpleNamespace

import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from number import LETTERS, prefix
from place import BRANCH, COLAB, ROOT, read_address, site
from sphinx import addnodes

ADDRESS = read_address()
DECIDED = "/OWNER/" not in ADDRESS
SUBTITLE = "an interactive textbook on diffusion models"
NOT_IN_ORDER = "notebooks/00-before-you-start"  # a side door: the way from page to page goes past it
FOLDED = {"input": "Code for this picture", "all": "Folded code"}
# What the theme brings and these templates do without: page.js and the styles of the book stand in for it.
UNUSED = re.compile("sphinx-book-theme|pydata-sphinx-theme|pygments|mystnb|togglebutton|sphinx-design|design-tabs")
EXERCISE = re.compile(r"(Exercise \S+) · ")


# ---- before a page is written: what it says ----------------------------------------------------------------------


def leave_out_address(doctree: nodes.document) -> None:
    """Take out links that lead nowhere while the address is not decided, and what is said in the other case only."""
    other = "address-undecided" if DECIDED else "address-decided"
    for container in [one for one in doctree.findall(nodes.container) if other in one["classes"]]:
        container.parent.remove(container)
    slug = ADDRESS.removeprefix("https://github.com/")
    for link in list(doctree.findall(nodes.reference)):
        address = link.get("refuri", "")
        if address.startswith(f"{COLAB}/{slug}/") and link.parent.astext() == link.astext():
            link.parent.parent.remove(link.parent)  # the page has a button for it
        elif not DECIDED and address.startswith(f"{ADDRESS}/blob/{BRANCH}/"):
            path = address.removeprefix(f"{ADDRESS}/blob/{BRANCH}/")
            here = (ROOT / path).is_file()
            target = {"reftype": "download", "reftarget": f"/{path}", "refdomain": "", "refexplicit": True}
            new = addnodes.download_reference("", "", *link.children, **target) if here else nodes.inline()
            link.replace_self(new if here else link.children)


def name_folds(doctree: nodes.document) -> None:
    for cell in doctree.findall(nodes.container):
        if cell.get("hide_mode") in FOLDED and cell["prompt_show"].startswith("Show code"):  # or the chapter says what
            cell["prompt_show"] = cell["prompt_hide"] = FOLDED[cell["hide_mode"]]


def dress(app, doctree):
    leave_out_address(doctree)
    name_folds(doctree)


# ---- when a page is written: how it is laid out ------------------------------------------------------------------


def number_exercises(doctree: nodes.document) -> None:
    """Set the number of an exercise apart from its title."""
    for title in doctree.findall(nodes.title):
        first = title.children[0] if title.children else None
        if isinstance(first, nodes.Text) and (found := EXERCISE.match(first)):
            number = nodes.inline("", found[1], classes=["exercise-number"])
            dot = nodes.inline("", " · ", classes=["visually-hidden"])
            title.replace(first, [number, dot, nodes.Text(first[found.end() :])])
            title.parent["classes"].append("exercise")


def letter_glossary(doctree: nodes.document) -> None:
    """A list of terms for each letter, and the letters above them."""
    for glossary in doctree.findall(addnodes.glossary):
        [terms] = glossary.children
        groups: dict[str, list[nodes.Node]] = {}
        for item in terms.children:
            groups.setdefault(item.astext().lstrip()[0].upper(), []).append(item)
        links = " ".join(f'<a href="#letter-{letter}">{letter}</a>' for letter in groups)
        new = [nodes.raw("", f'<nav class="letters" aria-label="Letters">{links}</nav>', format="html")]
        for letter, items in groups.items():
            head = nodes.paragraph("", letter, classes=["letter"], ids=[f"letter-{letter}"])
            new += [head, nodes.definition_list("", *items, **terms.attributes)]
        glossary.children = []
        glossary.extend(new)


def name_boxes(doctree: nodes.document) -> None:
    for box in doctree.findall(nodes.admonition):
        box["classes"].append(f"box-{nodes.make_id(box[0].astext())}")


def lay_out(app, doctree, docname):
    name_boxes(doctree)
    number_exercises(doctree)
    letter_glossary(doctree)


# ---- what the templates ask for ----------------------------------------------------------------------------------


def part_of(docname: str) -> str:
    """The caption of the part that a page stands in."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))["parts"]
    return next((part["caption"] for part in parts for page in part["chapters"] if page["file"] == docname), "")


def description_of(doctree: nodes.document) -> str:
    """The page's first paragraph, as far as it fits a line or two of a search engine."""
    for paragraph in doctree.findall(nodes.paragraph):
        boxed = isinstance(paragraph.parent, nodes.Admonition | nodes.list_item | nodes.entry)
        text = re.sub(r"\s+", " ", paragraph.astext())
        if boxed or len(text) < 40 or paragraph.next_node(nodes.math) or paragraph.next_node(nodes.image):
            continue
        sentences = re.split(r"(?<=[.?!]) ", text)
        while len(sentences) > 1 and len(" ".join(sentences)) > 200:
            sentences.pop()
        return " ".join(sentences)
    return ""


def numbered(chapters: str) -> str:
    """The list of chapters with each number in a column of its own."""
    return re.sub(r">(\d+)\. ", r'><span class="number">\1</span> ', str(chapters))


def name_columns(body: str) -> str:
    """Give each cell of a table the name of its column, for screens on which a row is laid out as a list."""
    soup = BeautifulSoup(body, "html.parser")
    for table in soup.select("table"):
        names = [head.get_text(" ", strip=True) for head in table.select("thead th")]
        for row in table.select("tbody tr"):
            for name, cell in zip(names, row.find_all("td"), strict=False):
                cell["data-column"] = name
    return str(soup)


def mark_slips(body: str) -> str:
    """Set the lines of code that end in "# wrong" or "# right" apart."""

    def lines(pre: re.Match) -> str:
        return re.sub(r'(?m)^(.*<span class="c1"># (wrong|right)\b.*\n)', r'<span class="slip \2">\1</span>', pre[0])

    return re.sub(r"(?<=<pre>).*?(?=</pre>)", lines, body, flags=re.DOTALL) if "# wrong" in body else body


def past_the_side_door(app, pagename: str, context: dict) -> None:
    """Let Next and Before go past the page that is only for those who need it."""
    for side, step in (("next", 2), ("prev", 1)):
        neighbour = app.builder.relations.get(pagename, [None] * 3)[step]
        if neighbour == NOT_IN_ORDER and (beyond := app.builder.relations[neighbour][step]):
            title = app.builder.render_partial(app.env.titles[beyond])["title"]
            context[side] = {"link": context["pathto"](beyond), "title": title}


def set_context(app, pagename, templatename, context, doctree):
    stem, part = pagename.rpartition("/")[2], part_of(pagename)
    notebook = (ROOT / f"{pagename}.ipynb").exists()
    chapter = f"Chapter {prefix(stem)}" if notebook and stem not in LETTERS else ""
    place = f"Part {part.replace(' · ', ', ')}" if chapter else part
    slug = ADDRESS.removeprefix("https://github.com/")
    context["look"] = SimpleNamespace(
        subtitle=SUBTITLE,
        description=description_of(doctree) if doctree else "",
        part=html.escape(part),
        numeral=prefix(stem) if notebook else "",
        eyebrow=html.escape(" · ".join(text for text in (place, chapter) if text)),
        notebook=notebook,
        colab=f"{COLAB}/{slug}/blob/{BRANCH}/{pagename}.ipynb" if notebook and DECIDED else "",
        site=site(ADDRESS) if DECIDED else "",
        numbered=numbered,
    )
    for kind in ("script_files", "css_files"):
        context[kind] = [one for one in context[kind] if not UNUSED.search(str(one.filename))]
    past_the_side_door(app, pagename, context)
    if "body" in context:
        context["body"] = mark_slips(context["body"].replace(' aria-label="Toggle hidden content"', ""))
        if pagename == "book/notation":
            context["body"] = name_columns(context["body"])


def setup(app):
    app.add_js_file("page.js", loading_method="defer")
    app.connect("doctree-read", dress, priority=400)  # before Sphinx collects the files to download
    app.connect("doctree-resolved", lay_out)
    app.connect("html-page-context", set_context, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
