"""The head for short texts: taught by names, read by the router, shipped for its encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mmedrag.checkpoint import read_checkpoint
from mmedrag.definitions import glossary
from mmedrag.definitions.terms import Term
from mmedrag.errors import CheckpointError
from mmedrag.presets import MODELS, Stages
from mmedrag.routing import SHORT_TEXTS, ConceptClassifier, short_texts
from mmedrag.training.short_texts import train_short_texts
from mmedrag.types import Domain, Matrix, Query, Routing

SYLLABLES = {"radiology": "xra", "pathology": "cel", "ophthalmology": "ret"}


def encode(texts: Sequence[str]) -> Matrix:
    """Counts of three syllables and a constant."""
    return np.array([[*(t.count(s) for s in SYLLABLES.values()), 0.1] for t in texts], np.float32)


def terms(domain: str, n: int = 20) -> list[Term]:
    syllable = SYLLABLES[domain]
    return [
        Term(id=f"{domain}{i}", term=f"{syllable} {i}", definition=f"A {syllable}.",
             domains=(domain,))
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def taught():
    every = [t for domain in SYLLABLES for t in terms(domain)]
    every.append(Term(id="all", term="xra cel ret", domains=tuple(SYLLABLES)))
    return train_short_texts(every, encode, "counts")


class Undecided:
    """A trained head that says nothing of any text."""

    def classify(self, queries: Sequence[Query], pictures: object = None) -> list[Routing]:
        even = {str(domain): 1 / 3 for domain in Domain}
        return [Routing(even, None, reason="text: undecided") for _ in queries]


def test_names_teach_the_domain_of_words_that_are_no_terms(taught) -> None:
    assert taught.encoders == {"text": "counts"}
    head = short_texts(taught, encode)
    for domain, syllable in SYLLABLES.items():
        (scores,) = head([f"{syllable}omab"])
        assert max(scores, key=scores.get) == domain
        assert sum(scores.values()) == pytest.approx(1.0)


def test_the_router_hears_it_where_nothing_else_speaks(taught) -> None:
    queries = [Query(text=f"{s}omab zz") for s in SYLLABLES.values()]
    deaf = ConceptClassifier(Undecided(), glossary())
    assert [r.decision for r in deaf.classify(queries)] == [None] * 3
    hearing = ConceptClassifier(Undecided(), glossary(), short=short_texts(taught, encode))
    assert [r.decision for r in hearing.classify(queries)] == list(SYLLABLES)
    assert hearing.classify([]) == []


def test_a_damaged_head_is_refused(taught) -> None:
    without = {name: t for name, t in taught.tensors.items() if name != "bias"}
    with pytest.raises(CheckpointError):
        short_texts(replace(taught, tensors=without), encode)
    with pytest.raises(CheckpointError):
        short_texts(replace(taught, settings={"classes": []}), encode)


def test_what_ships_is_of_the_shipped_encoder(offline: Stages) -> None:
    shipped = read_checkpoint(MODELS / "short_texts", SHORT_TEXTS)
    assert shipped.encoders["text"] == offline.texts.fingerprint
    head = short_texts(shipped, offline.texts.encode)
    (scores,) = head(["corneal abrasion"])
    assert max(scores, key=scores.get) == "ophthalmology"
