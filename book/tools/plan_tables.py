"""A small Sphinx extension: tables of what the chapters cost and of ready plans, for those who teach with the book.

    ```{chapter-table}
    ```
    ```{outcomes}
    ```
    ```{plan} three-weeks
    ```

They are written as Markdown and parsed with the page, so they are tables and links like all others in it.
"""

from chapter import ROOT
from chapters import Chapter, Exercise, chapters, sources
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from plans import Plan, Session, plans, units


def link(chapter: Chapter) -> str:
    name = f"{chapter.number}\N{NO-BREAK SPACE}· {chapter.title}" if chapter.number else chapter.title
    return f"{{doc}}`{name} </notebooks/{chapter.stem}>`"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Rows of Markdown as a table, in which the first cell of a row is its name."""
    lines = ["```{list-table}", ":header-rows: 1", ":stub-columns: 1", ""]
    for row in [head, *rows]:
        lines += [f"{' ' if i else '*'} - {cell}" for i, cell in enumerate(row)]
    return "\n".join([*lines, "```"])


# ---- chapters ---------------------------------------------------------------------------------------------------


def chapter_table() -> str:
    every = {chapter.stem: chapter for chapter in chapters()}
    rows = [
        [
            link(one),
            ", ".join(link(every[need]) for need in one.needs) or "nothing",
            f"{one.read}",
            f"{one.practice}",
            f"{sum(exercise.checked for exercise in one.exercises)} of {len(one.exercises)}",
            f"{one.points:g}",
        ]
        for one in every.values()
    ]
    head = ["Chapter", "Needs", "Minutes to read and run", "Minutes of exercises", "Check themselves", "Points"]
    return table(head, rows)


def outcomes() -> str:
    return "\n\n".join(
        "\n".join([f"{link(one)}\n", *(f"- {outcome}" for outcome in one.teaches)]) for one in chapters()
    )


# ---- plans ------------------------------------------------------------------------------------------------------


def listed(exercises: tuple[Exercise, ...]) -> str:
    """Exercises by number, and how long they take together."""
    if not exercises:
        return ""
    word = "exercise" if len(exercises) == 1 else "exercises"
    minutes = sum(one.minutes for one in exercises)
    return f"{word} {', '.join(one.number for one in exercises)} ({minutes} min)"


def row(one: Session) -> list[str]:
    before = [f"{link(chapter)} ({chapter.read} min)" for chapter in one.before]
    room = []
    for part in one.read:
        of = f", of it *{'*, *'.join(part.sections)}*" if part.sections else ""
        room.append(f"{link(part.chapter)}{of} ({part.minutes} min)")
    room += [listed(one.exercises)] if one.exercises else []
    return [
        one.name,
        "; ".join(before) or "nothing",
        "; ".join(room),
        f"{one.in_the_room} of {one.minutes}",
        listed(one.homework) or "nothing",
    ]


def plan_table(plan: Plan) -> str:
    known = ", ".join(map(link, plan.assumes))
    home = max(units(plan).values())
    return "\n\n".join(
        [
            f"{plan.audience} Students know what {known} explains." if known else plan.audience,
            table(["Session", "At home before", "In the room", "Minutes", "At home after"], [*map(row, plan.sessions)]),
            f"At home: at most {home} minutes a {plan.unit.lower()}." if home else "There is nothing to do at home.",
        ]
    )


# ---- the directives ---------------------------------------------------------------------------------------------


class Written(Directive):
    """Puts Markdown on the page that is written from the chapters and the plans."""

    def text(self) -> str:
        raise NotImplementedError

    def run(self):
        for path in [__file__, ROOT / "book/plans.yml", *sources()]:  # the page is old when one of them is newer
            self.state.document.settings.env.note_dependency(str(path))
        try:
            text = self.text()
        except ValueError as error:
            raise self.error(str(error)) from None
        found = nodes.Element()
        self.state.nested_parse(StringList(text.splitlines(), __file__), self.content_offset, found)
        return found.children


class ChapterTable(Written):
    def text(self):
        return chapter_table()


class Outcomes(Written):
    def text(self):
        return outcomes()


class PlanTable(Written):
    required_arguments = 1

    def text(self):
        every = plans()
        (name,) = self.arguments
        if name not in every:
            raise ValueError(f"there is no plan {name!r} in book/plans.yml; there are {', '.join(every)}")
        return plan_table(every[name])


def setup(app):
    app.add_directive("chapter-table", ChapterTable)
    app.add_directive("outcomes", Outcomes)
    app.add_directive("plan", PlanTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
