"""Make the slides of a chapter: a reveal.js deck that needs no network.

python book/tools/slides.py 06-closed-forms      (or 6)

It is written to `_build/slides/06-closed-forms/` and opens by a double click on `index.html`. What is on the slides is
decided in deck.py. reveal.js comes from npm, once, and is kept in `_build/npm/`.
"""

import base64
import io
import os
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import jinja2
import nbformat
import yaml
from chapter import ROOT
from chapters import named
from deck import slides_of
from npm import Missing, package_files
from PIL import Image

HERE, OUT, CACHE = Path(__file__).parent, ROOT / "_build" / "slides", ROOT / "_build" / "npm"
VERSION = "6.0.2"
INTEGRITY = "sha512-JYIg5D9aoxoaLeb84O+OvAwsKWdIavVgEDScxtYEXFCT6t6TQrhNtSgogcjdCpdLsWglhJn3zyE3fUOwiH5KEg=="
REVEAL = ["dist/reset.css", "dist/reveal.css", "dist/reveal.js", "dist/plugin/notes.js", "LICENSE"]
# The parts of MathJax that slides.js asks for, or that those load.
MATHJAX = ["startup.js", "core.js", "input/tex.js", "input/tex/extensions", "output/chtml.js", "output/chtml/fonts"]
MATHJAX += ["a11y/assistive-mml.js"]
# What belongs to the formula before it.
MARKS = re.compile(r'<span class="math inline">[^<]*</span>[.,;:?!)]+')
LICENCES = """\
The text and the pictures are under CC BY 4.0, https://creativecommons.org/licenses/by/4.0/.
reveal.js (https://revealjs.com) is under the MIT licence: reveal/LICENSE.
MathJax (https://www.mathjax.org) is under the Apache Licence 2.0, https://www.apache.org/licenses/LICENSE-2.0.
The fonts are under the SIL Open Font Licence: book/fonts/OFL.txt.
"""


def reveal() -> dict[str, bytes]:
    """The files of reveal.js by name."""
    try:
        found = package_files("reveal.js", VERSION, INTEGRITY, CACHE, REVEAL)
    except Missing as missing:
        raise SystemExit(
            f"The slides need reveal.js, and {missing}.\n"
            f"`npm pack reveal.js@{VERSION}` brings it: that needs npm (of Node.js) and a network, once.\n"
            f"Or put reveal.js-{VERSION}.tgz, made so elsewhere, into {CACHE.relative_to(ROOT)}/ and try again."
        ) from None
    return {Path(path).name: content for path, content in found.items()}


def page(path: Path, pictures: Path) -> str:
    """The page with the slides of a chapter, whose pictures go to a folder."""
    slides, config = (
        slides_of(nbformat.read(path, 4), path.stem),
        yaml.safe_load((ROOT / "_config.yml").read_text("utf-8")),
    )
    for slide in slides:
        if slide.picture:
            content = base64.b64decode(slide.picture)
            slide.file = f"{pictures.name}/{slide.numbers[0].lower().replace(' ', '-')}.png"
            slide.size = Image.open(io.BytesIO(content)).size
            (pictures.parent / slide.file).write_bytes(content)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((HERE / "slides.html").read_text("utf-8"))
    about = {"book": config["title"], "author": config["author"], "year": config["copyright"]}
    html = template.render(slides=slides, name=slides[0].heading, **about)
    return MARKS.sub(r'<span class="nowrap">\g<0></span>', html)


def write(path: Path, out: Path = OUT) -> Path:
    """Write the deck of a chapter and what it loads, all of it or nothing; gives the page."""
    static = ROOT / "book" / "_static"
    mathjax = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".") as folder:
        new = Path(folder, path.stem)
        for each in ("figures", "reveal", "book", "mathjax"):
            (new / each).mkdir(parents=True)
        (new / "index.html").write_text(page(path, new / "figures"), "utf-8")
        (new / "LICENCES.txt").write_text(LICENCES, "utf-8")
        for name, content in reveal().items():
            (new / "reveal" / name).write_bytes(content)
        for file in (static / "type.css", HERE / "slides.css", HERE / "slides.js"):
            shutil.copy(file, new / "book")
        shutil.copytree(static / "fonts", new / "book" / "fonts")
        for part in MATHJAX:
            source, target = mathjax / part, new / "mathjax" / part
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        if (out / path.stem).exists():
            shutil.rmtree(out / path.stem)
        os.replace(new, out / path.stem)
    return out / path.stem / "index.html"


def main() -> None:
    made = write(named(sys.argv[1] if len(sys.argv) == 2 else ""))
    print(f"The slides are in {made.relative_to(ROOT)}, which opens in a browser.")
    print("Keys: S shows the notes in a second window, F fills the screen, ? lists the others.")
    print("On paper: open it with ?print-pdf&showNotes=separate-page at the end of its address, and print.")


if __name__ == "__main__":
    main()
