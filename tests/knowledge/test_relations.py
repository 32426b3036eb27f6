"""The relations that are written, and those of the dictionaries."""

from __future__ import annotations

from importlib.resources import files

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
