"""Canonical correlation finds what both sides share."""

from __future__ import annotations

import numpy as np

from mmedrag.measures.cosines import unit_rows
from mmedrag.training.correlation import canonical_heads


def test_canonical_heads_find_what_both_sides_share() -> None:
    random = np.random.default_rng(0)
    shared = random.normal(size=(400, 3))
    images = np.hstack([shared, random.normal(size=(400, 9))]) @ random.normal(size=(12, 12))
    texts = np.hstack([shared, random.normal(size=(400, 5))]) @ random.normal(size=(8, 8))
    train, held_out = slice(0, 300), slice(300, 400)
    heads = canonical_heads(images[train], texts[train], np.ones(300), dim=3, ridge=1e-6)
    left = unit_rows(images[held_out] @ heads["image.weight"].T + heads["image.bias"])
    right = unit_rows(texts[held_out] @ heads["text.weight"].T + heads["text.bias"])
    ranks = (left @ right.T > np.sum(left * right, axis=1)[:, None]).sum(axis=1)
    assert np.mean(ranks == 0) > 0.8


def test_weights_of_pairs_count_like_repetition() -> None:
    random = np.random.default_rng(1)
    images, texts = random.normal(size=(60, 6)), random.normal(size=(60, 5))
    weights = random.integers(1, 4, 60)
    weighted = canonical_heads(images, texts, weights.astype(float), dim=4)
    rows = np.repeat(np.arange(60), weights)
    repeated = canonical_heads(images[rows], texts[rows], np.ones(len(rows)), dim=4)
    probe, told = random.normal(size=(5, 6)), random.normal(size=(5, 5))
    for x, name in ((probe, "image"), (told, "text")):
        a, b = (x @ h[f"{name}.weight"].T + h[f"{name}.bias"] for h in (weighted, repeated))
        np.testing.assert_allclose(np.abs(a), np.abs(b), atol=1e-3)
