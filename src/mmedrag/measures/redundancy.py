"""How much a ranking repeats itself: α-nDCG, intra-list similarity, share of repetitions."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmedrag.measures.cosines import pairwise_cosines
from mmedrag.types import Matrix

Nuggets = NDArray[np.bool_]
"""Which item says what, ``(items, nuggets)``: the J(d, i) of Clarke et al."""

ALPHA = 0.5
"""Of α-nDCG, as TREC's diversity task sets it: a nugget said before counts half, then a quarter."""


def alpha_ndcg_at_k(ranked: Nuggets, ideal: float, k: int = 10, alpha: float = ALPHA) -> float:
    """``α-DCG@k / ideal α-DCG@k`` (Clarke et al. 2008, SIGIR, section 3).

    Args:
        ranked: the items of the ranking, best first.
        ideal: of every item that could have been found (:func:`ideal_alpha_dcg_at_k`).
        k: ranks that count.
        alpha: what a repetition loses, 0 to 1; at 0 this is nDCG with the nuggets as gain.

    Returns:
        0 to 1 (a little more where greed is not ideal); 0 where nothing could be found.
    """
    return alpha_dcg_at_k(ranked, k, alpha) / ideal if ideal > 0.0 else 0.0


def alpha_dcg_at_k(ranked: Nuggets, k: int = 10, alpha: float = ALPHA) -> float:
    """``Σ_d (Σ_i J(d, i) (1 − α)^(how many items above d say i)) / log2(rank + 1)``.

    Arguments as for :func:`alpha_ndcg_at_k`.
    """
    top = ranked[:k]
    earlier: NDArray[np.int64] = np.cumsum(top, axis=0) - top
    return _discounted((top * (1.0 - alpha) ** earlier).sum(axis=1))


def ideal_alpha_dcg_at_k(nuggets: Nuggets, k: int = 10, alpha: float = ALPHA) -> float:
    """α-DCG of the best order of a pool. As in the paper it is picked greedily; it is NP-hard.

    ``k`` and ``alpha`` as for :func:`alpha_ndcg_at_k`.
    """
    left = nuggets[nuggets.any(axis=1)].astype(np.float64)
    worth = np.ones(nuggets.shape[1])
    gains: list[float] = []
    while len(left) and len(gains) < k:
        adds = left @ worth
        best = int(np.argmax(adds))
        gains.append(float(adds[best]))
        worth[left[best] > 0.0] *= 1.0 - alpha
        left = np.delete(left, best, axis=0)
    return _discounted(np.array(gains))


def intra_list_similarity(vectors: Matrix) -> float:
    """Mean cosine over all pairs of a list (Ziegler et al. 2005, WWW, section 3.3).

    Args:
        vectors: the items, ``(n, dim)``; 0 for fewer than two.
    """
    n = len(vectors)
    if n < 2:
        return 0.0
    return float(pairwise_cosines(vectors)[np.triu_indices(n, 1)].mean())


def repeated_share(names: Sequence[Collection[Hashable]]) -> float:
    """The share of items that have a name in common with an item above them.

    Args:
        names: what each item can be recognised by (its study, its text); an item without a name
            repeats nothing.
    """
    seen: set[Hashable] = set()
    repeated = 0
    for item in names:
        repeated += not seen.isdisjoint(item)
        seen.update(item)
    return repeated / len(names) if names else 0.0


def _discounted(gains: NDArray[np.float64]) -> float:
    return float(np.sum(gains / np.log2(np.arange(2, len(gains) + 2))))
