"""What the reports of a snapshot say: the lists of its generation, and those written since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.criteria import Statements
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import Mask, Positions, Rows
from mmedrag.casebase.remembered import RememberedArrays
from mmedrag.casebase.statement_lists import (
    BITS,
    CODES,
    NONE,
    Keys,
    Lists,
    PositionsOf,
    StoredStatements,
    damaged,
    lists_of,
    parsed,
    site_bits,
)
from mmedrag.measures.row_sets import union
from mmedrag.types import Assertion, Kind

_MANY = 10_000  # reports that are not looked at one by one, once the whole file has been
_FULL = 50_000  # mentions of few reports at a time that are sorted together
_CONCEPTS = 100_000  # whose terms are remembered

Stating: TypeAlias = RememberedArrays[tuple[Assertion, tuple[int, ...], int], NDArray[np.uint32]]
"""Positions by assertion, terms and the bits of sites."""


def _nothing_yet() -> Stating:
    return RememberedArrays(lambda positions: positions.nbytes)


class _Few:
    """Statements of a few cases at a time, as they came."""

    def __init__(self) -> None:
        self._keys, self._positions, self._sites = NONE, NONE, NONE
        self._lists: Lists | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Keys, positions: Positions, sites: NDArray[np.int64]) -> None:
        """Take in mentions."""
        self._keys = np.concatenate([self._keys, keys])
        self._positions = np.concatenate([self._positions, positions])
        self._sites = np.concatenate([self._sites, sites])
        self._lists = None

    @property
    def lists(self) -> Lists:
        """All that were taken in."""
        if self._lists is None:
            order = np.lexsort((self._positions, self._keys))
            keys, starts = np.unique(self._keys[order], return_index=True)
            positions, sites = self._positions[order], self._sites[order]
            self._lists = _held(keys, np.append(starts, len(order)), positions, sites)
        return self._lists


def _held(
    keys: Keys, starts: NDArray[np.int64], positions: NDArray[Any], sites: NDArray[Any]
) -> Lists:
    """Lists in memory."""
    spans = (lambda start, stop, array=array: array[start:stop] for array in (positions, sites))
    return Lists(keys, starts, *spans)


def _gathered(lists: Iterable[tuple[int, NDArray[Any], NDArray[Any]]]) -> Lists:
    """Lists in memory, of some mentions."""
    keys, positions, sites = [], [np.empty(0, "<u4")], [np.empty(0, "<u2")]
    for key, own, bits in lists:
        keys.append(key)
        positions.append(own)
        sites.append(bits)
    starts = np.cumsum([len(own) for own in positions])
    return _held(np.array(keys, np.int64), starts, np.concatenate(positions), np.concatenate(sites))


class SnapshotStatements:
    """What the reports of a snapshot say: those of its generation, and those of the rows above.

    Args:
        stored: of the generation; where it has none, or reports were recognised since, none, and
            all is read from the tables.
        row: the last of the generation.
    """

    def __init__(self, stored: StoredStatements | None, row: int) -> None:
        self._stored = stored
        self._many: list[Lists] = []
        self._few = _Few()
        self._readers = NONE, NONE  # positions, and the numbers of who has read the reports
        self._upto = 0 if stored is None else row
        self._terms: dict[str, list[int]] = {}
        self._stating = _nothing_yet()

    def forget_terms(self) -> None:
        """Something was written: look terms up again."""
        self._terms.clear()
        self._stating.forget()

    def follow(self, database: Database, last: int, positions_of: PositionsOf) -> None:
        """Take in the reports up to row ``last``; a few are held against their checksums.

        Args:
            database: inside a ``reading()`` transaction.
            last: no row is above.
            positions_of: gives the position of each row.

        Raises:
            CasebaseDamaged: what is kept of a report fails its checksum.
        """
        if self._upto == last:
            return

        def placed(rows: Rows) -> Positions:
            positions = positions_of(rows)
            if np.any(positions < 0):  # of no case
                raise damaged()
            return positions

        read, by = [NONE], [NONE]
        for reader, count, rows in database.mention_table.read_lists(self._upto, last):
            read.append(parsed(rows, count))
            by.append(np.full(count, reader))
        read_rows = np.concatenate(read)
        positions, readers = self._readers
        positions = np.concatenate([positions, placed(read_rows)])
        if len(read_rows) > _MANY:
            database.require_sound()
            self._many.append(_gathered(lists_of(database, placed, self._upto, last)))
        else:
            database.mention_table.check(np.sort(read_rows).tolist())
            stating, terms, said, sites = database.mention_table.above(self._upto, site_bits())
            codes = np.fromiter(map(CODES.__getitem__, said), np.int64, len(said))
            self._few.add(terms * len(CODES) + codes, placed(stating), sites)
            if len(self._few) > _FULL:  # what is added next is sorted without them
                self._many.append(self._few.lists)
                self._few = _Few()
        self._readers = positions, np.concatenate([readers, *by])
        self._upto = last

    def readers(self, count: int) -> NDArray[np.uint32]:
        """The number of who has read each report, 0 where nobody has, ``(count,)``."""
        readers = np.zeros(count, np.uint32)
        if self._stored is not None:
            stored = self._stored.readers
            readers[: len(stored)] = stored
        positions, numbers = self._readers
        readers[positions] = numbers
        return readers

    def of(self, database: Database, alive: Mask, *, fresh: bool = False) -> PositionStatements:
        """What can be asked of them now.

        Args:
            database: inside a ``reading()`` transaction.
            alive: which positions are not deleted.
            fresh: without what is stored in the generation.
        """
        lists = [*self._many, self._few.lists]
        if self._stored is not None and not fresh:
            lists.insert(0, self._stored.lists)
        stating = _nothing_yet() if fresh else self._stating
        return PositionStatements(database, lists, alive, self._terms, stating)


class PositionStatements(Statements):
    """Statements by positions of a snapshot; see :meth:`SnapshotStatements.of`."""

    def __init__(
        self,
        database: Database,
        lists: Sequence[Lists],
        alive: Mask,
        terms: dict[str, list[int]],
        stating: Stating,
    ) -> None:
        super().__init__(database.ontology)
        self._database, self._lists, self._alive = database, lists, alive
        self._known, self._stating = terms, stating

    def count(self) -> int:
        """How many reports there are."""
        return int(np.count_nonzero(self._alive))

    def named(self, test: str, values: Sequence[object]) -> dict[str, list[int]]:
        """See :meth:`Statements.named`."""
        return self._database.mention_table.named(test, values)

    def terms(self, concepts: Collection[str]) -> list[int]:
        """See :meth:`Statements.terms`."""
        new = [concept for concept in concepts if concept not in self._known]
        if new and len(self._known) > _CONCEPTS:  # questions may name concepts without end
            self._known.clear()
            new = [*concepts]
        if new:
            self._known |= {concept: [] for concept in new}
            self._known |= self._database.mention_table.terms(new)
        return [term for concept in concepts for term in self._known[concept]]

    def of_kinds(self, kinds: Collection[Kind]) -> list[int]:
        """See :meth:`Statements.of_kinds`."""
        return [number for number, *_ in self._database.mention_table.terms_of(kinds)]

    def stating(
        self, assertion: Assertion, terms: Sequence[int], sites: Iterable[str] = ()
    ) -> Positions:
        """See :meth:`Statements.stating`; positions instead of rows."""
        wanted = [*sites]
        if not all(site in BITS for site in wanted):
            return NONE
        bits = sum(BITS[site] for site in wanted)

        def find() -> NDArray[np.uint32]:
            found = self._living([lists.of(assertion, terms, bits) for lists in self._lists])
            return found.astype(np.uint32)  # half as much to remember

        return self._stating.of((assertion, tuple(terms), bits), find).astype(np.int64)

    def mentioning(self, terms: Collection[int]) -> Positions:
        """Positions with a mention of any of the terms, ascending."""
        return self._living([lists.mentioning(terms) for lists in self._lists])

    def mentioned(self, positions: Mask) -> set[int]:
        """The terms of the reports at some positions, ``(cases,)``."""
        return set().union(*(lists.terms(positions) for lists in self._lists))

    def _living(self, found: Sequence[Positions]) -> Positions:
        positions = union(found)
        return positions[self._alive[positions]]
