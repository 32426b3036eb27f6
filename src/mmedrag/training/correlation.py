"""Two heads in closed form: canonical correlation with a ridge (Hotelling 1936; Vinod 1976).

The heads of section 3.3 for small data: on a thousand pairs it generalises as well as or better
than the same heads trained by InfoNCE (docs/guide/training.md), takes seconds, and has no seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmedrag.checkpoint import Tensors
from mmedrag.types import Matrix

Floats = NDArray[np.float64]


def canonical_heads(
    images: Matrix,
    texts: Matrix,
    weights: Floats,
    *,
    dim: int = 128,
    ridge: float = 1.0,
    components: int = 256,
) -> Tensors:
    """Projection heads that draw the image and the text of a pair together.

    With ``A``, ``B`` the centred features of pairs (images standardised and reduced to their first
    principal components), ``C_aa + ridge * mean variance * I`` and ``C_bb`` likewise whitened, the
    singular vectors of the whitened cross-covariance are the directions, each scaled by its
    correlation, so that what is hardly shared hardly counts.

    Args:
        images: features by pair, ``(n, image width)``.
        texts: features by pair, ``(n, text width)``.
        weights: how much each pair counts, ``(n,)``, not negative.
        dim: of the shared space.
        ridge: relative to the mean variance of a feature.
        components: of the images that are kept.

    Returns:
        ``image.weight`` (dim, image width), ``image.bias`` (dim,), ``text.weight``, ``text.bias``:
        the tensors of the fusion strategy ``contrastive``.
    """
    w = (weights / weights.sum())[:, None]
    image_mean, text_mean = (w * images).sum(axis=0), (w * texts).sum(axis=0)
    scale = np.sqrt((w * (images - image_mean) ** 2).sum(axis=0)) + 1e-3
    a = (images - image_mean) / scale
    _, axes = np.linalg.eigh(a.T @ (w * a))
    axes = axes[:, ::-1][:, :components]
    a, b = a @ axes, texts - text_mean
    whiten_a, whiten_b = _whitening(a.T @ (w * a), ridge), _whitening(b.T @ (w * b), ridge)
    left, shared, right = np.linalg.svd(whiten_a @ (a.T @ (w * b)) @ whiten_b)
    image_map = (axes @ whiten_a @ left[:, :dim] * shared[:dim]).T / scale
    text_map = (whiten_b @ right[:dim].T * shared[:dim]).T
    return {
        "image.weight": image_map.astype(np.float32),
        "image.bias": (-image_map @ image_mean).astype(np.float32),
        "text.weight": text_map.astype(np.float32),
        "text.bias": (-text_map @ text_mean).astype(np.float32),
    }


def _whitening(covariance: Floats, ridge: float) -> Floats:
    """``(C + ridge * tr(C) / d * I)^(-1/2)``."""
    loaded = covariance + ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(loaded)
    return np.asarray(vectors / np.sqrt(values) @ vectors.T)
