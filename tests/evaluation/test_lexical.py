"""BM25 of studies is that of the casebase."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmedrag.casebase.casebase import Casebase
from mmedrag.casebase.hybrid import relevance
from mmedrag.evaluation.lexical import bm25
from mmedrag.measures.cosines import unit_rows
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Entry, Query


def test_word_scores_are_the_casebases(phantoms: list[Case], tmp_path: Path) -> None:
    vectors = unit_rows(np.random.default_rng(4).normal(size=(90, 5)).astype(np.float32))
    with Casebase.create(tmp_path / "c", dim=5, fingerprint="f", preset="p") as casebase:
        pairs = zip(phantoms, vectors, strict=True)
        casebase.add([Entry(case, vector, case.id, None) for case, vector in pairs])
        casebase.publish()
        asked = Query(text=phantoms[3].text)
        hits = {hit.case.id: hit for hit in casebase.search(question_of(asked, vectors[0]), 90)}
    found = [hits[case.id] for case in phantoms]
    words = bm25([asked.text], [case.text for case in phantoms])[0]
    blended = relevance(np.array([hit.similarity for hit in found]), words)
    assert words.max() > 1
    assert blended == pytest.approx([hit.relevance for hit in found], abs=1e-6)
