"""What was read of a deleted report is nowhere in the memory of the process that deletes it."""

from __future__ import annotations

import gc
from pathlib import Path

from mmedrag.assembly import assemble, create, dictionary
from mmedrag.indexing import index
from mmedrag.presets import Stages
from mmedrag.remembering import forget, remembered
from mmedrag.types import Case

NAMES = "wimmersperg", "traunfellner", "oxenknecht"
"""Of a patient; reports that differ otherwise too, so that none is a copy of another."""


def test_everything_that_is_remembered_is_forgotten() -> None:
    lengths = remembered(8)(len)
    assert lengths("effusion") == 8
    assert lengths.cache_info().currsize == 1
    forget()
    assert lengths.cache_info().currsize == 0


def test_a_deleted_report_leaves_the_memory(tmp_path: Path, offline: Stages) -> None:
    cases = [
        Case(
            id=f"case-{i}", text=f"{name.title()}: large left pleural effusion, drained {i} times."
        )
        for i, name in enumerate(NAMES, 1)
    ]
    definitions = dictionary()
    casebase, _ = create(tmp_path / "x.casebase")
    with casebase:
        index(cases, casebase, offline.embedder, offline.classifier, definitions=definitions)
        system = assemble(offline, casebase, definitions)
        del cases
        assert len(system.ask("large left pleural effusion").cited) > 1
        gc.collect()
        assert all(map(_texts_with, NAMES))
        assert casebase.delete(["case-1"]) == 1
        gc.collect()
        assert _texts_with(NAMES[0]) == set()


def _texts_with(word: str) -> set[str]:
    """The texts that anything refers to and that hold a word."""
    texts = {x for o in gc.get_objects() for x in gc.get_referents(o) if isinstance(x, str)}
    return {text for text in texts - {*NAMES} if word in text.lower()}
