"""Which pairs belong together, and how well a fusion finds them: this chooses the epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.datasets.corpus import Codes
from mmedrag.encoders.fusion import Fusion
from mmedrag.measures.cosines import unit_rows
from mmedrag.measures.ranking import reciprocal_rank
from mmedrag.training.pairs import Pairs
from mmedrag.types import Matrix

WAYS = {"image": (True, False), "text": (False, True), "both": (True, True)}
"""How a case can be seen: whether its image and whether its text is there."""

TUNED_BY = (("image", "text"), ("text", "image"), ("image", "image"), ("both", "both"))
"""Queries and gallery of the directions whose mean reciprocal rank chooses the epoch."""


@dataclass(frozen=True, slots=True, eq=False)
class PositivePairs:
    """Who belongs together, ``(n, n)`` each: same study or same caption; and what is the same."""

    positive: NDArray[np.bool_]
    same_item: NDArray[np.bool_]
    same_caption: NDArray[np.bool_]

    @classmethod
    def of(cls, studies: Codes, captions: Codes) -> PositivePairs:
        """From codes of the studies and of the captions, ``(n,)`` each."""
        same_caption = captions[:, None] == captions
        positive = (studies[:, None] == studies) | same_caption
        return cls(positive, np.eye(len(studies), dtype=np.bool_), same_caption)

    def visible(self, query: str, shown: str) -> NDArray[np.bool_]:
        """What a query may see: not what it holds itself, its own image or its own caption.

        Bool ``(n, n)``, queries by row.
        """
        both_hold_image = "text" not in (query, shown)
        both_hold_text = "image" not in (query, shown)
        hidden = (self.same_item & both_hold_image) | (self.same_caption & both_hold_text)
        return ~hidden


def tune_mrr(fusion: Fusion, pairs: Pairs) -> float:
    """Mean reciprocal rank over the directions :data:`TUNED_BY`, each counting the same."""
    ways = {way: seen(fusion, pairs, way) for way in WAYS}
    positives = PositivePairs.of(pairs.studies, pairs.captions)
    return float(np.mean([_mrr(ways[a], ways[b], positives, a, b) for a, b in TUNED_BY]))


def seen(fusion: Fusion, pairs: Pairs, way: str) -> Matrix:
    """Unit vectors ``(n, dim)`` of pairs seen in one of :data:`WAYS`."""
    image, text = (np.full(len(pairs), there) for there in WAYS[way])
    return unit_rows(fusion.fuse(pairs.images, pairs.texts, image, text))


def _mrr(queries: Matrix, shown: Matrix, positives: PositivePairs, way: str, other: str) -> float:
    """Over queries that have an answer; 0 where none has."""
    scores, visible = queries @ shown.T, positives.visible(way, other)
    ranks = [
        reciprocal_rank(row[there], mine[there])
        for row, there, mine in zip(scores, visible, positives.positive, strict=True)
        if (mine & there).any()
    ]
    return float(np.mean(ranks)) if ranks else 0.0
