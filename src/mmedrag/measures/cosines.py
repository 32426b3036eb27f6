"""Rows of norm 1, and the cosines between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.types import Matrix


def unit_rows(rows: NDArray[Any]) -> Matrix:
    """Rows scaled to norm 1, ``(..., dim)`` in float32; rows of zeros stay zeros."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return (rows / np.where(norms > 0, norms, 1)).astype(np.float32)


def pairwise_cosines(vectors: Matrix) -> NDArray[np.float64]:
    """Cosine of every row to every other.

    Args:
        vectors: by row, ``(n, dim)``; they need not have norm 1.

    Returns:
        float64 ``(n, n)``. A row of zeros has cosine 0 to everything, itself included.
    """
    e = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(e, axis=1, keepdims=True)
    unit = np.divide(e, norms, out=np.zeros_like(e), where=norms > 0)
    return np.asarray(unit @ unit.T)
