"""The timeline of a course: well-formed, read out, and safe whatever a report holds."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from mmedrag.courses.course import course_of
from mmedrag.definitions import glossary
from mmedrag.types import Case, Evidence
from mmedrag.views.timeline import course_cell, course_json, course_page, course_text, timeline

HOSTILE = "<script>alert(1)</script> Consolidation. \u202e"


@pytest.fixture(scope="module", name="course")
def _course():
    terms = glossary()
    texts = ("Consolidation.", "Consolidation has increased.", f"No consolidation. {HOSTILE}")
    days = (0, 40, 100)
    cases = [
        Case(id=f"<b>{i}", text=text, patient_id="P&<1>", meta={"offset_days": day})
        for i, (text, day) in enumerate(zip(texts, days, strict=True))
    ]
    evidence = [
        Evidence(f"C{i}", case, np.zeros(2, np.float32), 0, 0, terms.recognise([case.text])[0])
        for i, case in enumerate(cases, 1)
    ]
    yield course_of("P&<1>", evidence, terms.concepts)
    terms.close()


def test_the_drawing_is_one_image_with_words_for_it(course):
    root = ElementTree.fromstring(str(timeline(course)))
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.find(f"{space}title").text == "Course of patient P&<1>"
    assert "consolidation worse at C2" in root.find(f"{space}desc").text
    words = [t.text for t in root.iter(f"{space}text")]
    assert {"consolidation", "▲ worse", "day 0 C1"} <= set(words)
    marks = [float(c.get("cx")) for c in root.iter(f"{space}circle")]
    assert marks == sorted(marks)


@pytest.mark.parametrize(
    ("text", "sign"),
    [("Large consolidation.", "= again"), ("The consolidation is unchanged.", "= unchanged")],
)
def test_what_is_affirmed_twice_is_not_called_unchanged(text: str, sign: str):
    terms = glossary()
    cases = [
        Case(id=str(day), text=report, patient_id="P", meta={"offset_days": day})
        for day, report in enumerate(("Small consolidation.", text))
    ]
    evidence = [
        Evidence(f"C{i}", case, np.zeros(2, np.float32), 0, 0, terms.recognise([case.text])[0])
        for i, case in enumerate(cases, 1)
    ]
    drawing = str(timeline(course_of("P", evidence, terms.concepts)))
    assert f">{sign}</text>" in drawing
    terms.close()


def test_the_left_and_the_right_stand_in_one_row():
    terms = glossary()
    texts = ("Right pneumothorax.", "New left pneumothorax. The right pneumothorax has resolved.")
    evidence = [
        Evidence(f"C{i}", Case(id=f"{i}", text=text, meta={"offset_days": i}),
                 np.zeros(2, np.float32), 0, 0, terms.recognise([text])[0])
        for i, text in enumerate(texts, 1)
    ]  # fmt: skip
    course = course_of("P", evidence, terms.concepts)
    assert ">L + new, R – resolved<" in str(timeline(course))
    assert [c["side"] for c in course_json(course)["changes"]] == ["left", "right"]
    terms.close()


def test_nothing_of_a_report_becomes_markup(course):
    for html in (course_page(course), course_cell(course), course._repr_html_()):
        assert "<script" not in html
        assert "<b>0" not in html
        assert "\u202e" not in html
        assert "Not a medical device" in html
    assert "\u202e" not in course_text(course)


def test_a_course_without_times_has_no_drawing():
    case = Case(id="a", text="Mass.", patient_id="P")
    evidence = [Evidence("C1", case, np.zeros(2, np.float32), 0, 0, ())]
    course = course_of("P", evidence, glossary().concepts)
    assert timeline(course) == ""
    assert course_json(course)["studies"][0]["time"] is None
