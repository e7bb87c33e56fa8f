"""A small Sphinx extension: the directive `chapter-map` draws an arc from each chapter to those that need it.

What a chapter needs comes from book/tools/chapters.py, and the tests hold that to the sentence after its "You need".
"""

import html
from itertools import cycle, groupby

from chapters import chapters, sources
from docutils import nodes
from docutils.parsers.rst import Directive

ROW, DOT, WIDTH = 34, 150, 460  # height of a row, where the dots stand, width: what fits a phone
# An arc has the colour of the chapter that is needed. None is one of the four that mean something in figures, and all
# show on white and on black.
COLOURS = ["#8a7fd0", "#b3852f", "#4f9a9a", "#b5606a", "#7d9440", "#9a7ab0"]
GREY = "#8a8577"


def indirect(stem: str, needs: dict[str, set[str]]) -> set[str]:
    """What `stem` needs because something else that it needs does: no arc of its own."""
    return set().union(*(needs[one] | indirect(one, needs) for one in needs[stem]))


def drawing() -> str:
    """The map as SVG: a row for each chapter, in reading order, arcs at the left."""
    every = {chapter.stem: chapter for chapter in chapters()}
    needs = {stem: set(chapter.needs) for stem, chapter in every.items()}
    needed_by_some = [one for one in every if any(one in others for others in needs.values())]
    colour = dict(zip(needed_by_some, cycle(COLOURS), strict=False))
    rows, where, y = [], {}, 0
    for part, in_part in groupby(every.values(), key=lambda chapter: chapter.part):
        y += ROW
        rows.append(f'<text x="{DOT + 20}" y="{y}" class="part">{html.escape(part)}</text>')
        for chapter in in_part:
            y += ROW
            where[chapter.stem] = y - 5
            rows.append(f'<circle cx="{DOT}" cy="{y - 5}" r="5" fill="{colour.get(chapter.stem, GREY)}"/>')
            title = f'<text x="{DOT + 46}" y="{y}">{html.escape(chapter.title)}</text>'
            rows.append(f'<text x="{DOT + 20}" y="{y}" class="number">{chapter.number}</text>')
            rows.append(f'<a href="../notebooks/{chapter.stem}.html">{title}</a>')
    arcs = []
    for stem, needed in needs.items():
        for one in sorted(needed - indirect(stem, needs), key=where.get):
            start, end = where[one] + 5, where[stem] - 6
            out = 16 + 165 * (end - start) / (y - ROW)  # the longer, the farther out
            x = DOT - 4
            curve = f"M{x} {start} C{x - out:.0f} {start} {x - out:.0f} {end} {x} {end}"
            arcs.append(f'<path d="{curve}" stroke="{colour[one]}"/>')
    told = "; ".join(
        f"{chapter.title} needs {' and '.join(every[one].title for one in sorted(chapter.needs, key=where.get))}"
        for chapter in every.values()
        if chapter.needs
    )
    label = html.escape(f"Map of the chapters, in reading order. {told}.")
    return (
        f'<svg class="chapter-map" viewBox="0 0 {WIDTH} {y + 12}" role="group" aria-label="{label}">'
        f"<g class=arcs>{''.join(arcs)}</g>{''.join(rows)}</svg>"
    )


class ChapterMap(Directive):
    def run(self):
        for path in [__file__, *sources()]:  # the page is old when one of them is newer
            self.state.document.settings.env.note_dependency(str(path))
        return [nodes.raw("", drawing(), format="html")]


def setup(app):
    app.add_directive("chapter-map", ChapterMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
