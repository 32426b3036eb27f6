"""What reports say of each term: lists of cases, in files of a generation and in memory since.

A list has the positions of the cases whose reports mention a term with one assertion, and beside
each the sites that the mention is given, as bits. Terms are numbers here: the table ``terms`` says
what they stand for, and forgets it with the last case that mentions them. Beside the lists stands
who has read each report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.blocks import StoredArray, block_file, write_array
from mmedrag.casebase.criteria import Statements
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import Mask, Positions, Rows
from mmedrag.errors import CasebaseDamaged
from mmedrag.measures.row_sets import distinct, places_in, union
from mmedrag.text.sites import SITES
from mmedrag.types import Assertion

_ASSERTIONS = tuple(sorted(assertion.value for assertion in Assertion))
_CODES = {assertion: code for code, assertion in enumerate(_ASSERTIONS)}
_BITS = {site: 1 << number for number, site in enumerate(SITES)}
_MEANING = {"assertions": [*_ASSERTIONS], "sites": [*SITES]}
_FILES = {"keys": "<i8", "starts": "<i8", "readers": "<u4"}
_MANY = 10_000  # reports that are not looked at one by one, once the whole file has been
_FULL = 50_000  # mentions of few reports at a time that are sorted together
_NONE: Positions = np.empty(0, np.int64)

Keys = NDArray[np.int64]
"""A term and an assertion as one number, which goes in the order of the index on mentions."""

Span = Callable[[int, int], NDArray[Any]]
"""A part of an array."""

PositionsOf = Callable[[Rows], Positions]
"""The position of each row."""


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Lists by key, ascending: each from one of ``starts`` to the next."""

    keys: Keys
    starts: NDArray[np.int64]
    positions: Span
    sites: Span

    def of(self, assertion: Assertion, terms: Collection[int], sites: int = 0) -> Positions:
        """Positions, ascending, with a mention of any of the terms at all of the sites."""
        wanted = _numbers(terms) * len(_CODES) + _CODES[assertion.value]
        places = np.searchsorted(self.keys, wanted)
        there = np.searchsorted(self.keys, wanted, "right") > places
        return self._joined(places[there], places[there] + 1, sites)

    def mentioning(self, terms: Collection[int]) -> Positions:
        """Positions, ascending, with a mention of any of the terms."""
        firsts = _numbers(terms) * len(_CODES)
        ends = np.searchsorted(self.keys, firsts + len(_CODES))
        return self._joined(np.searchsorted(self.keys, firsts), ends)

    def _joined(self, first: NDArray[np.intp], last: NDArray[np.intp], sites: int = 0) -> Positions:
        """Positions of the lists from each first to before each last, at all of the sites."""
        found = [_NONE]
        for start, stop in zip(
            self.starts[first].tolist(), self.starts[last].tolist(), strict=True
        ):
            positions = self.positions(start, stop)
            if sites:
                positions = positions[self.sites(start, stop) & sites == sites]
            found.append(positions)
        return distinct(np.concatenate(found, dtype=np.int64))

    def each(self) -> Iterator[tuple[int, NDArray[Any], NDArray[Any]]]:
        """Each key with its positions, one for each mention, and their sites."""
        bounds = self.starts.tolist()
        for key, start, stop in zip(self.keys.tolist(), bounds, bounds[1:], strict=False):
            yield key, self.positions(start, stop), self.sites(start, stop)

    def terms(self, mentioned: Mask) -> set[int]:
        """The terms of reports at some positions, ``(cases,)``."""
        inside = mentioned[self.positions(0, int(self.starts[-1]))]
        counted = np.concatenate([[0], np.cumsum(inside)])
        held = np.diff(counted[self.starts]) > 0
        return set((self.keys[held] // len(_CODES)).tolist())


class StoredStatements:
    """The lists of a loaded generation."""

    def __init__(self, folder: Path, entry: dict[str, Any]) -> None:
        names = (*_FILES, "positions", "bits")
        self._arrays = {name: StoredArray(folder, entry[name]) for name in names}

    def arrays(self) -> tuple[StoredArray, ...]:
        """All of them."""
        return tuple(self._arrays.values())

    @property
    def lists(self) -> Lists:
        """The lists; what is read of them is checked."""
        keys, starts = (self._arrays[name].span() for name in ("keys", "starts"))
        return Lists(keys, starts, self._arrays["positions"].span, self._arrays["bits"].span)

    @property
    def readers(self) -> NDArray[np.uint32]:
        """The number of who has read each report, 0 where nobody has, ``(n,)``."""
        return self._arrays["readers"].span()


def stored_statements(folder: Path, entry: dict[str, Any] | None) -> StoredStatements | None:
    """Those of a generation; of one that has none, or with other assertions and sites, none."""
    if entry is None or {name: entry[name] for name in _MEANING} != _MEANING:
        return None
    return StoredStatements(folder, entry)


def write_statements(database: Database, folder: Path, rows: Rows, last: int) -> dict[str, Any]:
    """Write the lists of all cases up to row ``last``; gives their entry in the manifest.

    Args:
        database: inside a ``reading()`` transaction.
        folder: of the generation.
        rows: its row numbers, by position.
        last: no row is above.

    Raises:
        CasebaseDamaged: the tables hold what is of none of these rows.
    """
    places = places_of(rows, np.arange(len(rows)))
    entry: dict[str, Any] = {**_MEANING, "positions": {}, "bits": {}}
    keys, lengths = [], [0]
    with (
        block_file(folder / "statement_positions", entry["positions"]) as stated,
        block_file(folder / "statement_bits", entry["bits"]) as sited,
    ):
        for key, positions, sites in lists_of(database, places, 0, last):
            keys.append(key)
            lengths.append(len(positions))
            stated.write(positions.tobytes())
            sited.write(sites.tobytes())
    shape = [sum(lengths)]
    if shape != [database.mention_table.total()]:  # some are of no row
        raise _damaged()
    entry["positions"] |= {"dtype": "<u4", "shape": shape}
    entry["bits"] |= {"dtype": "<u2", "shape": shape}
    held: dict[str, NDArray[Any]] = {
        "keys": np.array(keys, np.int64),
        "starts": np.cumsum(lengths),
        "readers": readers_of(database, places, last, len(rows)),
    }
    for name, dtype in _FILES.items():
        entry[name] = write_array(folder / f"statement_{name}", [held[name]], dtype)
    return entry


def places_of(rows: Rows, positions: Positions) -> PositionsOf:
    """Gives the position of each of some row numbers.

    What is given raises :class:`CasebaseDamaged` where a row is none of these.
    """
    order = np.argsort(rows, kind="stable")
    ascending, places = rows[order], places_in(rows[order])

    def positions_of(wanted: Rows) -> Positions:
        if not len(wanted):
            return _NONE
        if not len(rows) or wanted.min() < ascending[0] or wanted.max() > ascending[-1]:
            raise _damaged()
        found = places(wanted) % len(rows)  # of a row that is not there it may be any number
        if not np.array_equal(ascending[found], wanted):
            raise _damaged()
        return np.asarray(positions[order[found]], np.int64)

    return positions_of


def lists_of(
    database: Database, positions_of: PositionsOf, above: int, last: int
) -> Iterator[tuple[int, NDArray[np.uint32], NDArray[np.uint16]]]:
    """Each key, ascending, with the positions of its cases, ascending, and their sites.

    Args:
        database: inside a ``reading()`` transaction.
        positions_of: gives the position of each row.
        above: of lower rows nothing.
        last: of higher rows nothing.
    """
    lists = database.mention_table.lists(above, last, _site_bits())
    for term, assertion, count, rows, sites in lists:
        positions = positions_of(_parsed(rows, count))
        order = np.argsort(positions, kind="stable")
        bits = _parsed(sites, count)[order].astype("<u2")
        yield term * len(_CODES) + _CODES[assertion], positions[order].astype("<u4"), bits


def readers_of(
    database: Database, positions_of: PositionsOf, last: int, count: int
) -> NDArray[np.uint32]:
    """See :attr:`StoredStatements.readers`; of ``count`` cases."""
    readers = np.zeros(count, np.uint32)
    for reader, number, read in database.mention_table.read_lists(0, last):
        readers[positions_of(_parsed(read, number))] = reader
    return readers


def _parsed(numbers: str, count: int) -> NDArray[np.int64]:
    """So many numbers."""
    parsed = np.fromstring(numbers, np.int64, sep=" ")  # what is no number ends it
    if len(parsed) != count:
        raise _damaged()
    return parsed


def _damaged() -> CasebaseDamaged:
    return CasebaseDamaged(
        "The tables of what reports say are damaged", "Derive them again: mmedrag rebuild."
    )


def _site_bits() -> str:
    """The sites of a mention as bits, in SQL."""
    bits = " + ".join(f"(instr(sites, '{site}') > 0) * {bit}" for site, bit in _BITS.items())
    return f"CASE WHEN sites = '' THEN 0 ELSE {bits} END"


class _Few:
    """Statements of a few cases at a time, as they came."""

    def __init__(self) -> None:
        self._keys, self._positions, self._sites = _NONE, _NONE, _NONE
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


def _numbers(values: Collection[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64, len(values))


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
        self._readers = _NONE, _NONE  # positions, and the numbers of who has read the reports
        self._upto = 0 if stored is None else row
        self._terms: dict[str, list[int]] = {}

    def forget_terms(self) -> None:
        """Something was written: look terms up again."""
        self._terms.clear()

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
                raise _damaged()
            return positions

        read, by = [_NONE], [_NONE]
        for reader, count, rows in database.mention_table.read_lists(self._upto, last):
            read.append(_parsed(rows, count))
            by.append(np.full(count, reader))
        read_rows = np.concatenate(read)
        positions, readers = self._readers
        positions = np.concatenate([positions, placed(read_rows)])
        if len(read_rows) > _MANY:
            database.require_sound()
            self._many.append(_gathered(lists_of(database, placed, self._upto, last)))
        else:
            database.mention_table.check(np.sort(read_rows).tolist())
            stating, terms, said, sites = database.mention_table.above(self._upto, _site_bits())
            codes = np.fromiter(map(_CODES.__getitem__, said), np.int64, len(said))
            self._few.add(terms * len(_CODES) + codes, placed(stating), sites)
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
        return PositionStatements(database, lists, alive, self._terms)


class PositionStatements(Statements):
    """Statements by positions of a snapshot; see :meth:`SnapshotStatements.of`."""

    def __init__(
        self,
        database: Database,
        lists: Sequence[Lists],
        alive: Mask,
        terms: dict[str, list[int]],
    ) -> None:
        super().__init__(database.ontology)
        self._database, self._lists, self._alive = database, lists, alive
        self._known = terms

    def count(self) -> int:
        """How many reports there are."""
        return int(np.count_nonzero(self._alive))

    def named(self, test: str, values: Sequence[object]) -> dict[str, list[int]]:
        """See :meth:`Statements.named`."""
        return self._database.mention_table.named(test, values)

    def terms(self, concepts: Collection[str]) -> list[int]:
        """See :meth:`Statements.terms`."""
        new = [concept for concept in concepts if concept not in self._known]
        if new:
            self._known |= {concept: [] for concept in new}
            self._known |= self._database.mention_table.terms(new)
        return [term for concept in concepts for term in self._known[concept]]

    def stating(
        self, assertion: Assertion, terms: Sequence[int], sites: Iterable[str] = ()
    ) -> Positions:
        """See :meth:`Statements.stating`; positions instead of rows."""
        wanted = [*sites]
        if not all(site in _BITS for site in wanted):
            return _NONE
        bits = sum(_BITS[site] for site in wanted)
        return self._living([lists.of(assertion, terms, bits) for lists in self._lists])

    def mentioning(self, terms: Collection[int]) -> Positions:
        """Positions with a mention of any of the terms, ascending."""
        return self._living([lists.mentioning(terms) for lists in self._lists])

    def mentioned(self, positions: Mask) -> set[int]:
        """The terms of the reports at some positions, ``(cases,)``."""
        return set().union(*(lists.terms(positions) for lists in self._lists))

    def _living(self, found: Sequence[Positions]) -> Positions:
        positions = union(found)
        return positions[self._alive[positions]]
