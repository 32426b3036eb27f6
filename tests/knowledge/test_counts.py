"""Edges learned from a corpus: by patient, above chance, with those who rule it out against."""

from __future__ import annotations

import pytest

from mmedrag.knowledge.counts import Counts, patients_of


def test_a_patient_counts_once_and_affirms_what_any_case_affirms(facts, code):
    patients = patients_of(facts)
    assert len(patients) == 8
    effusion = code("pleural effusion")
    (six,) = [p for p in patients if effusion in p.affirmed]
    assert effusion not in six.negated


def test_edges_have_support_and_lift(facts, code):
    counts = Counts.of(patients_of(facts))
    fever, abscess = code("fever"), code("brain abscess")
    edge = counts.edge(fever, abscess)
    assert (edge.both, edge.of, edge.against) == (3, 3, 0)
    assert edge.lift == pytest.approx(3 * 8 / (4 * 3))
    assert counts.edge(code("headache"), abscess) is None  # one patient is no support
    assert counts.edge(fever, code("glioblastoma")) is None  # it rules fever out
    assert {e.target for e in counts.edges()} <= {abscess, code("glioblastoma"), code("pneumonia")}


def test_who_rules_it_out_counts_against(facts, code):
    counts = Counts.of(patients_of(facts))
    assert counts.against[code("glioblastoma")][code("fever")] == 2


def test_a_patient_can_be_taken_out_and_put_back(facts):
    patients = patients_of(facts)
    counts = Counts.of(patients)
    before = (counts.patients, dict(counts.affirmed), dict(counts.diagnosed))
    counts.add(patients[0], -1)
    assert counts.diagnosed != before[2]
    counts.add(patients[0])
    assert (counts.patients, dict(counts.affirmed), dict(counts.diagnosed)) == before


def test_other_domains_are_not_counted(facts):
    assert Counts.of(patients_of(facts), "pathology").patients == 0
