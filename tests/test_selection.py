"""Which evidence there is, and which of it an answer may rest on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmedrag.casebase.hybrid import CONCEPT_WEIGHT, relevance
from mmedrag.selection import (
    NAMED,
    alternating,
    gather,
    head,
    neighbours,
    with_called,
    with_definition,
    with_met,
    with_named,
)
from mmedrag.types import (
    Case,
    Definition,
    Evidence,
    Hit,
    Intent,
    Query,
    Question,
    QuestionKind,
    Routing,
)


def _evidence(key: str) -> Evidence:
    item = Case(id=key) if key.startswith("C") else Definition(key, key, "", "")
    return Evidence(key, item, np.zeros(2, np.float32), 0.0, 0.0)


def test_the_head_keeps_every_definition() -> None:
    ranked = [_evidence(k) for k in ("C3", "D1", "C1", "D2", "C2")]
    assert [e.key for e in head(ranked, 2)] == ["C3", "D1", "C1", "D2"]


def test_a_yes_or_no_of_an_image_rests_on_the_cases_most_like_it() -> None:
    gathered = [_evidence(k) for k in ("C1", "C2", "C3", "D1", "D2")]
    scored = replace(gathered[1], reward=0.9)
    ranked = [gathered[2], scored, gathered[0]]
    kept = neighbours(gathered, ranked, [scored, gathered[4]], 2)
    assert [e.key for e in kept] == ["C2", "C1", "D2"]
    assert kept[0].reward == 0.9  # what the stages said of it stays
    assert [e.key for e in neighbours(gathered, [], [gathered[4]], 2)] == ["D2"]


def _hit(name: str, similarity: float, relevance: float) -> Hit:
    return Hit(Case(id=name), np.zeros(2, np.float32), similarity, relevance)


def test_a_case_that_is_called_so_counts_as_one_that_affirms_it() -> None:
    found = [_hit("affirms", 0.2, 0.733), _hit("both", 0.4, 0.8), _hit("near", 0.6, 0.2)]
    named = [_hit("both", 0.4, 0.4), _hit("called", 0.3, 0.3), _hit("far", -0.5, -0.5)]
    joined = with_named(found, named, 4)
    assert [h.case.id for h in joined] == ["both", "called", "affirms", "far"]
    assert [round(h.relevance, 3) for h in joined] == [0.8, 0.767, 0.733, 0.667]
    assert with_named(found, [], 2) == sorted(found, key=lambda h: -h.relevance)[:2]
    affirming = relevance(np.array([0.3]), np.zeros(1), np.ones(1))
    assert NAMED == CONCEPT_WEIGHT
    assert joined[1].relevance == affirming[0]


def test_the_filter_drops_no_case_that_is_called_so() -> None:
    first = [_evidence(k) for k in ("C1", "C2", "D1", "C3")]
    assert with_called([first[1], first[2]], first, {"C3", "C2", "D1", "C9"}) == [
        first[3],
        first[1],
        first[2],
    ]
    assert with_called([first[1]], first, frozenset()) == [first[1]]


def test_gathering_nothing() -> None:
    assert gather(np.zeros(2, np.float32), [], [], [], np.zeros((0, 2), np.float32)) == []


def test_a_term_whose_meaning_is_asked_for_keeps_its_definition() -> None:
    case, asked, other = (_evidence(k) for k in ("C1", "D1", "D2"))
    intent = Intent(QuestionKind.DEFINITION, "asks for a meaning", ("D1",))
    question = Question(Query("What is it?"), Routing({}, None), np.zeros(2, np.float32))
    ranked = [case, other, asked]
    assert with_definition(question, [case], ranked) == [case]
    meaning = replace(question, intent=intent)
    assert with_definition(meaning, [case], ranked) == [case, asked]
    assert with_definition(meaning, [asked], ranked) == [asked]


def test_what_meets_a_request_stands_after_the_cases_that_the_filter_kept() -> None:
    first = [_evidence(k) for k in ("C1", "C2", "C3", "D1")]
    kept = [first[1], first[3]]
    assert [e.key for e in with_met(kept, first, {"C2", "C3"})] == ["C2", "C3", "D1"]
    assert [e.key for e in with_met(kept, first, ())] == ["C2", "D1"]


def test_searches_are_joined_in_turn_and_each_case_once() -> None:
    def hits(*ids: str) -> list[Hit]:
        return [Hit(Case(id=i), np.zeros(2, np.float32), 0.0, 0.0) for i in ids]

    found = alternating([hits("a", "b", "c"), hits("d"), hits("e", "a")], 4)
    assert [h.case.id for h in found] == ["a", "d", "e", "b"]
    assert alternating([[], []], 3) == []
