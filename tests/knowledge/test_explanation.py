"""Edges and paths in words."""

from __future__ import annotations

from mmedrag.knowledge.explanation import edge_text, explained
from mmedrag.knowledge.knowledge import Knowledge


def test_learned_edges_show_their_counts_and_written_ones_say_so(terms, facts, code):
    knowledge = Knowledge.of(terms, facts)
    edges = knowledge.graph.edges_of(code("ring enhancement"))
    texts = [edge_text(e, knowledge) for e in edges]
    assert "ring enhancement is seen with brain abscess (3 of 3 patients, lift 2.0)" in texts
    assert "ring enhancement may be a sign of neurocysticercosis (written)" in texts


def test_a_diagnosis_that_nothing_supports_has_no_explanation(terms, facts, code):
    knowledge = Knowledge.of(terms, facts)
    scored = knowledge.differential.score({code("drusen")}, ())[0]
    assert explained(scored, knowledge).startswith("drusen (written) → ")
