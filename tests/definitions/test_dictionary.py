"""Compiled dictionaries: made, opened, merged, damaged; the glossary; real ontologies."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import threading
from itertools import chain
from pathlib import Path

import pytest

from mmedrag import definitions
from mmedrag.definitions import (
    Dictionary,
    Term,
    compile_dictionary,
    glossary,
    open_dictionary,
    read_terms,
)
from mmedrag.definitions.compiled import CompiledDictionary
from mmedrag.errors import CorpusError
from mmedrag.testing.definition_source import DefinitionSourceContract
from mmedrag.types import Assertion, Kind, Problem

TERMS = [
    Term(id="A:1", term="left pleural effusion"),
    Term(id="A:2", term="hydrothorax", synonyms=("azure fluid",)),
    Term(id="A:3", term="blue spot", definition="A spot that is blue.", licence="CC0"),
    Term(id="A:4", term="consolidation", definition="Another definition."),
    Term(id="A:5", term="azure fluid", definition="Fluid that is blue."),
    Term(id="A:6", term="red spot"),
]
GLOSSARY = Path(definitions.__file__).with_name("glossary.jsonl")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dictionary") / "own.dict"
    compile_dictionary(TERMS, path)
    return path


class TestGlossaryContract(DefinitionSourceContract):
    source = glossary()

    def make(self) -> Dictionary:
        return self.source


class TestMergedContract(DefinitionSourceContract):
    examples = ("A blue spot and a left pleural effusion.", "Consolidation. Azure fluid. Red spot.")

    @classmethod
    def setup_class(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        path = Path(cls.folder.name) / "own.dict"
        compile_dictionary(TERMS, path)
        cls.source = open_dictionary(path)

    @classmethod
    def teardown_class(cls) -> None:
        cls.source.close()
        cls.folder.cleanup()

    def make(self) -> Dictionary:
        return self.source


def defined(source: Dictionary, text: str, limit: int = 8) -> list[tuple[str, str]]:
    return [(d.concept, d.text) for d in source.define(source.recognise([text]), limit)]


def test_the_glossary_comes_first(compiled: Path) -> None:
    merged = open_dictionary(compiled)
    assert defined(merged, "Consolidation.")[0][0].startswith("MMR:")
    alone = open_dictionary(compiled, with_glossary=False)
    assert defined(alone, "Consolidation.") == [("A:4", "Another definition.")]


def test_the_first_dictionarys_definitions_come_first_within_a_text(compiled: Path) -> None:
    found = defined(open_dictionary(compiled), "Blue spot, azure fluid, consolidation.", 2)
    assert [concept[:3] for concept, _ in found] == ["MMR", "A:3"]


def test_a_term_without_definition_borrows_that_of_its_synonym_or_of_what_it_is(
    compiled: Path,
) -> None:
    alone = open_dictionary(compiled, with_glossary=False)
    assert defined(alone, "Hydrothorax.") == [("A:5", "Fluid that is blue.")]
    assert defined(alone, "Left pleural effusion. Red spot.") == []
    merged = open_dictionary(compiled)
    (mention,) = merged.recognise(["Left pleural effusion."])[0]
    assert mention.concept == "A:1"
    assert [d.term for d in merged.define([[mention]], 8)] == ["pleural effusion"]


def test_findings_are_defined_before_technique() -> None:
    own = glossary()
    mentions = own.recognise(["Chest radiograph. Pneumothorax.", "Mass on CT."])
    assert [d.term for d in own.define(mentions, 3)] == ["pneumothorax", "chest radiograph", "mass"]


def test_only_affirmed_mentions_are_defined_but_all_are_kept() -> None:
    own = glossary()
    (mentions,) = own.recognise(["Right lower lobe consolidation, no effusion"])
    assert [(m.term, m.assertion) for m in mentions] == [
        ("lower lobe", Assertion.AFFIRMED),
        ("consolidation", Assertion.AFFIRMED),
        ("effusion", Assertion.NEGATED),
    ]
    definition = own.define([mentions], 8)[0]
    assert (definition.term, definition.licence) == ("consolidation", "Apache-2.0")


def test_compiling_counts_and_reports(tmp_path: Path) -> None:
    problem = Problem(Path("x.obo"), 3, "a term without id or name")
    made = compile_dictionary([*TERMS, problem], tmp_path / "own.dict")
    assert (made.terms, made.defined, made.broken, made.problems) == (6, 3, 1, (problem,))
    assert [path.name for path in tmp_path.iterdir()] == ["own.dict"]


def test_compiling_nothing_leaves_the_old_file(compiled: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.dict"
    path.write_bytes(compiled.read_bytes())
    with pytest.raises(CorpusError, match=r"x\.obo:3"):
        compile_dictionary([Problem(Path("x.obo"), 3, "broken")], path)
    assert path.read_bytes() == compiled.read_bytes()
    assert len(list(tmp_path.iterdir())) == 1


def test_compiling_twice_gives_the_same_answers(compiled: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.dict"
    compile_dictionary(TERMS, again)
    assert again.read_bytes() == compiled.read_bytes()


def test_a_folder_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="Choose a folder"):
        compile_dictionary(TERMS, tmp_path / "absent" / "own.dict")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"no database at all" * 99])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.dict"
    path.write_bytes(content)
    with pytest.raises(CorpusError):
        open_dictionary(path)
    with pytest.raises(CorpusError, match="No dictionary"):
        open_dictionary(tmp_path / "absent.dict")


def test_a_dictionary_of_other_rules_is_refused(compiled: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.dict"
    path.write_bytes(compiled.read_bytes())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE about SET value = -1 WHERE key = 'wording'")
    connection.commit()
    connection.close()
    with pytest.raises(CorpusError, match="another version"):
        open_dictionary(path)


def test_a_dictionary_of_an_older_format_is_refused_with_the_remedy(
    compiled: Path, tmp_path: Path
) -> None:
    path = tmp_path / "old.dict"
    path.write_bytes(compiled.read_bytes())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=1")
    connection.commit()
    connection.close()
    with pytest.raises(CorpusError, match="Compile it again"):
        open_dictionary(path)


def test_damage_gives_an_error_or_the_same_answer(compiled: Path, tmp_path: Path) -> None:
    whole = compiled.read_bytes()
    expected = answers(compiled)
    path = tmp_path / "damaged.dict"
    detected = 0
    for at in range(0, len(whole), 61):
        damaged = bytearray(whole)
        damaged[at] ^= 0x15
        path.write_bytes(damaged)
        try:
            assert answers(path) == expected
        except CorpusError:
            detected += 1
    assert detected


def answers(path: Path) -> list[object]:
    text = "Blue spot. Azure fluid. Consolidation. Left pleural effusion. Hydrothorax."
    part = CompiledDictionary.open(path)
    try:
        source = Dictionary([part])
        mentions = source.recognise([text])
        return [mentions, source.define(mentions, 8)]
    finally:
        part.close()


def test_threads_share_a_dictionary(compiled: Path) -> None:
    shared = open_dictionary(compiled)
    text = "Blue spot, consolidation, left pleural effusion, no drusen."
    expected = shared.recognise([text] * 3)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(open_and_ask(shared, text))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def open_and_ask(shared: Dictionary, text: str) -> object:
    return shared.recognise([text] * 3)


ROWS = [json.loads(line) for line in GLOSSARY.read_text("utf-8").splitlines()]


def test_the_glossary_is_complete() -> None:
    assert len(ROWS) >= 1200
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    for domain in ("radiology", "pathology", "ophthalmology"):
        assert sum(domain in row["domains"] for row in ROWS) >= 100
    assert {row["kind"] for row in ROWS} <= set(Kind)
    assert all(row["definition"].endswith(".") and len(row["definition"]) > 25 for row in ROWS)


def test_each_name_of_the_glossary_leads_to_its_own_term() -> None:
    own = glossary()
    wrong = []
    for row in ROWS:
        written = [row["term"], *row["synonyms"], *row["abbreviations"], row.get("plural")]
        for name in filter(None, written + row.get("lay", [])):
            contexts = row.get("contexts", {}).get(name, ["*"])
            text = name if "*" in contexts else f"{name} {contexts[0].strip('@')}"
            found = [(m.text, m.concept) for m in own.recognise([text])[0]]
            if found[:1] != [(name, row["id"])]:
                wrong.append((name, found))
    assert not wrong


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("MS with periventricular plaques", "multiple sclerosis"),
        ("MS, valve area 1.1 cm2", "mitral stenosis"),
        ("AML of the left kidney with fat", "angiomyolipoma"),
        ("Marrow with blasts: AML", "acute myeloid leukaemia"),
        ("MR of the brain", "magnetic resonance imaging"),
        ("AS with a gradient of 60 mmHg", "aortic stenosis"),
        ("AS with a bamboo spine", "ankylosing spondylitis"),
    ],
)
def test_the_words_around_an_abbreviation_choose_its_meaning(text: str, term: str) -> None:
    assert term in [m.term for m in glossary().recognise([text])[0]]


def test_an_ambiguous_abbreviation_alone_means_nothing() -> None:
    assert glossary().recognise(["AS"]) == [()]


PHANTOMS = """
consolidation; pleural effusion; pneumothorax; cardiomegaly; fracture; mass; nodule; atelectasis;
pulmonary oedema; adenocarcinoma; mitosis; necrosis; lymphocytic infiltrate; dysplasia; gland;
nucleus; optic disc swelling; papilloedema; optic disc; hard exudate; retinal haemorrhage;
cotton wool spot; microaneurysm; drusen; macula; cup-to-disc ratio
"""


def test_the_vocabulary_of_the_phantoms_is_defined() -> None:
    assert {term.strip() for term in PHANTOMS.split(";")} <= {row["term"] for row in ROWS}


@pytest.mark.long
def test_real_ontologies(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "definitions").glob("*.jsonl"))
    made = compile_dictionary(chain.from_iterable(map(read_terms, files)), tmp_path / "all.dict")
    # RadLex has a quantity "none", which is taken for an empty cell.
    assert (len(files), made.terms, made.broken) == (4, 66_262, 1)
    source = open_dictionary(made.path)
    reports = (shared_data / "iu_xray_text" / "records.jsonl").read_text("utf-8").splitlines()[:51]
    mentions = source.recognise([json.loads(line)["text"] for line in reports])
    assert sum(map(len, mentions)) > 200
    words = {m.text.lower() for text in mentions for m in text}
    assert not words & {"all", "left", "right", "finding", "patient", "normal", "no", "and"}
    found = source.define(mentions, 8)
    assert len(found) == 8
    assert all(d.text for d in found)
    assert defined(source, "Arachnodactyly.")[0][0] == "HP:0001166"


def test_a_dictionary_that_is_mostly_broken_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.definitions.compilation.MOST_BROKEN", 5)
    table = tmp_path / "own.csv"
    table.write_text('term,definition\nzorb,"A spot\n' + "x\n" * 2000)
    with pytest.raises(CorpusError, match="line 2 that is never closed"):
        compile_dictionary(read_terms(table), tmp_path / "own.dict")
    assert not (tmp_path / "own.dict").exists()
    table.write_text("term,definition\n" + "zorb,x\n,y\n" * 100)
    assert compile_dictionary(read_terms(table), tmp_path / "own.dict").terms == 100


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("PML", ["progressive multifocal leukoencephalopathy"]),
        ("PML?", ["progressive multifocal leukoencephalopathy"]),
        ("PML was normal", []),
        ("PML in the brain of a man with HIV", ["progressive multifocal leukoencephalopathy"]),
    ],
)
def test_an_abbreviation_alone_stands_for_the_one_thing_that_is_known(
    text: str, named: list[str]
) -> None:
    (mentions,) = glossary().recognise([text])
    assert [m.term for m in mentions if m.text == "PML"] == named
