"""Which instances of a study are chosen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from mmedrag.dicomweb.selection import (
    KEY_OBJECTS,
    VIEWS,
    Instance,
    Notes,
    is_image,
    key_images,
    notes_of,
    reports_of,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.11"


def stack(count: int, modality: str = "CT", series: str = "1", sop_class: str = CT):
    return [
        Instance(n + 1, f"{series}.{n}", series, "9", modality, sop_class) for n in range(count)
    ]


def note(title: str, *uids: str) -> Dataset:
    ds, study, series = Dataset(), Dataset(), Dataset()
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = title, "DCM"
    items = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid
        items.append(item)
    series.ReferencedSOPSequence = items
    study.ReferencedSeriesSequence = [series]
    ds.ConceptNameCodeSequence = [code]
    ds.CurrentRequestedProcedureEvidenceSequence = [study]
    return ds


def test_the_middle_of_a_stack_whatever_the_order_of_the_answer():
    images = stack(9)
    random.Random(1).shuffle(images)
    assert [i.number for i in key_images(images, Notes())] == [5]


@given(count=st.integers(1, 60), modality=st.sampled_from(["CT", "MR", "DX", "US", "XC", ""]))
def test_as_many_as_the_rule_says_and_in_order(count, modality):
    chosen = key_images(stack(count, modality), Notes())
    assert len(chosen) == (1 if modality in ("CT", "MR") else min(count, VIEWS))
    assert chosen == sorted(set(chosen))


def test_each_series_gives_its_own():
    images = stack(5, series="1") + stack(3, "MR", "2") + stack(2, "DX", "3")
    assert [i.uid for i in key_images(images, Notes())] == ["1.2", "2.1", "3.0", "3.1"]


def test_a_stack_that_has_grown_keeps_its_image():
    assert [i.uid for i in key_images(stack(9), Notes(), kept={"1.1"})] == ["1.1"]


def test_all_images():
    assert key_images(stack(9), Notes(rejected={"1.3"}), every=True) == [
        i for i in stack(9) if i.uid != "1.3"
    ]


def test_a_key_object_note_overrules_the_rule():
    notes = Notes()
    notes.add(note("113000", "1.7", "elsewhere"))
    assert [i.uid for i in key_images(stack(9), notes)] == ["1.7"]


def test_rejected_images_are_not_chosen():
    notes = Notes()
    notes.add(note("113001", "1.1"))
    assert [i.uid for i in key_images(stack(3), notes)] == ["1.2"]


@pytest.mark.parametrize("ds", [Dataset(), note("113030", "1.7"), note("", "1.7")])
def test_a_note_of_another_purpose_says_nothing(ds):
    notes = Notes()
    notes.add(ds)
    assert notes == Notes()


def test_reports_notes_and_what_shows_nothing():
    report, dose = stack(1, "SR", "2", SR), stack(1, "SR", "3", f"{SR[:-2]}67")
    note_, mask = stack(1, "KO", "4", KEY_OBJECTS), stack(1, "SEG", "5", "1.2.3")
    study = report + dose + note_ + mask + stack(1)
    assert reports_of(study) == report
    assert notes_of(study) == note_
    assert [i for i in study if is_image(i)] == stack(1)


@pytest.mark.parametrize("arc", ["104.1", "66", "66.4", "9.1.1", "11.1", "88.11"])
def test_classes_without_an_image_whatever_the_modality_says(arc):
    (other,) = stack(1, "OT", sop_class=f"1.2.840.10008.5.1.4.1.1.{arc}")
    assert not is_image(other)


@pytest.mark.parametrize("arc", ["7", "6.1", "77.1.5.1", "481.1"])
def test_captures_and_pictures_are_images(arc):
    (other,) = stack(1, "OT", sop_class=f"1.2.840.10008.5.1.4.1.1.{arc}")
    assert is_image(other)
