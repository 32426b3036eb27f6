"""What a question asks for, by a linear model of its words and of its sentence vector.

Rules by lists of words were written again and again for wordings that nobody had foreseen, and each
new list was read no better than the one before. This model has seen many wordings of each kind
(``training/question_forms.txt``) and reads others by what they share with them. Terms are replaced
by their kind, so that it sees how something is asked and not of what.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.answers.question_rules import BY_NOTHING, BY_VERB
from mmedrag.answers.romance import plain_letters
from mmedrag.answers.shorthand import spelled_out
from mmedrag.checkpoint import Checkpoint
from mmedrag.types import Matrix, Mention, QuestionKind

KIND = "questions"
"""Kind of checkpoint."""

BUCKETS = 1 << 14
"""Rows of the table of word and letter n-grams, by their CRC-32."""

_K = QuestionKind
LABELS: Mapping[str, tuple[QuestionKind, str]] = {
    "presence": (_K.PRESENCE, BY_VERB),
    "side": (_K.PRESENCE, "asks for a side"),
    "grade": (_K.PRESENCE, "asks for a grade"),
    "definition": (_K.DEFINITION, "asks for a meaning"),
    "differential": (_K.DIFFERENTIAL, "asks for diagnoses"),
    "description": (_K.DESCRIPTION, "asks for a description"),
    "normality": (_K.NORMALITY, "asks whether all is normal"),
    "choice": (_K.CHOICE, "asks for one of two"),
    "comparison": (_K.COMPARISON, "compares with an earlier study"),
    "search": (_K.SEARCH, BY_NOTHING),
    "dose": (_K.OUT_OF_SCOPE, "asks for a dose"),
    "treatment": (_K.OUT_OF_SCOPE, "asks for a treatment"),
    "prognosis": (_K.OUT_OF_SCOPE, "asks for a prognosis"),
    "guideline": (_K.OUT_OF_SCOPE, "asks for a guideline"),
    "decision": (_K.OUT_OF_SCOPE, "asks for a decision"),
    "knowledge": (_K.OUT_OF_SCOPE, "asks for general knowledge"),
    "work": (_K.OUT_OF_SCOPE, "asks for work"),
    "nonmedical": (_K.OUT_OF_SCOPE, "is no medical question"),
    "program": (_K.OUT_OF_SCOPE, "speaks to a program"),
}
"""The kind of each label and the name that the trace shows."""

_WORD = re.compile(r"\w+|[?]")

_DECLINED, _SUSPECTED, _STATED = 0.45, 0.25, 0.8
"""The share of labels out of scope from which a question is declined: in general, where a rule
would decline it too, and where the sentence does not look as if it asked."""

_CLEAR, _OF_AN_IMAGE = 0.6, 0.45
"""The share of a kind from which a sentence that does not look as if it asked is taken to ask; the
second beside an image, which somebody gave in order to ask."""

_OF_NO_IMAGE = frozenset({"knowledge", "work", "nonmedical"})
_WITH_IMAGE, _NOT_OF_IT = 0.3, 0.15
"""How much less likely labels out of scope are where an image is asked about, these above all."""


@dataclass(frozen=True, slots=True, eq=False)
class QuestionModel:
    """Softmax regression on hashed n-grams and a sentence vector.

    ``words`` is ``(BUCKETS, labels)``, ``sense`` ``(dim, labels)``, ``bias`` ``(labels,)``;
    ``encode`` turns texts into unit vectors ``(n, dim)``.
    """

    labels: tuple[str, ...]
    words: NDArray[np.float32]
    sense: NDArray[np.float32]
    bias: NDArray[np.float32]
    encode: Callable[[Sequence[str]], Matrix]

    def __call__(
        self, requests: Sequence[str], mentions: Sequence[Mention]
    ) -> list[dict[str, float]]:
        """Probabilities by label of each sentence that asks, their terms recognised."""
        senses = self.encode(requests) @ self.sense
        return [
            self._shares(masked(request, mentions), sense)
            for request, sense in zip(requests, senses, strict=True)
        ]

    def _shares(self, wording: str, sense: NDArray[np.float32]) -> dict[str, float]:
        buckets = hashed(wording)
        logits = self.words[buckets].sum(axis=0) / np.sqrt(len(buckets)) + sense + self.bias
        shares = np.exp(logits - logits.max())
        return dict(zip(self.labels, (shares / shares.sum()).tolist(), strict=True))

    @classmethod
    def of(cls, checkpoint: Checkpoint, encode: Callable[[Sequence[str]], Matrix]) -> QuestionModel:
        """The model of a checkpoint of kind :data:`KIND`, over its text encoder.

        Raises:
            CheckpointError: where a tensor or setting is missing or of the wrong shape.
        """
        checkpoint.require_settings({"labels": list})
        labels = tuple(checkpoint.settings["labels"])
        sense = checkpoint.tensors.get("sense", np.zeros((0, 0), np.float32))
        layout = {"words": (BUCKETS, len(labels)), "bias": (len(labels),)}
        checkpoint.require({**layout, "sense": (len(sense), len(labels))})
        tensors = checkpoint.tensors
        return cls(labels, tensors["words"], sense, tensors["bias"], encode)


def verdict(
    shares: Mapping[str, float], *, suspected: bool, has_image: bool, asks: bool
) -> str | None:
    """The label of a question; ``None`` where the model does not decide.

    Args:
        shares: probabilities by label.
        suspected: whether a rule would decline it.
        has_image: whether an image came with it.
        asks: whether it looks as if it asked.
    """
    outside = {
        label: share * (_weight(label) if has_image else 1.0)
        for label, share in shares.items()
        if LABELS[label][0] is _K.OUT_OF_SCOPE
    }
    inside = {label: share for label, share in shares.items() if label not in outside}
    limit = (_SUSPECTED if suspected else _DECLINED) if asks else _STATED
    odds = sum(outside.values())
    if odds >= limit * (odds + sum(inside.values())):
        return max(outside, key=outside.__getitem__)
    best = max(inside, key=inside.__getitem__)
    clear = _OF_AN_IMAGE if has_image else _CLEAR
    return best if asks or inside[best] >= clear else None


def _weight(label: str) -> float:
    return _NOT_OF_IT if label in _OF_NO_IMAGE else _WITH_IMAGE


def masked(request: str, mentions: Iterable[Mention]) -> str:
    """The sentence in plain small letters, asking words spelled out, each term as its kind."""
    kinds = {m.text: f" x{m.kind} " for m in mentions}
    for text in sorted(kinds, key=len, reverse=True):
        request = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", kinds[text], request)
    return plain_letters(spelled_out(request))


def hashed(wording: str) -> NDArray[np.int64]:
    """The buckets of its n-grams: one to three words, three to five letters within a word."""
    found = _WORD.findall(wording)
    framed = ["^", *found, "$"]
    grams = {" ".join(framed[i : i + n]) for n in (1, 2, 3) for i in range(len(framed) - n + 1)} | {
        f"#{word[i : i + n]}"
        for word in (f"<{w}>" for w in found)
        for n in (3, 4, 5)
        for i in range(len(word) - n + 1)
    }
    return np.array([zlib.crc32(gram.encode()) % BUCKETS for gram in sorted(grams)], np.int64)
