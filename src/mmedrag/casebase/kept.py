"""Row numbers that were read once and are brought from one state of the database to the next.

A row is written once and never changed, so an answer that is row numbers loses those that were
deleted since, and gains some of those that were added: only these are read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from mmedrag.casebase.exact import Rows
from mmedrag.measures.row_sets import without

_NONE: Rows = np.empty(0, np.int64)


@dataclass(slots=True)
class _Answer:
    """Rows up to ``last``; the first ``seen`` deletions are taken in."""

    rows: Rows
    last: int
    seen: int


class KeptRows:
    """Answers by key, each ascending row numbers.

    Args:
        most: row numbers that are kept in all before every answer is forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: dict[Hashable, _Answer] = {}
        self._held = 0
        self._gone: list[Rows] = []  # deletions, in their order
        self._last = 0

    def follow(self, last: int, gone: Rows | None) -> None:
        """Be at a later state.

        Args:
            last: no row is above.
            gone: rows that were deleted since the last state; ``None`` forgets every answer.
        """
        self._last = last
        if gone is None:
            self.forget()
        elif len(gone):
            self._gone.append(gone)

    def rows(self, key: Hashable, read: Callable[[int], Rows]) -> Rows:
        """The answer of today.

        Args:
            key: of the question.
            read: gives the answer's rows above a row number, ascending.
        """
        if key not in self._answers and self._held > self._most:
            self.forget()
        answer = self._answers.setdefault(key, _Answer(_NONE, 0, len(self._gone)))
        before = len(answer.rows)
        if unseen := self._gone[answer.seen :]:
            answer.rows = without(answer.rows, np.sort(np.concatenate(unseen)))
        if answer.last < self._last:
            answer.rows = np.concatenate([answer.rows, read(answer.last)])
        answer.last, answer.seen = self._last, len(self._gone)
        self._held += len(answer.rows) - before
        return answer.rows

    def forget(self) -> None:
        """Keep nothing."""
        self._answers.clear()
        self._gone.clear()
        self._held = 0
