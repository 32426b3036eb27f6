"""The words of stored reports: what is right because it is there, and what may have been meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmedrag.assembly import assemble, configure, create, dictionary
from mmedrag.casebase import Casebase, Entry
from mmedrag.casebase.words import COMMON
from mmedrag.indexing import index
from mmedrag.presets import Stages
from mmedrag.protocols import Words
from mmedrag.testing.case_index import DIM
from mmedrag.types import Case, Query
from mmedrag.views.console import context_text
from mmedrag.views.page import page
from mmedrag.views.trace import context_json

TEXTS = [
    *["Zorbelian halo around the lens."] * COMMON,
    "A quorvex was seen.",
    "Pleural effusion on the left.",
    "No pleural effusion.",
    "Small efusoid body.",
]


@pytest.fixture
def casebase(tmp_path: Path):
    with Casebase.create(tmp_path / "x", dim=DIM, fingerprint="f", preset="p") as made:
        vector = np.zeros(DIM, np.float32)
        made.add([Entry(Case(id=str(i), text=t), vector, "", None) for i, t in enumerate(TEXTS)])
        yield made


def test_words_are_counted_with_their_inflections(casebase: Casebase) -> None:
    assert isinstance(casebase, Words)
    assert casebase.frequency("zorbelian") == COMMON
    assert casebase.frequency("effusions") == 2
    assert casebase.frequency("nobody") == 0
    assert casebase.frequency('" OR "lens') == 0


def test_similar_words_are_those_of_several_reports(casebase: Casebase) -> None:
    assert casebase.similar("zorbellian") == {"zorbelian": 1}
    assert casebase.similar("quorvax") == {}
    assert casebase.similar("zzzzzz") == casebase.similar("7") == casebase.similar("") == {}


def test_deleted_words_are_gone(casebase: Casebase) -> None:
    casebase.delete(["0"])
    assert casebase.similar("zorbellian") == {}
    casebase.delete(["1", "2"])
    assert casebase.frequency("zorbelian") == 0


@pytest.fixture
def rag(tmp_path: Path, offline: Stages):
    made, _ = create(tmp_path / "y")
    cases = [Case(id=str(i), text=text, domain="radiology") for i, text in enumerate(TEXTS)]
    with made:
        index(cases, made, offline.embedder, offline.classifier, definitions=dictionary())
        yield assemble(offline, made, dictionary())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plueral efusion", "pleural effusion"),
        ("zorbellian halo", "zorbelian halo"),
        ("a quorvex", "a quorvex"),
        ("small efusoid body", "small efusoid body"),
        ("case 7 of Efusion", "case 7 of Efusion"),
    ],
)
def test_a_question_is_corrected_by_both_vocabularies(rag, written: str, read: str) -> None:
    question = rag.retrieve(Query(written, domain="radiology")).question
    assert question.query.text == read
    assert question.written == written
    verbatim = configure(rag, verbatim=True).retrieve(Query(written, domain="radiology")).question
    assert verbatim.query.text == written
    assert verbatim.corrections == ()


def test_corrections_are_said_everywhere(rag) -> None:
    context = rag.retrieve(Query("plueral efusion", domain="radiology"))
    trace = context_json(context)
    assert [(c["written"], c["meant"]) for c in trace["corrections"]] == [
        ("plueral", "pleural"),
        ("efusion", "effusion"),
    ]
    assert trace["query"]["text"] == "pleural effusion"
    assert trace["query"]["written"] == "plueral efusion"
    for said in (context_text(context), page(context, rag.preview)):
        assert "plueral" in said
        assert "Searched for reports with pleural effusion" in said
    assert context.gathered[0].name == "4"
