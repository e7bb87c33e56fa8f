"""The questions of book/questions.md: their code prints what the page says, and what the page names exists."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from chapters import text_of
from number import KINDS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "book/questions.md").read_text("utf-8")
PREDICTIONS = PAGE.split("\n## ")[2]
CODE = r"(?ms)^```python\n(.+?)^```"
# A question ends where its answer does; the cell that all of them begin with stands before the first.
SETUP, ASKED = PREDICTIONS.split("```\n\n", 1)
QUESTIONS = dict(re.findall(r"(?ms)^\*\*([^*]+)\*\* (.+?^</details>)$", ASKED))
WITH_CODE = [title for title, text in QUESTIONS.items() if "```python" in text]


def values(text: str) -> list[str]:
    return re.findall(r"True|False|-?\d+(?:\.\d+)?", text)


def same(printed: str, said: str) -> bool:
    """Equal, but for one in the last digit of a fraction: no machine rounds quite like another."""
    if "." not in said:
        return printed == said
    return abs(float(printed) - float(said)) < 1.5 * 10 ** -len(said.split(".")[1])


def prints_what_it_says(code: str, names: dict) -> bool:
    said = values(" ".join(re.findall(r"(?m)^ *print\(.+  # (.+)$", code)))
    out = io.StringIO()
    with redirect_stdout(out):
        exec(code, names)
    printed = values(out.getvalue())
    return len(printed) == len(said) > 0 and all(map(same, printed, said))


@pytest.mark.parametrize("title", WITH_CODE)
def test_the_code_of_an_answer_prints_what_the_page_says(title):
    names = {}
    exec(SETUP.split("```python\n")[1], names)
    [code] = re.findall(CODE, QUESTIONS[title])
    assert prints_what_it_says(code, names)


def test_a_wrong_number_would_be_noticed():
    assert prints_what_it_says("print(0.251, True)  # 0.25 True", {})
    assert not prints_what_it_says("print(0.27, True)  # 0.25 True", {})
    assert not prints_what_it_says("print(0.25, False)  # 0.25 True", {})
    assert not prints_what_it_says("print(3, 4)  # 3", {})


def test_each_question_has_three_or_four_answers_and_the_reasons_speak_of_all():
    assert len(QUESTIONS) >= 30
    assert len(QUESTIONS) == PREDICTIONS.count("<summary>Answer</summary>") == len(re.findall(r"(?m)^- \*a\* ", ASKED))
    for title, text in QUESTIONS.items():
        asked, answer = text.split("<details><summary>Answer</summary>\n\n")
        offered = re.findall(r"(?m)^- \*([a-d])\* ", asked)
        right = re.match(r"\*\*([a-d])\.\*\* ", answer)[1]
        assert offered in (["a", "b", "c"], ["a", "b", "c", "d"]), title
        assert {right} | set(re.findall(r"\*([a-d])\*[ ,]", answer)) == set(offered), title
        assert right not in re.findall(r"\*([a-d])\*[ ,]", answer), title


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_page_names_is_in_a_chapter(kind):
    given, named = KINDS[kind]
    there = {match["number"] for path in ROOT.glob("notebooks/*.ipynb") for match in re.finditer(given, text_of(path))}
    assert {match["number"] for match in re.finditer(named, PAGE)} - there == set()
