"""Section 5.6: each pooling against its formula written as loops."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_onnx import CHANNELS, write_card

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.encoders.image import ImageEncoder, OnnxImageEncoder
from mmedrag.encoders.pooling import (
    EdgeEmphasis,
    Gap,
    Lpa,
    Mspp,
    PooledImageEncoder,
    Pooling,
    cells,
    emphasise_edges,
    load_pooling,
    pyramid,
    random_pooling,
)
from mmedrag.errors import CheckpointError, UntrainedError
from mmedrag.testing.embedder import picture


def maps(seed: int, n: int = 2, channels: int = 3, h: int = 7, w: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, channels, h, w)).astype(np.float32)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> OnnxImageEncoder:
    return OnnxImageEncoder.from_card(write_card(tmp_path_factory.mktemp("tiny")), threads=1)


def slow_pyramid(m: np.ndarray) -> list[float]:
    """All cells of one ``(channels, h, w)`` map, by loops."""
    found = []
    channels, h, w = m.shape
    for g in (1, 2, 4):
        for i in range(g):
            for j in range(g):
                rows = range(math.floor(i * h / g), math.ceil((i + 1) * h / g))
                columns = range(math.floor(j * w / g), math.ceil((j + 1) * w / g))
                for c in range(channels):
                    inside = [float(m[c, y, x]) for y in rows for x in columns]
                    found.append(sum(inside) / len(inside))
    return found


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_pyramid_is_its_formula(seed: int, h: int, w: int) -> None:
    m = maps(seed, h=h, w=w)
    assert pyramid(m).shape == (2, 3 * cells())
    np.testing.assert_allclose(pyramid(m), [slow_pyramid(one) for one in m], atol=1e-5)


def test_pyramid_of_seven_overlaps_in_the_middle() -> None:
    row = np.zeros((1, 1, 7, 7), np.float32)
    row[..., 3] = 1  # the middle column belongs to both halves, which are 4 wide
    np.testing.assert_allclose(pyramid(row, (2,)), [[0.25] * 4])


def test_gap_is_the_mean() -> None:
    m = maps(0)
    expected = [[sum(m[n, c].ravel().tolist()) / 49 for c in range(3)] for n in range(2)]
    np.testing.assert_allclose(Gap().pool(m), expected, atol=1e-6)
    np.testing.assert_allclose(Gap().pool(m), pyramid(m, (1,)), atol=1e-6)


def test_mspp_is_its_formula() -> None:
    m = maps(1)
    mspp = random_pooling("mspp", 3, seed=0, dim=5)
    assert isinstance(mspp, Mspp)
    for one, pooled in zip(m, mspp.pool(m), strict=True):
        cellwise = slow_pyramid(one)
        raw = [sum(a * b for a, b in zip(w, cellwise, strict=True)) for w in mspp.projection.weight]
        norm = math.sqrt(sum(v * v for v in raw))
        np.testing.assert_allclose(pooled, [v / norm for v in raw], atol=1e-5)


def test_mspp_has_256_dimensions() -> None:
    assert random_pooling("mspp", 2048, seed=0).width(2048) == 256


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 100.0]))
def test_lpa_is_its_formula(seed: int, scale: float) -> None:
    m = maps(seed, h=3, w=4)
    lpa = Lpa((scale * np.random.default_rng(seed).normal(size=3)).astype(np.float32), "lpa:test")
    for one, pooled in zip(m, lpa.pool(m), strict=True):
        scores = [
            sum(float(lpa.weight[c]) * float(one[c, y, x]) for c in range(3))
            for y in range(3)
            for x in range(4)
        ]
        powers = [math.exp(s - max(scores)) for s in scores]
        places = [(y, x) for y in range(3) for x in range(4)]
        for c in range(3):
            value = sum(p * float(one[c, y, x]) for p, (y, x) in zip(powers, places, strict=True))
            assert float(pooled[c]) == pytest.approx(value / sum(powers), abs=2e-3)


def test_lpa_without_preference_is_gap() -> None:
    m = maps(2)
    lpa = Lpa(np.zeros(3, np.float32), "lpa:test")
    np.testing.assert_allclose(lpa.attention(m), 1 / 49, atol=1e-7)
    np.testing.assert_allclose(lpa.pool(m), Gap().pool(m), atol=1e-6)


def test_lpa_looks_where_its_channel_is_high() -> None:
    m = np.zeros((1, 2, 7, 7), np.float32)
    m[0, 0, 5, 2] = 1
    m[0, 1, 5, 2] = 3
    pooled = Lpa(np.float32([50, 0]), "lpa:test").pool(m)
    np.testing.assert_allclose(pooled, [[1, 3]], atol=1e-5)


def test_hffe_is_its_formula() -> None:
    image = picture(3, (9, 6))
    pixels = np.asarray(image, dtype=np.float64)
    emphasised = np.asarray(emphasise_edges(image))
    height, width, _ = pixels.shape

    def at(y: int, x: int, c: int) -> float:
        return pixels[min(max(y, 0), height - 1), min(max(x, 0), width - 1), c]

    for y in range(height):
        for x in range(width):
            for c in range(3):
                around = at(y - 1, x, c) + at(y + 1, x, c) + at(y, x - 1, c) + at(y, x + 1, c)
                laplace = around - 4 * at(y, x, c)
                blend = 0.7 * at(y, x, c) + 0.3 * (at(y, x, c) - laplace)
                assert abs(float(emphasised[y, x, c]) - min(max(blend, 0), 255)) <= 0.501


def test_hffe_keeps_flat_images_and_raises_edges() -> None:
    flat = Image.new("L", (20, 20), 90)
    np.testing.assert_array_equal(np.asarray(emphasise_edges(flat)), 90)
    flat.putpixel((10, 10), 100)
    assert np.asarray(emphasise_edges(flat))[10, 10, 0] == 112  # 100 + 0.3 * 4 * 10


def test_pooled_encoders(encoder: OnnxImageEncoder) -> None:
    images = [picture(i) for i in range(3)]
    for pooling in (Gap(), random_pooling("lpa", CHANNELS, 0), random_pooling("mspp", CHANNELS, 0)):
        assert isinstance(pooling, Pooling)
        pooled = PooledImageEncoder(encoder, pooling)
        assert isinstance(pooled, ImageEncoder)
        assert pooled.encode(images).shape == (3, pooled.dim)
        assert pooled.encode([]).shape == (0, pooled.dim)
        assert encoder.fingerprint in pooled.fingerprint
        alone = np.concatenate([pooled.encode([image]) for image in images])
        np.testing.assert_allclose(pooled.encode(images), alone, atol=1e-5)


def test_gap_of_the_maps_is_the_model_s_own(encoder: OnnxImageEncoder) -> None:
    images = [picture(i) for i in range(2)]
    pooled = PooledImageEncoder(encoder, Gap()).encode(images)
    np.testing.assert_allclose(pooled, encoder.encode(images), atol=1e-5)


def test_edge_emphasis_encodes_the_filtered_image(encoder: OnnxImageEncoder) -> None:
    image = picture(0)
    emphasis = EdgeEmphasis(encoder)
    assert emphasis.dim == encoder.dim
    assert emphasis.fingerprint != encoder.fingerprint
    np.testing.assert_array_equal(
        emphasis.encode([image]), encoder.encode([emphasise_edges(image)])
    )


@pytest.mark.parametrize("kind", ["mspp", "lpa"])
def test_untrained_pooling_is_not_served(
    kind: str, encoder: OnnxImageEncoder, tmp_path: Path
) -> None:
    assert "untrained" in random_pooling(kind, CHANNELS, 0).fingerprint
    with pytest.raises(UntrainedError, match=f"no trained {kind}"):
        load_pooling(tmp_path / "none", kind, encoder)


def test_a_trained_pooling_is_loaded(encoder: OnnxImageEncoder, tmp_path: Path) -> None:
    weight = np.arange(CHANNELS, dtype=np.float32)
    trained = Checkpoint(
        kind="lpa",
        tensors={"attention.weight": weight},
        encoders={"image": encoder.fingerprint},
        training_data=("phantoms",),
    )
    write_checkpoint(tmp_path / "lpa", trained)
    lpa = load_pooling(tmp_path / "lpa", "lpa", encoder)
    assert isinstance(lpa, Lpa)
    np.testing.assert_array_equal(lpa.weight, weight)
    assert "untrained" not in lpa.fingerprint


def test_a_pooling_for_other_maps_is_refused(encoder: OnnxImageEncoder, tmp_path: Path) -> None:
    for pooling in (random_pooling("lpa", 5, 0), random_pooling("mspp", 5, 0)):
        with pytest.raises(CheckpointError, match="feature maps give"):
            _ = PooledImageEncoder(encoder, pooling).dim
    other = Checkpoint(
        kind="lpa", tensors={"attention.weight": np.ones(5, np.float32)}, encoders={"image": "x"}
    )
    write_checkpoint(tmp_path / "lpa", other)
    with pytest.raises(CheckpointError, match="trained on the image encoder x"):
        load_pooling(tmp_path / "lpa", "lpa", encoder)
    with pytest.raises(CheckpointError, match="not a learned pooling"):
        random_pooling("max", 5, 0)
