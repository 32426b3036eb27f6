"""Standardisation is folded into what is served."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.checkpoint import random_tensors
from mmedrag.encoders.fusion import (
    LearnedFusion,
    fusion_layout,
)
from mmedrag.encoders.strategies import STRATEGIES
from mmedrag.training.scaling import Scaling, folded

IMAGE_DIM, TEXT_DIM, DIM = 12, 7, 16


def features(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images, texts, and who has them; every item has one at least."""
    random = np.random.default_rng(seed)
    images = random.normal(size=(n, IMAGE_DIM)).astype(np.float32)
    texts = random.normal(size=(n, TEXT_DIM)).astype(np.float32)
    has_image = random.random(n) < 0.6
    return images, texts, has_image, ~has_image | (random.random(n) < 0.5)


few = settings(max_examples=10)


@pytest.mark.parametrize("strategy", STRATEGIES)
@few
@given(seed=st.integers(0, 2**31))
def test_scaling_is_folded_into_the_first_layer(strategy: str, seed: int) -> None:
    images, texts, has_image, has_text = features(seed, 8)
    images = 5 + 3 * images
    scalings = Scaling.of(images), Scaling.of(texts)
    learned = random_tensors(fusion_layout(strategy, IMAGE_DIM, TEXT_DIM, DIM), seed)
    on_scaled = LearnedFusion(strategy, IMAGE_DIM, TEXT_DIM, DIM, learned, "")
    on_raw = replace(on_scaled, tensors=folded(learned, *scalings))
    np.testing.assert_allclose(
        on_raw.fuse(images, texts, has_image, has_text),
        on_scaled.fuse(scalings[0](images), scalings[1](texts), has_image, has_text),
        atol=2e-4,
    )


def test_a_constant_feature_is_not_divided_by_zero() -> None:
    rows = np.array([[1.0, 2.0], [1.0, 4.0]], np.float32)
    np.testing.assert_allclose(Scaling.of(rows)(rows), [[0, -1], [0, 1]])
