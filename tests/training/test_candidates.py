"""Cases that contexts are mined from: split by patient, and what annotators say they show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmedrag.datasets.annotations import findings_of
from mmedrag.datasets.corpus import patient_of
from mmedrag.datasets.records import write_records
from mmedrag.datasets.splits import write_split
from mmedrag.errors import CorpusError, LeakError
from mmedrag.training.candidates import read_split_cases
from mmedrag.types import Case


def test_no_patient_is_in_two_parts(corpus):
    parts = read_split_cases([corpus], most=1000)
    patients = [
        {patient_of(case) for case in cases} for cases in (parts.train, parts.tune, parts.held_out)
    ]
    assert all(patients)
    assert not patients[0] & patients[1]
    assert not patients[0] & patients[2]
    assert not patients[1] & patients[2]
    assert all(case.split == "val" for case in parts.held_out)
    assert not any(case.split == "val" for case in (*parts.train, *parts.tune))


def test_a_file_without_a_validation_part_holds_patients_out(phantoms, tmp_path):
    path = tmp_path / "records.jsonl"
    write_records([replace(case, split="") for case in phantoms], path)
    parts = read_split_cases([path], most=1000)
    assert len(parts.held_out) >= 5
    seen = {patient_of(case) for case in (*parts.train, *parts.tune)}
    assert seen.isdisjoint(patient_of(case) for case in parts.held_out)


def test_a_limit_takes_whole_patients(corpus):
    parts = read_split_cases([corpus], most=20)
    everything = read_split_cases([corpus], most=1000)
    cases = (*parts.train, *parts.tune)
    assert len(cases) <= 20
    for patient in {patient_of(case) for case in cases}:
        whole = [c for c in (*everything.train, *everything.tune) if patient_of(c) == patient]
        assert len(whole) == sum(patient_of(case) == patient for case in cases)


def test_a_split_that_was_written_can_be_given(corpus, tmp_path):
    written = tmp_path / "splits.json"

    def sides(**options):
        parts = read_split_cases([corpus], most=1000, **options)
        return [{c.id for c in cases} for cases in (parts.train, parts.tune, parts.held_out)]

    drawn = sides(seed=1, write=written)
    assert sides(seed=2, splits=written) == drawn
    assert sides(seed=2) != drawn


def test_a_split_through_a_patient_is_refused(corpus, tmp_path):
    drawn = read_split_cases([corpus], most=1000)
    sides = {"train": drawn.train, "tune": drawn.tune, "val": drawn.held_out}
    patient = next(
        c for c in drawn.train if sum(patient_of(c) == patient_of(o) for o in drawn.train) > 1
    )
    moved = {
        **sides,
        "train": [c for c in drawn.train if c != patient],
        "val": [*drawn.held_out, patient],
    }
    write_split(tmp_path / "splits.json", moved, share=0.2, seed=0)
    with pytest.raises(LeakError, match="same patient"):
        read_split_cases([corpus], most=1000, splits=tmp_path / "splits.json")


def test_too_few_patients_are_told(phantoms, tmp_path):
    path = tmp_path / "records.jsonl"
    write_records(phantoms[:2], path)
    with pytest.raises(CorpusError, match="too few patients"):
        read_split_cases([path], most=10)


def test_findings_are_what_annotators_wrote():
    assert findings_of(Case(id="1", text="drusen, Cataract")) == {"drusen", "cataract"}
    report = " ".join(["word"] * 20)
    assert findings_of(Case(id="1", text=report, labels=("Opacity/lung",))) == {"opacity lung"}
    meta = {"case_diagnosis": "Bladder Diverticulum"}
    assert findings_of(Case(id="1", text=report, labels=("Abdomen",), meta=meta)) == {
        "bladder diverticulum"
    }
