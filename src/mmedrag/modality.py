"""Section 3.2: which domain corpus a query belongs to (eq. 1), and whether it is medical at all.

Two classifiers: :class:`ZeroShotClassifier`, the paper's CLIP with prompts, and
:class:`TrainedClassifier`, a linear head on the features of whatever encoders are loaded. Both
abstain where they are not sure, and then every domain is searched. :class:`AnyDomain` always does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.checkpoint import Checkpoint
from mmedrag.domains import prompts as prompts_of_domains
from mmedrag.errors import CheckpointError
from mmedrag.imaging.decoding import open_image
from mmedrag.rounding import falling, rounded
from mmedrag.types import Domain, Matrix, Query, Routing

EncodeImages: TypeAlias = Callable[[Sequence[Image.Image]], Matrix]
EncodeTexts: TypeAlias = Callable[[Sequence[str]], Matrix]
Pictures: TypeAlias = Sequence[Image.Image | None]

NOT_MEDICAL = "not medical"
"""The name of the class of everything that is no medical image."""

OTHERS = (
    "a photograph of an animal",
    "a photograph of people",
    "a landscape photograph",
    "a photograph of an everyday object",
    "a page of printed text",
    "a chart or a diagram",
    "a screenshot",
    "random noise",
)
"""Prompts for what is no medical image."""


def routing_prompts() -> dict[str, tuple[str, ...]]:
    """Prompts of every registered domain, and of what is no medical image."""
    return {**prompts_of_domains(), NOT_MEDICAL: OTHERS}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a verdict is sure enough to leave the other domains out.

    ``not_medical`` is the probability above which an image is taken for no medical image. Given
    that it is one, ``probability`` of the best domain, and its ``margin`` over the second.
    """

    probability: float = 0.45
    margin: float = 0.05
    not_medical: float = 0.7

    def decide(self, scores: Mapping[str, float], subject: str) -> Routing:
        """The verdict on class probabilities; ``subject`` ("image", "text") is for the reason."""
        outside = scores.get(NOT_MEDICAL, 0.0)
        if outside > self.not_medical:
            return Routing(scores, None, medical=False, reason=f"{subject}: not medical")
        names = sorted(d for d in scores if d != NOT_MEDICAL)
        shares = rounded([scores[d] for d in names])
        ranked = [(float(shares[i]), names[i]) for i in falling(shares)]
        (best, domain), (second, _) = (*ranked[:2], (0.0, ""))[:2]
        medical = sum(p for p, _ in ranked)
        if best < self.probability * medical or best - second < self.margin * medical:
            return Routing(scores, None, reason=f"{subject}: not sure, every domain is searched")
        return Routing(scores, Domain(domain), reason=f"{subject}: {domain}")


FOR_IMAGE = Thresholds()
"""Where a checkpoint says nothing else (:func:`thresholds_of`): see models/README.md."""

FOR_TEXT = Thresholds(0.6, 0.2)
"""A few words say less of their domain than an image does."""

CERTAIN = Thresholds(0.0, 0.0, 1.0)
"""The plain argmax of the paper: never abstains."""


class ZeroShotClassifier:
    """Cosine of an image (or text) with prompts in the space of a CLIP-type model (eq. 1).

    The score of a class is the mean of its prompts' cosines; probabilities are the softmax of
    score / temperature. With :func:`~mmedrag.domains.paper_prompts` and :data:`CERTAIN` this is
    the paper's.

    Args:
        encode_images: images to the shared space, ``(n, d)``.
        encode_texts: texts to the same space.
        prompts: by class; by default of the domains that are registered now.
        temperature: of the softmax; CLIP's own is 0.01.
        thresholds: when to abstain.
    """

    def __init__(
        self,
        encode_images: EncodeImages,
        encode_texts: EncodeTexts,
        prompts: Mapping[str, Sequence[str]] | None = None,
        temperature: float = 0.01,
        thresholds: Thresholds = FOR_IMAGE,
    ) -> None:
        self._encode_images = encode_images
        self._encode_texts = encode_texts
        prompts = routing_prompts() if prompts is None else prompts
        self.classes = tuple(prompts)
        self._prompts = np.stack(
            [_unit(encode_texts(list(p))).mean(axis=0) for p in prompts.values()]
        )
        self._temperature = temperature
        self._thresholds = thresholds

    def classify(self, queries: Sequence[Query], pictures: Pictures | None = None) -> list[Routing]:
        """The verdict on each query: its image decides, its text where there is none."""
        return _verdicts(queries, pictures, self._by_image, self._by_text)

    def _by_image(self, images: Sequence[Image.Image]) -> list[Routing]:
        scores = self._probabilities(self._encode_images(images))
        return [self._thresholds.decide(_named(self.classes, row), "image") for row in scores]

    def _by_text(self, texts: Sequence[str]) -> list[Routing]:
        scores = _without_not_medical(self.classes, self._probabilities(self._encode_texts(texts)))
        return [self._thresholds.decide(_named(self.classes, row), "text") for row in scores]

    def _probabilities(self, features: Matrix) -> NDArray[np.float64]:
        return _softmax(_unit(features) @ self._prompts.T / self._temperature)


class TrainedClassifier:
    """Linear softmax heads on image features and on text features.

    An image decides where there is one; a text decides alone, or where the image is not sure.

    Args:
        encode_images: images to features, ``(n, d)``.
        encode_texts: texts to features, ``(n, e)``.
        image_head, text_head: over ``classes`` (the text head over the domains among them).
        thresholds, text_thresholds: when to abstain.
    """

    def __init__(
        self,
        encode_images: EncodeImages,
        encode_texts: EncodeTexts,
        image_head: Head,
        text_head: Head,
        thresholds: Thresholds = FOR_IMAGE,
        text_thresholds: Thresholds = FOR_TEXT,
    ) -> None:
        self._encode_images = encode_images
        self._encode_texts = encode_texts
        self._image_head = image_head
        self._text_head = text_head
        self._thresholds = thresholds
        self._text_thresholds = text_thresholds
        self.classes = image_head.classes

    def with_heads(
        self, image_head: Head, text_head: Head, thresholds: Thresholds
    ) -> TrainedClassifier:
        """The same encoders under other heads; ``thresholds`` are for images."""
        return TrainedClassifier(
            self._encode_images,
            self._encode_texts,
            image_head,
            text_head,
            thresholds,
            self._text_thresholds,
        )

    def classify(self, queries: Sequence[Query], pictures: Pictures | None = None) -> list[Routing]:
        """The verdict on each query."""
        return _verdicts(queries, pictures, self._by_image, self._by_text, text_helps=True)

    def _by_image(self, images: Sequence[Image.Image]) -> list[Routing]:
        rows = self._image_head(self._encode_images(images))
        return [self._thresholds.decide(row, "image") for row in rows]

    def _by_text(self, texts: Sequence[str]) -> list[Routing]:
        rows = self._text_head(self._encode_texts(texts))
        return [self._text_thresholds.decide(row, "text") for row in rows]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Softmax regression: ``p = softmax((W u + b) / T)`` with ``u`` the unit feature vector.

    ``weight`` is ``(classes, d)``, ``bias`` ``(classes,)``.
    """

    classes: tuple[str, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float = 1.0

    def __call__(self, features: Matrix) -> list[dict[str, float]]:
        """Probabilities by class of each row of features, ``(n, d)``."""
        logits = _unit(features) @ self.weight.T + self.bias
        return [_named(self.classes, row) for row in _softmax(logits / self.temperature)]


class AnyDomain:
    """Always abstains: every domain is searched."""

    def classify(self, queries: Sequence[Query], pictures: Pictures | None = None) -> list[Routing]:
        """A routing without a decision for every query."""
        return [Routing({}, None, reason="no classifier, every domain is searched")] * len(queries)


def heads_from_checkpoint(checkpoint: Checkpoint) -> tuple[Head, Head]:
    """The image head and the text head of a checkpoint of kind ``modality``.

    Raises:
        CheckpointError: where a tensor or setting is missing or of the wrong shape.
    """
    checkpoint.require_settings(
        {"image_classes": list, "text_classes": list}
        | {"image_temperature": (int, float), "text_temperature": (int, float)}
    )
    t, s = checkpoint.tensors, checkpoint.settings
    classes = {modality: tuple(s[f"{modality}_classes"]) for modality in ("image", "text")}
    layout: dict[str, tuple[int, ...]] = {}
    for modality, names in classes.items():
        width = t[f"{modality}.weight"].shape[1] if f"{modality}.weight" in t else 0
        layout[f"{modality}.weight"] = (len(names), width)
        layout[f"{modality}.bias"] = (len(names),)
    checkpoint.require(layout)
    image, text = (
        Head(
            names,
            t[f"{modality}.weight"],
            t[f"{modality}.bias"],
            float(s[f"{modality}_temperature"]),
        )
        for modality, names in classes.items()
    )
    return image, text


def thresholds_of(checkpoint: Checkpoint) -> Thresholds:
    """For images, as the training of a checkpoint of kind ``modality`` chose them.

    Raises:
        CheckpointError: where a probability is none.
    """
    chosen = checkpoint.settings.get("not_medical", FOR_IMAGE.not_medical)
    if isinstance(chosen, bool) or not isinstance(chosen, (int, float)) or not 0 <= chosen <= 1:
        raise CheckpointError(
            f"The routing heads call a picture not medical above {chosen!r}, no probability",
            "Train them again: mmedrag train modality.",
        )
    return replace(FOR_IMAGE, not_medical=float(chosen))


def _verdicts(
    queries: Sequence[Query],
    pictures: Pictures | None,
    by_image: Callable[[Sequence[Image.Image]], list[Routing]],
    by_text: Callable[[Sequence[str]], list[Routing]],
    *,
    text_helps: bool = False,
) -> list[Routing]:
    """Verdicts by image; by text where there is none or, if it helps, where the image is not sure.

    Every image and every text that is needed goes through the encoders in one batch.
    """
    if pictures is None:
        pictures = [None if q.image is None else open_image(q.image, q.frame) for q in queries]
    verdicts: dict[int, Routing] = {}
    with_image = [i for i, picture in enumerate(pictures) if picture is not None]
    if with_image:
        images = [picture for picture in pictures if picture is not None]
        verdicts.update(zip(with_image, by_image(images), strict=True))
    unsure = {i for i, v in verdicts.items() if v.decision is None and v.medical and text_helps}
    with_text = [
        i
        for i, query in enumerate(queries)
        if i not in verdicts or (i in unsure and query.text.strip())
    ]
    if with_text:
        texts = [queries[i].text for i in with_text]
        verdicts.update(zip(with_text, by_text(texts), strict=True))
    return [verdicts[i] for i in range(len(queries))]


def _unit(rows: Matrix) -> Matrix:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Matrix = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """By row, ``(n, classes)``."""
    shifted = np.asarray(logits, dtype=np.float64) - logits.max(axis=1, keepdims=True)
    exponents = np.exp(shifted)
    probabilities: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return probabilities


def _without_not_medical(
    classes: Sequence[str], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A text is not asked whether it is a medical image."""
    kept: NDArray[np.float64] = np.where([name != NOT_MEDICAL for name in classes], scores, 0.0)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True))


def _named(classes: Sequence[str], scores: NDArray[np.float64]) -> dict[str, float]:
    return {str(name): float(score) for name, score in zip(classes, scores, strict=True)}
