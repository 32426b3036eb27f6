"""How diagnoses and labels were read is kept, believed where it is sound, and erased."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmedrag.casebase import Casebase
from mmedrag.casebase.folder import NAMES
from mmedrag.definitions import glossary
from mmedrag.knowledge import names
from mmedrag.knowledge.names import ReadNames, keep_names
from mmedrag.protocols import DefinitionSource
from mmedrag.types import Assertion, Case, Entry, Kind, Mention

TEXTS = ["acute pneumonia of the left lower lobe", "no fracture", "nothing that is known", ""]


class Counting:
    """A source that remembers what it was asked to read."""

    def __init__(self, fingerprint: str = "") -> None:
        self.fingerprint = fingerprint or glossary().fingerprint
        self.define = glossary().define
        self.asked: list[str] = []

    def recognise(self, texts):
        self.asked += texts
        return glossary().recognise(texts)


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    read = glossary().recognise(TEXTS)
    names.save(tmp_path / NAMES, glossary().fingerprint, dict(zip(TEXTS, read, strict=True)))
    return tmp_path / NAMES


def test_what_is_kept_is_not_read_again(file):
    source = Counting()
    kept = ReadNames(source, file)
    assert isinstance(kept, DefinitionSource)
    wanted = [*TEXTS, "mass", TEXTS[0]]
    assert kept.recognise(wanted) == glossary().recognise(wanted)
    assert source.asked == ["mass"]


def test_few_more_are_read_anew_and_many_are_not(file):
    source = Counting()
    kept = ReadNames(source, file)
    for _ in range(2):
        assert kept.recognise(TEXTS) == glossary().recognise(TEXTS)
    assert source.asked == TEXTS
    many = [*TEXTS * names.FEW]
    assert kept.recognise(many) == glossary().recognise(many)
    assert source.asked == TEXTS


def test_the_words_are_not_in_the_file(file):
    content = file.read_text("utf-8")
    assert "left lower" not in content
    assert "nothing that" not in content


def test_a_file_of_another_dictionary_is_not_believed(file):
    source = Counting("another")
    ReadNames(source, file).recognise(TEXTS)
    assert source.asked == TEXTS


@pytest.mark.parametrize("term", ["pneumonia", "pneumo\u2028nia", "pneumo\x85nia", "a\rb"])
def test_terms_of_any_characters_are_kept(tmp_path, term):
    mention = Mention("x", 0, 1, "X:1", term, Assertion.AFFIRMED, Kind.FINDING)
    names.save(tmp_path / NAMES, "f", {"x": (mention,)})
    assert len(names.load(tmp_path / NAMES, "f")) == 1


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]\n", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_not_believed(file, damage):
    sound = file.read_bytes()
    for content in (damage, sound[:-9], sound.replace(b"affirmed", b"negated_", 1)):
        file.write_bytes(content)
        source = Counting()
        assert ReadNames(source, file).recognise(TEXTS) == glossary().recognise(TEXTS)
        assert source.asked == TEXTS


def test_deletion_erases_them(tmp_path):
    cases = [
        Case(id="a", diagnosis="Pneumonia; pleural effusion", labels=("Mass",)),
        Case(id="b", labels=("Mass", "Pleural_Effusion")),
    ]
    vector = np.array([1.0, 0.0], np.float32)
    with Casebase.create(tmp_path / "x", dim=2, fingerprint="f", preset="p") as store:
        store.add([Entry(case, vector, case.id, None) for case in cases])
        keep_names(store, glossary())
        kept = names.load(store.folder / NAMES, glossary().fingerprint)
        assert len(kept) == 4
        source = Counting()
        keep_names(store, source)
        assert source.asked == []
        assert names.load(store.folder / NAMES, glossary().fingerprint) == kept
        store.delete(["a"])
        assert not (store.folder / NAMES).exists()
