"""The course as a value."""

from __future__ import annotations

from mmedrag.courses.course import course_of


def test_only_dated_studies_are_timed(patient, terms):
    course = course_of("P", patient((4, "Mass."), (None, "Mass.")), terms.concepts)
    assert (len(course.studies), len(course.timed)) == (2, 1)
    assert course.answer is None
    assert "Not a medical device" in course._repr_html_()
