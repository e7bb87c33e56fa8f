"""The search: a record for each section, term and function of the book, and Pagefind's index of them.

Pagefind reads HTML files, so each record is written as a small one and all are read together. What is searched is
prose: no code, no outputs, no TeX.
"""

import html
import re
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bs4 import BeautifulSoup, Tag

LEFT_OUT = (
    "div.cell_input, div.cell_output, div.highlight, div.math, svg, .headerlink, .toctree-wrapper, summary, button"
)
COMMAND = re.compile(r"\\([A-Za-z]+) ?")


@dataclass
class Record:
    href: str  # from the top of the book
    title: str
    page: str
    text: str
    links: list[str] = field(default_factory=list)  # to the glossary: "term-DDIM"
    terms: str = ""  # those of them that its chapter teaches

    def written(self) -> str:
        """The record as the HTML file that Pagefind reads."""
        fields = "".join(
            f'<i data-pagefind-meta="{name}[title]" title="{html.escape(getattr(self, name))}"></i>'
            for name in ("href", "title", "page", "terms")
        )
        return f"<html lang=en><body>{fields}<p>{html.escape(self.text)}</p></body></html>"


def letters(formula: str) -> str:
    """A formula of the running text in plain letters, x_t or β; three dots where it has more than that."""

    def letter(command: re.Match) -> str:
        case = "SMALL" if command[1][0].islower() else "CAPITAL"
        name = command[1].upper().removeprefix("VAR").replace("LAMBDA", "LAMDA")
        try:
            return unicodedata.lookup(f"GREEK {case} LETTER {name}")
        except KeyError:
            return command[0]

    plain = COMMAND.sub(letter, formula.strip().removeprefix(r"\(").removesuffix(r"\)"))
    return "…" if set(plain) & set("\\{}") else plain


def words(node: Tag | None) -> str:
    return re.sub(r"\s+", " ", node.get_text()).strip() if node else ""


def records_of(path: str, page: BeautifulSoup) -> Iterator[Record]:
    """The records of a page, which is taken apart."""
    article = page.select_one("article.bd-article")
    for formula in article.select("span.math"):
        formula.replace_with(letters(formula.get_text()))
    for other in article.select(LEFT_OUT):
        other.extract()
    title = words(article.h1)
    for entry in article.select("dl.glossary > dt, section > dl.py > dt.sig"):
        about = entry.find_next_sibling("dd")
        for inner in about.select("dl.py"):
            inner.extract()
        name = entry["id"].removeprefix("diffusion_lab.") if "sig" in entry.get("class", []) else words(entry)
        links = [PurePosixPath(link["href"]).stem for link in about.select("a[href^='../notebooks/']")]
        yield Record(f"{path}#{entry['id']}", name, title, words(about), links)
    for entries in article.select("dl.glossary, dl.py"):
        entries.extract()
    for section in reversed(article.select("section")):  # the innermost first
        heading = section.find(re.compile("^h[1-6]$"))
        links = [link["href"].partition("#")[2] for link in section.select("a[href*='glossary.html#term-']")]
        section.extract(), heading.extract()
        anchor = "" if heading.name == "h1" else f"#{section['id']}"
        yield Record(f"{path}{anchor}", words(heading), title, words(section), links)


def add_terms(records: Iterable[Record]) -> None:
    """A section is about the terms that it links to, where the glossary says that its chapter teaches them."""
    taught = {}  # by "term-DDIM": the term, and the stems of the chapters that its entry links to
    for record in records:
        anchor = record.href.partition("#")[2]
        if anchor.startswith("term-"):
            taught[anchor] = record.title, record.links
    for record in records:
        chapter = PurePosixPath(record.href.partition("#")[0]).stem
        known = (taught[link] for link in dict.fromkeys(record.links) if link in taught)
        record.terms = ", ".join(term for term, chapters in known if chapter in chapters)


def pagefind() -> list[str] | None:
    """The command that runs Pagefind, if it is here."""
    try:
        from pagefind.service import get_executable
    except ImportError:
        return None
    program = get_executable()
    return [str(program)] if program and Path(program).is_file() else None


def index(records: list[Record], folder: Path) -> None:
    """Write Pagefind's index of the records."""
    add_terms(records)
    with tempfile.TemporaryDirectory() as site:
        for number, record in enumerate(records):
            Path(site, f"{number}.html").write_text(record.written(), "utf-8")
        subprocess.run([*pagefind(), "--site", site, "--output-path", str(folder), "--quiet"], check=True)
    for unused in folder.glob("pagefind-*ui*"):
        unused.unlink()
