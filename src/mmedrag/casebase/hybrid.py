"""How cosine, BM25 and concepts become one relevance (section 3.4, stage 1, text queries)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmedrag.rounding import rounded
from mmedrag.types import Assertion, Criterion

LEXICAL_WEIGHT = 0.15
"""Chosen on diagnoses that asked for their cases' findings; `docs/guide/evaluation.md` has the
comparison with RRF."""

CONCEPT_WEIGHT = 2 / 3
"""The least by which a case that meets every criterion of a question comes before all that do not,
however many criteria there are: more than half of the score of :func:`together` lies between them,
and the blends of cosine and BM25, below 0 taken for 0, span at most 1. It follows from that demand
and was not tuned; benchmarks/concept_channel.py says what it does to other questions."""

EVIDENCE_WEIGHT = 0.1
"""Of the findings that a description shares with a report (:func:`evidence`). Chosen on training
questions of five sets; benchmarks/concept_channel.py measures it."""


def relevance(
    similarities: NDArray[np.float64],
    bm25: NDArray[np.float64],
    concepts: NDArray[np.float64] | None = None,
    weight: float = CONCEPT_WEIGHT,
) -> NDArray[np.float64]:
    """Convex combination of cosine and BM25 scaled to the best match (Bruch et al. 2023).

    Unlike reciprocal rank fusion (Cormack et al. 2009) it keeps the distances between scores,
    which the graph of section 3.5 needs as its q.

    Args:
        similarities: cosines, shape ``(n,)``.
        bm25: BM25 scores, shape ``(n,)``; 0 where the case does not match at all.
        concepts: how far each meets the question's criteria, in [-1, 1], shape ``(n,)``; none where
            no case of the corpus says anything to them.
        weight: of the concepts.

    Returns:
        Scores to rank by, rounded, shape ``(n,)``, in [-1, 1]; equal to ``similarities`` where no
        case matches lexically or by concept.
    """
    best = bm25.max(initial=0.0)
    scores = similarities
    if best > 0.0:
        scores = rounded((1.0 - LEXICAL_WEIGHT) * similarities + LEXICAL_WEIGHT * bm25 / best)
    if concepts is None:
        return scores
    return rounded((1.0 - weight) * np.maximum(scores, 0.0) + weight * concepts)


def affirmed_by(criteria: Sequence[Criterion]) -> NDArray[np.bool_]:
    """Which criteria ask for a finding, ``(criteria,)``; the others rule one out."""
    return np.array([c.assertion is Assertion.AFFIRMED for c in criteria], bool)


def together(values: NDArray[np.float64], affirmed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How far each report meets all criteria, from how far it meets each.

    What is ruled out weighs less, all of it together, than one finding that should be there: many
    reports deny by habit.

    Args:
        values: ``(criteria, reports)``, each in [-1, 1].
        affirmed: which criteria ask for a finding and do not rule one out, ``(criteria,)``.

    Returns:
        ``(reports,)``: half the weighted mean over the criteria, and another half where all of them
        are met, so that no case that meets a few comes near one that meets all.
    """
    if not len(values):
        return np.zeros(values.shape[1])
    weights = np.where(affirmed, 1.0, 1.0 / (1 + np.count_nonzero(~affirmed)))
    mean = weights @ values / weights.sum()
    return np.asarray(0.5 * mean + 0.5 * (values == 1.0).all(axis=0), np.float64)


def evidence(
    values: NDArray[np.float64], frequencies: NDArray[np.int64], total: int
) -> NDArray[np.float64]:
    """How much of what a description affirms each report affirms, rare findings first.

    What both rule out does not count: reports deny by habit.

    Args:
        values: how far each report meets each criterion, ``(criteria, reports)``.
        frequencies: reports that meet each criterion, ``(criteria,)``.
        total: reports of the corpus.

    Returns:
        ``(reports,)`` in [0, 1]: the mean weighted by inverse document frequency (Spärck Jones
        1972).
    """
    rarity = np.log((total + 1) / (frequencies + 1))
    if not rarity.sum() > 0.0:
        return np.zeros(values.shape[1])
    return np.asarray(rarity @ np.maximum(values, 0.0) / rarity.sum(), np.float64)


def weight_of(criteria: Sequence[Criterion]) -> float:
    """What the concepts of a question weigh against its words and its vector."""
    return CONCEPT_WEIGHT if all(c.required for c in criteria) else EVIDENCE_WEIGHT
