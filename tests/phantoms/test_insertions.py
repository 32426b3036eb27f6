"""Findings put into any picture: where, how much, and what the controls weigh."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmedrag.phantoms.insertions import CONTROLS, FINDINGS, inserted


def film(width: int, height: int, seed: int = 0) -> Image.Image:
    drawn = np.random.default_rng(seed).uniform(90, 150, (height, width))
    return Image.fromarray(drawn.astype(np.uint8))


def changes(images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    base = images["base"].astype(int)
    return {name: pixels.astype(int) - base for name, pixels in images.items() if name != "base"}


def test_each_change_is_what_it_says() -> None:
    found = changes(inserted(film(256, 256), 1))
    assert set(found) == {*FINDINGS, *CONTROLS}
    assert set(np.unique(found["density"])) == {0, 9}
    assert np.count_nonzero(found["density"]) == 400
    assert set(np.unique(found["hairline"])) == {-60, 0}
    assert np.count_nonzero(found["hairline"]) == 65  # a quarter of 256, both ends
    assert found["mass"].max() == 62
    assert 0.9 < np.count_nonzero(found["mass"]) / (np.pi * 28 * 22.4) < 1.1
    soft = found["soft density"]
    assert soft.sum() == np.clip(soft.sum(), 0.9 * 3600, 1.1 * 3600)
    assert np.abs(np.diff(soft, axis=0)).max() <= 2
    assert abs(found["noise"].std() - 3) < 0.1


def test_matched_noise_has_the_energy_of_the_patch() -> None:
    found = changes(inserted(film(256, 256), 2))
    energy = {name: float((change**2).sum()) for name, change in found.items()}
    rounding = 256**2 / 12
    assert abs(energy["matched noise"] - rounding - energy["density"]) < 0.1 * energy["density"]


@given(st.integers(20, 400), st.integers(20, 400), st.integers(0, 9))
def test_any_shape_and_the_seed_alone_decides(width: int, height: int, seed: int) -> None:
    picture = film(width, height)
    first, again = inserted(picture, seed), inserted(picture, seed)
    assert max(first["base"].shape) == 256
    for name, pixels in first.items():
        assert pixels.shape == first["base"].shape
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, again[name])
