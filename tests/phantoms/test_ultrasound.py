"""Drawn ultrasound: repeatable, varied, and grainy as speckle is."""

from __future__ import annotations

import numpy as np

from mmedrag.phantoms.images.ultrasound import draw_ultrasound


def test_the_same_seed_gives_the_same_image_and_others_differ() -> None:
    images = [draw_ultrasound(seed) for seed in range(6)]
    assert all(i.shape == (256, 256) and i.dtype == np.uint8 for i in images)
    assert np.array_equal(images[2], draw_ultrasound(2))
    assert len({i.tobytes() for i in images}) == 6
    assert all(20 < i[i > 0].mean() < 200 for i in images)


def test_speckle_is_grainy_where_there_is_tissue() -> None:
    image = draw_ultrasound(1).astype(float)
    inside = image[60:200, 100:156]
    neighbours = np.abs(np.diff(inside, axis=1)).mean()
    assert neighbours > 0.05 * inside.mean()
