"""A course in words: every line has its marks."""

from __future__ import annotations

from mmedrag.citations import resolve
from mmedrag.courses.course import course_of
from mmedrag.courses.wording import course_lines, days, study_line
from mmedrag.types import Case


def test_every_line_of_findings_is_cited(patient, terms):
    evidence = patient((0, "Consolidation."), (1, "No consolidation. Possible effusion."))
    course = course_of("P", evidence, terms.concepts)
    lines = list(course_lines(course.studies, course.changes))
    assert "- day 1, xray: no consolidation [C2]; possible effusion [C2]" in lines
    assert lines[-1].startswith("- Consolidation: resolved at day 1 since day 0 (1 day)")
    pieces = list(resolve(["\n".join(lines)], evidence))
    assert not [p for p in pieces if p.removed]
    assert all("[C" in line for line in lines if line.startswith("-"))


def test_a_course_without_a_change_says_so(patient, terms):
    course = course_of("P", patient((0, "Consolidation."), (2, "Mass.")), terms.concepts)
    assert list(course_lines(course.studies, course.changes))[-1].endswith("[C1, C2].")


def test_sizes_are_told(patient, terms):
    def last(*texts: str) -> str:
        evidence = patient(*((30 * i, text) for i, text in enumerate(texts)))
        course = course_of("P", evidence, terms.concepts)
        return list(course_lines(course.studies, course.changes))[-1]

    head = "at day 30 since day 0 (30 days)"
    assert last("An 8 mm nodule.", "A 12 mm nodule.") == (
        f"- Nodule: worse {head}, measured 8 mm to 12 mm [C1, C2]"
    )
    assert last("An 8 mm nodule.", "The 12 mm nodule is larger.") == (
        f"- Nodule: worse {head}, in the words “larger”, measured 8 mm to 12 mm [C1, C2]"
    )
    assert last("An 8 mm nodule.", "An 8 mm nodule again.") == (
        f"- Nodule: unchanged {head}, measured 8 mm to 8 mm [C1, C2]"
    )


def test_days_and_nothing_found(patient, terms):
    assert (days(1), days(2), days(0.5)) == ("1 day", "2 days", "0.5 days")
    (study,) = course_of("P", patient((0, "Nothing here.")), terms.concepts).studies
    assert study_line(study) == "day 0, xray: no finding that the dictionary knows [C1]"


def test_a_change_of_no_finding_is_quoted_with_its_mark(patient, terms):
    reports = ((0, "Consolidation."), (2, "The appearances have improved."))
    course = course_of("P", patient(*reports), terms.concepts)
    assert list(course_lines(course.studies, course.changes))[-1] == (
        "- At day 2 since day 0 (2 days) the report says: “The appearances have improved” [C2]"
    )


def test_all_reports_of_a_study_are_cited_each_once(read, terms):
    texts = ("Pneumothorax.", "Pneumothorax.", "The pneumothorax has resolved.")
    views = [
        Case(id=f"v{i}", text=text, study_id="S", patient_id="P", date="2020-01-02")
        for i, text in enumerate(texts)
    ]
    course = course_of("P", read(views), terms.concepts)
    assert list(course_lines(course.studies, course.changes))[-1].endswith("“resolved” [C1, C3]")


def test_one_study_is_compared_with_none(patient, terms):
    course = course_of("P", patient((0, "Consolidation.")), terms.concepts)
    last = list(course_lines(course.studies, course.changes))[-1]
    assert last == "There is no other study to compare it with [C1]."
