"""What annotators say of a case, by field."""

from __future__ import annotations

from mmedrag.datasets.annotations import classes_of, findings_of
from mmedrag.types import Case

REPORT = "There is a large opacity in the left lower lobe of the lung."


def test_findings_come_from_the_diagnosis_else_a_short_text_else_the_labels():
    assert findings_of(Case(id="1", text="drusen, Cataract")) == {"drusen", "cataract"}
    assert findings_of(Case(id="1", text=REPORT, labels=("Opacity/lung",))) == {"opacity lung"}
    meta = {"case_diagnosis": "Appendicitis", "topic_title": "Acute abdomen"}
    stated = Case(id="1", text=REPORT, labels=("Abdomen",), meta=meta)
    assert findings_of(stated) == {"appendicitis", "acute abdomen"}
    assert findings_of(Case(id="1", text=REPORT)) == frozenset()


def test_classes_are_labels_else_a_short_text():
    assert classes_of(Case(id="1", text=REPORT, labels=("Head", "Brain_and_Neuro"))) == {
        "head", "brain and neuro",
    }  # fmt: skip
    coded = Case(id="1", text="mild retinopathy; cataract", labels=("D", "C"))
    assert classes_of(coded) == {"mild retinopathy", "cataract"}
    assert classes_of(Case(id="1", text=REPORT, labels=("D",))) == frozenset()
