"""Vectors of definitions, embedded once: a definition's text does not change with the question."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from mmedrag.encoders.attribution import Attributing, SimilarityMaps
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.encoders.dual import text_of
from mmedrag.protocols import DefinitionSource, Embedder
from mmedrag.types import Definition, Embeddable, Matrix, Mention, Vector


@runtime_checkable
class DefinitionStore(Protocol):
    """What keeps vectors of definitions, and knows which are wanted; the casebase does."""

    def definition_vectors(self, digests: Sequence[str]) -> Mapping[str, Vector]:
        """The stored vectors by :func:`definition_digest`; digests without one are left out."""
        ...

    def keep_definition_vectors(self, vectors: Mapping[str, Vector]) -> None:
        """Store vectors by :func:`definition_digest`."""
        ...

    def affirmed(self) -> Sequence[Mention]:
        """One mention for each concept and term that some report affirms."""
        ...


class DefinitionsOnce:
    """An ``Embedder`` that takes vectors of definitions from a store, and remembers new ones.

    Other items, and batches that hold other items, pass through.

    Args:
        embedder: makes the vectors.
        store: what keeps them beyond this process; ``None`` for nothing.
        size: how many are held in memory, those used last.
    """

    def __init__(
        self, embedder: Embedder, store: DefinitionStore | None, size: int = 2_048
    ) -> None:
        self._embedder = embedder
        self._store = store
        self._size = size
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._lock = Lock()
        self.dim = embedder.dim
        self.fingerprint = embedder.fingerprint

    def embed(
        self,
        items: Sequence[Embeddable],
        pictures: Sequence[Image.Image | None] | None = None,
    ) -> Matrix:
        """Vectors, float32 ``(len(items), dim)``, by the laws of ``protocols.Embedder``."""
        definitions = [item for item in items if isinstance(item, Definition)]
        if not definitions or len(definitions) < len(items):
            return self._embedder.embed(items, pictures)
        digests = [definition_digest(self.fingerprint, item) for item in definitions]
        vectors = self._remembered(digests)
        absent = {d: item for d, item in zip(digests, definitions, strict=True) if d not in vectors}
        if absent:
            made = embed_in_batches(self._embedder, absent.values())
            vectors |= dict(zip(absent, made, strict=True))
        self._remember(vectors)
        return np.stack([vectors[digest] for digest in digests])

    def similarity_maps(self, first: Image.Image, second: Image.Image) -> SimilarityMaps | None:
        """The maps of two images, where the embedder has them."""
        inner = self._embedder
        return inner.similarity_maps(first, second) if isinstance(inner, Attributing) else None

    def _remembered(self, digests: Sequence[str]) -> dict[str, Vector]:
        with self._lock:
            vectors = {d: self._vectors[d] for d in digests if d in self._vectors}
        absent = [d for d in dict.fromkeys(digests) if d not in vectors]
        if absent and self._store is not None:
            vectors |= self._store.definition_vectors(absent)
        return vectors

    def _remember(self, vectors: Mapping[str, Vector]) -> None:
        with self._lock:
            for digest, vector in vectors.items():
                self._vectors[digest] = vector
                self._vectors.move_to_end(digest)
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)


def definition_digest(encoder: str, definition: Definition) -> str:
    """What determines a definition's vector: the encoder's fingerprint, and the text it reads."""
    content = f"{encoder}\0{text_of(definition)}".encode("utf-8", "replace")
    return blake2b(content, digest_size=16).hexdigest()


def embed_definitions(
    store: DefinitionStore, embedder: Embedder, definitions: DefinitionSource
) -> int:
    """Keep the vectors of the definitions that searches will fetch: of what reports affirm.

    Returns:
        How many were embedded; those that are kept already are not embedded again.
    """
    affirmed = store.affirmed()
    fetched = definitions.define([affirmed], len(affirmed))
    wanted = {definition_digest(embedder.fingerprint, d): d for d in fetched}
    kept = store.definition_vectors(list(wanted))
    absent = {digest: d for digest, d in wanted.items() if digest not in kept}
    if absent:
        vectors = embed_in_batches(embedder, absent.values())
        store.keep_definition_vectors(dict(zip(absent, vectors, strict=True)))
    return len(absent)
