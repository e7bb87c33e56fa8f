"""The ready plans fit the chapters, and the page for instructors shows them as tables that everybody can read."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from chapters import Chapter, Exercise, chapters
from plans import Reading, plan, plans, problems
from sphinx.application import Sphinx

PLANS = plans()


# ---- ours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_fits_the_chapters(name):
    assert problems(PLANS[name]) == []


# ---- what can be wrong with one -------------------------------------------------------------------------------------


def exercise(chapter, number, minutes, checked=False):
    return Exercise(chapter, number, "X", "Code", minutes, None, checked, ())


FIRST = (exercise("01-a", "1.1", 5), exercise("01-a", "1.2", 20, True))
EVERY = {
    "01-a": Chapter("01-a", "1", "A", "I", (), (), 40, FIRST, ("S", "T")),
    "02-b": Chapter("02-b", "2", "B", "I", ("01-a",), (), 50, (exercise("02-b", "2.1", 10, True),), ()),
}
GIVEN = """
title: Two
audience: For all.
unit: Week
assumes: []
at_home: 30
units:
  - - minutes: 60
      read: [01-a]
      exercises: ["1.1"]
    - minutes: 60
      read: [02-b]
      homework: [checked, "1.2"]
"""


def planned(*changes: tuple[str, str]):
    text = GIVEN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return plan(yaml.safe_load(text), EVERY, "two")


def test_a_plan_is_read():
    found = planned()
    assert problems(found) == []
    first, second = found.sessions
    assert (first.name, first.in_the_room, first.at_home) == ("Week 1, session 1", 45, 0)
    assert (second.in_the_room, second.at_home) == (50, 30)
    assert [one.number for one in second.homework] == ["1.2", "2.1"]


def test_checked_leaves_out_what_is_done_in_the_room():
    found = planned(('exercises: ["1.1"]', 'exercises: ["1.2"]\n      homework: [checked, "1.1"]'), (', "1.2"]', "]"))
    assert [one.number for one in found.sessions[0].exercises] == ["1.2"]
    assert [one.number for one in found.sessions[0].homework] == ["1.1"]


def test_a_part_of_a_chapter_has_its_own_minutes():
    part = "[{chapter: 01-a, sections: [S], minutes: 15}]"
    found = planned(("[01-a]", part), ("assumes: []", "assumes: [01-a]"))
    assert problems(found) == []
    assert found.sessions[0].read == (Reading(EVERY["01-a"], 15, ("S",)),)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("read: [01-a]", "read: [02-b]", "session 1: 02-b needs 01-a, neither taught before nor assumed"),
        ("read: [01-a]", "before: [02-b]\n      read: [01-a]", "session 1: 02-b needs 01-a, neither taught"),
        ("[01-a]", "[{chapter: 01-a, sections: [S], minutes: 15}]", "session 2: 02-b needs 01-a"),
        ("[01-a]", "[{chapter: 01-a, sections: [S], minutes: 40}]", "a part of 01-a takes 40 minutes, all of it 40"),
        ("minutes: 60", "minutes: 44", "session 1: 45 minutes are planned, it has 44"),
        ("at_home: 30", "at_home: 29", "Week 1: 30 minutes at home, more than 29"),
        ('["1.1"]', '["2.1"]', "session 1: exercise 2.1 of 02-b, which has not been read"),
        ('["1.1"]', '["1.2"]', "session 2: exercise 1.2 for the second time"),
    ],
)
def test_what_does_not_fit_is_found(old, new, said):
    found = problems(planned((old, new)))
    assert any(said in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[01-a]", "[03-c]", "two, Week 1, session 1: there is no chapter '03-c'; there are 01-a, 02-b"),
        ("assumes: []", "assumes: [03-c]", "two: there is no chapter '03-c'"),
        ('["1.1"]', '["1.3"]', "there is no exercise '1.3'; there are 1.1, 1.2, 2.1"),
        ('["1.1"]', "[1.1]", "there is no exercise 1.1; there are 1.1, 1.2, 2.1"),
        ("[01-a]", "[{chapter: 01-a, sections: [U], minutes: 15}]", "there is no section 'U'; there are S, T"),
        ("[01-a]", "[{chapter: 01-a, minutes: 15}]", "expected chapter, minutes, sections; got"),
        ("exercises:", "exercise:", "expected minutes, read, and perhaps before, exercises, homework; got"),
        ("title: Two", "name: Two", "two: expected assumes, at_home, audience, title, unit, units; got"),
    ],
)
def test_what_is_not_there_is_refused(old, new, said):
    with pytest.raises(ValueError) as told:
        planned((old, new))
    assert said in str(told.value)


def test_homework_counts_by_the_week():
    first, second = planned().sessions
    found = replace(planned(), sessions=(replace(first, homework=first.exercises), second))
    assert any("Week 1: 35 minutes at home" in sentence for sentence in problems(found))


# ---- on a page ------------------------------------------------------------------------------------------------------

PAGE = """# For instructors

```{chapter-table}
```

```{outcomes}
```

```{plan} three-weeks
```
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The page in a small book, and the files that it was made from."""
    top = tmp_path_factory.mktemp("book")
    (top / "notebooks").mkdir()
    for chapter in chapters():
        (top / f"notebooks/{chapter.stem}.md").write_text("# A chapter\n", "utf-8")
    (top / "index.md").write_text(PAGE, "utf-8")
    app = Sphinx(
        top, None, top / "out", top / "trees", "html", {"extensions": ["myst_parser", "plan_tables"]},
        status=None, warning=None, freshenv=True,
    )  # fmt: skip
    app.build()
    return BeautifulSoup((top / "out/index.html").read_text("utf-8"), "html.parser"), app.env.dependencies["index"]


def test_the_tables_have_heads_for_columns_and_rows(built):
    page, _ = built
    tables = page.select("table")
    assert len(tables) == 2
    for table in tables:
        columns = table.select("thead th")
        assert all(head.get_text(strip=True) for head in columns)
        for row in table.select("tbody tr"):
            assert [cell.name for cell in row.find_all(["th", "td"])] == ["th", *["td"] * (len(columns) - 1)]
            assert all(cell.get_text(strip=True) for cell in row.find_all(["th", "td"]))


def test_the_tables_say_what_the_chapters_do(built):
    page, _ = built
    costs, weeks = page.select("table")
    for chapter, row in zip(chapters(), costs.select("tbody tr"), strict=True):
        name, needs, read, practice, _, points = row.find_all(["th", "td"])
        assert name.a["href"] == f"notebooks/{chapter.stem}.html"
        assert [link["href"] for link in needs.select("a")] == [f"notebooks/{need}.html" for need in chapter.needs]
        assert [read.text, practice.text, points.text] == [
            str(chapter.read),
            str(chapter.practice),
            f"{chapter.points:g}",
        ]
    for session, row in zip(PLANS["three-weeks"].sessions, weeks.select("tbody tr"), strict=True):
        name, before, room, minutes, after = (cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"]))
        assert name == session.name
        assert minutes == f"{session.in_the_room} of {session.minutes}"
        assert all(chapter.title in before for chapter in session.before)
        assert all(part.chapter.title in room for part in session.read)
        assert all(one.number in room for one in session.exercises)
        assert all(one.number in after for one in session.homework)
    outcomes = [item.get_text(strip=True).replace("’", "'") for item in page.select("li")]
    assert {outcome for chapter in chapters() for outcome in chapter.teaches} <= set(outcomes)


def test_the_page_is_old_when_a_chapter_or_the_plans_are_newer(built):
    _, read = built
    for needed in ("book/plans.yml", "_toc.yml", "notebooks/06-closed-forms.ipynb"):
        assert any(Path(name).as_posix().endswith(needed) for name in read), needed


def test_a_plan_that_is_not_there_is_named(tmp_path):
    (tmp_path / "index.md").write_text("# A\n\n```{plan} four-weeks\n```\n", "utf-8")
    config = {"extensions": ["myst_parser", "plan_tables"]}
    warnings = tmp_path / "warnings"
    with warnings.open("w", encoding="utf-8") as said:
        Sphinx(tmp_path, None, tmp_path / "out", tmp_path / "trees", "html", config, status=None, warning=said).build()
    assert "there is no plan 'four-weeks' in book/plans.yml; there are one-lecture" in warnings.read_text("utf-8")
