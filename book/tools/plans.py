"""Ready plans for a course, held to what the chapters need and cost.

python book/tools/plans.py        a line for each plan, and what is wrong with it

book/plans.yml says what a plan consists of; book/tools/plan_tables.py puts plans on a page.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import yaml
from chapter import ROOT
from chapters import Chapter, Exercise, chapters

CHECKED = "checked"  # in a list of exercises: all that check themselves
# What each thing of the file must say, and what it may.
PLAN = {"title", "audience", "unit", "assumes", "at_home", "units"}, set()
SESSION = {"minutes", "read"}, {"before", "exercises", "homework"}
PART = {"chapter", "sections", "minutes"}, set()


@dataclass(frozen=True)
class Reading:
    chapter: Chapter
    minutes: int
    sections: tuple[str, ...] = ()  # none: the whole chapter


@dataclass(frozen=True)
class Session:
    name: str  # "Week 2, session 1"
    unit: int
    minutes: int
    before: tuple[Chapter, ...]
    read: tuple[Reading, ...]
    exercises: tuple[Exercise, ...]
    homework: tuple[Exercise, ...]

    @property
    def in_the_room(self) -> int:
        return sum(one.minutes for one in (*self.read, *self.exercises))

    @property
    def at_home(self) -> int:
        return sum(one.read for one in self.before) + sum(one.minutes for one in self.homework)


@dataclass(frozen=True)
class Plan:
    title: str
    audience: str
    unit: str
    assumes: tuple[Chapter, ...]
    at_home: int
    sessions: tuple[Session, ...]


# ---- reading them -----------------------------------------------------------------------------------------------


def named(name: str, among: dict, what: str, where: str):
    if name not in among:
        there_are = f"; there are {', '.join(among)}" if len(among) < 20 else ""
        raise ValueError(f"{where}: there is no {what} {name!r}{there_are}")
    return among[name]


def check_fields(given: object, fields: tuple[set[str], set[str]], where: str) -> None:
    must, may = fields
    if not isinstance(given, dict) or not must <= given.keys() <= must | may:
        other = f", and perhaps {', '.join(sorted(may))}" if may else ""
        raise ValueError(f"{where}: expected {', '.join(sorted(must))}{other}; got {given!r}")


def reading(given: str | dict, every: dict[str, Chapter], where: str) -> Reading:
    if isinstance(given, str):
        chapter = named(given, every, "chapter", where)
        return Reading(chapter, chapter.read)
    check_fields(given, PART, where)
    chapter = named(given["chapter"], every, "chapter", where)
    sections = tuple(named(one, dict.fromkeys(chapter.sections, one), "section", where) for one in given["sections"])
    return Reading(chapter, given["minutes"], sections)


def exercises(asked: list[str], read: tuple[Reading, ...], every: dict[str, Chapter], where: str) -> list[Exercise]:
    """Those that are asked for by number and those that `checked` stands for, in the order of the book."""
    by_number = {exercise.number: exercise for chapter in every.values() for exercise in chapter.exercises}
    found = [named(one, by_number, "exercise", where) for one in asked if one != CHECKED]
    if CHECKED in asked:
        found += [one for part in read for one in part.chapter.exercises if one.checked]
    return [one for one in by_number.values() if one in found]


def session(given: dict, every: dict[str, Chapter], name: str, unit: int, where: str) -> Session:
    where = f"{where}, {name}"
    check_fields(given, SESSION, where)
    read = tuple(reading(one, every, where) for one in given["read"])
    in_the_room = exercises(given.get("exercises", []), read, every, where)
    at_home = exercises(given.get("homework", []), read, every, where)
    return Session(
        name=name,
        unit=unit,
        minutes=given["minutes"],
        before=tuple(named(one, every, "chapter", where) for one in given.get("before", [])),
        read=read,
        exercises=tuple(in_the_room),
        homework=tuple(one for one in at_home if one not in in_the_room),
    )


def plan(given: dict, every: dict[str, Chapter], where: str) -> Plan:
    check_fields(given, PLAN, where)
    sessions = []
    for unit, inside in enumerate(given["units"], 1):
        for count, one in enumerate(inside, 1):
            name = f"{given['unit']} {unit}" + (f", session {count}" if len(inside) > 1 else "")
            sessions.append(session(one, every, name, unit, where))
    assumes = tuple(named(one, every, "chapter", where) for one in given["assumes"])
    return Plan(given["title"], given["audience"], given["unit"], assumes, given["at_home"], tuple(sessions))


def plans(root: Path = ROOT) -> dict[str, Plan]:
    """The plans by name. ValueError if one names what is not there."""
    every = {chapter.stem: chapter for chapter in chapters(root)}
    given = yaml.safe_load((root / "book/plans.yml").read_text("utf-8"))
    return {name: plan(one, every, name) for name, one in given.items()}


# ---- holding them to the data -----------------------------------------------------------------------------------


def units(plan: Plan) -> dict[int, int]:
    """The minutes at home of each of its weeks."""
    found = defaultdict(int)
    for one in plan.sessions:
        found[one.unit] += one.at_home
    return dict(found)


def problems(plan: Plan) -> list[str]:
    """What is wrong with a plan, as sentences. Of a chapter that is read in part nothing counts as taught."""
    found, assigned, taught = [], set(), {one.stem for one in plan.assumes}
    for one in plan.sessions:
        for part in [*(Reading(chapter, chapter.read) for chapter in one.before), *one.read]:
            chapter = part.chapter
            missing = [need for need in chapter.needs if need not in taught]
            if missing:
                found.append(
                    f"{one.name}: {chapter.stem} needs {', '.join(missing)}, neither taught before nor assumed"
                )
            if not part.sections:
                taught.add(chapter.stem)
            elif part.minutes >= chapter.read:
                found.append(
                    f"{one.name}: a part of {chapter.stem} takes {part.minutes} minutes, all of it {chapter.read}"
                )
        if one.in_the_room > one.minutes:
            found.append(f"{one.name}: {one.in_the_room} minutes are planned, it has {one.minutes}")
        met = taught | {part.chapter.stem for part in one.read}
        for exercise in (*one.exercises, *one.homework):
            if exercise.chapter not in met:
                found.append(f"{one.name}: exercise {exercise.number} of {exercise.chapter}, which has not been read")
            if exercise in assigned:
                found.append(f"{one.name}: exercise {exercise.number} for the second time")
            assigned.add(exercise)
    for unit, minutes in units(plan).items():
        if minutes > plan.at_home:
            found.append(f"{plan.unit} {unit}: {minutes} minutes at home, more than {plan.at_home}")
    return found


def main() -> int:
    found = []
    for name, one in plans().items():
        room, home = sum(each.in_the_room for each in one.sessions), sum(units(one).values())
        print(f"{name:12} {len(one.sessions):2} sessions, {room:4} minutes in the room, {home:4} at home")
        found += [f"{name}, {problem}" for problem in problems(one)]
    print("\n".join(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
