"""The course of a patient: as a drawing by time, as a page, a notebook cell, text and JSON.

The drawing tells nothing by colour alone: a finding that is there is a filled disc, one that is
ruled out an empty one, one in doubt a diamond, and a change is written beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

from mmedrag.citations import DISCLAIMER
from mmedrag.courses.course import Course
from mmedrag.courses.studies import Study
from mmedrag.types import Assertion, Case, Change, Trend
from mmedrag.views.page import annotated, answer_html
from mmedrag.views.svg import plain
from mmedrag.views.terminal import one_line, printable
from mmedrag.views.trace import SCHEMA, change_json

ROWS = 12
"""Findings that are drawn, those that change first."""

IN_WORDS = "as a whole, in words"
"""The row of changes for which the reports name no finding."""

_LETTER, _SIGNED = 7.0, 64.0
"""Width of a letter, and of a change in words."""
_LEFT, _WIDTH, _ROW, _TOP = 210.0, 760.0, 34.0, 44.0
_SIGN = {
    Trend.NEW: "+ new", Trend.WORSE: "▲ worse", Trend.UNCHANGED: "= unchanged",
    Trend.BETTER: "▼ better", Trend.RESOLVED: "– resolved",
}  # fmt: skip
_SHAPE = {
    Assertion.AFFIRMED: '<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="currentColor"/>',
    Assertion.NEGATED: '<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" '
    'stroke="currentColor" stroke-width="2"/>',
    Assertion.UNCERTAIN: '<rect x="{x:.1f}" y="{y:.1f}" width="9" height="9" '
    'transform="translate(0 -6.4) rotate(45 {x:.1f} {y:.1f})" fill="none" '
    'stroke="currentColor" stroke-width="2"/>',
}  # fmt: skip


def timeline(course: Course) -> Markup:
    """The course as an SVG element that is read out as one image; empty where no time is known."""
    studies = course.timed
    if not studies:
        return Markup("")
    rows = _rows(course)
    height = _TOP + _ROW * max(1, len(rows)) + 12
    xs = _positions([s.time or 0.0 for s in studies])
    elements = [*_axis(studies, xs, height)]
    for number, (concept, term) in enumerate(rows.items()):
        elements += _finding(course, studies, xs, concept, term, _TOP + _ROW * (number + 0.5))
    title = f"Course of patient {course.patient_id}"
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {} {}" '
        'width="100%" font-family="system-ui, sans-serif" font-size="13" '
        'fill="currentColor"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(
        f"{_WIDTH:.0f}", f"{height:.0f}", plain(title), plain(_description(course)),
        Markup("").join(elements),
    )  # fmt: skip


def course_cell(course: Course) -> str:
    """The course in a notebook: timeline, words, and the reports that the marks lead to."""
    html = Markup("<div>{}<p><small>{}</small></p></div>").format(course_body(course), DISCLAIMER)
    return printable(html)


def course_body(course: Course) -> Markup:
    """Timeline, words and reports, as a part of a page."""
    return Markup("{}{}{}").format(timeline(course), _words(course), _reports(course))


def course_page(course: Course) -> str:
    """The course as one HTML page that loads nothing from anywhere."""
    title = f"Course of patient {course.patient_id}"
    html = Markup(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\"><title>{} – MMedRAG</title>"
        "<style>body{{font:16px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:60rem;"
        "padding:0 1rem;overflow-wrap:anywhere}} table{{border-collapse:collapse}} "
        "th,td{{padding:.4rem .6rem;vertical-align:top;text-align:left;"
        "border-top:1px solid #8886}} .mark{{margin-left:.3rem}} "
        "svg{{max-width:988px}}</style></head>"
        "<body><main><h1>{}</h1>{}<p><small>{}</small></p></main></body></html>"
    ).format(title, title, course_body(course), DISCLAIMER)
    return printable(html)


def course_text(course: Course) -> str:
    """The course as the command line prints it."""
    answer = "" if course.answer is None else course.answer.text
    head = f"Course of patient {one_line(course.patient_id)}"
    return f"{head}\n\n{printable(answer)}\n\n{DISCLAIMER}"


def course_json(course: Course) -> dict[str, Any]:
    """The course as JSON values."""
    answer = course.answer
    return {
        "schema": SCHEMA,
        "patient_id": course.patient_id,
        "studies": [_study_json(s) for s in course.studies],
        "changes": [change_json(c) for c in course.changes],
        "text": answer and answer.text,
        "struck": list(answer.struck) if answer else [],
        "disclaimer": DISCLAIMER,
    }


def _study_json(study: Study) -> dict[str, Any]:
    return {
        "keys": [e.key for e in study.evidence],
        "cases": [c.id for c in study.cases],
        "time": study.time,
        "when": study.when,
        "modality": study.modality or None,
        "findings": [
            {"concept": c, "term": study.terms[c], "assertion": state}
            for c, state in study.states.items()
        ],
    }


def _rows(course: Course) -> dict[str, str]:
    """The findings that are drawn with their terms, those that change first."""
    moved = [c for c in course.changes if c.trend is not Trend.UNCHANGED]
    terms = {c.concept: c.term if c.concept else IN_WORDS for c in (*moved, *course.changes)}
    for study in course.timed:
        terms |= {c: t for c, t in study.terms.items() if c in study.states and c not in terms}
    return dict(list(terms.items())[:ROWS])


def _positions(times: Sequence[float]) -> list[float]:
    """Where each time stands; at least so far apart that marks and words do not overlap."""
    first, last = times[0], times[-1]
    room = _WIDTH - _LEFT - 90.0
    least = min(70.0, room / max(1, len(times) - 1))
    xs = [_LEFT + 30.0]
    for earlier, later in pairwise(times):
        share = (later - earlier) / (last - first) if last > first else 0.0
        xs.append(xs[-1] + max(least, share * room))
    scale = min(1.0, room / (xs[-1] - xs[0])) if xs[-1] > xs[0] else 1.0
    return [xs[0] + (x - xs[0]) * scale for x in xs]


def _axis(studies: Sequence[Study], xs: Sequence[float], height: float) -> list[Markup]:
    """A line a study; names on two lines, and left out where they would overlap."""
    elements = []
    ends = {14.0: 0.0, 29.0: 0.0}
    for study, x in zip(studies, xs, strict=True):
        y = min(ends, key=lambda line: ends[line])
        name = f"{_short(study)} {study.key}"
        half = _LETTER * len(name) / 2.0
        shown = x - half >= ends[y]
        if shown:
            ends[y] = x + half + _LETTER
        elements.append(Markup(
            '<text x="{}" y="{}" text-anchor="middle">{}</text><line x1="{}" y1="{}" x2="{}" '
            'y2="{}" stroke="currentColor" stroke-opacity=".25"/>'
        ).format(f"{x:.1f}", y, name if shown else "", f"{x:.1f}", _TOP - 10, f"{x:.1f}",
                 f"{height - 8:.1f}"))  # fmt: skip
    return elements


def _short(study: Study) -> str:
    return plain(study.when.partition(" (")[0], 18)


def _sign(change: Change, room: float) -> str:
    """A change in words, or its sign alone where there is no room.

    That two reports affirm a finding does not say that it is as it was: it is there again.
    """
    sign = _SIGN[change.trend]
    if change.trend is Trend.UNCHANGED and not (change.words or change.measured):
        sign = "= again"
    return sign if room >= _SIGNED else sign.partition(" ")[0]


def _finding(
    course: Course, studies: Sequence[Study], xs: Sequence[float], concept: str, term: str, y: float
) -> list[Markup]:
    """One row: the name of the finding, its state in each study, its changes in words."""
    room = min((b - a for a, b in pairwise(xs)), default=_WIDTH)
    signs: dict[str, str] = {}
    for change in (c for c in course.changes if c.concept == concept):
        own = room / 2 if change.side else room
        sign = f"{change.side[:1].upper()} {_sign(change, own)}".strip()
        beside = signs.get(change.later) if change.side else None
        signs[change.later] = f"{beside}, {sign}" if beside else sign
    elements = [Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(
        f"{_LEFT - 12:.0f}", f"{y + 4:.1f}", plain(term, 26))]  # fmt: skip
    for study, x in zip(studies, xs, strict=True):
        state = study.states.get(concept)
        if state in _SHAPE:
            elements.append(Markup(_SHAPE[state].format(x=x, y=y)))  # noqa: S704 - numbers alone
        if study.key in signs and (state in _SHAPE or not concept):
            elements.append(Markup(
                '<text x="{}" y="{}" text-anchor="middle" font-size="10">{}</text>'
            ).format(f"{x:.1f}", f"{y + 17:.1f}", signs[study.key]))  # fmt: skip
    return elements


def _description(course: Course) -> str:
    """The drawing in words, for who does not see it."""
    states = [
        f"{study.when}: " + (", ".join(
            f"{study.terms[c]} {state.value}" for c, state in study.states.items()) or "no finding")
        for study in course.timed
    ]  # fmt: skip
    moved = [f"{c.name} {c.trend.value} at {c.later}" for c in course.changes]
    return ". ".join([*states, *moved])


def _words(course: Course) -> Markup:
    if course.answer is None:
        return Markup("")
    return answer_html(course.answer.text)


def _reports(course: Course) -> Markup:
    """The reports by key, so that marks lead somewhere."""
    rows = [
        Markup(
            '<tr id="{}"><th scope="row">{}</th><td>{}</td><td>{}<br><small>{}</small></td></tr>'
        ).format(e.key, e.key, study.when, annotated(e), _origin(e.item))
        for study in course.studies
        for e in study.evidence
        if isinstance(e.item, Case)
    ]
    return Markup("<table><caption>Reports</caption>{}</table>").format(Markup("").join(rows))


def _origin(case: Case) -> Markup:
    return escape(" · ".join(field for field in (case.id, case.source, case.licence) if field))


def finding_text(course: Course, changes: Sequence[Change]) -> str:
    """One patient of a search for courses: who, and the changes that meet it."""
    whens = {s.key: s.when for s in course.studies}
    ids = {s.key: s.cases[0].id for s in course.studies}
    listed = "; ".join(
        f"{c.name} {c.trend} at {whens[c.later]} ({ids[c.later]})" for c in changes
    )  # fmt: skip
    return f"{one_line(course.patient_id)}: {one_line(listed)}"
