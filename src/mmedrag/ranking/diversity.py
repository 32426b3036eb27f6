"""Diversity of the context: rerankers that keep near-duplicates from crowding out the rest.

Propagation over a similarity graph (section 3.5) favours items that resemble many others, and
near-duplicates most. What the paper expects of it, a context without redundancy (3.5.2), comes from
the two rerankers here. Cases and definitions are never compared with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from mmedrag.errors import QueryError
from mmedrag.remembering import remembered
from mmedrag.rounding import rounded
from mmedrag.text.labels import is_label, words_of
from mmedrag.types import Case, Evidence, Matrix, Question

COPY = 0.9995
"""The cosine from which on two cases are copies, whatever their records say."""


@dataclass(frozen=True, slots=True)
class MaximalMarginalRelevance:
    """Picks the item with the largest λ·relevance − (1−λ)·similarity to what is already picked.

    Carbonell & Goldstein, SIGIR 1998. ``trade_off`` is λ: 1 sorts by relevance alone. Relevance is
    the centrality where section 3.5 filled it, else that of stage 1, stretched to 0…1 over the
    evidence: eq. 4 shrinks differences to about 1−α of what they were, and cosines would outweigh
    them. Similarity is the cosine of eq. 3 within cases and within definitions, at least 0.

    Raises:
        QueryError: if ``trade_off`` is not in 0 ≤ λ ≤ 1.
    """

    trade_off: float = 0.7

    def __post_init__(self) -> None:
        _check_share("trade-off", self.trade_off)

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence in the order it was picked; ties keep the order they came in."""
        if not evidence:
            return []
        gain = self.trade_off * _stretch([_relevance(e) for e in evidence])
        cost = np.float32(1.0 - self.trade_off) * _similarities(evidence)
        return [evidence[i] for i in _greedy(gain, cost)]


@dataclass(frozen=True, slots=True)
class DuplicatesLast:
    """Moves every item behind that repeats an earlier one; both parts keep their order.

    Two cases of one patient repeat each other if they have the same text, longer than a label
    (:func:`~mmedrag.text.labels.is_label`), or vectors with a cosine of at least ``same``; so do
    cases of unknown patients with the same text. Other patients who look alike are no repetition
    but further evidence; only a copy is one (a cosine of at least :data:`COPY`, whoever it is said
    to be of). Two definitions repeat each other if they
    define the same concept, or have the same text or such vectors. Nothing is dropped: an item
    moved behind can still be seen.

    Raises:
        QueryError: if ``same`` is not in 0 ≤ same ≤ 1.
    """

    same: float = 0.98

    def __post_init__(self) -> None:
        _check_share("cosine of duplicates", self.same)

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """First the items that say something new, then the repetitions."""
        if not evidence:
            return []
        owners = [owner(e) for e in evidence]
        number = {own: i for i, own in enumerate(owners)}
        of = np.array([number[own] for own in owners])
        named = np.array([bool(own[-1]) for own in owners])
        cosines = _similarities(evidence)
        of_one = (of[:, np.newaxis] == of) & named
        alike = (cosines >= COPY) | (of_one & (cosines >= self.same))
        items = Counter(owners)  # who has one alone cannot say it twice
        names = [
            identities(e) if items[own] > 1 else set()
            for e, own in zip(evidence, owners, strict=True)
        ]
        fresh: list[int] = []
        repeated: list[int] = []
        seen: set[tuple[str | bytes, ...]] = set()
        for i, own_names in enumerate(names):
            if alike[i, fresh].any() or not seen.isdisjoint(own_names):
                repeated.append(i)
            else:
                fresh.append(i)
                seen |= own_names
        return [evidence[i] for i in fresh + repeated]


def owner(e: Evidence) -> tuple[str, ...]:
    """Whose item it is: a patient's, as far as one is named; definitions are all of one."""
    if not isinstance(e.item, Case):
        return ("definition",)
    return ("case", e.item.source, e.item.patient_id or e.item.study_id)


def identities(e: Evidence) -> set[tuple[str | bytes, ...]]:
    """What another item must share one of to be a repetition of this one.

    A patient's text if it is no mere label; a definition's text, and its concept.
    """
    of = owner(e)
    wording = _wording(e.text)
    names: set[tuple[str | bytes, ...]] = {(*of, "text", wording)} if wording else set()
    if not isinstance(e.item, Case):
        names.add((*of, "concept", e.item.concept))
    return names


@remembered(1 << 12)
def _wording(text: str) -> bytes:
    """Equal for texts of the same words; empty for a mere label, which many patients share."""
    if not text or is_label(text):
        return b""
    words = " ".join(words_of(text))
    return blake2b(words.encode("utf-8", "replace"), digest_size=16).digest()


def _similarities(evidence: Sequence[Evidence]) -> Matrix:
    """Cosines (eq. 3), shape ``(n, n)``; 0 between a case and a definition.

    Rounded to six decimals, what float32 holds, so that equal items tie.
    """
    e = np.stack([item.vector for item in evidence]).astype(np.float32)
    norms = np.linalg.norm(e, axis=1, keepdims=True)
    unit = np.divide(e, norms, out=np.zeros_like(e), where=norms > 0)
    is_case = np.array([isinstance(item.item, Case) for item in evidence])
    same_kind = is_case[:, np.newaxis] == is_case
    return np.where(same_kind, np.round(unit @ unit.T, 6), np.float32(0.0))


def _greedy(gain: NDArray[np.float64], cost: Matrix) -> list[int]:
    """Indices by falling ``gain[i] − max over the picked j of cost[i, j]``."""
    value = gain.copy()
    dearest = np.zeros_like(gain)
    picked: list[int] = []
    for _ in range(len(gain)):
        best = int(np.argmax(rounded(value)))
        picked.append(best)
        np.maximum(dearest, cost[best], out=dearest)
        np.subtract(gain, dearest, out=value)
        value[picked] = -np.inf
    return picked


def _relevance(e: Evidence) -> float:
    return e.relevance if e.centrality is None else e.centrality


def _stretch(values: Sequence[float]) -> NDArray[np.float64]:
    """Values mapped to 0…1; all 1 where they are equal."""
    v = rounded(values)
    spread = v.max() - v.min()
    return (v - v.min()) / spread if spread > 0 else np.ones_like(v)


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise QueryError(f"The {name} is {value}", "Give a number from 0 to 1.")
