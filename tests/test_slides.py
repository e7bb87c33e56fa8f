"""The slides of a chapter: what is on them and in their notes, what is not, and that the last row can read them."""

import base64
import functools
import html
import io
import re

import nbformat
import pytest
import slides
from chapter import ROOT
from chapters import named
from deck import NO_MORE, slides_of
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from number import NUMBER
from PIL import Image

CHAPTERS = sorted(ROOT.glob("notebooks/*.ipynb"))
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def words(text):
    """The letters and digits of a text: the same in Markdown and on a page."""
    return re.sub(r"[\W_]+", "", html.unescape(re.sub(r"</?[a-z][^>]*>", "", text))).lower()


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """``page_of(path)`` is the page of a chapter, and the folder with its pictures."""

    @functools.cache
    def made(path):
        folder = tmp_path_factory.mktemp(path.stem)
        (folder / "figures").mkdir()
        return slides.page(path, folder / "figures"), folder

    return made


# ---- the rules, on a chapter made for them ----


def picture():
    written = io.BytesIO()
    Image.new("RGB", (70, 30), "white").save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def figure(alt="what is to be seen"):
    shown = new_output("display_data", {"image/png": picture()})
    return new_code_cell("draw()", metadata={"mystnb": {"image": {"alt": alt}}}, outputs=[shown])


OPENING = """\
# A chapter

An opening. Is it *so*? Why not? It is.

> **What you will be able to do.**
>
> - Do one thing
>   and another.
> - Know $x_0 < 1$.
>
> **Time**: an hour."""


def chapter_of(*cells, stem="06-made"):
    cells = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in (OPENING, *cells)]
    return slides_of(new_notebook(cells=cells), stem)


def test_it_begins_with_the_question_and_what_one_will_be_able_to_do():
    title, aims = chapter_of("## A question\n\nNo more than this.")
    assert (title.above, title.heading) == ("Chapter 6", "A chapter")
    assert words(title.parts[0]) == words("An opening. Is it so? Why not?")
    assert words("".join(title.notes)) == words("An opening. Is it so? Why not? It is. No more than this.")
    assert aims.parts == ["Do one thing and another.", 'Know <span class="math inline">\\(x_0 &lt; 1\\)</span>.']
    assert "an hour" in aims.notes[0]
    assert chapter_of(stem="common-slips")[0].above == ""


def test_the_text_around_a_slide_goes_into_its_notes():
    first = "## One *section*\n\nNear. [Far](https://example.org/a_b) away:\n\n$$\na < b \\tag{6.1}\n$$\n\nAfter."
    last = "*Figure 6.1. A first. B second.*\n\nThe end.\n\n## Another\n\nNothing to show."
    equation, shown = chapter_of(first + "\n\nLook.", figure(), last)[2:]
    assert (equation.above, equation.heading, equation.numbers) == ("One *section*", "Near. Far away:", ["(6.1)"])
    assert words("".join(equation.notes)) == words("Near. Far away: After.")
    assert r"\[a &lt; b\]" in equation.parts[0] and "tag" not in equation.parts[0]
    assert (shown.heading, shown.numbers, shown.alt) == ("A first. B second.", ["Figure 6.1"], "what is to be seen")
    assert words("".join(shown.notes)) == words("Look. A first. B second. The end.")


def test_formulas_without_text_between_them_share_a_slide():
    [both] = chapter_of("## One\n\nSo:\n\n$$\na \\tag{6.1}\n$$\n\n$$\nb \\tag{6.2}\n$$\n\n$$\nno number\n$$")[2:]
    assert both.numbers == ["(6.1)", "(6.2)"] and len(both.parts) == 2
    assert "no number" in both.notes[-1]


def test_of_a_long_paragraph_the_end_leads_to_a_formula_and_no_small_fraction():
    long = "A sentence that is rather long and says what need not be said again. " * 3
    for end in (f"{long}\n$\\frac12$ is small. So now:", f"{long}(Not much. Nor this.) So now:"):
        [one] = chapter_of(f"## One\n\n{end}\n\n$$\na \\tag{{6.1}}\n$$")[2:]
        assert words(one.heading).endswith("sonow") and "frac" not in one.heading
        assert one.heading.count("(") == one.heading.count(")")


def test_of_exercises_and_what_is_folded_there_is_nothing():
    folded = "<details><summary>Answer</summary>\n\nsecret\n\n$$\nsecret \\tag{6.2}\n$$\n\n</details>"
    made = chapter_of(
        f"## One\n\nText.\n\n$$\na \\tag{{6.1}}\n$$\n\n{folded}\n\n<!-- secret -->",
        "### Exercise 6.1 · Early\n\nsecret",
        new_code_cell("secret = 1", metadata={"tags": ["hide-cell"]}),
        "## Exercises\n\n### Exercise 6.2 · Late\n\nsecret\n\n$$\nsecret \\tag{6.3}\n$$",
        figure("secret"),
        "*Figure 6.9. A secret.*",
        "## What to take away\n\n- All.",
    )
    assert [slide.kind for slide in made] == ["title", "list", "equation", "list"]
    assert "secret" not in repr(made)


def test_of_going_further_there_are_the_figures_alone():
    live = new_code_cell('live.figure("line")', metadata={"tags": ["live"]})
    later = ["## Going further: later\n\nText.\n\n$$\na \\tag{6.1}\n$$\n\nSee.", figure(), "*Figure 6.1. A picture.*"]
    shown, moving = chapter_of(*later, "Drag it.", live, "More.")[2:]
    assert shown.notes == ["<p>A picture.</p>"]
    assert (moving.kind, moving.parts, moving.notes) == ("live", ["Drag it."], [NO_MORE])


def test_long_lists_are_divided_evenly_and_boxes_are_slides():
    point = "- **Point.** " + "Some ten words that fill a line of the slide well. " * 3 + "\n"
    care, *away = chapter_of("## One\n\n> **Watch out.** Not so.", f"## What to take away\n\n{point * 6}\nThe end.")[2:]
    assert (care.kind, care.heading, care.parts) == ("care", "Watch out", ["Not so."])
    assert [len(slide.parts) for slide in away] == [3, 3]
    assert "The end." in away[-1].notes[0] and away[0].notes == [NO_MORE]


def test_a_figure_without_a_stored_picture_is_named():
    with pytest.raises(ValueError, match=r"Figure 6\.1 has no stored picture"):
        chapter_of("## One", new_code_cell("draw()"), "*Figure 6.1. What is missing.*")


# ---- the chapters ----


@every_chapter
def test_every_figure_and_equation_is_there_in_order(path, page_of):
    nb, expected, section = nbformat.read(path, 4), [], ""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            seen = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
            for line in seen.splitlines():
                section = line if line.startswith("## ") else section
                figures, equations = (
                    re.findall(rf"^\*(Figure {NUMBER})\. ", line),
                    re.findall(rf"\\tag\{{{NUMBER}\}}", line),
                )
                if not section.startswith("## Exercises"):
                    expected += [name for name, _ in figures]
                    expected += [f"({number})" for number in equations if not section.startswith("## Going further")]
    made = slides_of(nb, path.stem)
    assert [number for slide in made for number in slide.numbers] == expected
    assert made[0].parts[0].endswith("?")
    page, folder = page_of(path)
    shown = re.findall(r'<img src="(figures/[^"]+)" width="(\d+)" height="(\d+)" alt="([^"]+)"', page)
    assert len(shown) == sum(number.startswith("Figure") for number in expected)
    assert [Image.open(folder / src).size for src, *_ in shown] == [(int(w), int(h)) for _, w, h, _ in shown]


@every_chapter
def test_no_solution_and_no_exercise_is_in_a_deck(path, page_of):
    cells, hidden, on = nbformat.read(path, 4).cells, [], False
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            on = cell.source.startswith("## Exercises")
        hidden += [cell.source] if on else re.findall(r"<details>(.*?)</details>", cell.source, re.DOTALL)
    lines = [words(line) for text in hidden for line in text.splitlines()]
    open_text = words("".join(cell.source for cell in cells if cell.source not in hidden).split("## Exercises")[0])
    distinctive = [line for line in lines if len(line) > 30 and line not in open_text]
    assert len(distinctive) > 5
    text = words(page_of(path)[0])
    assert [line for line in distinctive if line in text] == []


@every_chapter
def test_each_slide_has_notes_and_no_link(path, page_of):
    page, _ = page_of(path)
    notes = re.findall(r'<aside class="notes">(.*?)</aside>', page, re.DOTALL)
    assert len(notes) == page.count("<section>") and all(len(words(each)) > 40 for each in notes)
    assert "<a " not in page and "](" not in page and "https:" not in page


# ---- the command ----


def test_a_chapter_is_found_by_its_name_or_number():
    for name in ("6", "06", "06-closed-forms", "06-closed-forms.ipynb"):
        assert named(name).stem == "06-closed-forms"
    assert named("0").stem == "00-before-you-start"
    for name in ("99", "", "closed"):
        with pytest.raises(SystemExit, match=rf"^CHAPTER: .* got '{name}'(.|\n)*06-closed-forms\n"):
            named(name)


def test_without_npm_it_says_what_to_do_and_leaves_what_was_there(monkeypatch, tmp_path):
    monkeypatch.setattr(slides, "CACHE", ROOT / "_build" / "nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    old = tmp_path / "one-screen" / "index.html"
    old.parent.mkdir()
    old.write_text("old")
    with pytest.raises(
        SystemExit, match=r"npm, which brings reveal\.js, was not there(.|\n)*npm pack(.|\n)*put reveal"
    ):
        slides.write(named("one-screen"), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["one-screen"] and old.read_text() == "old"


# ---- in a browser ----

TOO_SMALL_OR_CUT = """() => Reveal.getSlides().flatMap((section, number) => {
  Reveal.slide(number);
  const slide = section.querySelector(".slide"), found = [], bottom = 720 - 46;  // where the slide's number stands
  const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (element.closest("mjx-container") || !texts.currentNode.data.trim()) continue;
    if (parseFloat(getComputedStyle(element).fontSize) < 28) found.push("small: " + texts.currentNode.data);
  }
  for (const formula of slide.querySelectorAll("mjx-container")) {
    const size = parseFloat(getComputedStyle(formula.closest(".math")).fontSize);
    if (size < (formula.closest(".formulas") ? 32 : 28)) found.push("small formula");
    if (formula.querySelector("mjx-merror")) found.push("broken: " + formula.textContent);
  }
  if (slide.scrollHeight > 720 || slide.scrollWidth > 1280) found.push("cut");
  for (const element of slide.querySelectorAll("p, h1, h2, li, table, img, .formula, mjx-math, .number")) {
    const box = element.getBoundingClientRect();
    const inside = box.top >= 0 && box.bottom <= bottom && box.left >= 0 && box.right <= 1280 - 40;
    if (!inside) found.push("outside: " + element.outerHTML.slice(0, 80));
  }
  const covered = [...slide.querySelectorAll(".formula")].some(row => {
    const number = row.querySelector(".number").getBoundingClientRect();
    return row.querySelector("mjx-math").getBoundingClientRect().right > number.left;
  });
  return [...found, ...(covered ? ["over its number"] : [])].map(what => `${number + 1}: ${what}`);
})"""


@pytest.fixture(scope="module")
def window(chromium):
    window = chromium.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    yield window
    window.close()


def opened(window, name, folder):
    """The deck of a chapter from the disk. ``page.asked`` has what was asked for, ``page.said`` what went wrong."""
    try:
        slides.reveal()
    except SystemExit as missing:
        pytest.skip(str(missing))
    page = window.new_page()
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("requestfailed", lambda request: page.said.append(request.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(slides.write(named(name), folder).as_uri())
    page.wait_for_selector("html.ready")
    return page


@every_chapter
def test_the_last_row_can_read_it_and_nothing_leaves(window, path, tmp_path):
    page = opened(window, path.stem, tmp_path)
    assert page.evaluate(TOO_SMALL_OR_CUT) == []
    assert page.said == [] and {address.partition(":")[0] for address in page.asked} == {"file"}
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert page.evaluate("document.querySelectorAll('.slide .math:not(:has(mjx-container))').length") == 0
    page.close()


def test_the_notes_are_in_the_second_window(window, tmp_path):
    page = opened(window, "one-screen", tmp_path)
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    notes = popup.value.locator(".speaker-controls-notes .value", has_text="Two thousand points on their way")
    notes.wait_for()
    assert notes.locator("math").count() >= 2  # MathML: the window has no MathJax
    popup.value.close()
    page.close()
