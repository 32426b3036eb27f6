"""Verdicts that readers gave, as examples of the reward model."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.assembly import create, dictionary
from mmedrag.casebase.casebase import Casebase
from mmedrag.casebase.feedback import FILE, FeedbackFile
from mmedrag.errors import CorpusError
from mmedrag.indexing import index
from mmedrag.presets import Stages
from mmedrag.training.bradley_terry import preferences
from mmedrag.training.feedback import judged
from mmedrag.types import Case


@pytest.fixture
def casebase(phantoms: list[Case], offline: Stages, tmp_path: Path) -> Path:
    opened, _ = create(tmp_path / "own.casebase")
    with opened:
        index(phantoms[:6], opened, offline.embedder, offline.classifier, definitions=dictionary())
    return tmp_path / "own.casebase"


def test_verdicts_become_examples(casebase: Path, offline: Stages) -> None:
    with Casebase.open(casebase, readonly=True) as opened:
        first, second, third = list(opened.ids())[:3]
    file = FeedbackFile(casebase)
    for case, verdict, image in (
        (first, "not relevant", False), (first, "relevant", False), (second, "not relevant", False),
        ("gone", "relevant", False), (third, "relevant", True),
    ):  # fmt: skip
        given = {"question": "Is there a mass?", "image": image, "case": case, "verdict": verdict}
        file.add(given, "reader")
    file.add({"question": "A mass?", "case": "", "verdict": "wrong"}, "reader")
    with (casebase / FILE).open("a", encoding="utf-8") as text:
        text.write('[1]\n{"question": "cut of')
    examples = judged(casebase, offline.embedder, offline.classifier, dictionary(), first=7)
    assert [(e.evidence.item.id, e.right, e.number) for e in examples] == [
        (first, True, 7), (second, False, 7),
    ]  # fmt: skip
    assert preferences(examples).tolist() == [[0, 1]]


def test_a_casebase_without_verdicts_is_told(casebase: Path, offline: Stages) -> None:
    with pytest.raises(CorpusError, match="no verdicts"):
        judged(casebase, offline.embedder, offline.classifier, dictionary())
