"""What searches have read and derived, kept until something is written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from threading import Lock
from typing import Generic, TypeVar

from mmedrag.casebase.database import Database
from mmedrag.casebase.packing import Read
from mmedrag.types import Vector

Asked = TypeVar("Asked", bound=Hashable)
Found = TypeVar("Found")

# So many cases, and in large casebases one of so many.
_CASES, _CASES_OF = 8_192, 32
# Bytes of arrays that are kept for one kind of question; what one takes, however short it is.
_BYTES, _LEAST = 2**25, 1_000


class RememberedArrays(Generic[Asked, Found]):
    """What was found for one thing after another; where it becomes too much, all is forgotten.

    Args:
        size: gives the bytes of what was found.
    """

    def __init__(self, size: Callable[[Found], int]) -> None:
        self._size = size
        self._found: dict[Asked, Found] = {}
        self._held = 0

    def of(self, asked: Asked, find: Callable[[], Found]) -> Found:
        """What was found before, or is now."""
        if asked not in self._found:
            found = find()
            if self._held > _BYTES:
                self.forget()
            self._found[asked] = found
            self._held += max(self._size(found), _LEAST)
        return self._found[asked]

    def forget(self) -> None:
        """Find all of it again."""
        self._found.clear()
        self._held = 0


class RememberedCases:
    """Cases by row; those read first are forgotten first. For searches in several threads."""

    def __init__(self) -> None:
        self._cases = OrderedDict[int, Read]()
        self._checked: set[int] = set()  # those whose table was looked at
        self._stating: set[int] = set()  # and those whose terms
        self._changing = Lock()

    def forget(self) -> None:
        """Read the cases that are found next from the database again."""
        with self._changing:
            self._cases.clear()
            self._checked.clear()
            self._stating.clear()

    def read(self, database: Database, vectors: Mapping[int, Vector], of: int) -> dict[int, Read]:
        """Cases with the terms of their reports, by row.

        Args:
            database: inside a ``reading()`` transaction.
            vectors: of the cases; see :meth:`mmedrag.casebase.queries.Queries.read`.
            of: how many cases there are.
        """
        cases = {row: case for row in vectors if (case := self._cases.get(row)) is not None}
        missing = {row: vector for row, vector in vectors.items() if row not in cases}
        if not missing:
            return cases
        unread = database.read(missing)
        with self._changing:
            self._cases |= unread
            while len(self._cases) > max(_CASES, of // _CASES_OF):
                gone, _ = self._cases.popitem(last=False)
                self._checked.discard(gone)
                self._stating.discard(gone)
        return cases | unread

    def check(self, database: Database, vectors: Mapping[int, Vector]) -> None:
        """Hold cases against the table that filters ask, once.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        self._once(
            self._checked,
            vectors,
            lambda new: database.table_cases({row: vectors[row] for row in new}),
        )

    def check_terms(self, database: Database, rows: Iterable[int]) -> None:
        """Hold what is kept of reports against its checksums, once.

        Raises:
            CasebaseDamaged: that of one fails it.
        """
        self._once(self._stating, rows, database.mention_table.check)

    def _once(
        self, done: set[int], rows: Iterable[int], check: Callable[[list[int]], object]
    ) -> None:
        new = [row for row in rows if row not in done]
        if new:
            check(new)
            with self._changing:
                done.update(new)
