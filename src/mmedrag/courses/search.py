"""Courses described in words: "consolidation that resolved within two weeks"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmedrag.courses.course import Course
from mmedrag.courses.sides import sides_of
from mmedrag.courses.studies import days_between, state_of
from mmedrag.errors import QueryError
from mmedrag.protocols import DefinitionSource, Ontology
from mmedrag.text.trends import trends_of_findings
from mmedrag.types import Assertion, Change, Trend

_NUMBERS = {
    word: number
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), 1  # noqa: SIM905
    )
} | {"a": 1, "an": 1}  # fmt: skip
_UNITS = {"hour": 1.0 / 24.0, "day": 1.0, "week": 7.0, "month": 30.4, "year": 365.25}
_WITHIN = re.compile(
    rf"\b(?:within|in|over|by) (?:less than |at most |the (?:first|next) )?"
    rf"(?P<n>\d+(?:\.\d+)?|{'|'.join(_NUMBERS)}) (?P<unit>{'|'.join(_UNITS)})s?\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that is looked for: of a finding or its kinds, within so many days at most.

    ``sides`` are those that the finding must have, by its reports.
    """

    concept: str
    term: str
    trend: Trend
    days: float | None = None
    sides: tuple[str, ...] = ()


def wanted_in(text: str, source: DefinitionSource) -> tuple[Wanted, ...]:
    """The changes that a text describes.

    Raises:
        QueryError: it names no finding with a change.
    """
    (mentions,) = source.recognise([text])
    trends = trends_of_findings(text, mentions)
    match = _WITHIN.search(text)
    days = None
    if match:
        number = match["n"].lower()
        days = float(_NUMBERS.get(number, number)) * _UNITS[match["unit"].lower()]
    wanted = {m.concept: Wanted(m.concept, m.term, trends[m.concept].trend, days, sides_of(m))
              for m in mentions if m.concept in trends}  # fmt: skip
    if not wanted:
        raise QueryError(
            "No finding with a change was recognised in the description",
            "Write it like: consolidation that resolved within two weeks.",
        )
    return tuple(wanted.values())


def matching(
    courses: Iterable[Course], wanted: Sequence[Wanted], ontology: Ontology
) -> list[tuple[Course, tuple[Change, ...]]]:
    """The courses that have every wanted change, with the changes that meet them."""
    matches = []
    for course in courses:
        met = [next((c for c in course.changes if _meets(course, c, w, ontology)), None)
               for w in wanted]  # fmt: skip
        changes = tuple(c for c in met if c is not None)
        if len(changes) == len(wanted):
            matches.append((course, changes))
    return matches


def _meets(course: Course, change: Change, wanted: Wanted, ontology: Ontology) -> bool:
    if change.trend is not wanted.trend or not ontology.is_a(change.concept, wanted.concept):
        return False
    if wanted.sides and not _sides(course, change) >= set(wanted.sides):
        return False
    if wanted.days is None:
        return True
    days = _lasted(course, change, ontology)
    return days is not None and days <= wanted.days


def _sides(course: Course, change: Change) -> set[str]:
    """The sides of what has changed, as far as one of both reports gives them."""
    if change.side:
        return {change.side}
    studies = {s.key: s for s in course.studies}
    named = [
        {side for e in studies[key].evidence for m in e.mentions if m.concept == change.concept
         for side in sides_of(m)}
        for key in (change.later, change.earlier) if key
    ]  # fmt: skip
    return next((sides for sides in named if sides), set())


def _lasted(course: Course, change: Change, ontology: Ontology) -> float | None:
    """Days from the first study that affirms the finding to the change; ``None`` where unknown."""
    later = next(s for s in course.studies if s.key == change.later)
    first = next(
        (s for s in course.timed if state_of(s, change.concept, ontology) is Assertion.AFFIRMED),
        None,
    )
    return None if first is None else days_between(first, later)
