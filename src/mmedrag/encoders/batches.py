"""Many items to vectors, a batch at a time, so that memory is bounded whatever their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np

from mmedrag.protocols import Embedder
from mmedrag.types import Embeddable, Matrix

BATCH = 32
"""Items that are decoded and embedded together."""


def embed_in_batches(
    embedder: Embedder,
    items: Iterable[Embeddable],
    *,
    size: int = BATCH,
    progress: Callable[[int], object] = lambda done: None,
) -> Matrix:
    """Vectors, float32 ``(n, dim)``, in the order of the items.

    Args:
        embedder: makes them.
        items: cases, queries or definitions; read as they are needed.
        size: of a batch; it does not change the vectors.
        progress: told after each batch how many more items are done.

    Raises:
        ImageError: where an item's image cannot be decoded.
    """
    blocks = [np.zeros((0, embedder.dim), np.float32)]
    rest = iter(items)
    while batch := list(islice(rest, size)):
        blocks.append(embedder.embed(batch))
        progress(len(batch))
    return np.concatenate(blocks)
