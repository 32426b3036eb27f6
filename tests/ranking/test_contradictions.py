"""Cases that contradict the question stand last."""

from __future__ import annotations

from mmedrag.ranking.contradictions import ContradictedLast
from mmedrag.testing.context_filter import question
from mmedrag.testing.questions import QUESTION
from mmedrag.testing.reranker import RerankerContract
from ranking.test_agreement import case, keys


def test_contradicting_cases_stand_last():
    cases = [
        case("C1", 0.9, ["drusen"]),
        case("C2", 0.8, [], ["haemorrhage"]),
        case("C3", 0.7, ["haemorrhage"], ["drusen"]),
        case("C4", 0.6, ["oedema"]),
        case("C5", 0.5, ["haemorrhage"], ["haemorrhage"]),
    ]
    asked = question("haemorrhage, no drusen", ("haemorrhage",), ("drusen",))
    assert keys(ContradictedLast().rerank(asked, cases)) == ["C3", "C4", "C5", "C1", "C2"]
    assert keys(ContradictedLast().rerank(QUESTION, cases)) == keys(cases)


class TestContradictedLast(RerankerContract):
    def make(self):
        return ContradictedLast()
