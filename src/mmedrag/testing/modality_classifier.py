"""The contract of :class:`mmedrag.protocols.ModalityClassifier`: subclass and say ``make``."""

from __future__ import annotations

import pytest

from mmedrag.protocols import ModalityClassifier
from mmedrag.testing.embedder import picture, png
from mmedrag.types import Query, Routing

PICTURES = [picture(seed) for seed in range(3)]

QUERIES = [
    Query("Right lower lobe consolidation."),
    Query(image=png(PICTURES[0])),
    Query("Hard exudates at the macula.", png(PICTURES[1])),
    Query("What is it?", png(PICTURES[2])),
    Query("Glands lined by atypical cells."),
]
DECODED = [None, PICTURES[0], PICTURES[1], PICTURES[2], None]


class ModalityClassifierContract:
    """Laws of section 3.2 that every classifier keeps."""

    @classmethod
    def make(cls) -> ModalityClassifier:
        """The classifier under test; made once a class."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def classifier(cls) -> ModalityClassifier:
        """The one that all laws are tried on."""
        return cls.make()

    def test_is_a_modality_classifier(self, classifier: ModalityClassifier) -> None:
        assert isinstance(classifier, ModalityClassifier)

    def test_nothing_gets_no_verdict(self, classifier: ModalityClassifier) -> None:
        assert classifier.classify([]) == []

    def test_scores_are_probabilities(self, classifier: ModalityClassifier) -> None:
        for verdict in classifier.classify(QUERIES):
            scores = verdict.scores
            assert all(0.0 <= p <= 1.0 for p in scores.values())
            assert not scores or sum(scores.values()) == pytest.approx(1.0, abs=1e-6)
            assert verdict.decision is None or verdict.decision in (scores or [verdict.decision])
            assert verdict.medical or verdict.decision is None

    def test_batches_do_not_matter(self, classifier: ModalityClassifier) -> None:
        alone = [classifier.classify([query])[0] for query in QUERIES]
        _same(classifier.classify(QUERIES), alone)
        _same(classifier.classify(QUERIES[::-1])[::-1], alone)

    def test_decoded_pictures_do_not_matter(self, classifier: ModalityClassifier) -> None:
        _same(classifier.classify(QUERIES, DECODED), classifier.classify(QUERIES))


def _same(some: list[Routing], others: list[Routing]) -> None:
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert (one.decision, one.medical) == (other.decision, other.medical)
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
