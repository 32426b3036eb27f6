"""Where a change is seen."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.paper.localisation import score
from mmedrag.phantoms.images.sensitivity import Box


def test_localisation_score_by_hand() -> None:
    gradient = np.ones((224, 224))
    box = Box(64, 64, 128, 128)  # 56 to 112 at 224 px, a sixteenth of the area
    assert score(gradient, box) == pytest.approx(1)
    gradient[56:112, 56:112] = 16
    assert score(gradient, box) == pytest.approx(16 / (1 + 15 / 16))
    assert score(np.zeros((224, 224)), box) == 1
