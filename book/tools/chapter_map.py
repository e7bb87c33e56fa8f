"""A small Sphinx extension: the directive `chapter-map` draws an arc from each chapter to those that need it.

What a chapter needs is what the first sentence after its "You need" links to: the map cannot disagree with the pages.
"""

import html
import re
from itertools import cycle
from pathlib import Path

import nbformat
import yaml
from chapter import ROOT, markdown_of
from docutils import nodes
from docutils.parsers.rst import Directive
from number import LETTERS, prefix

ROW, DOT, WIDTH = 34, 150, 460  # height of a row, where the dots stand, width: what fits a phone
# An arc has the colour of the chapter that is needed. None is one of the four that mean something in figures, and all
# show on white and on black.
COLOURS = ["#8a7fd0", "#b3852f", "#4f9a9a", "#b5606a", "#7d9440", "#9a7ab0"]
GREY = "#8a8577"


def parts() -> list[tuple[str, list[Path]]]:
    """The parts of the book, each with its notebooks, in the order of the contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    found = [(part["caption"], [ROOT / f"{one['file']}.ipynb" for one in part["chapters"]]) for part in toc["parts"]]
    found = [(caption, [path for path in paths if path.exists()]) for caption, paths in found]
    return [(caption, paths) for caption, paths in found if paths]


def text_of(path: Path) -> str:
    return markdown_of(nbformat.read(path, as_version=4).cells)


def title_of(text: str) -> str:
    return re.search(r"^# ([^:\n]+)", text, re.MULTILINE)[1]


def number_of(stem: str) -> str:
    """A chapter's number, or nothing for one that has none."""
    return "" if stem in LETTERS else prefix(stem)


def needs_of(text: str) -> set[str]:
    """The chapters that the sentence after "You need" links to, by the stem of their file."""
    sentence = re.search(r"\*\*You need:?\*\*:?\s(.+?\.)(?:\s|$)", text, re.DOTALL)[1]
    return set(re.findall(r"\]\(([\w-]+)\.ipynb\)", sentence))


def indirect(stem: str, needs: dict[str, set[str]]) -> set[str]:
    """What `stem` needs because something else that it needs does: no arc of its own."""
    return set().union(*(needs[one] | indirect(one, needs) for one in needs[stem]))


def drawing() -> str:
    """The map as SVG: a row for each chapter, in reading order, arcs at the left."""
    texts = {path.stem: text_of(path) for _, paths in parts() for path in paths}
    needs = {stem: needs_of(text) for stem, text in texts.items()}
    needed_by_some = [one for one in texts if any(one in others for others in needs.values())]
    colour = dict(zip(needed_by_some, cycle(COLOURS), strict=False))
    rows, where, y = [], {}, 0
    for caption, paths in parts():
        y += ROW
        rows.append(f'<text x="{DOT + 20}" y="{y}" class="part">{html.escape(caption)}</text>')
        for path in paths:
            y += ROW
            where[path.stem] = y - 5
            rows.append(f'<circle cx="{DOT}" cy="{y - 5}" r="5" fill="{colour.get(path.stem, GREY)}"/>')
            title, number = html.escape(title_of(texts[path.stem])), number_of(path.stem)
            rows.append(f'<text x="{DOT + 20}" y="{y}" class="number">{number}</text>')
            rows.append(f'<a href="../notebooks/{path.stem}.html"><text x="{DOT + 46}" y="{y}">{title}</text></a>')
    arcs = []
    for stem, needed in needs.items():
        for one in sorted(needed - indirect(stem, needs), key=where.get):
            start, end = where[one] + 5, where[stem] - 6
            out = 16 + 165 * (end - start) / (y - ROW)  # the longer, the farther out
            x = DOT - 4
            curve = f"M{x} {start} C{x - out:.0f} {start} {x - out:.0f} {end} {x} {end}"
            arcs.append(f'<path d="{curve}" stroke="{colour[one]}"/>')
    told = "; ".join(
        f"{title_of(text)} needs {' and '.join(title_of(texts[one]) for one in sorted(needs[stem], key=where.get))}"
        for stem, text in texts.items()
        if needs[stem]
    )
    label = html.escape(f"Map of the chapters, in reading order. {told}.")
    return (
        f'<svg class="chapter-map" viewBox="0 0 {WIDTH} {y + 12}" role="group" aria-label="{label}">'
        f"<g class=arcs>{''.join(arcs)}</g>{''.join(rows)}</svg>"
    )


class ChapterMap(Directive):
    def run(self):
        read = [__file__, ROOT / "_toc.yml", *(path for _, paths in parts() for path in paths)]
        for path in read:  # the page is old when one of them is newer
            self.state.document.settings.env.note_dependency(str(path))
        return [nodes.raw("", drawing(), format="html")]


def setup(app):
    app.add_directive("chapter-map", ChapterMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
