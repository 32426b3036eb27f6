"""The study of rerankers as a section."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedrag.paper import rerank_latency, rerank_section
from mmedrag.paper.gallery import Gallery
from mmedrag.paper.rerank import (
    DEFAULT,
    OURS,
    STANDARD,
)


def test_the_section_tells_what_was_measured(
    records: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
):
    def embedded_before(paths: list[Path], *_: object, split: str, size: int, **__: object):
        assert (paths, split, size) == ([records], "val", 50)
        return gallery

    monkeypatch.setattr(rerank_section, "read_gallery", embedded_before)
    monkeypatch.setattr(rerank_section, "TIMED", 2)
    monkeypatch.setattr(rerank_latency, "ROUNDS", 1)
    monkeypatch.setattr(rerank_latency, "SIZES", (20, 40))
    section = rerank_section.evaluate_rerank([records], gallery=50, queries=2)
    arms = section.data["rerankers"]["new"]
    assert arms[STANDARD]["against_cosine"]["nDCG@10"]["difference"] == 0.0
    assert arms[DEFAULT]["repeated"] <= arms[OURS]["repeated"]
    stages = section.data["latency"]["methods"]["paper's Graph-RAG"]
    assert stages["total"][0] >= stages["rerank"][0] > 0.0
    assert list(section.data["latency"]["candidates"]) == [20, 40]
    assert {d.what for d in section.disagreements} >= {"redundancy", "response time (Fig. 2)"}
    assert all(len(row) == len(table.header) for table in section.tables for row in table.rows)
    assert json.loads(json.dumps(section.data)) is not None
    assert all("<svg" in figure.draw() for figure in section.figures)
