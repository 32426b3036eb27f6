"""Definitions are embedded once; what is kept is what the embedder would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from mmedrag.definitions import glossary
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.encoders.definition_vectors import (
    DefinitionsOnce,
    definition_digest,
    embed_definitions,
)
from mmedrag.presets import Stages
from mmedrag.types import Definition, Embeddable, Matrix, Mention, Query, Vector

DEFINITIONS = [
    Definition(f"X{i}", f"term {i}", f"A finding of kind {i}.", "test") for i in range(5)
]


class Counting:
    """An embedder that counts; the real one does the work."""

    def __init__(self, stages: Stages) -> None:
        self._embedder = stages.embedder
        self.dim, self.fingerprint = stages.embedder.dim, stages.embedder.fingerprint
        self.seen: list[Embeddable] = []

    def embed(self, items: Sequence[Embeddable], pictures: object = None) -> Matrix:
        self.seen += items
        return self._embedder.embed(items)


class Store:
    """A dict that keeps vectors, and reports that affirm what they are told to."""

    def __init__(self, affirmed: Sequence[Mention] = ()) -> None:
        self.kept: dict[str, Vector] = {}
        self._affirmed = affirmed

    def definition_vectors(self, digests: Sequence[str]) -> Mapping[str, Vector]:
        return {digest: self.kept[digest] for digest in digests if digest in self.kept}

    def keep_definition_vectors(self, vectors: Mapping[str, Vector]) -> None:
        self.kept.update(vectors)

    def affirmed(self) -> Sequence[Mention]:
        return self._affirmed


def test_each_definition_is_embedded_once(offline: Stages) -> None:
    counting = Counting(offline)
    once = DefinitionsOnce(counting, None)
    first = once.embed(DEFINITIONS[:3])
    again = once.embed([*DEFINITIONS[1:], DEFINITIONS[1]])
    assert counting.seen == DEFINITIONS
    np.testing.assert_array_equal(again[:2], first[1:])
    np.testing.assert_allclose(again[:4], offline.embedder.embed(DEFINITIONS[1:]), atol=1e-4)
    np.testing.assert_array_equal(again[4], again[0])


def test_what_a_store_keeps_is_not_embedded(offline: Stages) -> None:
    counting, store = Counting(offline), Store()
    vector = np.ones(counting.dim, np.float32)
    store.kept[definition_digest(counting.fingerprint, DEFINITIONS[0])] = vector
    made = DefinitionsOnce(counting, store).embed(DEFINITIONS[:2])
    np.testing.assert_array_equal(made[0], vector)
    assert counting.seen == DEFINITIONS[1:2]


def test_another_encoder_or_text_is_another_vector() -> None:
    digests = {
        definition_digest(encoder, Definition("X", "term", text, "test"))
        for encoder in ("one", "other")
        for text in ("text", "Text")
    }
    assert len(digests) == 4


def test_other_items_pass_through(offline: Stages) -> None:
    once = DefinitionsOnce(offline.embedder, None)
    items = [Query("effusion"), DEFINITIONS[0]]
    np.testing.assert_array_equal(once.embed(items), offline.embedder.embed(items))
    assert once.embed([]).shape == (0, offline.embedder.dim)


def test_memory_is_bounded(offline: Stages) -> None:
    counting = Counting(offline)
    once = DefinitionsOnce(counting, None, size=2)
    once.embed(DEFINITIONS[:3])
    once.embed(DEFINITIONS[1:3])
    assert len(counting.seen) == 3
    once.embed(DEFINITIONS[:1])
    assert len(counting.seen) == 4


def test_definitions_of_what_reports_affirm_are_embedded_in_advance(offline: Stages) -> None:
    source = glossary()
    mentions = source.recognise(["Pleural effusion and cardiomegaly."])[0]
    store, counting = Store(mentions), Counting(offline)
    assert embed_definitions(store, counting, source) == 2
    assert embed_definitions(store, counting, source) == 0
    DefinitionsOnce(counting, store).embed(source.define([mentions], 8))
    assert len(counting.seen) == 2


@pytest.mark.parametrize("size", [1, 2, 5, 99])
def test_batches_do_not_change_vectors(offline: Stages, size: int) -> None:
    done: list[int] = []
    made = embed_in_batches(offline.embedder, iter(DEFINITIONS), size=size, progress=done.append)
    np.testing.assert_allclose(made, offline.embedder.embed(DEFINITIONS), atol=1e-4)
    assert sum(done) == len(DEFINITIONS)
    assert max(done) <= size
    assert embed_in_batches(offline.embedder, []).shape == (0, offline.embedder.dim)
