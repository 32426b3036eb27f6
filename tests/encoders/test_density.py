"""The density window against its formula and its theory, and the direct sum of two encoders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_onnx import CHANNELS, write_card

from mmedrag.encoders.density import Beside, DensityWindow, WindowedEncoder, smoothed
from mmedrag.encoders.image import ImageEncoder, OnnxImageEncoder
from mmedrag.testing.embedder import picture

PLAIN = DensityWindow(edge=0)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> OnnxImageEncoder:
    return OnnxImageEncoder.from_card(write_card(tmp_path_factory.mktemp("tiny")), threads=1)


def grey(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def shown(pixels: np.ndarray, window: DensityWindow = PLAIN) -> np.ndarray:
    return np.asarray(window(grey(pixels)), dtype=float)


def with_patch(pixels: np.ndarray) -> np.ndarray:
    changed = pixels.copy()
    changed[118:138, 118:138] += 9
    return changed


def test_smoothing_is_its_formula() -> None:
    pixels = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
    found = smoothed(pixels, 1.5)
    for y in range(6):
        for x in range(9):
            near = [
                (np.exp(-((y - r) ** 2 + (x - c) ** 2) / (2 * 1.5**2)), pixels[r, c])
                for r in range(6)
                for c in range(9)
            ]
            expected = sum(w * v for w, v in near) / sum(w for w, _ in near)
            assert found[y, x] == pytest.approx(expected, abs=1e-5)


@given(st.integers(0, 255), st.integers(1, 80), st.integers(1, 80))
def test_a_flat_picture_shows_nothing(level: int, width: int, height: int) -> None:
    found = DensityWindow()(Image.new("L", (width, height), level))
    assert max(found.size) == 256
    np.testing.assert_array_equal(np.asarray(found), 128)


def test_the_window_does_not_see_brightness() -> None:
    pixels = np.random.default_rng(1).uniform(60, 120, (256, 256))
    assert np.abs(shown(pixels) - shown(pixels.round() + 40)).max() <= 1


def test_a_faint_patch_is_amplified_where_it_lies_and_noise_is_not() -> None:
    flat = np.full((256, 256), 100.0)
    patch = shown(with_patch(flat)) - 128
    noise = shown(flat + np.random.default_rng(2).normal(0, 3, flat.shape)) - 128
    assert patch[128, 128] > 15  # 9 grey levels, seen through the band, times ten
    assert abs(patch[128, 20]) <= 1
    assert (patch**2).sum() > 5 * (noise**2).sum()  # in pixels it is 18 times less
    assert (9**2 * 400) < (3**2 * 256**2) / 18


def test_lines_are_drawn_over_and_noise_is_not() -> None:
    flat = np.full((256, 256), 150.0)
    line = flat.copy()
    line[np.arange(80, 180), np.arange(80, 180)] = 60
    inked = shown(line, DensityWindow()) - shown(line)
    assert inked[130, 130] < -60
    assert inked[130, 60] == 0
    noisy = flat + np.random.default_rng(3).normal(0, 3, flat.shape)
    np.testing.assert_array_equal(shown(noisy, DensityWindow()), shown(noisy))


def test_windowed_encoder_encodes_the_window(encoder: OnnxImageEncoder) -> None:
    windowed = WindowedEncoder(encoder)
    images = [picture(i) for i in range(2)]
    assert isinstance(windowed, ImageEncoder)
    expected = encoder.encode([DensityWindow()(image) for image in images])
    np.testing.assert_array_equal(windowed.encode(images), expected)
    assert windowed.encode([]).shape == (0, CHANNELS)
    other = WindowedEncoder(encoder, DensityWindow(gain=5))
    assert len({encoder.fingerprint, windowed.fingerprint, other.fingerprint}) == 3


@given(st.integers(0, 50), st.floats(0, 1))
def test_cosines_of_the_sum_are_the_weighted_mean(seed: int, share: float) -> None:
    class Drawn:
        def __init__(self, dim: int) -> None:
            self.dim, self.fingerprint = dim, f"drawn-{dim}"

        def encode(self, images: list[Image.Image]) -> np.ndarray:
            drawn = np.random.default_rng([seed, self.dim]).normal(size=(len(images), self.dim))
            return drawn.astype(np.float32)

    def cosine(rows: np.ndarray) -> float:
        return float(rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1]))

    images = [picture(0), picture(1)]
    beside = Beside(Drawn(5), Drawn(3), share)
    assert isinstance(beside, ImageEncoder)
    rows = beside.encode(images)
    assert rows.shape == (2, beside.dim)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    parts = [cosine(Drawn(dim).encode(images)) for dim in (5, 3)]
    assert cosine(rows) == pytest.approx((1 - share) * parts[0] + share * parts[1], abs=1e-5)


def test_share_is_in_the_fingerprint(encoder: OnnxImageEncoder, tmp_path: Path) -> None:
    windowed = WindowedEncoder(encoder)
    marks = {Beside(encoder, windowed, share).fingerprint for share in (0.1, 0.2)}
    assert len(marks) == 2
    assert all(windowed.fingerprint in mark for mark in marks)
