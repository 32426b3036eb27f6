"""Section 3.2 for texts: the trained head and the glossary decide together.

A head on sentence features knows reports and is lost with "PTX"; the glossary knows in which
domain's reports a term is used, and which words it uses itself to describe what each domain has.
Their logarithms are added, as of independent witnesses. The shorter a text, the less its features
say: they give way to the words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmedrag.checkpoint import Checkpoint
from mmedrag.definitions import Dictionary
from mmedrag.definitions.domains import domain_evidence, word_evidence
from mmedrag.modality import Head, Thresholds
from mmedrag.protocols import ModalityClassifier
from mmedrag.types import Domain, Matrix, Query, Routing

if TYPE_CHECKING:
    from PIL.Image import Image

HALF_TRUSTED = 4
"""Words of a text whose head counts half; of two words, a ninth. Chosen on every second validation
report of the shared sets and on short terms (``benchmarks/text_routing.py``)."""

BOTH = Thresholds(0.5, 0.1)
"""Two witnesses leave less doubt than one."""

SHORT_TEXTS = "short texts"
"""Kind of checkpoint of a head taught by the names of the glossary (training/short_texts.py)."""

FLOOR = 1e-6
"""The least probability that a head is believed to give."""

ShortTexts: TypeAlias = Callable[[Sequence[str]], Sequence[Mapping[str, float]]]


def short_texts(checkpoint: Checkpoint, encode: Callable[[Sequence[str]], Matrix]) -> ShortTexts:
    """The head of a checkpoint of kind :data:`SHORT_TEXTS`, over a text encoder.

    Raises:
        CheckpointError: where a tensor or setting is missing or of the wrong shape.
    """
    checkpoint.require_settings({"classes": list, "temperature": (int, float)})
    classes = tuple(checkpoint.settings["classes"])
    weight = checkpoint.tensors.get("weight", np.zeros((0, 0), np.float32))
    checkpoint.require({"weight": (len(classes), *weight.shape[1:]), "bias": (len(classes),)})
    head = Head(
        classes, weight, checkpoint.tensors["bias"], float(checkpoint.settings["temperature"])
    )
    return lambda texts: head(encode(texts))


class ConceptClassifier:
    """A :class:`~mmedrag.protocols.ModalityClassifier` that also reads the terms of a text.

    Images are left to ``trained``, and texts where its image decides.

    Args:
        trained: the classifier whose verdict on a text is revised.
        dictionary: whose concepts have domains.
        thresholds: when to abstain.
        short: probabilities by domain of texts of a few words; without it, only the words of the
            glossary speak for those without terms.
    """

    def __init__(
        self,
        trained: ModalityClassifier,
        dictionary: Dictionary,
        thresholds: Thresholds = BOTH,
        short: ShortTexts | None = None,
    ) -> None:
        self.trained = trained
        self.classes: tuple[str, ...] | None = getattr(trained, "classes", None)
        self._dictionary = dictionary
        self._thresholds = thresholds
        self._short = short

    def classify(
        self, queries: Sequence[Query], pictures: Sequence[Image | None] | None = None
    ) -> list[Routing]:
        """The verdict on each query."""
        verdicts = self.trained.classify(queries, pictures)
        by_text = [n for n, routing in enumerate(verdicts) if routing.reason.startswith("text")]
        texts = [queries[n].text for n in by_text]
        evidence = zip(domain_evidence(self._dictionary, texts), self._words(texts), strict=True)
        for n, (terms, words) in zip(by_text, evidence, strict=True):
            if terms or words:
                verdicts[n] = self._revised(verdicts[n], queries[n].text, terms, words)
        return verdicts

    def _words(self, texts: Sequence[str]) -> list[Mapping[Domain, float]]:
        """What the words of each text say, and what the head for short ones does."""
        words = word_evidence(texts)
        if self._short is None or not texts:
            return words
        return [
            {d: by_words.get(d, 0.0) + math.log(max(FLOOR, p.get(d, 0.0))) for d in Domain}
            for by_words, p in zip(words, self._short(texts), strict=True)
        ]

    def _revised(
        self,
        verdict: Routing,
        text: str,
        terms: Mapping[Domain, float],
        words: Mapping[Domain, float],
    ) -> Routing:
        length = len(text.split()) / HALF_TRUSTED
        trust = length**3 / (length**3 + 1)
        scores = {
            domain: trust * math.log(max(FLOOR, verdict.scores.get(domain, 0.0)))
            + (1 - trust) * words.get(domain, 0.0)
            + terms.get(domain, 0.0)
            for domain in Domain
        }
        revised = self._thresholds.decide(_probabilities(scores), "text")
        return replace(revised, reason=f"{revised.reason}, by its words and terms")


class Undecided:
    """A classifier that decides nothing, for a casebase none of whose domains one has learned."""

    classes: tuple[str, ...] | None = None

    def classify(
        self, queries: Sequence[Query], pictures: Sequence[Image | None] | None = None
    ) -> list[Routing]:
        """All domains, for each query."""
        return [Routing({}, None, reason="the classifier has not learned them")] * len(queries)


def _probabilities(logarithms: Mapping[Domain, float]) -> dict[str, float]:
    most = max(logarithms.values())
    weights = {str(domain): math.exp(value - most) for domain, value in logarithms.items()}
    return {domain: weight / sum(weights.values()) for domain, weight in weights.items()}
