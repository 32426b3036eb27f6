"""Every strategy of Table C, trained and untrained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmedrag.encoders.strategies import STRATEGIES
from mmedrag.errors import CorpusError, UntrainedError
from mmedrag.paper.fusion_tables import PAPER, FusionStudy
from mmedrag.paper.strategies import (
    CONTROL,
    PLAIN,
    TRAINED,
    UNTRAINED,
    Benches,
    checkpoints,
)
from mmedrag.training.pairs import Pairs


def test_every_strategy_has_its_rows(found: tuple[FusionStudy, Benches]) -> None:
    finding, _ = found
    kinds = {(row.name, row.kind) for row in finding.rows}
    assert {(name, kind) for name in STRATEGIES for kind in (UNTRAINED, TRAINED)} <= kinds
    assert {("early", PLAIN), ("concat", PLAIN), ("noise", CONTROL)} <= kinds
    assert set(PAPER) == {*STRATEGIES, "early"}
    for row in finding.rows:
        assert row.figures["separation"] == pytest.approx(1 - row.figures["random_pair"])
        assert row.figures["self_similarity"] == pytest.approx(1, abs=1e-5)
        assert (row.tune_mrr is not None) == (row.kind in (PLAIN, TRAINED))


def test_training_aligns_image_and_text(found: tuple[FusionStudy, Benches]) -> None:
    finding, _ = found
    for name in ("contrastive", "mlp", "weighted", "gated", "deepset", "cross-attention"):
        trained, raw = (finding.row(name, kind).figures for kind in (TRAINED, UNTRAINED))
        assert trained["auroc"] > raw["auroc"] + 0.05, name
        assert trained["mean MRR"] > raw["mean MRR"], name


def test_a_folder_without_a_strategy_is_an_error(
    tmp_path: Path, pairs: tuple[Pairs, Pairs, Pairs]
) -> None:
    with pytest.raises(UntrainedError, match="no trained fusion"):
        next(checkpoints(*pairs[:2], {}, tmp_path))


def test_nothing_held_out_is_an_error(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    nothing = pairs[2].taken(np.zeros(len(pairs[2]), np.bool_))
    with pytest.raises(CorpusError, match="held out"):
        Benches.of(nothing)
