"""The findings that a question and a report share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mmedrag.assembly import dictionary
from mmedrag.serving.why import _findings
from mmedrag.types import Case

RAG = SimpleNamespace(definitions=dictionary())


@pytest.mark.parametrize(
    ("question", "report", "shared", "differing"),
    [
        ("Is there a pleural effusion?", "Moderate right effusion.", ["effusion"], []),
        ("Effusion?", "Small pleural effusion.", ["pleural effusion"], []),
        ("Pleural effusion?", "No effusion.", [], ["effusion"]),
        ("No effusion.", "Small pleural effusion.", [], ["pleural effusion"]),
        ("Mass?", "Ribs are unremarkable. Pneumothorax.", [], []),
        ("", "Small pleural effusion.", [], []),
    ],
)
def test_findings_are_compared_with_their_kinds(question, report, shared, differing) -> None:
    found = _findings(RAG, question, Case(id="x", text=report))
    assert found == {"shared": shared, "differing": differing}
