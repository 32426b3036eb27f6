"""Kinds and is-a over one dictionary and over several, in the glossary and in compiled sources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag import definitions
from mmedrag.definitions import (
    Concepts,
    Term,
    compile_dictionary,
    glossary,
    open_dictionary,
    read_terms,
)
from mmedrag.definitions.compilation import in_memory
from mmedrag.protocols import Ontology
from mmedrag.types import Assertion, Domain, Kind
from proofs import examples

GLOSSARY = Path(definitions.__file__).with_name("glossary.jsonl")
ROWS = [json.loads(line) for line in GLOSSARY.read_text("utf-8").splitlines()]
TERMS = {row["term"]: row for row in ROWS}
OWN = glossary().concepts


def code(name: str) -> str:
    found = OWN.find(name)
    assert found, name
    return found


def test_the_hierarchy_is_an_ontology() -> None:
    assert isinstance(OWN, Ontology)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("pleural effusion", "effusion"),
        ("adenocarcinoma", "carcinoma"),
        ("adenocarcinoma", "malignancy"),
        ("tension pneumothorax", "pneumothorax"),
        ("subdural haematoma", "intracranial haemorrhage"),
        ("subdural haematoma", "haematoma"),
        ("mild NPDR", "diabetic retinopathy"),
        ("POAG", "glaucoma"),
        ("empyema", "infection"),
        ("empyema", "effusion"),
        ("pneumothorax", "pneumothorax"),
    ],
)
def test_is_a(narrow: str, wide: str) -> None:
    assert OWN.is_a(code(narrow), code(wide))
    if narrow != wide:
        assert not OWN.is_a(code(wide), code(narrow))
        assert code(wide) in OWN.ancestors(code(narrow))
        assert code(narrow) in OWN.descendants(code(wide))


@pytest.mark.parametrize(
    ("one", "other"), [("pneumothorax", "effusion"), ("melanoma", "carcinoma"), ("cyst", "mass")]
)
def test_is_no(one: str, other: str) -> None:
    assert not OWN.is_a(code(one), code(other))
    assert not OWN.is_a(code(other), code(one))


def test_nearest_relatives_come_first() -> None:
    ancestors = [OWN.name(concept) for concept in OWN.ancestors(code("adenocarcinoma"))]
    assert ancestors[:2] == ["carcinoma", "malignancy"]


def test_the_glossary_has_no_circle_and_names_only_its_own_terms() -> None:
    for row in ROWS:
        assert {*row.get("parents", []), row.get("region", row["term"])} <= set(TERMS)
    done: set[str] = set()
    for term in TERMS:
        _climb(term, (), done)


def _climb(term: str, path: tuple[str, ...], done: set[str]) -> None:
    assert term not in path, path
    if term not in done:
        for parent in TERMS[term].get("parents", []):
            _climb(parent, (*path, term), done)
        done.add(term)


def test_a_kind_of_a_finding_is_a_finding_and_regions_are_anatomy() -> None:
    for row in ROWS:
        kind = Kind(row["kind"])
        for parent in row.get("parents", []):
            assert kind.is_finding == Kind(TERMS[parent]["kind"]).is_finding, (row["term"], parent)
        if "region" in row:
            assert TERMS[row["region"]]["kind"] == Kind.ANATOMY, row["term"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pleural effusion", Kind.FINDING),
        ("melanoma", Kind.DISEASE),
        ("H&E", Kind.STAIN),
        ("HER2", Kind.STAIN),
        ("chest x-ray", Kind.TECHNIQUE),
        ("fluorescein angiography", Kind.TECHNIQUE),
        ("endotracheal tube", Kind.DEVICE),
        ("cup-to-disc ratio", Kind.MEASUREMENT),
        ("haemoptysis", Kind.SYMPTOM),
        ("optic disc", Kind.ANATOMY),
        ("vitrectomy", Kind.PROCEDURE),
    ],
)
def test_kinds(name: str, kind: Kind) -> None:
    assert OWN.kind(code(name)) is kind
    (mention,) = glossary().recognise([name])[0]
    assert mention.kind is kind


def test_regions_and_domains() -> None:
    assert OWN.name(OWN.region(code("tension pneumothorax"))) == "pleura"
    assert OWN.region(code("necrosis")) == ""
    assert OWN.domains(code("drusen")) == (Domain.OPHTHALMOLOGY,)


def test_unknown_codes_are_findings_without_relatives() -> None:
    assert OWN.kind("X:1") is Kind.FINDING
    assert OWN.name("X:1") == "X:1"
    assert OWN.is_a("X:1", "X:1")
    assert not OWN.is_a("X:1", code("effusion"))
    assert OWN.ancestors("X:1") == OWN.descendants("X:1") == OWN.names("X:1") == ()
    assert OWN.find("no such name at all") == ""


RELATED = [
    Term(id="R:0", term="anatomical entity"),
    Term(id="R:1", term="zorb", parents=("R:0",)),
    Term(id="R:2", term="left zorb", parents=("zorb",)),
    Term(id="R:3", term="left pleural effusion", parents=("R:4",)),
    Term(id="R:4", term="hydrothorax", synonyms=("fluid of the zorb",), kind="Finding"),
    Term(id="R:5", term="krell", parents=("R:6", "R:5", "R:99")),
    Term(id="R:6", term="krellid", parents=("R:5",)),
    Term(id="R:7", term="zorb silver stain"),
]


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Concepts:
    path = tmp_path_factory.mktemp("dictionary") / "own.dict"
    compile_dictionary(RELATED, path)
    return open_dictionary(path).concepts


def test_kinds_come_from_ancestors_and_from_the_last_word(merged: Concepts) -> None:
    assert merged.kind("R:2") is Kind.ANATOMY
    assert merged.kind("R:3") is Kind.FINDING
    assert merged.kind("R:7") is Kind.STAIN


def test_dictionaries_meet_where_they_share_a_name(merged: Concepts) -> None:
    effusion, pleural = merged.find("effusion"), merged.find("pleural effusion")
    assert merged.is_a("R:4", pleural)
    assert merged.is_a(pleural, "R:4")
    assert merged.is_a("R:3", effusion)
    assert not merged.is_a(effusion, "R:3")
    assert "R:3" in merged.descendants(effusion)
    assert merged.name("R:4") == "pleural effusion"
    assert "fluid of the zorb" in merged.names(pleural)


def test_circles_end_and_unknown_parents_are_left_out(merged: Concepts) -> None:
    assert merged.ancestors("R:5") == ("R:6",)
    assert merged.descendants("R:5") == ("R:6",)


def test_what_two_dictionaries_call_one_thing_is_read_from_names_in_both_directions() -> None:
    first = in_memory([Term(id="A:1", term="zorbosis", kind="disease", synonyms=("krell rot",))])
    second = in_memory([Term(id="B:1", term="krell rot", parents=("B:2",)),
                        Term(id="B:2", term="rot of krells")])  # fmt: skip
    for parts in ([first, second], [second, first]):
        concepts = Concepts(parts)
        assert concepts.same("A:1") == concepts.same("B:1") == {"A:1", "B:1"}
        assert concepts.is_a("A:1", "B:2")
        assert concepts.kind("B:1") is Kind.DISEASE


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25))
def test_laws_of_any_hierarchy(pairs: list[tuple[int, int]]) -> None:
    parents: dict[int, list[str]] = {n: [] for n in range(10)}
    for child, parent in pairs:
        parents[child].append(f"T:{parent}")
    concepts = Concepts(
        [
            in_memory(
                [Term(id=f"T:{n}", term=f"zorb{n}", parents=tuple(p)) for n, p in parents.items()]
            )
        ]
    )
    every = [f"T:{n}" for n in parents]
    for one in every:
        ancestors, descendants = concepts.ancestors(one), concepts.descendants(one)
        assert one not in ancestors
        assert one not in descendants
        for other in every:
            assert concepts.is_a(one, other) == (other == one or other in ancestors)
            assert (other in ancestors) == (one in concepts.descendants(other))


def test_sources_bring_their_hierarchies(tmp_path: Path) -> None:
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    for name, narrow, wide, kind in [
        ("demo.obo", "D:2", "D:1", Kind.DISEASE),
        ("demo.owl", "RID2", "RID1", Kind.FINDING),
        ("desc.xml", "D02", "D01", Kind.ANATOMY),
        ("META", "C0000002", "C0000001", Kind.SYMPTOM),
        ("demo.csv", "RID2", "RID1", Kind.DEVICE),
    ]:
        part = in_memory([t for t in read_terms(tmp_path / name) if isinstance(t, Term)])
        concepts = Concepts([part])
        assert concepts.ancestors(narrow) == (wide,), name
        assert concepts.descendants(wide) == (narrow,), name
        assert concepts.kind(narrow) is kind, name


_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
SOURCES = {
    "demo.obo": (
        "ontology: demo\n\n[Term]\nid: D:1\nname: disease\n\n[Term]\nid: D:2\nname: zorbosis\n"
        'is_a: D:1 {source="x"} ! disease\nis_a: D:9 ! absent\n'
    ),
    "demo.owl": (
        f'<rdf:RDF xmlns:rdf="{_RDF}" xmlns:owl="http://www.w3.org/2002/07/owl#"'
        ' xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#">'
        '<owl:Class rdf:about="http://x/RID/RID1"><rdfs:label>imaging observation</rdfs:label>'
        '</owl:Class><owl:Class rdf:about="http://x/RID/RID2"><rdfs:label>zorb</rdfs:label>'
        '<rdfs:subClassOf rdf:resource="http://x/RID/RID1"/>'
        "<rdfs:subClassOf><owl:Restriction/></rdfs:subClassOf></owl:Class></rdf:RDF>"
    ),
    "desc.xml": "<DescriptorRecordSet>"
    + "".join(
        f"<DescriptorRecord><DescriptorUI>{ui}</DescriptorUI><DescriptorName><String>{name}"
        f"</String></DescriptorName><TreeNumberList><TreeNumber>{tree}</TreeNumber>"
        "</TreeNumberList></DescriptorRecord>"
        for ui, name, tree in [("D02", "Zorb, Left", "A01.1.2"), ("D01", "Zorb", "A01.1")]
    )
    + "</DescriptorRecordSet>",
    "META/MRCONSO.RRF": "".join(
        f"C000000{n}|ENG|P|L|PF|S|Y|A||||MSH|MH|D|{name}|0|N||\n"
        for n, name in [(1, "Zorb"), (2, "Small zorb")]
    ),
    "META/MRSTY.RRF": "".join(f"C000000{n}|T184|A|Sign or Symptom|AT||\n" for n in (1, 2)),
    "META/MRREL.RRF": (
        "C0000001|A1|AUI|CHD|C0000002|A2|AUI|isa|R1||MSH|MSH|||N||\n"
        "C0000001|A1|AUI|RO|C0000002|A2|AUI|part_of|R2||MSH|MSH|||N||\n"
        "C0000002|A2|AUI|PAR|C0000001|A1|AUI|inverse_isa|R3||MSH|MSH|||N||\n"
    ),
    "demo.csv": (
        "Class ID,Preferred Label,Parents\nhttp://x/RID1,medical device,\n"
        "http://x/RID2,zorb,http://x/RID1|http://x/RID7\n"
    ),
}


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("The heart is normal in size.", "heart"),
        ("Normal chest radiograph.", "chest"),
        ("Unremarkable CT head.", "brain"),
        ("Normal fundus.", "retina"),
        ("Lungs are clear.", "lung"),
        ("Benign breast tissue.", "breast"),
        ("The mediastinum is within normal limits.", "mediastinum"),
        ("No pathological diagnosis.", ""),
    ],
)
def test_normality_is_affirmed_of_a_region(text: str, region: str) -> None:
    found = [m for m in glossary().recognise([text])[0] if m.kind is Kind.NORMAL]
    assert [
        (m.assertion, OWN.region(m.concept) and OWN.name(OWN.region(m.concept))) for m in found
    ] == [(Assertion.AFFIRMED, region)]
    assert OWN.is_a(found[0].concept, code("normal study"))
