"""R@k between the images and texts of one part, scored by study and caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.datasets.corpus import Codes
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.ranking import success_at_k
from mmedrag.types import Matrix

RANKS = (1, 5, 10)
DIRECTIONS = ("image_to_text", "text_to_image")


@dataclass(frozen=True, slots=True, eq=False)
class Recalls:
    """Success at each of :data:`RANKS` by query, ``(n, 3)`` a direction; ``chance`` of R@1."""

    by_direction: Mapping[str, NDArray[np.float64]]
    chance: float

    @property
    def mean(self) -> float:
        """Over ranks and directions: what an epoch is chosen by (VSE++'s sum, as a mean)."""
        return float(np.mean([values.mean() for values in self.by_direction.values()]))

    def figures(self) -> dict[str, dict[str, float]]:
        """``{direction: {"R@1": …}}``."""
        return {
            name: {f"R@{k}": round(float(v), 4) for k, v in zip(RANKS, values.mean(0), strict=True)}
            for name, values in self.by_direction.items()
        }

    def intervals(self, patients: Codes) -> dict[str, dict[str, list[float]]]:
        """95 % intervals by the same names; whole patients are drawn.

        ``patients`` is int64 ``(n,)``.
        """
        return {
            name: {
                f"R@{k}": [round(float(end), 4) for end in ends]
                for k, ends in zip(RANKS, interval(values, patients), strict=True)
            }
            for name, values in self.by_direction.items()
        }


def measure_recalls(images: Matrix, texts: Matrix, groups: Codes) -> Recalls:
    """Every image asks for all texts, and every text for all images.

    Args:
        images: vectors ``(n, dim)``.
        texts: vectors ``(n, dim)`` of the same cases.
        groups: codes ``(n, kinds)``; a right answer agrees in any column (-1 agrees with nothing),
            and a case's own other half always is one.
    """
    same = ((groups[:, None] == groups[None]) & (groups[:, None] >= 0)).any(axis=2)
    same |= np.eye(len(groups), dtype=np.bool_)
    scores = np.round(images.astype(np.float64) @ texts.astype(np.float64).T, 9)
    return Recalls(
        {"image_to_text": _successes(scores, same), "text_to_image": _successes(scores.T, same)},
        float(same.mean()),
    )


def _successes(scores: NDArray[np.float64], relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.array(
        [
            [success_at_k(row, right, k) for k in RANKS]
            for row, right in zip(scores, relevant, strict=True)
        ]
    )
