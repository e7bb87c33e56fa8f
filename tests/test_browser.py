"""The built pages in Chromium: what a reader meets who opens them, and touches nothing or everything."""

import re

import pytest
from PIL import Image, ImageChops

LANDING, CHAPTER = "book/index.html", "notebooks/02-adding-noise.html"
# Where each of these leads first. A reader's words, not always the book's.
QUESTIONS = {
    "classifier-free guidance": "notebooks/05-",
    "what is a noise schedule": "notebooks/02-adding-noise.html",
    "why predict noise instead of the image": "notebooks/03-s-curve.html#what-should-the-network-predict",
    "time embedding": "notebooks/04-the-network.html#how-to-tell-a-time",
    "install": "book/how-to-use.html",
    "score matching": "notebooks/09-perfect-denoiser.html#the-score",
    "reparameterization trick": "notebooks/06-closed-forms.html",
    "DDIM": "notebooks/10-fewer-steps.html",
    "U-Net": "notebooks/04-the-network.html",
    "FID": "notebooks/11-judging-samples.html",
}


def search(page, words):
    """Type into the search field and wait for what it finds."""
    if not page.locator("#pst-search-dialog").is_visible():
        page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input").fill(words)
    page.wait_for_selector(f'#pst-search-dialog ol[aria-label="Found for {words}"]')
    return page.locator("#pst-search-dialog ol.search-found li")


@pytest.mark.parametrize("disk", [False, True])
@pytest.mark.parametrize("path", [LANDING, CHAPTER])
def test_a_page_opens_in_silence(open_page, path, disk):
    page = open_page(path, disk=disk)
    page.wait_for_timeout(300)
    assert page.said == page.failed == []


def test_the_search_finds_the_right_section_first(open_page, served):
    page = open_page(LANDING)
    first = {
        question: search(page, question).first.locator("a").get_attribute("href").removeprefix(f"{served}/")
        for question in QUESTIONS
    }
    assert {question: leads for question, leads in first.items() if not leads.startswith(QUESTIONS[question])} == {}


def test_the_search_is_used_by_keyboard_alone(open_page, served):
    page = open_page(CHAPTER)
    page.keyboard.press("Control+k")
    page.keyboard.type("reparameterisation")
    page.wait_for_selector("ol.search-found a")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.href")
    page.keyboard.press("Enter")
    page.wait_for_url(second)
    page.keyboard.press("Control+k")
    page.keyboard.type("install")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served}/book/how-to-use.html*")
    assert page.said == page.failed == []


@pytest.mark.parametrize("typed", ["  ", "<b>&amp;\"'", "qwrtzp", "x" * 5000, "% \\ ? #", "the of"])
def test_the_search_takes_anything(open_page, typed):
    page = open_page(CHAPTER)
    page.keyboard.press("Control+k")
    page.keyboard.insert_text(typed)
    page.wait_for_timeout(200)
    assert page.locator("#pst-search-dialog b").count() == 0
    assert page.said == page.failed == []


def test_what_is_found_is_prose(open_page):
    page = open_page(LANDING)
    for words in ("alpha bar", "import torch", "variance"):
        for text in search(page, words).all_text_contents():
            assert not any(sign in text for sign in ("\\", "$", "import torch", "#", "Click to")), text


def test_the_search_without_its_index_is_sphinx_s(open_page, newest):
    page = open_page(CHAPTER, disk=True)
    page.keyboard.press("Control+k")
    page.keyboard.type("posterior")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{newest.as_uri()}/search.html?q=posterior")
    page.wait_for_selector("#search-results li a")
    assert page.said == page.failed == []


def test_only_the_page_of_sphinx_s_search_loads_its_index(open_page):
    for path, loads in (("search.html", True), (LANDING, False), (CHAPTER, False)):
        page = open_page(path)
        assert (page.locator("script[src*='searchindex.js'], script[src*='searchtools.js']").count() > 0) == loads


def test_a_page_without_a_formula_loads_no_mathjax(open_page, newest):
    page = open_page("book/how-to-use.html")
    assert page.evaluate("typeof MathJax") == "undefined"
    assert "mathjax" in (newest / CHAPTER).read_text("utf-8")


def test_formulas_are_set_heard_and_no_stops_of_the_tab_key(open_page, newest):
    page = open_page(CHAPTER)
    page.wait_for_function("document.querySelector('mjx-container') && !document.querySelector('mjx-lazy')")
    written = len(re.findall(r'class="math ', (newest / CHAPTER).read_text("utf-8")))
    assert page.locator("mjx-container").count() == page.locator("mjx-assistive-mml").count() == written > 100
    assert page.locator("mjx-container[tabindex]").count() == page.locator("mjx-merror").count() == 0


def test_all_formulas_are_printed(open_page):
    page = open_page(CHAPTER)
    page.wait_for_selector("mjx-lazy", state="attached")
    page.evaluate("MathJax.startup.document.lazyHandleSet = () => {}")  # nothing but printing sets more of them
    assert page.locator("mjx-lazy").count() > 50
    page.pdf()
    page.wait_for_function("!document.querySelector('mjx-lazy')")


@pytest.mark.parametrize("width", [360, 1280])
def test_pictures_fit_and_say_their_size_before_they_come(open_page, width):
    page = open_page(CHAPTER, width=width)
    page.evaluate("document.querySelectorAll('img').forEach(one => one.loading = 'eager')")
    page.wait_for_function("[...document.images].every(one => one.complete)")
    pictures = page.evaluate("""[...document.querySelectorAll('.cell_output img')].map(one => ({
        src: one.src, width: +one.getAttribute('width'), height: +one.getAttribute('height'), shown: one.width,
        ratio: one.width / one.height, native: one.naturalWidth, own: one.naturalWidth / one.naturalHeight,
        room: one.closest('.cell_output').clientWidth, scrolls: one.classList.contains('wide'),
    }))""")
    assert len(pictures) > 5
    for one in pictures:
        assert one["native"] > 0 and one["width"] > 0, one
        assert abs(one["width"] / one["height"] / one["own"] - 1) < 0.02, one
        assert abs(one["ratio"] / one["own"] - 1) < 0.02, one
        assert one["shown"] <= one["room"] or one["scrolls"], one
        assert 2 * one["shown"] <= one["native"] + 2, one  # sharp on dense screens
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_pictures_are_loaded_when_they_are_needed(newest):
    for path in [newest / LANDING, *newest.glob("notebooks/*.html")]:
        pictures = re.findall("<img [^>]*>", path.read_text("utf-8").partition("<article")[2])
        assert all(" width=" in one and " height=" in one and " decoding=" in one for one in pictures), path.name
        assert ['loading="lazy"' in one for one in pictures] == [False] + [True] * (len(pictures) - 1), path.name


@pytest.mark.parametrize("touch", [False, True])
def test_a_picture_opens_in_full_size(open_page, touch):
    page = open_page(CHAPTER, width=375 if touch else 1280, touch=touch, disk=True)
    link = page.locator("a.full-size").first
    if touch:
        link.tap()
    else:
        link.focus()
        page.keyboard.press("Enter")
    picture = page.locator("dialog.full-size img")
    picture.wait_for()
    assert picture.bounding_box()["width"] > (600 if touch else 700)
    page.keyboard.press("Escape")
    assert page.locator("dialog.full-size").count() == 0
    if not touch:
        assert page.evaluate("document.activeElement.className") == "full-size"
    assert page.said == page.failed == []


def test_stored_pictures_look_like_what_was_drawn(newest):
    stored = sorted(newest.glob("_images/*.small.webp"))
    assert len(stored) > 50
    for small in stored[::10]:
        drawn = Image.open(next(small.parent.glob(small.name.replace(".small.webp", ".[!s]*")))).convert("RGBA")
        difference = ImageChops.difference(drawn, Image.open(small).convert("RGBA"))
        seen = ImageChops.multiply(difference.convert("RGB"), Image.merge("RGB", [drawn.getchannel("A")] * 3))
        assert max(high for _, high in seen.getextrema()) <= 2, small.name
        assert difference.getchannel("A").getextrema()[1] <= 2, small.name
