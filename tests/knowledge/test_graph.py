"""The graph: expansion that decays, and walks from the concepts of a question."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.knowledge.counts import patients_of
from mmedrag.knowledge.graph import KnowledgeGraph
from mmedrag.knowledge.knowledge import Knowledge
from mmedrag.knowledge.relations import Edge, Relation

EDGES = [Edge(a, b, Relation.MAY_BE, 0.5, "test") for a, b in ("ab", "bc", "cd", "xy")]


def test_weights_decay_with_every_step():
    weights = KnowledgeGraph(EDGES).expand(["a"], steps=2)
    assert weights["a"] == 1.0
    assert 1.0 > weights["b"] > weights["c"] > 0.0
    assert {"d", "x", "y"}.isdisjoint(weights)


@given(st.dictionaries(st.sampled_from("abcdxy?"), st.floats(0.1, 5), max_size=4))
def test_a_walk_is_a_distribution_or_nothing(start):
    walked = KnowledgeGraph(EDGES).walk(start)
    assert np.all(walked >= 0.0)
    known = any(code != "?" for code in start)
    assert walked.sum() == pytest.approx(1.0 if known else 0.0)


def test_nearer_is_more_often_visited():
    graph = KnowledgeGraph(EDGES)
    shares = graph.shares(graph.walk({"a": 1.0}), "abcdx")
    assert shares["a"] > shares["b"] > shares["c"] > shares["d"] > shares["x"] == 0.0


def test_walks_join_concepts_through_patients(terms, facts, code):
    knowledge = Knowledge.of(terms, facts)
    walked = knowledge.graph.walk({code("vasogenic oedema"): 1.0, code("headache"): 1.0})
    shares = knowledge.graph.shares(walked, knowledge.counts.diagnosed)
    assert max(shares, key=lambda c: shares[c]) == code("brain abscess")
    first, *_ = knowledge.graph.nearest_patients(walked, 3)
    assert code("brain abscess") in first[0].diagnoses


def test_no_walk_leads_through_a_patient_who_is_left_out(terms, facts, code):
    """The leak law, held against a graph that never had the patient."""
    patients = patients_of(facts)
    (zebra,) = [p for p in patients if "Zebra syndrome of nobody" in p.diagnoses.values()]
    (diagnosis,) = zebra.diagnoses
    graph = Knowledge.over(terms, patients).graph
    for finding in {f for p in patients for f in p.affirmed}:
        shares = graph.shares(graph.walk({finding: 1.0}, without=zebra.name), [diagnosis])
        assert shares[diagnosis] == 0.0
    hidden = next(p for p in patients if code("pneumonia") in p.diagnoses)
    walked = graph.walk({code("pleural effusion"): 1.0}, without=hidden.name)
    assert hidden.name not in {p.name for p, _ in graph.nearest_patients(walked, 99)}


def test_an_empty_graph_answers():
    graph = KnowledgeGraph([])
    assert graph.walk({"a": 1.0}).size == 0
    assert graph.expand(["a"]) == {"a": 1.0}
