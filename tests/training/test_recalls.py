"""R@k by study and caption."""

from __future__ import annotations

import numpy as np

from mmedrag.training.recalls import measure_recalls


def test_recalls_are_scored_by_group():
    vectors = np.eye(4, dtype=np.float32)
    shown = vectors[[1, 0, 2, 3]]
    alone = measure_recalls(vectors, shown, np.full((4, 2), -1)).figures()
    paired = measure_recalls(vectors, shown, np.array([[0, -1], [0, -1], [1, -1], [2, -1]]))
    assert alone["image_to_text"]["R@1"] == 0.5
    assert paired.figures()["text_to_image"]["R@1"] == 1.0
    assert paired.chance == 6 / 16
