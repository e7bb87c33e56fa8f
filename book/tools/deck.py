"""What is on the slides of a chapter, by rule from its notebook: slides.py makes a deck of it.

The title with the chapter's question; what one will be able to do; each captioned figure and each equation with a
number, in order, and each box "Watch out"; what to take away. The text around each goes into its notes. Of exercises,
hints, solutions and what else is folded there is nothing, of *Going further* the figures alone.
"""

import math
import re
from dataclasses import dataclass, field
from itertools import pairwise

import nbformat
from blocks import TAG, Block, blocks_of, first_of, inline, last_of, length, sections, sentences
from chapter import pictures
from number import LETTERS, NUMBER, prefix

AIMS, TAKE_AWAY, WATCH_OUT = "What you will be able to do", "What to take away", "Watch out"
CAPTION = re.compile(rf"\*Figure {NUMBER}\. (?P<text>.*)\*", re.DOTALL)
BOX = re.compile(r">\s*\*\*(?P<title>[^*]+)\.\*\*")
# How many letters there is room for, formulas counted as about as many as they are wide.
HEADING, LEAD, QUESTION, LIVE = 120, 170, 200, 300
LINES, LETTERS_A_LINE = 11.4, 70  # of a slide with text
NO_MORE = "<p>The chapter says no more about this than the slide does.</p>"


@dataclass
class Slide:
    """One slide. What stands on it and its notes are HTML, the picture of a figure is a PNG in base64."""

    kind: str
    above: str
    heading: str
    parts: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)  # of the figure, or of each formula
    picture: str = ""
    alt: str = ""
    notes: list[str] = field(default_factory=list)


def question(texts: list[str]) -> str:
    """The first question that is asked, with those after it, and with what leads to it."""
    asking = next((text for text in texts if re.search(r"\?(\*\*)?(\s|$)", text)), "")
    kept = sentences(asking)
    while kept and not kept[-1].endswith("?"):
        kept.pop()
    return last_of(" ".join(kept), QUESTION)


def lead_of(text: str) -> str:
    """What leads to a formula: the last sentences, and none with a fraction, whose letters are small in a line."""
    kept = sentences(text)
    while any(r"\frac" in sentence for sentence in kept):
        kept.pop(0)
    lead = last_of(" ".join(kept), LEAD)
    return lead if len(lead) > len("So") else ""


def items_of(block: Block) -> list[str]:
    """The entries of a list, or of the list in a box; of a box without one, what it says."""
    text = BOX.sub("", block.source, count=1) if block.kind == "blockquote" else block.source
    text = re.sub(r"(?m)^> ?", "", text).strip()
    entries = re.findall(r"(?ms)^- (.*?)(?=^\S|\Z)", text) or [text]
    return [" ".join(entry.split()) for entry in entries]


def packed(items: list[str], room: float = LINES) -> list[list[str]]:
    """The entries of a list on as few slides as can be read, about as much on each."""
    slides, left = [], 0
    for item in items:
        lines = math.ceil(length(item) / LETTERS_A_LINE) + 0.4  # and some space between two
        if lines > left:
            slides.append([])
            left = room
        slides[-1].append(item)
        left -= lines
    tighter = packed(items, room - 0.5) if room > 1 else []
    return tighter if len(tighter) == len(slides) else slides


def lists(kind: str, above: str, heading: str, items: list[str]) -> list[Slide]:
    return [Slide(kind, above, heading, [inline(item) for item in some]) for some in packed(items)]


def shown(block: Block, before: Block | None, above: str) -> list[Slide]:
    """The slides that a block of the text becomes: none if it is there to be read."""
    leads = before and before.kind == "paragraph" and not CAPTION.fullmatch(before.source)
    told = before.source if leads else ""
    if caption := CAPTION.fullmatch(block.source):
        found = pictures(block.cell) if block.cell else []
        if not found:
            raise ValueError(f"Figure {caption['number']} has no stored picture; `make notebooks` makes it")
        alt = block.cell.metadata["mystnb"]["image"]["alt"]
        slide = Slide("figure", above, inline(first_of(caption["text"], HEADING)), picture=found[0], alt=alt)
        slide.numbers, slide.notes = [f"Figure {caption['number']}"], [f"<p>{inline(caption['text'])}</p>"]
        return [slide]
    if block.kind == "math_block" and (tag := TAG.search(block.source)):
        return [Slide("equation", above, inline(lead_of(told)), [block.html], [f"({tag['number']})"])]
    if block.kind == "live":
        return [Slide("live", above, "A figure to play with", [inline(last_of(told, LIVE))])]
    if block.kind == "table" and above == TAKE_AWAY:
        return [Slide("table", "", above, [block.html])]
    if block.kind == "bullet_list" and above == TAKE_AWAY:
        return lists("list", "", above, items_of(block))
    if block.kind == "blockquote" and (box := BOX.match(block.source)) and box["title"] == WATCH_OUT:
        return lists("care", above, WATCH_OUT, items_of(block))
    return []


def section_slides(title: str, blocks: list[Block]) -> list[Slide]:
    """The slides of a section. Their notes are its text: the paragraph that leads to each, and what follows it."""
    slides, waiting, above = [], [], title
    for before, block in pairwise([None, *blocks]):
        if block.kind == "h3":  # what stands before it is not about what comes
            above = block.source.lstrip("# ")
            if slides:
                slides[-1].notes += waiting
            waiting = []
        new = shown(block, before, above)
        if not new:
            waiting.append(block.html)
        elif slides and new[0].kind == slides[-1].kind == "equation" and not waiting:
            slides[-1].parts += new[0].parts  # two formulas that follow one another
            slides[-1].numbers += new[0].numbers
        else:
            if slides:
                slides[-1].notes += waiting[:-1]
                waiting = waiting[-1:]
            new[0].notes[:0] = waiting
            slides, waiting = slides + new, []
    if slides:
        slides[-1].notes += waiting
    return slides


def figures_alone(title: str, blocks: list[Block]) -> list[Slide]:
    made = [slide for before, block in pairwise([None, *blocks]) for slide in shown(block, before, title)]
    return [slide for slide in made if slide.kind in ("figure", "live")]


def slides_of(nb: nbformat.NotebookNode, stem: str) -> list[Slide]:
    """The slides of a chapter. ValueError if the picture of a figure is missing."""
    (_, opening), *rest = sections(blocks_of(nb))
    title = re.match(r"# (.*)", nb.cells[0].source)[1]
    paragraphs = [block for _, blocks in [("", opening), *rest] for block in blocks if block.kind == "paragraph"]
    first = Slide("title", "" if stem in LETTERS else f"Chapter {prefix(stem)}", inline(title))
    first.parts = [inline(question([block.source for block in paragraphs]))]
    slides = [first]
    for block in opening:
        if block.kind == "blockquote" and BOX.match(block.source)["title"] == AIMS:
            slides += lists("list", "", AIMS, items_of(block))
        slides[-1].notes.append(block.html)
    for name, blocks in rest:
        new = figures_alone(name, blocks) if name.startswith("Going further") else section_slides(name, blocks)
        if name == "A question" and not new:  # it stands on the first slide
            first.notes += [block.html for block in blocks]
        slides += new
    for slide in slides:
        slide.notes = slide.notes or [NO_MORE]
    return slides
