"""Relations and cross references, from the files of ontologies to the answers of Concepts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mmedrag.definitions import Concepts, Term, compile_dictionary, read_terms
from mmedrag.definitions.compilation import in_memory
from mmedrag.definitions.compiled import CompiledDictionary
from mmedrag.definitions.references import normal_reference, relation_type, spellings
from mmedrag.errors import CorpusError

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
OBO = """ontology: demo

[Term]
id: D:1
name: zorb

[Term]
id: D:2
name: krell lobe
xref: UMLS_CUI:C0000002
xref: ICD10CM:Z10.1 {source="MONDO:relatedTo"}
relationship: part_of D:1 {source="x"} ! zorb
relationship: part_of D:99 ! absent
relationship: may_cause D:3

[Term]
id: D:3
name: krellitis
xref: MSH:D000003 "Krellitis" {source="MONDO:equivalentTo"}
xref: ICD10CM:Z10

[Term]
id: D:4
name: zorbitis
xref: ICD10CM:Z10
"""
OWL = (
    f'<rdf:RDF xmlns:rdf="{_RDF}" xmlns:owl="http://www.w3.org/2002/07/owl#"'
    ' xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns="http://x/RID/">'
    '<owl:Class rdf:about="http://x/RID/RID1"><rdfs:label>zorb</rdfs:label>'
    '<Has_Part rdf:resource="http://x/RID/RID2"/></owl:Class>'
    '<owl:Class rdf:about="http://x/RID/RID2"><rdfs:label>krell lobe</rdfs:label>'
    "<UMLS_ID>C0000002</UMLS_ID><Part_Of>no resource</Part_Of>"
    "<rdfs:subClassOf><owl:Restriction>"
    '<owl:onProperty rdf:resource="http://x/RID/May_Cause"/>'
    '<owl:someValuesFrom rdf:resource="http://x/RID/RID3"/>'
    "</owl:Restriction></rdfs:subClassOf></owl:Class>"
    '<owl:Class rdf:about="http://x/RID/RID3"><rdfs:label>krellitis</rdfs:label>'
    '<rdfs:seeAlso rdf:resource="http://x/RID/RID1"/></owl:Class></rdf:RDF>'
)
CSV = (
    "id,term,part_of,xrefs\nD:1,zorb,,\nD:2,krell lobe,zorb,UMLS:C0000002|X:9\n"
    "D:3,krellitis,,D000003\n"
)


def _compiled(folder: Path, name: str, text: str) -> CompiledDictionary:
    (folder / name).write_text(text, "utf-8")
    compile_dictionary(read_terms(folder / name), folder / f"{name}.dict")
    return CompiledDictionary.open(folder / f"{name}.dict")


@pytest.mark.parametrize("name", ["Part_Of", "part of", "BFO_0000050", "BFO:0000050", "part_of"])
def test_part_of_has_one_name(name: str) -> None:
    assert relation_type(name) == "part_of"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("UMLS_CUI:C0018923", "C0018923"),
        ("MESH:D006394", "D006394"),
        ("ICD10CM:I10", "I10"),
        ("ICDO:C50", "ICDO:C50"),
        ("NCI:C3088", "NCI:C3088"),
        ("UMLS:nonsense", "UMLS:nonsense"),
        ("", ""),
    ],
)
def test_references_lose_the_prefixes_that_vary(written: str, normal: str) -> None:
    assert normal_reference(written) == normal
    assert normal_reference(normal) == normal
    assert all(normal_reference(s) == normal for s in spellings(normal))


@pytest.mark.parametrize(
    ("name", "text", "ids"),
    [
        ("demo.obo", OBO, ("D:1", "D:2", "D:3")),
        ("radlex.owl", OWL, ("RID1", "RID2", "RID3")),
        ("demo.csv", CSV, ("D:1", "D:2", "D:3")),
    ],
)
def test_sources_bring_their_relations(
    tmp_path: Path, name: str, text: str, ids: tuple[str, str, str]
) -> None:
    with closing(_compiled(tmp_path, name, text)) as own:
        concepts = Concepts([own])
        whole, lobe, disease = ids
        related = {(r.subject, r.type, r.object) for r in concepts.related(lobe)}
        expected = {(lobe, "part_of", whole)}
        if name != "demo.csv":
            expected |= {(lobe, "may_cause", disease)}
        assert related == expected
        assert {(r.subject, r.type, r.object) for r in concepts.related(whole)} == {
            (lobe, "part_of", whole)
        }
        assert not concepts.is_a(lobe, whole)
        (row,) = own.concepts(lobe)
        assert "C0000002" in own.links(row).codes


def test_cross_references_join_dictionaries_in_either_order(tmp_path: Path) -> None:
    umls = in_memory([
        Term(id="C0000002", term="another word", parents=("C0000009",)),
        Term(id="C0000009", term="organ of zorbs"),
        Term(id="MESH:D000003", term="inflamed thing"),
        Term(id="Z10", term="zorb diseases"),
        Term(id="Z10.1", term="a neighbour"),
    ])  # fmt: skip
    own = _compiled(tmp_path, "demo.obo", OBO)
    for dictionaries in ([own, umls], [umls, own]):
        concepts = Concepts(dictionaries)
        assert concepts.same("D:2") == concepts.same("C0000002") == {"D:2", "C0000002"}
        assert concepts.same("D:3") == {"D:3", "MESH:D000003"}
        assert concepts.is_a("D:2", "C0000009")
        assert "D:2" in concepts.descendants("C0000009")
        assert ("D:2", "part_of", "D:1") in {r[:3] for r in concepts.related("C0000002")}
        # A code of two concepts, and one that is only near, join nothing.
        assert concepts.same("Z10") == {"Z10"}
        assert concepts.same("Z10.1") == {"Z10.1"}
    own.close()


def test_one_file_may_hold_both_sides() -> None:
    concepts = Concepts([in_memory([
        Term(id="D:2", term="krell", references=("UMLS:C0000002",)),
        Term(id="C0000002", term="other"),
    ])])  # fmt: skip
    assert concepts.same("D:2") == concepts.same("C0000002") == {"D:2", "C0000002"}


def test_dictionaries_of_earlier_versions_open(tmp_path: Path) -> None:
    _compiled(tmp_path, "demo.obo", OBO).close()
    path = tmp_path / "demo.obo.dict"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE links; DROP TABLE crossreferences;")
    with closing(CompiledDictionary.open(path)) as own:
        concepts = Concepts([own])
        assert concepts.related("D:2") == ()
        assert concepts.name("D:2") == "krell lobe"


@pytest.mark.parametrize("change", ["outgoing = 'may_cause 1'", "codes = 'C0000004'"])
def test_damaged_links_are_an_error(tmp_path: Path, change: str) -> None:
    _compiled(tmp_path, "demo.obo", OBO).close()
    path = tmp_path / "demo.obo.dict"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE links SET {change}")
    with closing(CompiledDictionary.open(path)) as own, pytest.raises(CorpusError, match="damaged"):
        Concepts([own]).related("D:2")


def test_links_change_the_fingerprint() -> None:
    plain, linked = Term(id="D:1", term="zorb"), Term(id="D:1", term="zorb", references=("X:1",))
    assert in_memory([plain]).fingerprint != in_memory([linked]).fingerprint
