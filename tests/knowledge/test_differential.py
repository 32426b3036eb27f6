"""Diagnoses by prior and likelihood, what speaks for them, and what is missing."""

from __future__ import annotations

import pytest

from mmedrag.knowledge.counts import patients_of
from mmedrag.knowledge.explanation import explained
from mmedrag.knowledge.knowledge import Knowledge


@pytest.fixture(scope="module", name="knowledge")
def _knowledge(terms, facts) -> Knowledge:
    return Knowledge.of(terms, facts)


def test_findings_point_to_the_diagnosis_of_the_corpus(knowledge, code):
    affirmed = {code("ring enhancement"), code("fever")}
    first = knowledge.differential.score(affirmed, ())[0]
    assert first.diagnosis == code("brain abscess")
    assert [e.both for e in first.supports] == [3, 3]


def test_what_is_ruled_out_counts(knowledge, code):
    ring, fever = code("ring enhancement"), code("fever")

    def ahead(negated) -> float:
        scores = {s.diagnosis: s.score for s in knowledge.differential.score({ring}, negated)}
        return scores[code("brain abscess")] - scores[code("glioblastoma")]

    assert ahead({fever}) < ahead(())


def test_what_is_missing_is_named(knowledge, code):
    first = knowledge.differential.score({code("ring enhancement")}, ())[0]
    assert first.missing == (code("fever"),)
    text = explained(first, knowledge)
    assert "ring enhancement (3 of 3 patients, lift 2.0) → " in text
    assert text.endswith("not mentioned: fever")


def test_a_corpus_that_is_empty_has_what_is_written(terms, code):
    empty = Knowledge.of(terms)
    found = {s.diagnosis for s in empty.differential.score({code("ring enhancement")}, ())}
    assert code("brain abscess") in found
    assert empty.differential.score((), ()) == []


def test_a_patient_who_was_taken_out_tells_nothing(terms, facts, code):
    """The leak law: the only patient of a diagnosis must not be found by the own findings."""
    patients = patients_of(facts)
    knowledge = Knowledge.over(terms, patients)
    (zebra,) = [p for p in patients if "Zebra syndrome of nobody" in p.diagnoses.values()]
    (seven,) = [p for p in patients if code("consolidation") in p.affirmed]
    for patient in (zebra, seven):
        knowledge.counts.add(patient, -1)
        others = Knowledge.over(terms, [p for p in patients if p is not patient])
        for finding in patient.affirmed:
            mine = knowledge.differential.score({finding}, ())
            theirs = others.differential.score({finding}, ())
            assert {s.diagnosis for s in mine} == {s.diagnosis for s in theirs}
        knowledge.counts.add(patient)
