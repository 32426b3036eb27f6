"""The rerankers that are measured beside the default keep the laws of section 3.5."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.paper.alternatives import (
    FindingGraph,
    ReciprocalNeighbours,
    Rocchio,
    affirmed,
    rarities,
)
from mmedrag.testing.questions import QUESTION
from mmedrag.testing.reranker import RerankerContract, evidence_list
from mmedrag.types import Assertion, Case, Evidence, Mention


def case(
    key: str, vector: list[float], relevance: float, *findings: str, said: Assertion | None = None
) -> Evidence:
    mentions = tuple(Mention(f, 0, 1, f, f, said or Assertion.AFFIRMED) for f in findings)
    e = np.array(vector, np.float32)
    return Evidence(key, Case(id=key), e, relevance, relevance, mentions)


def keys(evidence: list[Evidence]) -> list[str]:
    return [e.key for e in evidence]


def test_a_shared_finding_lifts_a_case():
    first, other = case("C1", [1, 0, 0], 0.9, "drusen"), case("C2", [0, 1, 0], 0.3)
    fellow = case("C3", [0, 0, 1], 0.2, "drusen")
    denied = case("C4", [0, 0, 1], 0.1, "drusen", said=Assertion.NEGATED)
    ranked = FindingGraph({"drusen": 1.0}).rerank(QUESTION, [first, other, fellow, denied])
    assert keys(ranked)[:2] == ["C1", "C3"]


def test_rocchio_moves_towards_the_first_results():
    # relevance + 0.5 · mean cosine to C1: 0.9 + 0.5, 0.5 + 0, 0.4 + 0.5 · 0.8
    evidence = [case("C1", [1, 0], 0.9), case("C2", [0, 1], 0.5), case("C3", [0.8, 0.6], 0.4)]
    ranked = Rocchio(top=1).rerank(QUESTION, evidence)
    assert keys(ranked) == ["C1", "C3", "C2"]
    assert [e.centrality for e in ranked] == pytest.approx([1.4, 0.8, 0.5])


def test_reciprocal_neighbours_by_hand():
    # the query's two nearest are C1 and C2; C1 and C2 have just each other and themselves, so 1;
    # C3 and C4 have none of them, so 0; relevance stretched is 1, 0.5, 0.6, 0
    evidence = [
        case("C1", [1, 0], 1.0), case("C2", [1, 0.1], 0.75),
        case("C3", [0, 1], 0.7), case("C4", [0.1, 1], 0.5),
    ]  # fmt: skip
    ranked = ReciprocalNeighbours(k=2).rerank(QUESTION, evidence)
    assert keys(ranked) == ["C1", "C2", "C3", "C4"]
    assert [e.centrality for e in ranked] == pytest.approx([2.0, 1.5, 0.4, 0.0])


def test_rarities_by_hand():
    said = [case("C1", [1], 0, "a", "b").mentions, case("C2", [1], 0, "a").mentions, ()]
    assert rarities(said) == pytest.approx({"a": np.log(3 / 2), "b": np.log(3)})
    assert affirmed(case("C1", [1], 0, "a", said=Assertion.UNCERTAIN).mentions) == frozenset()


class TestFindingGraph(RerankerContract):
    def make(self):
        return FindingGraph(rarities([e.mentions for e in evidence_list(0, 20)]))


class TestRocchio(RerankerContract):
    def make(self):
        return Rocchio()


class TestReciprocalNeighbours(RerankerContract):
    def make(self):
        return ReciprocalNeighbours()
