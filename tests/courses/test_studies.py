"""The studies of a patient in time."""

from __future__ import annotations

from mmedrag.courses.studies import state_of, studies_of
from mmedrag.types import Assertion, Case


def test_studies_stand_in_time_and_unknown_times_last(patient, terms):
    studies = studies_of(patient((9, "Clear."), (None, "Mass."), (2, "Nodule.")), terms.concepts)
    assert [s.time for s in studies] == [2, 9, None]
    assert [s.when for s in studies] == ["day 2", "day 9", "time unknown"]


def test_cases_of_one_study_are_one_study(read, terms):
    views = [
        Case(id=v, text=t, study_id="S", modality="xray", patient_id="P", date="2020-01-02")
        for v, t in (("pa", "Pleural effusion."), ("lateral", "No pneumothorax."))
    ]
    (study,) = studies_of(read(views), terms.concepts)
    assert [study.terms[c] for c in study.states] == ["pleural effusion", "pneumothorax"]
    assert study.key == "C1"
    assert "No pneumothorax." in study.text


def test_a_report_that_says_both_is_in_doubt(patient, terms):
    (study,) = studies_of(patient((0, "Left pneumothorax. No right pneumothorax.")), terms.concepts)
    assert list(study.states.values()) == [Assertion.UNCERTAIN]


def test_who_denies_the_whole_denies_the_kind(patient, terms):
    (study,) = studies_of(patient((0, "No effusion.")), terms.concepts)
    pleural = terms.concepts.find("pleural effusion")
    assert state_of(study, pleural, terms.concepts) is Assertion.NEGATED
    assert state_of(study, terms.concepts.find("nodule"), terms.concepts) is None


def test_only_like_studies_are_comparable(patient, terms):
    chest, brain = (
        studies_of(patient((0, t)), terms.concepts)[0]
        for t in ("Pleural effusion.", "Hydrocephalus.")
    )
    ct = studies_of(patient((0, "Pleural effusion."), modality="CT"), terms.concepts)[0]
    assert chest.comparable(chest)
    assert not chest.comparable(brain)
    assert not chest.comparable(ct)


def test_names_of_one_modality_are_comparable(patient, terms):
    xray, dx, cr, ct = (
        studies_of(patient((0, "Pleural effusion."), modality=name), terms.concepts)[0]
        for name in ("X-ray", "DX", "CR", "CT")
    )
    assert xray.comparable(dx)
    assert cr.comparable(dx)
    assert not cr.comparable(ct)
