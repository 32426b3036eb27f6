"""The studies of a patient in time."""

from __future__ import annotations

from mmedrag.courses.studies import days_between, state_of, studies_of
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


def dated(*dates: str, study: str = "") -> list[Case]:
    return [
        Case(id=d, text=t, date=d, study_id=study, modality="xray", patient_id="P")
        for d, t in zip(dates, ("Pneumothorax.", "No pneumothorax."), strict=True)
    ]


def test_two_examinations_of_one_day_are_two_studies_where_their_hours_are_known(read, terms):
    studies = studies_of(read(dated("2020-01-02T14:00", "2020-01-02T08:00")), terms.concepts)
    assert [s.when for s in studies] == ["2020-01-02T08:00", "2020-01-02T14:00"]
    assert days_between(*studies) == 0.25
    views = dated("2020-01-02T08:00", "2020-01-02T08:04", study="S")
    assert len(studies_of(read(views), terms.concepts)) == 1
    assert len(studies_of(read(dated("2020-01-02", "2020-01-02")), terms.concepts)) == 1


def test_days_are_counted_between_dates_that_are_known_to_the_day(read, terms):
    studies = studies_of(read(dated("2020-01", "2020-03-02")), terms.concepts)
    assert [s.when for s in studies] == ["2020-01", "2020-03-02"]
    assert days_between(*studies) is None
