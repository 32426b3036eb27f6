"""The knowledge of a corpus: learned from the cases of a database, kept in its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmedrag.casebase import Casebase
from mmedrag.casebase.folder import KNOWLEDGE
from mmedrag.knowledge.corpus import knowledge_of
from mmedrag.types import Case, Domain, Entry


def test_only_new_cases_are_read(terms, tmp_path: Path) -> None:
    vector = np.zeros(4, np.float32)
    cases = [
        Case(id=str(i), text="Pleural effusion. No pneumothorax.", domain=domain)
        for i, domain in enumerate((Domain.RADIOLOGY, Domain.PATHOLOGY))
    ]
    with Casebase.create(tmp_path / "cases", dim=4, fingerprint="f", preset="p") as made:
        made.add([Entry(cases[0], vector, "a", None)])
        knowledge, notices = knowledge_of(made, terms)
        assert knowledge.counts.patients == 1
        assert notices == ["1 of 1 cases were read for the graph"]
        assert (made.folder / KNOWLEDGE).exists()
        made.add([Entry(cases[1], vector, "b", None)])
        assert knowledge_of(made, terms)[1] == ["1 of 2 cases were read for the graph"]
        knowledge, notices = knowledge_of(made, terms, "pathology")
        assert knowledge.counts.patients == 1
        assert notices == []
