"""Courses described in words."""

from __future__ import annotations

import pytest

from mmedrag.courses.course import course_of
from mmedrag.courses.search import matching, wanted_in
from mmedrag.errors import QueryError
from mmedrag.types import Trend


def test_a_description_is_a_finding_a_change_and_a_time(terms):
    (wanted,) = wanted_in("consolidation that resolved within two weeks", terms)
    assert (wanted.term, wanted.trend, wanted.days) == ("consolidation", Trend.RESOLVED, 14.0)
    (wanted,) = wanted_in("increasing pleural effusion", terms)
    assert (wanted.trend, wanted.days) == (Trend.WORSE, None)


def test_what_names_no_change_is_refused(terms):
    with pytest.raises(QueryError, match="No finding with a change"):
        wanted_in("consolidation", terms)


def test_time_counts_from_the_first_report_that_affirms_it(patient, terms):
    slow = ((0, "Consolidation."), (10, "Consolidation, unchanged."), (20, "No consolidation."))
    courses = [
        course_of("slow", patient(*slow), terms.concepts),
        course_of("fast", patient(slow[1], slow[2]), terms.concepts),
    ]

    def found(text: str) -> list[str]:
        pairs = matching(courses, wanted_in(text, terms), terms.concepts)
        return [course.patient_id for course, _ in pairs]

    assert found("consolidation that resolved within two weeks") == ["fast"]
    assert found("consolidation that resolved within 3 weeks") == ["slow", "fast"]
    assert found("opacity that resolved") == ["slow", "fast"]
    assert found("consolidation that got worse") == []


def test_the_side_is_that_of_what_has_changed(patient, terms):
    reports = {
        "one side": ("Left consolidation.", "The consolidation has resolved."),
        "apart": ("Right pneumothorax. Left consolidation. Right consolidation.",
                  "New left pneumothorax. The right pneumothorax has resolved. Left consolidation. "
                  "The right consolidation has resolved."),
        "unknown": ("Consolidation.", "The consolidation has resolved."),
    }  # fmt: skip
    courses = [
        course_of(name, patient(*zip((0, 9), texts, strict=True)), terms.concepts)
        for name, texts in reports.items()
    ]

    def found(text: str) -> list[str]:
        pairs = matching(courses, wanted_in(text, terms), terms.concepts)
        return [course.patient_id for course, _ in pairs]

    assert found("left consolidation that resolved") == ["one side"]
    assert found("right consolidation that resolved") == ["apart"]
    assert found("consolidation that resolved") == list(reports)
    assert found("new right pneumothorax") == []


def test_hours_are_a_time(terms):
    (wanted,) = wanted_in("pneumothorax that resolved within 36 hours", terms)
    assert wanted.days == pytest.approx(1.5)
