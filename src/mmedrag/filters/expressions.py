"""Filters put together from others and from values."""

from __future__ import annotations

from mmedrag.filters.parser import parse


def both(first: str | None, second: str | None) -> str | None:
    """The filter that lets in what two filters let in; ``None`` is no filter.

    Raises:
        FilterError: one of them does not parse alone, so that none can get out of its brackets.
    """
    given = [where for where in (first, second) if where is not None]
    for where in given:
        parse(where)
    return " and ".join(f"({where})" for where in given) if len(given) > 1 else first or second


def as_of(patient_id: str, at: str | float) -> str:
    """The filter that hides what became of a patient after a time; other patients stay.

    Studies of the patient whose time is unknown are hidden too: they may be later ones.

    Raises:
        FilterError: the time is no date.
    """
    time = quoted(at) if isinstance(at, str) else repr(at)
    where = f"patient_id != {quoted(patient_id)} or until {time}"
    parse(where)
    return where


def quoted(value: str) -> str:
    """A text as it stands in a filter."""
    return "'" + value.replace("'", "''") + "'"
