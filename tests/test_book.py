"""The built pages stand alone: they load nothing from the network, and no link inside the book leads nowhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from chapters import chapters, needs_of, text_of
from number import LETTERS, prefix
from place import read_address, site
from sphinx.search.en import SearchEnglish
from taught_in import CHAPTER_OF, TAUGHT_IN

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "book/_static"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LOADS = dict.fromkeys(["script", "img", "iframe", "video", "audio", "source"], "src") | {"link": "href"}


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
def pages(newest) -> dict[Path, Page]:
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


def test_links_to_the_published_book_have_become_links_within_it(pages):
    published = site(read_address())
    assert {
        (path.name, link) for path, page in pages.items() for link in page.links if link.startswith(published)
    } == set()


@pytest.mark.skipif("/OWNER/" not in read_address(), reason="the project has an address")
def test_no_page_shows_an_address_that_is_not_decided(pages):
    assert [path.name for path in pages if "OWNER" in path.read_text("utf-8")] == []


def test_every_page_says_what_it_is(pages):
    ours = {path: path.read_text("utf-8") for path in pages if path.parent.name in ("book", "notebooks")}
    titles = [re.search(r"<title>(.+?)</title>", text)[1] for text in ours.values()]
    assert [title for title in titles if titles.count(title) > 1 or title.count("Diffusion Lab") != 1] == []
    described = r'<meta [^>]*(?:name="description"|property="og:description")[^>]*>'
    assert [path.name for path, text in ours.items() if len(re.findall(described, text)) != 2] == []


def test_chapters_have_one_number_everywhere(newest):
    """On the first page's cards, in the list at the side, on the map, and above the chapter itself."""
    first = (newest / "book/index.html").read_text("utf-8")
    drawn = (newest / "book/map.html").read_text("utf-8")
    numbered = [path.stem for path in NOTEBOOKS if path.stem not in LETTERS]
    assert len(numbered) >= 11
    for stem in numbered:
        number = prefix(stem)
        [title] = re.findall(rf'notebooks/{stem}\.html"><span class="number">{number}</span>\s*([^<]+)</a>', first)
        assert re.search(rf'notebooks/{stem}\.html"><span[^>]*>{number} · {title}</span>', first), stem
        assert re.search(rf'>{number}</text><a href="\.\./notebooks/{stem}\.html"><text[^>]*>{title}<', drawn), stem
        chapter = (newest / f"notebooks/{stem}.html").read_text("utf-8")
        assert re.search(rf'<p class="eyebrow">Part [IVX]+, [^·<]+ · Chapter {number}</p>', chapter), stem


def test_every_chapter_has_its_numeral():
    assert [path.stem for path in NOTEBOOKS if not (STATIC / f"numerals/{prefix(path.stem)}.svg").exists()] == []


def test_reading_starts_with_the_whole_and_goes_past_the_prerequisites(newest):
    def leads_to(page: str, kind: str) -> str:
        found = re.search(rf'<a class="{kind}" href="([^"]+)"', (newest / page).read_text("utf-8"))
        return Path(found[1]).name

    first = (newest / "book/index.html").read_text("utf-8")
    assert re.search(r'href="\.\./notebooks/one-screen\.html"><span[^>]*>Start reading', first)
    assert leads_to("book/index.html", "right-next") == "one-screen.html"
    assert leads_to("notebooks/one-screen.html", "right-next") == "what-diffusion-is.html"
    assert leads_to("notebooks/what-diffusion-is.html", "left-prev") == "one-screen.html"
    assert leads_to("notebooks/00-before-you-start.html", "right-next") == "what-diffusion-is.html"


def test_the_fonts_are_small():
    fonts = list((STATIC / "fonts").glob("*.woff2"))
    assert 0 < sum(font.stat().st_size for font in fonts) < 150_000
    assert (STATIC / "fonts/OFL.txt").read_text("utf-8").count("Copyright") >= 3


def test_every_picture_has_alt_text(pages):
    assert [(path.name, source) for path, page in pages.items() for source in page.without_alt] == []


def test_no_page_shows_a_widget_that_cannot_work(pages):
    words = ("interactive(children=", "application/vnd.jupyter.widget", "it/s]")
    assert [(path.name, word) for path in pages for word in words if word in path.read_text("utf-8")] == []


def test_every_page_is_reached_from_the_first(pages, newest):
    first = newest / "book/index.html"
    linked = {(first.parent / unquote(urlsplit(address).path)).resolve() for address in pages[first].links}
    ours = {path for path in pages if path.parent.name in ("book", "notebooks")}
    assert {path.name for path in ours - linked - {first}} == set()
    assert len(ours) > 15


@pytest.mark.parametrize("words", ["score", "ELBO", "cross-attention", "posterior variance"])
def test_the_search_finds(words, newest):
    text = (newest / "searchindex.js").read_text("utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))
    assert any(words.lower() in title.lower() for title in index["alltitles"])  # a section that teaches it
    found = []  # for each word the pages that have it; the search shows those that have all
    for word in re.split(r"\W+", words.lower()):
        pages_with = index["terms"].get(SearchEnglish({}).stem(word), [])
        found.append(set(pages_with if isinstance(pages_with, list) else [pages_with]))
    assert index["docnames"].index("book/glossary") in set.intersection(*found)


def test_every_entry_of_the_package_says_where_it_is_taught(pages, newest):
    page = (newest / "book/api.html").read_text("utf-8")
    entries = re.findall(r'<dt class="sig[^>]*id="diffusion_lab\.([\w.]+)"', page)
    tops = {name for name in entries if name.rpartition(".")[0] not in entries}
    assert tops == set(CHAPTER_OF)
    assert page.count("Taught in") == len(tops)


def test_a_chapter_uses_what_it_is_said_to_teach():
    texts = {stem: (ROOT / f"notebooks/{stem}.ipynb").read_text("utf-8") for stem in TAUGHT_IN}
    unused = [
        (stem, name)
        for stem, names in TAUGHT_IN.items()
        for name in names
        if not re.search(rf"\b{name.split('.')[-1]}\b", texts[stem])
    ]
    assert unused == []


def test_every_chapter_is_on_the_map(newest):
    page = (newest / "book/map.html").read_text("utf-8")
    [drawn] = re.findall(r'<svg [^>]*class="chapter-map".*?</svg>', page, re.DOTALL)
    assert re.findall(r"notebooks/([\w-]+)\.html", drawn) == [chapter.stem for chapter in chapters()]


def test_what_a_chapter_needs_is_what_its_first_sentence_links_to():
    text = "**You need**: [A](01-a.ipynb), and of [B](b.ipynb) the half. More is in [C](c.ipynb).\n"
    assert needs_of(text) == {"01-a", "b"}


def test_chapters_are_called_by_their_own_numbers():
    wrong = [
        (path.name, called)
        for path in [*NOTEBOOKS, *(ROOT / "book").glob("*.md")]
        for called in re.findall(r"[Cc]hapter \d+\]\([./\w]*\d\d-[\w-]+", path.read_text("utf-8"))
        if int(re.search(r"\d+", called)[0]) != int(re.search(r"(\d\d)-", called)[1])
    ]
    assert wrong == []


def test_no_line_is_lost_to_a_comment():
    """MyST takes a line that begins with a per cent sign for a comment: "100" above, "% of it" below."""
    lost = [(path.name, line) for path in NOTEBOOKS for line in re.findall(r"^%.*", text_of(path), re.MULTILINE)]
    assert lost == []
