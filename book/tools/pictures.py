"""The pictures of a page: how large they are shown, when they are loaded, and how they are stored.

A figure for dense screens has twice the pixels that it is shown with; the notebook says so, and the size becomes that
of the picture. Pictures are stored again as WebP where that is smaller, with no block and no blur: only colours that
differ by less than an eye sees become one. A figure links to its full size.
"""

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

from bs4 import BeautifulSoup, Tag
from PIL import Image

# Of the 256 values of a colour every fourth is kept, of transparency every fifth: two off at most, a third smaller.
COLOURS = [min(4 * round(value / 4), 255) for value in range(256)] * 3 + [5 * round(value / 5) for value in range(256)]


@lru_cache
def stored(path: Path) -> tuple[Path, int, int]:
    """The file to load, and its width and height."""
    if path.suffix == ".svg":
        side = dict(re.findall(r'\b(width|height)="(\d+)"', path.read_text("utf-8").partition(">")[0]))
        return path, int(side["width"]), int(side["height"])
    small = path.with_suffix(".small.webp")
    with Image.open(path) as picture:
        if picture.format not in ("PNG", "WEBP") or getattr(picture, "is_animated", False):
            return path, *picture.size
        if not small.exists() or small.stat().st_mtime < path.stat().st_mtime:
            picture.convert("RGBA").point(COLOURS).save(small, lossless=True, method=4)
        return min(small, path, key=lambda file: file.stat().st_size), *picture.size


def size_of(picture: Tag, width: int, height: int) -> tuple[int, int]:
    """Width and height to show a picture with: what its style says, or as many as it has."""
    said = dict(re.findall(r"\b(width|height): *(\d+)px", picture.attrs.pop("style", "")))
    across = int(said.get("width", width))
    return across, int(said.get("height", round(height * across / width)))


def fit(page: BeautifulSoup, path: Path) -> None:
    """Give the pictures in the text of a page their attributes; the first is loaded at once."""
    for number, picture in enumerate(page.select("article.bd-article img[src]")):
        file = path.parent / unquote(picture["src"])
        if not file.is_file() or picture.get("height"):  # the latter was done before
            continue
        small, *pixels = stored(file.resolve())
        picture["src"] = f"{picture['src'].rpartition('/')[0]}/{quote(small.name)}"
        picture["width"], picture["height"] = size_of(picture, *pixels)
        picture["decoding"] = "async"
        if number:
            picture["loading"] = "lazy"
        if picture.find_parent(class_="cell_output"):
            link = picture.find_parent("a") or picture.wrap(page.new_tag("a"))
            link["class"], link["href"] = "full-size", picture["src"]
