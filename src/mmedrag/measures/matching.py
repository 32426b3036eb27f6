"""Does a similarity tell pairs that belong together from pairs that do not?

A mean similarity cannot say: an encoder whose vectors all lie in a narrow cone gives every pair a
high one (Ethayarajh 2019). So the mean of mismatched pairs stands beside it here, and the AUROC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.measures.probabilities import auroc
from mmedrag.measures.ranking import reciprocal_rank, success_at_k
from mmedrag.types import Matrix

TOP = 5
"""The first hits whose mean similarity is the "mean retrieval similarity"."""


def matching(queries: Matrix, items: Matrix, groups: Sequence[str]) -> dict[str, Any]:
    """Figures of queries against items that stand in the same order.

    A pair is matched where query and item have one group, else mismatched. Every mismatched pair is
    used, so shuffling needs no seed. ``top5`` is the mean cosine of the first five hits, matched or
    not: what the paper seems to mean by "mean retrieval similarity".

    Args:
        queries: unit vectors, ``(n, dim)``; a row of zeros has no vector.
        items: unit vectors, ``(n, dim)``.
        groups: of both, ``(n,)``.
    """
    names = np.unique(np.asarray(groups), return_inverse=True)[1]
    similarities = (queries @ items.T).astype(np.float64)
    same = names[:, None] == names[None]
    own = np.diagonal(similarities)
    apart = similarities[~same]
    ranked = np.sort(similarities, axis=1)[:, ::-1][:, :TOP]
    return {
        "pairs": len(names),
        "groups": int(names.max()) + 1,
        "matched": float(own.mean()),
        "least": float(own.min()),
        "mismatched": float(apart.mean()) if len(apart) else float("nan"),
        "top5": float(ranked.mean()),
        "AUROC": auroc(np.concatenate([own, apart]), np.arange(len(own) + len(apart)) < len(own)),
        **_ranks(similarities, same),
    }


def _ranks(similarities: NDArray[np.float64], same: NDArray[np.bool_]) -> dict[str, float]:
    rows = list(zip(similarities, same, strict=True))
    return {
        "R@1": float(np.mean([success_at_k(s, r, 1) for s, r in rows])),
        "R@10": float(np.mean([success_at_k(s, r, 10) for s, r in rows])),
        "MRR": float(np.mean([reciprocal_rank(s, r) for s, r in rows])),
        "chance@1": float(same.mean()),
    }
