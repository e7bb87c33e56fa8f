"""The text of a chapter as a reader sees it, block by block and sentence by sentence: deck.py makes slides of it.

Code, hints, solutions and what else is folded are no part of it, nor are exercises. Links are their words alone.
"""

import html
import re
from dataclasses import dataclass

import nbformat
from chapter import tagged
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from number import NUMBER

TAG = re.compile(rf"\s*\\tag\{{{NUMBER}\}}")
UNSEEN = re.compile(r"<details>.*?</details>|<!--.*?-->|^\[Open in Colab\].*?$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\([\w.:/%#?=&~+-]+\)")
SENTENCE = re.compile(r"(?:(?<=[.?!])|(?<=[.?!]\)))\s+(?=[A-Z$*`(“\"])")


@dataclass
class Block:
    """A paragraph, list, formula, box, … of the text, or the live figure of a cell; ``html`` is how it looks."""

    kind: str
    source: str
    html: str
    cell: nbformat.NotebookNode | None = None  # that stands before it


def formula(tex: str, options: dict) -> str:
    tex = html.escape(TAG.sub("", tex).strip(), quote=False)
    return f"\\[{tex}\\]" if options["display_mode"] else f"\\({tex}\\)"


MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
MARKDOWN.use(dollarmath_plugin, renderer=formula, double_inline=True)


def blocks_of(nb: nbformat.NotebookNode) -> list[Block]:
    """The blocks that a reader of the page sees without unfolding anything, code apart. Links are their words."""
    found, before = [], None
    for cell in nb.cells:
        if cell.cell_type == "code" and tagged(cell, "live"):
            found.append(Block("live", "", ""))
        elif cell.cell_type == "markdown":
            text = LINK.sub(r"\1", UNSEEN.sub("", cell.source))
            lines, tokens = text.splitlines(), MARKDOWN.parse(text)
            for whole in top_level(tokens):
                kind = whole[0].tag if whole[0].type == "heading_open" else whole[0].type.removesuffix("_open")
                source = "\n".join(lines[slice(*whole[0].map)]).strip()
                found.append(Block(kind, source, MARKDOWN.renderer.render(whole, MARKDOWN.options, {}), before))
                before = None
        before = cell if cell.cell_type == "code" else before
    return found


def top_level(tokens: list[Token]) -> list[list[Token]]:
    """The tokens of each block that stands in no other."""
    ends = [place for place, token in enumerate(tokens, 1) if token.level == 0 and token.nesting <= 0]
    return [tokens[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def sections(blocks: list[Block]) -> list[tuple[str, list[Block]]]:
    """The sections of the chapter by their titles, without exercises; the first is what stands above them all."""
    found, off = [("", [])], None
    for block in blocks:
        if block.kind in ("h1", "h2", "h3", "h4"):
            title = block.source.lstrip("# ")
            if off is None or block.kind <= off:
                off = block.kind if re.match(r"Exercises?\b", title) else None
            if block.kind == "h2" and off is None:
                found.append((title, []))
        if off is None and block.kind not in ("h1", "h2"):
            found[-1][1].append(block)
    return found


# ---- sentences ---------------------------------------------------------------------------------------------------


def length(text: str) -> int:
    """About as many letters as a text is wide, formulas included."""
    return len(re.sub(r"\\[A-Za-z]+|[\\${}*_^`]", "", text))


def inline(text: str) -> str:
    return MARKDOWN.renderInline(text)


def sentences(text: str) -> list[str]:
    return SENTENCE.split(" ".join(text.replace("**", "").split()))


def first_of(text: str, limit: int) -> str:
    """The first sentence, and those after it as long as all fit."""
    kept = sentences(text)
    while len(kept) > 1 and length(" ".join(kept)) > limit:
        kept.pop()
    return " ".join(kept)


def last_of(text: str, limit: int) -> str:
    """The last sentence, and those before it as long as all fit and no bracket is cut open."""
    kept = sentences(text)
    while len(kept) > 1 and (length(" ".join(kept)) > limit or " ".join(kept).count("(") < " ".join(kept).count(")")):
        kept.pop(0)
    return " ".join(kept)
