"""The controlled experiment of section 4.4."""

from __future__ import annotations

import pytest

from mmedrag.paper.coherence import controlled, paper_spreads, predicted_shrinkage
from mmedrag.presets import Stages


def test_score_compression_is_what_arithmetic_predicts(offline: Stages):
    before, after = paper_spreads()
    assert after / before == pytest.approx(predicted_shrinkage(5), abs=0.005)
    found = controlled(offline.embedder)
    assert found.predicted == pytest.approx(0.15 / (1 + 0.85 / 4))
    assert found.even == pytest.approx(found.predicted)
    assert sum(found.paper.values()) == pytest.approx(sum(found.similarity.values()))
