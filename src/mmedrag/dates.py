"""When a case was made: a date of whatever precision, or days from an event of the patient's own.

Corpora date their studies as ``2020-01-26``, ``January 2020`` or ``2004``, or not at all and give
``offset_days`` (of ``Case.meta``) from an onset or an admission, which also survives a shift of all
dates after de-identification. What a text leaves open stays open: a date is the first and the last
day that it may mean, and what cannot be read is unknown.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TypeVar

from mmedrag.types import Case

Item = TypeVar("Item")

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january enero janeiro", "feb february febrero fevereiro fev", "mar march marzo",
            "apr april abril abr", "may mayo maio", "jun june junio junho",
            "jul july julio julho", "aug august agosto ago",
            "sep sept september septiembre setembro set", "oct october octubre outubro out",
            "nov november noviembre novembro", "dec december diciembre dezembro dic dez",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_YEAR = r"(?P<year>(?:1[89]|20|21)\d\d)"
_TIME = r"(?:[T ](?P<hour>\d{1,2}):?(?P<minute>\d\d)(?P<rest>.*))?"
_NUMERIC = re.compile(
    rf"{_YEAR}(?:(?P<sep>[-/.]?)(?P<month>\d\d)(?:(?P=sep)(?P<day>\d\d){_TIME})?)?"
)
_SHORT = re.compile(rf"{_YEAR}(?P<sep>[-/])(?P<month>\d\d?)(?:(?P=sep)(?P<day>\d\d?){_TIME})?")
_COMPACT = re.compile(  # as DICOM writes a date with its time
    rf"{_YEAR}(?P<month>\d\d)(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)"
    r"(?P<rest>(?:\d\d(?:\.\d+)?)?(?:[+-]\d{4})?)"
)
_HYPHENS = re.compile(r"(?<=\d)[-/](?=[^\W\d_])|(?<=[^\W\d_])[-/](?=\d)")
_AFTERNOON = re.compile(r"[^A-Za-z]*(?P<half>[ap])\.?m\b", re.IGNORECASE)
_NAMED = re.compile(
    rf"(?:(?P<before>\d{{1,2}})(?:st|nd|rd|th)?(?: de|\.| of)? )?(?P<name>[^\W\d_]{{3,10}})\.?"
    rf"(?: (?P<after>\d{{1,2}})(?:st|nd|rd|th)?)?,?(?: de)? {_YEAR}"
)
_SLASHED = re.compile(rf"(?P<a>\d{{1,2}})[/.-](?P<b>\d{{1,2}})[/.-]{_YEAR}")


def days_of(text: str) -> tuple[int, int] | None:
    """The first and the last day that a date may mean, as ordinals; ``None`` where it is unknown.

    A year is all its days. Day and month in numbers alone are read where only one order is
    possible: ``3/25/2020`` is, ``3/4/2020`` is unknown.
    """
    text = " ".join(text.split())
    if match := _numbers(text):
        return _span(*_numeric(match))
    for pattern, read in ((_NAMED, _named), (_SLASHED, _slashed)):
        match = pattern.fullmatch(_HYPHENS.sub(" ", text))
        if match and (fields := read(match)):
            return _span(*fields)
    return None


def first_day(text: str) -> int | None:
    """The first day that a date may mean, as an ordinal."""
    span = days_of(text)
    return None if span is None else span[0]


def last_day(text: str) -> int | None:
    """The last day that a date may mean, as an ordinal."""
    span = days_of(text)
    return None if span is None else span[1]


def time_of(text: str) -> str | float | None:
    """A time as somebody writes it; ``None`` where nothing is written.

    A number is a day of ``offset_days``, unless it reads as a year. What is neither a number nor a
    date stays as it is, and is refused by who uses it.
    """
    text = text.strip()
    if not text or days_of(text) is not None:
        return text or None
    try:
        days = float(text)
    except ValueError:
        return text
    return days if math.isfinite(days) else text


def offset_of(case: Case) -> float | None:
    """``offset_days`` of a case: days from an event of the patient's own, where it is given."""
    value = case.meta.get("offset_days")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        days = float(value)
    except ValueError:
        return None
    return days if math.isfinite(days) else None


def day_of(case: Case) -> float | None:
    """The day of its date, where that is known to the day."""
    span = days_of(case.date)
    return float(span[0]) if span is not None and span[0] == span[1] else None


def axis_of(cases: Iterable[Case]) -> Callable[[Case], float | None]:
    """What orders the cases of one patient: offsets or dates, whichever more of them have.

    The two are never mixed, for nothing says on which date the offsets begin. A month or a year is
    a time where no other study that is dated as well may lie within it, and then stands at its
    first day; the time of day counts where all dates of that day have one.
    """
    cases = list(cases)
    offsets = sum(offset_of(case) is not None for case in cases)
    times = _times_by_date(cases)
    dates = sum(_dated(case) in times for case in cases)
    return (lambda case: times.get(_dated(case))) if dates > offsets else offset_of


def chronological(items: Sequence[Item], case_of: Callable[[Item], Case]) -> list[Item]:
    """Items of one patient from the earliest to the latest; those of unknown time at the end."""
    time = axis_of(case_of(item) for item in items)
    times = [time(case_of(item)) for item in items]
    order = sorted(range(len(items)), key=lambda i: (times[i] is None, times[i] or 0.0, i))
    return [items[i] for i in order]


def _dated(case: Case) -> tuple[str, str]:
    return case.date, case.study_id


def _times_by_date(cases: Sequence[Case]) -> dict[tuple[str, str], float]:
    """When each date of a patient was, by date and study, as far as that is certain."""
    several = Counter(map(_dated, cases))
    known = {key: span for key in several if (span := days_of(key[0]))}
    clocks = {key: _clock(key[0]) for key in known}
    timed: dict[int, bool] = {}
    for key, (first, _) in known.items():
        timed[first] = timed.get(first, True) and clocks[key] is not None
    times: dict[tuple[str, str], float] = {}
    for key, (first, last) in known.items():
        if first == last:
            times[key] = first + (clocks[key] or 0.0 if timed[first] else 0.0)
        elif (key[1] or several[key] == 1) and not any(
            a <= last and first <= b and b - a <= last - first
            for other, (a, b) in known.items()
            if other != key
        ):
            times[key] = float(first)
    return times


def _clock(text: str) -> float | None:
    """The time of day that is written behind a date, as a part of the day."""
    match = _numbers(" ".join(text.split()))
    if match is None or "hour" not in match.groupdict() or match["hour"] is None:
        return None
    hour, minute = int(match["hour"]), int(match["minute"])
    if half := _AFTERNOON.match(match["rest"]):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half["half"] in "pP" else 0)
    return (hour * 60 + minute) / 1440.0 if hour < 24 and minute < 60 else None


def _numbers(text: str) -> re.Match[str] | None:
    """A date that begins with its year and is written in numbers."""
    return _NUMERIC.fullmatch(text) or _SHORT.fullmatch(text) or _COMPACT.fullmatch(text)


def _numeric(match: re.Match[str]) -> tuple[int, int, int]:
    return int(match["year"]), int(match["month"] or 0), int(match["day"] or 0)


def _named(match: re.Match[str]) -> tuple[int, int, int] | None:
    month = _MONTHS.get(match["name"].lower())
    day = int(match["before"] or match["after"] or 0)
    return None if month is None else (int(match["year"]), month, day)


def _slashed(match: re.Match[str]) -> tuple[int, int, int] | None:
    a, b = int(match["a"]), int(match["b"])
    if a == b or a > 12 >= b:
        return int(match["year"]), b, a
    return (int(match["year"]), a, b) if b > 12 >= a else None


def _span(year: int, month: int, day: int) -> tuple[int, int] | None:
    try:
        first = date(year, month or 1, day or 1)
        last = date(year, month or 12, day or monthrange(year, month or 12)[1])
    except ValueError:
        return None
    return first.toordinal(), last.toordinal()
