"""The image-text space of a preset, text to image (4.1, 4.3)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmedrag import presets
from mmedrag.paper import encoders
from mmedrag.phantoms.corpus import generate
from mmedrag.types import Query


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Oracle:
    """Knows which report belongs to which image: both are embedded by the case's number."""

    dim, fingerprint = 256, "oracle"

    def __init__(self, cases) -> None:
        self.rows = unit(np.random.default_rng(1).standard_normal((len(cases), 256)))
        self.number = {c.text: i for i, c in enumerate(cases)}
        self.number |= {c.image: i for i, c in enumerate(cases)}

    def embed(self, items: list[Query], pictures=None):
        return np.stack([self.rows[self.number[q.text or q.image]] for q in items])


def test_the_pair_study_on_a_space_that_is_perfect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmedrag.datasets.records import read_records

    file = generate(30, 5, into=tmp_path)
    cases = list(read_records(file))
    stages = SimpleNamespace(embedder=Oracle(cases))
    monkeypatch.setattr(presets, "build", lambda name, models=None: stages)
    section = encoders.evaluate_encoders([file])
    of = section.data["pairs"]["all pairs"]
    assert of["AUROC"] > 0.95
    assert of["R@1"] > 0.9
    assert of["matched"] > 0.9 > 0.3 > of["mismatched"]
    assert "paper" in section.data["not_measured"]
    assert any("preset paper with the models image=" in note for note in section.notes)
