"""Diversity after section 3.5: maximal marginal relevance, and duplicates moved behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.errors import QueryError
from mmedrag.ranking.diversity import DuplicatesLast, MaximalMarginalRelevance
from mmedrag.testing.questions import QUESTION
from mmedrag.testing.reranker import RerankerContract, evidence_list
from mmedrag.types import Case, Definition, Evidence

REPORT = "The heart is enlarged and there is a small effusion on the left."


def case(key, vector=(1.0, 0.0), relevance=0.5, **fields):
    e = np.array(vector, dtype=np.float32)
    return Evidence(key, Case(id=key, **fields), e, relevance, relevance)


def definition(key, vector=(1.0, 0.0), relevance=0.5, concept="", text=""):
    e = np.array(vector, dtype=np.float32)
    return Evidence(key, Definition(concept or key, key, text, "test"), e, relevance, relevance)


def keys(evidence):
    return [e.key for e in evidence]


# Maximal marginal relevance


def test_mmr_by_hand():
    best = case("C1", (1.0, 0.0), 1.0)
    copy = case("C2", (1.0, 0.0), 0.9)
    other = case("C3", (0.0, 1.0), 0.0)
    middle = case("C4", (0.6, 0.8), 0.5)
    # after C1: C2 0.7·0.9 − 0.3·1 = 0.33, C3 0 − 0 = 0, C4 0.35 − 0.3·0.6 = 0.17
    # then C4: 0.17, C3: 0 -> C4, then C3
    assert keys(MaximalMarginalRelevance(0.7).rerank(QUESTION, [best, copy, other, middle])) == [
        "C1",
        "C2",
        "C4",
        "C3",
    ]
    # λ = 0.5, after C1: C2 0.45 − 0.5 = −0.05, C3 0, C4 0.25 − 0.3 = −0.05;
    # after C3: C2 −0.05, C4 0.25 − 0.5·0.8 = −0.15
    assert keys(MaximalMarginalRelevance(0.5).rerank(QUESTION, [best, copy, other, middle])) == [
        "C1",
        "C3",
        "C2",
        "C4",
    ]


def marginal_relevance(evidence, relevance, picked, i, trade_off):
    """Carbonell & Goldstein's formula, word for word, for evidence that is all cases."""

    def cosine(j):
        a, b = (evidence[x].vector.astype(float) for x in (i, j))
        return max(0.0, a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    penalty = max((cosine(j) for j in picked), default=0.0)
    return trade_off * relevance[i] - (1 - trade_off) * penalty


@given(st.integers(0, 10**6), st.integers(2, 15), st.floats(0.1, 1.0))
def test_every_pick_of_mmr_has_the_largest_marginal_relevance(seed, n, trade_off):
    rng = np.random.default_rng(seed)
    evidence = [case(f"C{i}", rng.normal(size=4), rng.uniform()) for i in range(n)]
    stage_1 = np.array([e.relevance for e in evidence])
    relevance = (stage_1 - stage_1.min()) / np.ptp(stage_1)
    ranked = MaximalMarginalRelevance(trade_off).rerank(QUESTION, evidence)
    order = [keys(evidence).index(key) for key in keys(ranked)]
    for step, pick in enumerate(order):
        values = {
            i: marginal_relevance(evidence, relevance, order[:step], i, trade_off)
            for i in order[step:]
        }
        assert values[pick] >= max(values.values()) - 1e-5


def test_equal_items_keep_the_order_they_came_in():
    alike = [case(f"C{i}", np.linspace(-1, 3, 7), 0.5) for i in (3, 1, 2, 5, 4)]
    assert keys(MaximalMarginalRelevance().rerank(QUESTION, alike)) == keys(alike)


def test_mmr_of_trade_off_1_sorts_by_relevance():
    evidence = evidence_list(seed=4, n=30)
    ranked = MaximalMarginalRelevance(1.0).rerank(QUESTION, evidence)
    assert keys(ranked) == keys(sorted(evidence, key=lambda e: -e.relevance))


def test_mmr_prefers_centrality_where_section_3_5_ran():
    first, second = case("C1", (1.0, 0.0), 0.9), case("C2", (0.0, 1.0), 0.1)
    central = [replace(first, centrality=0.2), replace(second, centrality=0.3)]
    assert keys(MaximalMarginalRelevance().rerank(QUESTION, [first, second])) == ["C1", "C2"]
    assert keys(MaximalMarginalRelevance().rerank(QUESTION, central)) == ["C2", "C1"]


def test_mmr_does_not_hold_a_definition_against_a_case():
    evidence = [definition("D1", relevance=1.0), case("C1", relevance=0.9), case("C2", (0, 1), 0.6)]
    assert keys(MaximalMarginalRelevance(0.5).rerank(QUESTION, evidence)) == ["D1", "C1", "C2"]


def test_mmr_breaks_up_a_crowd_of_copies():
    rng = np.random.default_rng(5)
    centre = rng.normal(size=32)
    copies = [case(f"C{i}", centre + 0.05 * rng.normal(size=32), 0.80) for i in range(10)]
    others = [case(f"C{i}", rng.normal(size=32), 0.60) for i in range(10, 20)]
    floor = case("C20", rng.normal(size=32), 0.0)
    ranked = MaximalMarginalRelevance(0.7).rerank(QUESTION, [*copies, *others, floor])
    top = keys(ranked)[:10]
    assert sum(key in keys(copies) for key in top) <= 2


# Duplicates last


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            case("C1", text=REPORT, patient_id="P1"),
            case("C2", (0, 1), text=REPORT.upper().replace(".", " !"), patient_id="P1"),
        ),
        (case("C1", text=REPORT), case("C2", (0, 1), text=REPORT)),
        (case("C1", (1, 0), patient_id="P1"), case("C2", (1, 0.1), patient_id="P1")),
        (case("C1", (1, 0), patient_id="P1"), case("C2", (1, 0.001), patient_id="P2")),
        (definition("D1", concept="X"), definition("D2", (0, 1), concept="X")),
        (definition("D1", text=REPORT), definition("D2", (0, 1), text=REPORT)),
    ],
    ids=["text", "text of nobody", "vector", "copy", "concept", "definition text"],
)
def test_a_repetition_moves_behind(one, two):
    new = case("C9", (-1.0, 0.5), text="Something else.")
    assert keys(DuplicatesLast().rerank(QUESTION, [one, two, new])) == [one.key, "C9", two.key]
    assert keys(DuplicatesLast().rerank(QUESTION, [two, one, new])) == [two.key, "C9", one.key]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (case("C1", study_id="7"), case("C2", (0, 1), study_id="7")),
        (
            case("C1", text=REPORT, patient_id="P1", source="a"),
            case("C2", (0, 1), text=REPORT, patient_id="P1", source="b"),
        ),
        (
            case("C1", (1, 0), text=REPORT, patient_id="P1"),
            case("C2", (1, 0.1), text=REPORT, patient_id="P2"),
        ),
        (case("C1", (1, 0)), case("C2", (1, 0.1))),
        (case("C1", text="Normal fundus."), case("C2", (0, 1), text="normal fundus")),
        (case("C1"), case("C2", (0, 1))),
        (case("C1", (0, 0)), case("C2", (0, 0))),
        (case("C1", text=REPORT), definition("D1", (1, 0), text=REPORT)),
    ],
    ids=[
        "same study",
        "other source",
        "other patient",
        "no patient",
        "label",
        "no text",
        "no vector",
        "definition",
    ],
)
def test_what_is_no_repetition_stays(one, two):
    new = case("C9", (-1.0, 0.5), text="Something else.")
    assert keys(DuplicatesLast().rerank(QUESTION, [one, two, new])) == [one.key, two.key, "C9"]


def test_a_repetition_of_a_repetition_is_measured_against_what_is_shown():
    """A chain a≈b≈c does not swallow c where c is not like a."""
    angles = enumerate((0.0, 0.15, 0.30))
    chain = [case(f"C{i}", (np.cos(x), np.sin(x)), patient_id="P1") for i, x in angles]
    assert keys(DuplicatesLast().rerank(QUESTION, chain)) == ["C0", "C2", "C1"]


@given(st.integers(0, 10**6), st.integers(0, 20))
def test_a_second_pass_changes_nothing(seed, n):
    once = DuplicatesLast().rerank(QUESTION, evidence_list(seed, n))
    assert keys(DuplicatesLast().rerank(QUESTION, once)) == keys(once)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_out_of_range_are_refused(value):
    with pytest.raises(QueryError, match="from 0 to 1"):
        MaximalMarginalRelevance(value)
    with pytest.raises(QueryError, match="from 0 to 1"):
        DuplicatesLast(value)


class TestMaximalMarginalRelevance(RerankerContract):
    def make(self):
        return MaximalMarginalRelevance()


class TestDuplicatesLast(RerankerContract):
    def make(self):
        return DuplicatesLast()
