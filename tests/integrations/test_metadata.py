"""What every framework's retriever gives."""

from __future__ import annotations

from pathlib import Path

from mmedrag.assembly import configure
from mmedrag.integrations.metadata import retrieved
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Case, Query


def test_a_yes_or_no_of_an_image_gives_no_more_cases_than_asked_for(
    rag: MMedRAG, image: Path
) -> None:
    context = configure(rag, k=3).retrieve(Query("Is there a pleural effusion?", image))
    cases = [e for e in context.kept if isinstance(e.item, Case)]
    assert len(cases) > 3
    assert retrieved(context, 3, definitions=False) == cases[:3]
    assert len(retrieved(context, 3, definitions=True)) == 3 + len(context.kept) - len(cases)


def test_a_history_is_whole(followed: MMedRAG) -> None:
    context = configure(followed, k=1).retrieve(Query("What has changed?", patient_id="P1"))
    assert [e.name for e in retrieved(context, 1, definitions=False)] == ["january", "june"]
