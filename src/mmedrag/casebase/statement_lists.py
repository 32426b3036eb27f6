"""What reports say of each term, as a generation keeps it: lists of cases in files.

A list has the positions of the cases whose reports mention a term with one assertion, and beside
each the sites that the mention is given, as bits. Terms are numbers here: the table ``terms`` says
what they stand for, and forgets it with the last case that mentions them. Beside the lists stands
who has read each report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.blocks import StoredArray, block_file, write_array
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import Mask, Positions, Rows
from mmedrag.errors import CasebaseDamaged
from mmedrag.measures.row_sets import distinct, places_in
from mmedrag.text.sites import SITES
from mmedrag.types import Assertion

_ASSERTIONS = tuple(sorted(assertion.value for assertion in Assertion))
CODES = {assertion: code for code, assertion in enumerate(_ASSERTIONS)}
BITS = {site: 1 << number for number, site in enumerate(SITES)}
_MEANING = {"assertions": [*_ASSERTIONS], "sites": [*SITES]}
_FILES = {"keys": "<i8", "starts": "<i8", "readers": "<u4"}
NONE: Positions = np.empty(0, np.int64)

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
        wanted = _numbers(terms) * len(CODES) + CODES[assertion.value]
        places = np.searchsorted(self.keys, wanted)
        there = np.searchsorted(self.keys, wanted, "right") > places
        return self._joined(places[there], places[there] + 1, sites)

    def mentioning(self, terms: Collection[int]) -> Positions:
        """Positions, ascending, with a mention of any of the terms."""
        firsts = _numbers(terms) * len(CODES)
        ends = np.searchsorted(self.keys, firsts + len(CODES))
        return self._joined(np.searchsorted(self.keys, firsts), ends)

    def _joined(self, first: NDArray[np.intp], last: NDArray[np.intp], sites: int = 0) -> Positions:
        """Positions of the lists from each first to before each last, at all of the sites."""
        found = [NONE]
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
        return set((self.keys[held] // len(CODES)).tolist())


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
        raise damaged()
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
            return NONE
        if not len(rows) or wanted.min() < ascending[0] or wanted.max() > ascending[-1]:
            raise damaged()
        found = places(wanted) % len(rows)  # of a row that is not there it may be any number
        if not np.array_equal(ascending[found], wanted):
            raise damaged()
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
    lists = database.mention_table.lists(above, last, site_bits())
    for term, assertion, count, rows, sites in lists:
        positions = positions_of(parsed(rows, count))
        order = np.argsort(positions, kind="stable")
        bits = parsed(sites, count)[order].astype("<u2")
        yield term * len(CODES) + CODES[assertion], positions[order].astype("<u4"), bits


def readers_of(
    database: Database, positions_of: PositionsOf, last: int, count: int
) -> NDArray[np.uint32]:
    """See :attr:`StoredStatements.readers`; of ``count`` cases."""
    readers = np.zeros(count, np.uint32)
    for reader, number, read in database.mention_table.read_lists(0, last):
        readers[positions_of(parsed(read, number))] = reader
    return readers


def parsed(numbers: str, count: int) -> NDArray[np.int64]:
    """So many numbers."""
    parsed = np.fromstring(numbers, np.int64, sep=" ")  # what is no number ends it
    if len(parsed) != count:
        raise damaged()
    return parsed


def damaged() -> CasebaseDamaged:
    """The error where tables contradict each other."""
    return CasebaseDamaged(
        "The tables of what reports say are damaged", "Derive them again: mmedrag rebuild."
    )


def site_bits() -> str:
    """The sites of a mention as bits, in SQL."""
    bits = " + ".join(f"(instr(sites, '{site}') > 0) * {bit}" for site, bit in BITS.items())
    return f"CASE WHEN sites = '' THEN 0 ELSE {bits} END"


def _numbers(values: Collection[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64, len(values))
