"""Records to search, and who is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.assembly import dictionary
from mmedrag.errors import CorpusError
from mmedrag.paper.candidates import RerankQuery, rerank_queries
from mmedrag.paper.gallery import Gallery, read_gallery
from mmedrag.presets import Stages
from mmedrag.types import Case


def cases(query: RerankQuery) -> list[Case]:
    return [e.item for e in query.evidence if isinstance(e.item, Case)]


def test_choices_are_made_without_the_patients_who_are_asked_about(
    gallery: Gallery, offline: Stages
):
    parts = {case.id: part for case, part in zip(gallery.cases, gallery.roles, strict=True)}
    assert {case.split for case in gallery.cases if parts[case.id] == "tuned"} == {"train"}
    for query in rerank_queries(gallery, offline.embedder, dictionary(), "tuned", limit=2):
        assert "asked" not in [parts[case.id] for case in cases(query)]


def test_a_split_that_is_not_there_is_refused(records: Path, offline: Stages):
    with pytest.raises(CorpusError, match="night"):
        read_gallery([records], offline.embedder, dictionary(), split="night", size=10)
