"""The relations that are written, and those of the dictionaries."""

from __future__ import annotations

from importlib.resources import files

from mmedrag.definitions import Dictionary, Term
from mmedrag.definitions.compilation import in_memory
from mmedrag.knowledge.explanation import edge_text
from mmedrag.knowledge.knowledge import Knowledge
from mmedrag.knowledge.relations import Relation, canonical, structural, written


def test_what_is_written_is_known_to_the_glossary(terms):
    lines = (files("mmedrag.knowledge") / "differentials.txt").read_text("utf-8").splitlines()
    names = [
        name.strip()
        for line in lines
        if line.strip() and not line.startswith("#")
        for name in line.replace(":", ";").split(";")
    ]
    unknown = {n for n in names if not terms.concepts.find(n)}
    assert len(unknown) <= 0.03 * len(names)
    assert sum(":" in line and not line.startswith("#") for line in lines) >= 300
    assert len({line.partition(":")[0] for line in lines if ":" in line}) == sum(
        ":" in line for line in lines
    )


def test_findings_lead_to_diseases(terms, code):
    edges = {(e.source, e.target) for e in written(terms.concepts)}
    assert (code("ring enhancement"), code("brain abscess")) in edges
    assert all(e.relation is Relation.MAY_BE for e in written(terms.concepts))


def test_structure_is_is_a_and_regions(terms, code):
    codes = [code(t) for t in ("pleural effusion", "effusion")]
    edges = {(e.source, e.relation, e.target) for e in structural(codes, terms.concepts)}
    assert (codes[0], Relation.IS_A, codes[1]) in edges
    assert (codes[0], Relation.IN, code("pleura")) in edges


def test_one_code_stands_for_all_that_mean_the_same(terms, code):
    assert canonical(code("effusion"), terms.concepts) == code("effusion")


def test_ontologies_bring_relations_to_the_graph(terms, facts, code):
    ontology = in_memory([
        Term(id="R:1", term="brain abscess", source="RadLex",
             relations=(("May_Cause", "R:2"), ("part_of", "R:3"))),
        Term(id="R:2", term="krell displacement", source="RadLex"),
        Term(id="R:3", term="zorb complex", source="RadLex",
             relations=(("has_part", "R:4"), ("part_of", "R:1"))),
        Term(id="R:4", term="zorb lobule", source="RadLex"),
    ])  # fmt: skip
    knowledge = Knowledge.of(Dictionary([*terms.dictionaries, ontology]), facts)
    abscess = code("brain abscess")
    texts = [edge_text(e, knowledge) for e in knowledge.graph.edges_of(abscess)]
    assert "brain abscess is related to krell displacement (RadLex: may cause)" in texts
    assert "brain abscess is part of zorb complex (RadLex)" in texts
    weights = knowledge.graph.expand([abscess])
    assert weights["R:2"] > weights["R:3"] > 0.0
    # What the graph of findings and diseases does not reach is shown where it is asked for.
    assert knowledge.graph.edges_of("R:4") == []
    assert [edge_text(e, knowledge) for e in knowledge.edges_of("R:4")] == [
        "zorb lobule is part of zorb complex (RadLex)"
    ]
