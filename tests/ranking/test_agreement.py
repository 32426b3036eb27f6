"""Cases rise where the cases most like the image agree on what they show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.errors import QueryError
from mmedrag.ranking.agreement import FindingAgreement, findings
from mmedrag.testing.questions import QUESTION
from mmedrag.testing.reranker import RerankerContract, evidence_list
from mmedrag.types import Assertion, Case, Definition, Evidence, Kind, Mention, Query

IMAGE = replace(QUESTION, query=Query(image="x.png"))
VECTOR = np.array([1.0, 0.0], np.float32)


def case(key, relevance, shown=(), ruled_out=(), kind=Kind.FINDING, **fields):
    said = [(c, Assertion.AFFIRMED) for c in shown] + [(c, Assertion.NEGATED) for c in ruled_out]
    mentions = tuple(Mention(c, 0, len(c), c, c, assertion, kind) for c, assertion in said)
    return Evidence(key, Case(id=key, **fields), VECTOR, relevance, relevance, mentions)


def keys(evidence):
    return [e.key for e in evidence]


def test_agreement_by_hand():
    """The first is alone with its mass; C2 to C4 agree on an effusion."""
    cases = [
        case("C1", 0.80, ["mass"]),
        case("C2", 0.79, ["effusion"]),
        case("C3", 0.78, ["effusion"]),
        case("C4", 0.60, ["effusion"]),
    ]
    ranked = FindingAgreement(weight=1.0, width=1.0).rerank(IMAGE, cases)
    relevance = np.array([e.relevance for e in cases])
    nearness = (relevance - relevance.max()) / relevance.std()
    weights = np.exp(nearness)
    marked = 1 / 3  # mass | effusion | "not normal": all share the last
    votes = [
        (weights.sum() - weights[i] - (same := weights[1:].sum() - weights[i]) if i else 0) * marked
        + (same if i else (weights.sum() - weights[0]) * marked)
        for i in range(4)
    ]
    expected = [v / (weights.sum() - weights[i]) for i, v in enumerate(votes)]
    found = {e.key: e.centrality for e in ranked}
    assert [found[e.key] for e in cases] == pytest.approx(expected, abs=1e-6)
    assert keys(ranked)[:2] == ["C2", "C3"]


def test_a_text_keeps_its_order():
    cases = [
        case("C1", 0.8, ["mass"]),
        case("C2", 0.7, ["effusion"]),
        case("C3", 0.7, ["effusion"]),
    ]
    ranked = FindingAgreement().rerank(QUESTION, cases)
    assert keys(ranked) == keys(cases)
    assert all(e.centrality is None for e in ranked)


def test_a_patient_does_not_vote_for_himself():
    def of(patient):
        alone = [case(f"C{i}", 0.7, ["effusion"], patient_id=patient or f"P{i}") for i in range(3)]
        ranked = FindingAgreement(width=10.0).rerank(IMAGE, [case("C9", 0.71, ["mass"]), *alone])
        return {e.key: e.centrality for e in ranked}["C0"]

    assert of("P1") < of("") / 2


def test_what_is_ruled_out_is_not_shown_and_normal_is():
    ill = case("C1", 0.5, ["mass"], ["effusion"])
    assert findings(ill, ill.item) == {"mass", Kind.FINDING}
    normal = case("C1", 0.5, ["normal study"], kind=Kind.NORMAL)
    assert findings(normal, normal.item) == {Kind.NORMAL}
    named = case("C1", 0.5, diagnosis="Glioma; brain tumour", labels=("Head",))
    assert findings(named, named.item) == {"glioma", "brain tumour", "head"}


def test_definitions_stay_where_they_are():
    definition = Evidence("D1", Definition("c", "term", "text", "test"), VECTOR, 0.9, 0.9)
    cases = [case(f"C{i}", 0.5 + i / 10, ["mass"]) for i in range(3)]
    ranked = FindingAgreement().rerank(IMAGE, [cases[0], definition, *cases[1:]])
    assert keys(ranked) == ["C2", "D1", "C1", "C0"]


@given(st.integers(0, 10**6), st.integers(0, 20))
def test_agreement_is_a_share(seed, n):
    ranked = FindingAgreement().rerank(IMAGE, evidence_list(seed, n))
    assert all(0 <= e.centrality <= 1 for e in ranked if isinstance(e.item, Case))


@pytest.mark.parametrize(("weight", "width"), [(-0.1, 1.0), (1.0, 0.0)])
def test_bad_settings_are_refused(weight, width):
    with pytest.raises(QueryError, match="width above 0"):
        FindingAgreement(weight, width)


class TestFindingAgreement(RerankerContract):
    def make(self):
        return FindingAgreement()
