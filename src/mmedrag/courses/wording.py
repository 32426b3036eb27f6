"""A course and its changes in words, with a mark for each report that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmedrag.courses.studies import Study
from mmedrag.types import Assertion, Change, Trend

_STATES = {Assertion.NEGATED: "no ", Assertion.UNCERTAIN: "possible "}
FINDINGS = 8
"""Findings of a study that are named."""


def course_lines(studies: Sequence[Study], changes: Sequence[Change]) -> Iterator[str]:
    """The studies in order, then what became of the findings."""
    yield "The studies in order:"
    for study in studies:
        yield f"- {study_line(study)}"
    if changes:
        yield ""
        yield "What became of the findings:"
        yield from change_lines(changes, {s.key: s for s in studies})
        return
    keys = ", ".join(s.key for s in studies)
    yield ""
    if len(studies) == 1:
        yield f"There is no other study to compare it with [{keys}]."
        return
    yield f"The reports tell of no change between these studies [{keys}]."


def study_line(study: Study) -> str:
    """When a study was, of what kind, and what it finds, each finding with its mark."""
    head = ", ".join(field for field in (study.when, study.modality) if field)
    mark = f"[{', '.join(e.key for e in study.evidence)}]"
    states = list(study.states.items())[:FINDINGS]
    if not states:
        return f"{head}: no finding that the dictionary knows {mark}"
    named = (f"{_STATES.get(state, '')}{study.terms[c]} {mark}" for c, state in states)
    return f"{head}: {'; '.join(named)}"


def change_lines(changes: Sequence[Change], studies: Mapping[str, Study]) -> Iterator[str]:
    """A line a change, one for what two reports merely repeat, and one a contradiction.

    ``studies`` are given by their keys.
    """
    repeated: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        if change.trend is Trend.UNCHANGED and not (change.words or change.measured):
            repeated.setdefault((change.earlier, change.later), []).append(change)
        else:
            yield f"- {_change(change, studies)}"
    for (_, later), same in repeated.items():
        named = "; ".join(f"{c.name} {_marks(c, studies)}" for c in same)
        when = f"{studies[later].when}{_since(same[0], studies)}"
        yield f"- Affirmed again at {when}: {named}"
    for change in changes:
        if change.contradiction:
            term = change.name[:1].upper() + change.name[1:]
            yield f"- Contradiction on “{term}”: {change.contradiction} {_marks(change, studies)}"


def _marks(change: Change, studies: Mapping[str, Study]) -> str:
    """The reports of both studies."""
    keys = [m for key in (change.earlier, change.later) if key for m in studies[key].marks]
    return f"[{', '.join(keys)}]"


def _since(change: Change, studies: Mapping[str, Study]) -> str:
    """Since which study, and in how many days."""
    if not change.earlier:
        return ""
    lasted = f" ({days(change.days)})" if change.days is not None else ""
    return f" since {studies[change.earlier].when}{lasted}"


def days(number: float) -> str:
    """``1 day``, ``5 days``."""
    return f"{number:g} day" if number == 1 else f"{number:g} days"


def _change(change: Change, studies: Mapping[str, Study]) -> str:
    later = studies[change.later]
    if not change.concept:
        when = f"{later.when}{_since(change, studies)}"
        return f"At {when} the report says: “{change.term}” [{', '.join(later.marks)}]"
    since = _since(change, studies)
    grounds = [f"in the words “{change.words}”"] if change.words else []
    grounds += [f"measured {change.measured}"] if change.measured else []
    ground = ", ".join(grounds) or "by what both reports assert"
    term = change.name[:1].upper() + change.name[1:]
    return f"{term}: {change.trend} at {later.when}{since}, {ground} {_marks(change, studies)}"
