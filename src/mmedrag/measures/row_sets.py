"""Sets of row numbers as ascending arrays, joined and subtracted without hashing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
"""Row numbers, none below 0."""

_NONE: Rows = np.empty(0, np.int64)
# Numbers that are marked in the time in which one is sorted, and in which one is searched for.
_DENSE, _SEARCHED = 100, 1_000


def distinct(rows: Rows) -> Rows:
    """Each row once, ascending; ``np.unique`` hashes integers, which takes longer."""
    if np.any(rows[1:] < rows[:-1]):  # those of one term are read in their order
        last = int(rows.max())
        if last < _DENSE * len(rows):
            return np.flatnonzero(_marked(rows, last))
        rows = np.sort(rows)
    return rows[np.flatnonzero(np.diff(rows, prepend=-1))]


def union(arrays: Sequence[Rows]) -> Rows:
    """Rows, ascending, that are in any of the ascending arrays."""
    held = [rows for rows in arrays if len(rows)]
    if len(held) < 2:  # nothing to join
        return held[0] if held else _NONE
    return distinct(np.concatenate(held))


def places_in(rows: Rows) -> Callable[[Rows], NDArray[np.integer[Any]]]:
    """Tells where in ascending rows some of them stand."""
    if len(rows) and rows[-1] < _DENSE * len(rows):
        places = np.empty(rows[-1] + 1, np.int32)
        places[rows] = np.arange(len(rows), dtype=np.int32)
        return places.__getitem__
    return lambda some: np.searchsorted(rows, some)


def without(rows: Rows, others: Rows) -> Rows:
    """Ascending rows that are not in the others, which ascend too."""
    few, many = sorted((rows, others), key=len)
    if not len(few):
        return rows
    last = max(int(rows[-1]), int(others[-1]))
    if last < _SEARCHED * len(few):
        return rows[~_marked(others, last)[rows]]
    places = np.minimum(np.searchsorted(many, few), len(many) - 1)
    present = many[places] == few
    if not present.any():
        return rows
    return np.delete(rows, places[present]) if few is others else rows[~present]


def _marked(rows: Rows, last: int) -> NDArray[np.bool_]:
    """Which numbers up to the last are among the rows.

    To mark dense rows takes less time than to sort or to search them.
    """
    marked = np.zeros(last + 1, np.bool_)
    marked[rows] = True
    return marked
