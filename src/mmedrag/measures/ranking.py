"""Ranking metrics of one query, in the form of their expectation over all ways to break ties.

A scorer that gives every item the same score then measures exactly chance, in whatever order the
items stand (McSherry and Najork 2008, "Computing information retrieval performance measures
efficiently in the presence of tied scores"). Scores are higher for better items; nothing is sorted
but the items that can reach the first ``k`` ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Scores: TypeAlias = NDArray[np.floating]
"""One score an item, ``(n,)``."""

Relevant: TypeAlias = NDArray[np.bool_]
"""Which items are relevant, ``(n,)``."""

Grades: TypeAlias = NDArray[np.integer]
"""How relevant each item is, from 0, ``(n,)``."""


@dataclass(frozen=True, slots=True)
class _Block:
    """The tied items among which the best relevant one stands."""

    above: int
    tied: int
    relevant: int


def success_at_k(scores: Scores, relevant: Relevant, k: int) -> float:
    """R@k as the image-text literature uses it: is any relevant item among the first ``k``?

    ``1 - C(t - r, m) / C(t, m)`` where the best relevant item is tied with ``t`` items, ``r`` of
    them relevant, below ``a`` better ones, and ``m = k - a`` ranks are left for them (Faghri et al.
    2018, VSE++, section 3.1, for the untied measure). 0 where nothing is relevant.
    """
    block = _best_block(scores, relevant)
    if block is None or block.above >= k:
        return 0.0
    left = min(k - block.above, block.tied)
    i = np.arange(left)
    missed = (block.tied - block.relevant - i) / (block.tied - i)
    return float(1.0 - np.prod(np.clip(missed, 0.0, 1.0)))


def reciprocal_rank(scores: Scores, relevant: Relevant) -> float:
    """``1 / rank`` of the first relevant item (Voorhees 1999, TREC-8); its mean is MRR.

    With ties, the sum over ``j`` of ``P(first at j) / (a + j)``, where
    ``P(first at j) = C(t - j, r - 1) / C(t, r)``. 0 where nothing is relevant.
    """
    block = _best_block(scores, relevant)
    if block is None:
        return 0.0
    t, r = block.tied, block.relevant
    j = np.arange(1, t - r + 1)
    chances = np.cumprod(np.concatenate([[r / t], (t - j - r + 1) / (t - j)]))
    return float(np.sum(chances / (block.above + np.arange(1, len(chances) + 1))))


def precision_at_k(scores: Scores, relevant: Relevant, k: int) -> float:
    """The share of relevant items among the first ``k`` (Manning et al. 2008, section 8.4).

    ``scores`` is float ``(n,)``, ``relevant`` bool ``(n,)``.

    A tied item counts with its chance of standing there. Divided by ``k`` also where there are
    fewer items.
    """
    expected = _expected_top(scores, relevant.astype(np.float64), k)
    return float(np.sum(expected) / k)


def ndcg_at_k(scores: Scores, grades: Grades, k: int) -> float:
    """``DCG@k / ideal DCG@k``, ``DCG@k = sum_i grade_i / log2(i + 1)`` (Järvelin, Kekäläinen 2002).

    The gain is the grade itself, as in trec_eval. A tied item's gain is the mean of its block. 0
    where every grade is 0.
    """
    ideal = -np.sort(-grades.astype(np.float64))[:k]
    best = float(np.sum(ideal * _discounts(len(ideal))))
    if best == 0.0:
        return 0.0
    expected = _expected_top(scores, grades.astype(np.float64), k)
    return float(np.sum(expected * _discounts(len(expected)))) / best


def ndcg_of_list(listed: Sequence[int], grades: Sequence[int], k: int) -> float:
    """nDCG@k of a list that may be shorter than ``k``: a rank where nothing stands gains nothing.

    Args:
        listed: grades of the list, in its order.
        grades: of everything that could stand in it, which gives the ideal.
        k: ranks that count.
    """
    ideal = np.sort(np.asarray(grades, np.float64))[::-1][:k]
    best = float(np.sum(ideal * _discounts(len(ideal))))
    gained = np.asarray(listed[:k], np.float64)
    return float(np.sum(gained * _discounts(len(gained)))) / best if best else 0.0


def chance_at_1(relevant: Relevant) -> float:
    """R@1 of a random order: the share of relevant items."""
    return float(np.mean(relevant)) if len(relevant) else 0.0


def _best_block(scores: Scores, relevant: Relevant) -> _Block | None:
    if not relevant.any():
        return None
    best = scores[relevant].max()
    tied = scores == best
    return _Block(
        above=int(np.count_nonzero(scores > best)),
        tied=int(np.count_nonzero(tied)),
        relevant=int(np.count_nonzero(tied & relevant)),
    )


def _expected_top(scores: Scores, gains: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """The expected gain at each of the first ``k`` ranks: the mean over the items tied there."""
    if len(scores) > k:
        reach = scores >= np.partition(scores, -k)[-k]
        scores, gains = scores[reach], gains[reach]
    order = np.argsort(-scores, kind="stable")
    levels, block, sizes = np.unique(-scores[order], return_inverse=True, return_counts=True)
    means = np.bincount(block, gains[order], len(levels)) / sizes
    return means[block][:k]


def _discounts(n: int) -> NDArray[np.float64]:
    discounts: NDArray[np.float64] = 1.0 / np.log2(np.arange(2, n + 2))
    return discounts
