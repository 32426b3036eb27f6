"""Support of a finding: shares of the nearness of cases, another lead, and the base rate."""

from __future__ import annotations

import math

import numpy as np

from mmedrag.answers.agreement import NORMALITY, PRESENCE
from mmedrag.answers.findings import FLAT
from mmedrag.answers.support import (
    SOURCES,
    UNCOUNTED,
    expected_share,
    is_whole,
    support_of,
    support_of_first,
)
from mmedrag.entailment import NORMAL
from mmedrag.types import (
    Assertion,
    Brief,
    Candidate,
    Case,
    Claim,
    Evidence,
    Prevalence,
    Query,
    Question,
    QuestionKind,
    Reply,
    Routing,
)

VECTOR = np.zeros(2, np.float32)
CASES = [Evidence(f"C{i}", Case(id=str(i)), VECTOR, 0.5, 0.5) for i in range(1, 5)]
A, N = Assertion.AFFIRMED, Assertion.NEGATED


def brief(rate: Prevalence | None = None, lead: str = "other") -> Brief:
    claims = (
        Claim("x", "x", A, ("C1", "C2"), 4, prevalence=rate),
        Claim("x", "x", A, ("C1",), 4, side="left"),
        Claim("x", "x", N, ("C3",), 4, prevalence=rate),
        Claim(NORMAL, "normal study", A, ("C3", "C4"), 4),
    )
    candidate = Candidate(lead, lead, ("C1", "C2", "C3"), 4)
    return Brief(QuestionKind.PRESENCE, Reply.UNKNOWN, claims=claims, differential=(candidate,))


def test_shares_are_of_all_cases_that_say_so():
    support = support_of("x", brief(), CASES, FLAT)
    assert math.isclose(support["affirm"], 0.5)
    assert math.isclose(support["rule out"], 0.25)
    assert math.isclose(support["normal"], 0.5)
    assert support["another"] == 0.75
    assert {*PRESENCE, *NORMALITY} <= {*support}


def test_the_lead_is_none_other_where_it_is_what_is_asked_about():
    assert support_of("x", brief(lead="x"), CASES, FLAT)["another"] == 0.0


def test_the_base_rate_is_the_log_odds():
    counted = support_of("x", brief(Prevalence(50, 0, 100)), CASES, FLAT)["base rate"]
    assert math.isclose(counted, 0.0, abs_tol=1e-9)
    uncounted = support_of("x", brief(), CASES, FLAT)["base rate"]
    assert math.isclose(uncounted, math.log(UNCOUNTED / (1 - UNCOUNTED)))


def test_a_side_narrows_a_claim():
    assert [is_whole(c) for c in brief().claims] == [True, False, True, True]


def test_the_first_of_several_is_judged_by_its_margin():
    support = support_of_first([("C1", "C2", "C3"), ("C4",)], CASES)
    assert math.isclose(support["weight"], 0.75)
    assert math.isclose(support["margin"], 0.5)
    assert support["share"] == 0.75
    assert support["nearest"] == 0.5
    assert support_of_first([], CASES)["weight"] == 0.0


class BySource:
    """Counts that a filter on the source gives."""

    def __init__(self, **shares: int) -> None:
        self.shares, self.filters = shares, []

    def prevalence(self, question, groups):
        self.filters.append(question.query.where)
        source = question.query.where.rpartition("source = ")[2].strip("'").replace("''", "'")
        return dict.fromkeys(groups, Prevalence(self.shares.get(source, 0), 0, 100))


def asked(where: str | None = None) -> Question:
    return Question(Query("Is there x?", b"image", where=where), Routing({}, None), VECTOR)


def from_sources(*sources: str) -> list[Evidence]:
    return [
        Evidence(f"C{i}", Case(id=str(i), source=source), VECTOR, 0.5, 0.5)
        for i, source in enumerate(sources)
    ]


def test_what_is_expected_is_what_the_sources_of_the_cases_affirm():
    counts = BySource(clinic=40, other=20)
    cases = from_sources("clinic", "clinic", "other", "")
    assert math.isclose(expected_share(("x",), asked(), cases, counts), 0.25)
    assert support_of("x", brief(), CASES, FLAT, 0.25)["expected"] == 0.25
    assert expected_share(("x",), asked(), [], counts) == 0.0


def test_sources_are_counted_within_the_filter_of_the_question():
    counts = BySource()
    expected_share(("x",), asked("split = 'a' or split = 'b'"), from_sources("St. Mary's"), counts)
    assert counts.filters == ["(split = 'a' or split = 'b') and source = 'St. Mary''s'"]


def test_few_sources_are_counted():
    counts = BySource()
    expected_share(("x",), asked(), from_sources(*map(str, range(3 * SOURCES))), counts)
    assert len(counts.filters) == SOURCES
