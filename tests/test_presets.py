"""Presets: what each needs is said before anything is loaded."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.errors import QueryError
from mmedrag.presets import MODELS, PRESETS, Stages, build, find_preset
from mmedrag.protocols import ContextFilter, Embedder, ModalityClassifier, Reranker
from mmedrag.types import Query


def test_every_preset_is_found_by_its_name() -> None:
    names = [preset.name for preset in PRESETS]
    assert len(set(names)) == len(names)
    assert names[0] == "offline"
    for preset in PRESETS:
        assert find_preset(preset.name) is preset
        assert preset.summary
        assert preset.needs


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(QueryError, match=r"no preset called moon.*offline"):
        build("moon")


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS])
def test_an_unknown_role_is_refused_before_models_are_loaded(preset: str) -> None:
    with pytest.raises(QueryError, match="no model called moon"):
        build(preset, {"moon": "x"})


def test_the_stages_keep_their_protocols(offline: Stages) -> None:
    assert isinstance(offline.embedder, Embedder)
    assert isinstance(offline.classifier, ModalityClassifier)
    assert isinstance(offline.reranker, Reranker)
    assert isinstance(offline.context_filter, ContextFilter)
    (vector,) = offline.embedder.embed([Query("pleural effusion")])
    assert vector.shape == (offline.embedder.dim,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_the_tuned_text_encoder_hears_negation_better() -> None:
    tuned, plain = build("tuned"), build("offline")
    texts = [
        "Small left pleural effusion.",
        "A small pleural effusion is present on the left.",
        "No left pleural effusion.",
    ]
    statement, same, denied = tuned.texts.encode(texts)
    before = plain.texts.encode(texts)
    assert statement @ same - statement @ denied > before[0] @ before[1] - before[0] @ before[2]
    (routing,) = tuned.classifier.classify([Query("pleural effusion")])
    assert routing.decision == "radiology"


def test_all_shipped_weights_are_at_most_60_megabytes() -> None:
    sizes = [file.stat().st_size for file in MODELS.rglob("*") if file.is_file()]
    assert 50e6 < sum(sizes) <= 60e6
