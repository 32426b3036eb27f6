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
