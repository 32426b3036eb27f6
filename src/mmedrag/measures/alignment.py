"""What a set of vectors looks like: the columns of Table C (section 4.5), alignment, uniformity.

Similarities are cosines; rows are scaled to norm 1 first. A similarity is not yet a merit: vectors
of pure noise are as far apart as can be, so these figures stand beside retrieval, never alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Matrix

DRAWS = 10_000
"""Random pairs, as many as make the error of their mean small beside the paper's differences."""

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]
"""A number by row that says which rows belong together, ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Table C's columns for the vectors of ``n`` items."""

    self_similarity: float
    random_pair: float
    mean_pairwise: float
    std_pairwise: float

    @property
    def separation(self) -> float:
        """``1 - random_pair``.

        Eight of the paper's nine rows are this. Its row of contrastive fusion adds instead
        (1.001524 for a random pair of 0.001524); with the right sign it is 0.998476.
        """
        return 1.0 - self.random_pair


@dataclass(frozen=True, slots=True)
class PairSimilarity:
    """Mean cosine of two records of one case, and of two cases (section 4.7, as we read it)."""

    intra: float
    cross: float


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Spearman's rho, and how often a random order gives one as far from 0."""

    rho: float
    p_value: float


def spread(vectors: Matrix, seed: int = 0) -> Spread:
    """The columns of Table C for the directions of vectors.

    Args:
        vectors: ``(n, dim)``, n > 1.
        seed: of the random pairs, two different items each.
    """
    rows = unit_rows(vectors).astype(np.float64)
    random = np.random.default_rng(seed)
    first = random.integers(0, len(rows), DRAWS)
    second = (first + random.integers(1, len(rows), DRAWS)) % len(rows)
    every = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return Spread(
        self_similarity=float(np.einsum("ij,ij->i", rows, rows).mean()),
        random_pair=float(np.einsum("ij,ij->i", rows[first], rows[second]).mean()),
        mean_pairwise=float(every.mean()),
        std_pairwise=float(every.std()),
    )


def pair_similarity(vectors: Matrix, groups: Groups, captions: Groups) -> PairSimilarity:
    """Mean similarity within and between groups, of pairs whose captions differ.

    Args:
        vectors: ``(n, dim)``.
        groups: the case of each, ``(n,)``.
        captions: equal for equal captions, ``(n,)``.

    Returns:
        Means; NaN where there is no such pair.
    """
    rows = unit_rows(vectors).astype(np.float64)
    similarity = rows @ rows.T
    other = captions[:, None] != captions
    same = groups[:, None] == groups
    return PairSimilarity(_mean(similarity[same & other]), _mean(similarity[~same & other]))


def matched_scores(
    queries: Matrix, shown: Matrix, groups: Groups, captions: Groups
) -> tuple[Floats, NDArray[np.bool_]]:
    """Similarities of matched and mismatched pairs, and which are matched; for an AUROC.

    Args:
        queries: one modality's vectors, ``(n, dim)``.
        shown: the other's, in the same order.
        groups: pairs of one group are matched.
        captions: pairs of two groups with one caption are neither, and left out.
    """
    similarity = unit_rows(queries).astype(np.float64) @ unit_rows(shown).astype(np.float64).T
    matched = groups[:, None] == groups
    counted = matched | (captions[:, None] != captions)
    return similarity[counted], matched[counted]


def alignment(first: Matrix, second: Matrix) -> float:
    """``E ||f(x) - f(y)||^2`` over matched rows of unit vectors; 0 is best (Wang, Isola 2020)."""
    apart = unit_rows(first).astype(np.float64) - unit_rows(second)
    return float((apart**2).sum(axis=1).mean())


def uniformity(vectors: Matrix) -> float:
    """``log E exp(-2 ||f(x) - f(y)||^2)`` over all pairs; lower is more even (Wang, Isola 2020).

    Between 0 (all in one point) and about -4 (even, in many dimensions).
    """
    rows = unit_rows(vectors).astype(np.float64)
    cosines = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return float(np.log(np.exp(-2 * (2 - 2 * cosines)).mean()))


def rank_correlation(x: Floats, y: Floats, seed: int = 0, draws: int = 10_000) -> RankCorrelation:
    """Spearman's rho of two rows ``(n,)`` with a two-sided permutation test (Good 2005).

    NaN where one of them never changes.
    """
    first, second = (_centred_ranks(np.asarray(row, np.float64)) for row in (x, y))
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    if norm == 0:
        return RankCorrelation(float("nan"), float("nan"))
    rho = float(first @ second) / norm
    shuffled = np.random.default_rng(seed).permuted(np.tile(second, (draws, 1)), axis=1)
    extreme = int(np.count_nonzero(np.abs(shuffled @ first) / norm >= abs(rho) - 1e-12))
    return RankCorrelation(rho, (1 + extreme) / (1 + draws))


def _centred_ranks(row: Floats) -> Floats:
    """Ranks, equal values sharing their mean rank, less the mean of all."""
    below = (row[:, None] > row).sum(axis=1)
    tied = (row[:, None] == row).sum(axis=1)
    ranks: Floats = below + (tied - 1) / 2
    return np.asarray(ranks - ranks.mean())


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")
