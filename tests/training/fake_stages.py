"""Stages that need no model: texts by their words, images by their colours."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmedrag.encoders.dual import text_of
from mmedrag.imaging.decoding import open_image
from mmedrag.measures.cosines import unit_rows
from mmedrag.presets import Stages
from mmedrag.ranking.graph import GraphReranker
from mmedrag.reward.scorers import SimilarityThreshold
from mmedrag.types import Case, Domain, Embeddable, Matrix, Query, Routing

TEXT, IMAGE = 96, 48
_DOMAINS = {
    "radiology": ("chest", "lung", "effusion", "wrist", "forearm", "fracture", "radiograph"),
    "pathology": ("section", "tissue", "smear", "cells", "gland", "stain"),
    "ophthalmology": ("fundus", "disc", "macula", "retina", "eye", "drusen"),
}


class WordEncoder:
    """Counts hashed words."""

    dim = TEXT
    fingerprint = "words"

    def encode(self, texts: Sequence[str]) -> Matrix:
        rows = np.zeros((len(texts), TEXT), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[zlib.crc32(word.strip(".,:;?").encode()) % TEXT] += 1
        return unit_rows(rows)


class FakeEmbedder:
    """Words and a tiny picture side by side."""

    dim = TEXT + IMAGE
    fingerprint = "fake"

    def __init__(self) -> None:
        self._known: dict[str, Matrix] = {}

    def embed(
        self, items: Sequence[Embeddable], pictures: Sequence[Image.Image | None] | None = None
    ) -> Matrix:
        texts = WordEncoder().encode([text_of(item) for item in items])
        seen = [self._pixels(item) for item in items]
        rows = np.hstack([texts, np.array(seen, np.float32).reshape(len(items), IMAGE)])
        return unit_rows(rows)

    def _pixels(self, item: Embeddable) -> Matrix:
        image = item.image if isinstance(item, Case | Query) else None
        if image is None:
            return np.zeros(IMAGE, np.float32)
        if str(image) not in self._known:
            tiny = open_image(image).convert("RGB").resize((4, 4))
            pixels = np.asarray(tiny, np.float32).reshape(1, IMAGE)
            self._known[str(image)] = unit_rows(pixels - pixels.mean())[0]
        return self._known[str(image)]


class WordClassifier:
    """Routes a text by its words, an image nowhere."""

    def classify(self, queries: Sequence[Query], pictures: object = None) -> list[Routing]:
        return [self._verdict(query) for query in queries]

    def _verdict(self, query: Query) -> Routing:
        words = query.text.lower()
        for domain, known in _DOMAINS.items():
            if any(word in words for word in known):
                return Routing({}, Domain(domain))
        return Routing({}, None)


def fake_stages() -> Stages:
    """All of them."""
    return Stages(
        embedder=FakeEmbedder(),
        classifier=WordClassifier(),
        reranker=GraphReranker(),
        context_filter=SimilarityThreshold(0.15),
        texts=WordEncoder(),
    )
