"""The built pages stand alone: they load nothing from the network, and no link inside the book leads nowhere."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILT = [folder for folder in (ROOT / "_build/test/_build/html", ROOT / "_build/html") if folder.is_dir()]
LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "video": "src",
    "audio": "src",
    "source": "src",
    "link": "href",
}

pytestmark = pytest.mark.skipif(not BUILT, reason="the book is not built; `make test` builds it first")


class Page(HTMLParser):
    """What a page loads, where it links to, which anchors it has, and its pictures without alt text."""

    def __init__(self, text: str):
        super().__init__()
        self.loads, self.links, self.anchors, self.without_alt = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "id" in found:
            self.anchors.add(found["id"])
        if tag in LOADS and found.get(LOADS[tag]):
            self.loads.append(found[LOADS[tag]])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img" and not (found.get("alt") or "").strip():
            self.without_alt.append(found.get("src", "")[:60])


def remote(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https", "ftp")


@pytest.fixture(scope="module")
def pages() -> dict[Path, Page]:
    newest = max(BUILT, key=lambda folder: (folder / "book/index.html").stat().st_mtime)
    written = [path for path in newest.rglob("*.html") if "_static" not in path.parts]
    return {path: Page(path.read_text("utf-8")) for path in written}


def test_the_reader_sees_what_the_tests_see():
    text = (
        '<img src="//a.org/x.png"><script src="https://b.org/y.js"></script><a href="#no"></a><img src="z.png" alt="z">'
    )
    page = Page(text)
    assert [address for address in page.loads if remote(address)] == ["//a.org/x.png", "https://b.org/y.js"]
    assert page.links == ["#no"]
    assert page.without_alt == ["//a.org/x.png"]


def test_pages_load_nothing_from_the_network(pages):
    assert {(path.name, load) for path, page in pages.items() for load in page.loads if remote(load)} == set()


def test_styles_load_nothing_from_the_network(pages):
    folder = next(path.parent for path in pages if path.name == "search.html")
    remote_url = re.compile(r"@import[^;]*//|url\(\s*['\"]?(?:https?:)?//")
    assert [path.name for path in folder.rglob("*.css") if remote_url.search(path.read_text("utf-8"))] == []


def test_links_inside_the_book_lead_somewhere(pages):
    lost = []
    for path, page in pages.items():
        for address in page.links + page.loads:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages and parts.fragment else {unquote(parts.fragment)}
            if not target.exists() or unquote(parts.fragment) not in anchors:
                lost.append((path.name, address))
    assert lost == []


def test_every_picture_has_alt_text(pages):
    assert [(path.name, source) for path, page in pages.items() for source in page.without_alt] == []


def test_no_page_shows_a_widget_that_cannot_work(pages):
    words = ("interactive(children=", "application/vnd.jupyter.widget", "it/s]")
    assert [(path.name, word) for path in pages for word in words if word in path.read_text("utf-8")] == []
