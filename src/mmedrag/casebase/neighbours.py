"""The nearest cases of every case, found beforehand (sections 6.3 and 7): an offline graph.

Two files of a generation, made where a casebase is told to keep them: for each position those of
its 20 nearest cases and the inner products with them (eq. 2), the nearest first. They are cases of
the same domain, since a question that is routed to one never leaves it, and since an index holds
one domain.

Most of what a publication needs stands in the generation before. A case that was added is searched
for, and so is one whose list lost a case; beside that only those lists change that an added case
gets into.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.blocks import REMEDY, GenerationDamaged, StoredArray, write_array
from mmedrag.casebase.exact import TIE, Mask, Positions, Rows, locate
from mmedrag.casebase.shard import Shard
from mmedrag.rounding import rounded
from mmedrag.types import Matrix

NEIGHBOURS = 20
"""Of each case."""

_BATCH = 1_024  # cases that are searched for at once
_CHUNK = 256  # of which the vectors of the candidates are held at once
_BLOCK = 4_096  # cases that are compared with one another at once
_FEW = 20  # lists are taken over where at most one case in so many is new


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Some cases' nearest by falling inner product, ties by position, ``(n, 20)`` each.

    Where there are fewer, positions are -1 and inner products -inf.
    """

    positions: NDArray[np.int32]
    nearness: NDArray[np.float32]

    @classmethod
    def empty(cls, count: int) -> Lists:
        """Lists without a case."""
        shape = (count, NEIGHBOURS)
        return cls(np.full(shape, -1, np.int32), np.full(shape, -np.inf, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Corpora:
    """The cases of a generation: row numbers and vectors by position, and a shard a domain."""

    rows: Rows
    vectors: StoredArray
    shards: Mapping[str, Shard]


class Neighbours:
    """The lists of a generation in its files.

    Raises:
        GenerationDamaged: they are not what the manifest's entry says.
    """

    def __init__(self, folder: Path, entry: Mapping[str, Any], count: int) -> None:
        self._positions = StoredArray(folder, entry["positions"])
        self._nearness = StoredArray(folder, entry["nearness"])
        if {self._positions.shape, self._nearness.shape} != {(count, NEIGHBOURS)}:
            raise GenerationDamaged("The neighbours do not fit the cases", REMEDY)

    def arrays(self) -> tuple[StoredArray, StoredArray]:
        """Positions and inner products."""
        return self._positions, self._nearness

    def at(self, positions: Positions) -> Lists:
        """The lists of some positions."""
        return Lists(self._positions.at(positions), self._nearness.at(positions))

    def span(self, start: int, stop: int) -> Lists:
        """The lists of the positions from ``start`` up to ``stop``."""
        return Lists(self._positions.span(start, stop), self._nearness.span(start, stop))


@dataclass(frozen=True, slots=True, eq=False)
class Former:
    """The cases of the generation before, and their neighbours."""

    corpora: Corpora
    neighbours: Neighbours

    def of(self, domain: str) -> tuple[Rows, Lists] | None:
        """Row numbers and lists of a domain, if it had one; positions count within it."""
        shard = self.corpora.shards.get(domain)
        if shard is None:
            return None
        lists = self.neighbours.span(shard.start, shard.stop)
        near = np.where(lists.positions >= 0, lists.positions - np.int32(shard.start), -1)
        rows = self.corpora.rows[shard.start : shard.stop]
        return rows, Lists(near.astype(np.int32), lists.nearness)


def write_neighbours(folder: Path, corpora: Corpora, former: Former | None) -> dict[str, Any]:
    """Find the neighbours of all cases and write them; gives the entry for :class:`Neighbours`.

    Args:
        folder: of the generation.
        corpora: what it has.
        former: lists that are taken over as far as they still hold.
    """
    made = [_of_shard(corpora, name, former) for name in corpora.shards]
    none = [np.empty((0, NEIGHBOURS))]
    positions = (lists.positions for lists in made)
    nearness = (lists.nearness for lists in made)
    return {
        "positions": write_array(folder / "neighbours", positions if made else none, "<i4"),
        "nearness": write_array(folder / "nearness", nearness if made else none, "<f4"),
    }


def nearest_of(corpora: Corpora, shard: Shard, positions: Positions, own: Matrix) -> Lists:
    """The neighbours of some vectors among the cases of a shard.

    Candidates are the index's; inner products are exact. Of cases that tie for the last place
    any may be found.

    Args:
        corpora: to which the shard belongs.
        shard: that is searched.
        positions: ``(m,)``, which are no neighbours of themselves.
        own: the vectors, ``(m, dim)``.
    """
    lists = Lists.empty(len(positions))
    if not len(shard):
        return lists
    for start in range(0, len(positions), _BATCH):
        batch = np.ascontiguousarray(own[start : start + _BATCH])
        proposed = shard.many(batch, NEIGHBOURS + 1)
        for at in range(0, len(batch), _CHUNK):
            near = proposed[at : at + _CHUNK]
            part = slice(start + at, start + at + len(near))
            found = corpora.vectors.at(np.maximum(near, 0).ravel()).reshape(*near.shape, -1)
            values = products(own[part, None], found)
            values[(near < 0) | (near == positions[part, None])] = -np.inf
            best = first(near, values)
            lists.positions[part], lists.nearness[part] = best.positions, best.nearness
    return lists


def first(positions: NDArray[np.integer], values: NDArray[np.floating]) -> Lists:
    """The first 20 of each row by falling value, ties by position; values of -inf are no case."""
    order = np.lexsort((positions, -values), axis=-1)[:, :NEIGHBOURS]
    lists = Lists.empty(len(positions))
    width = order.shape[1]
    lists.nearness[:, :width] = np.take_along_axis(values, order, axis=1)
    lists.positions[:, :width] = np.take_along_axis(positions, order, axis=1)
    lists.positions[lists.nearness == -np.inf] = -1
    return lists


def products(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products over the last axis, exact to what they are stored with."""
    values = np.einsum("...d,...d->...", left, right, dtype=np.float64)
    return rounded(values).astype(np.float32)


def _of_shard(corpora: Corpora, name: str, former: Former | None) -> Lists:
    shard = corpora.shards[name]
    rows = corpora.rows[shard.start : shard.stop]
    vectors = corpora.vectors.span(shard.start, shard.stop)
    before = None if former is None else former.of(name)
    places, present = locate(rows, rows[:0] if before is None else before[0])
    added = np.ones(len(rows), np.bool_)
    added[places[present]] = False
    if before is None or np.count_nonzero(added) * _FEW > len(rows):
        return nearest_of(corpora, shard, np.arange(shard.start, shard.stop), vectors)
    lists, again = _taken_over(before[1], np.where(present, places, -1), len(rows))
    again |= added
    lists.positions[lists.positions >= 0] += shard.start
    searched = np.flatnonzero(again)
    found = nearest_of(corpora, shard, searched + shard.start, vectors[searched])
    lists.positions[searched], lists.nearness[searched] = found.positions, found.nearness
    _let_in(lists, vectors, np.flatnonzero(~again), np.flatnonzero(added), shard.start)
    return lists


def _taken_over(before: Lists, moved: Positions, count: int) -> tuple[Lists, Mask]:
    """Lists where their cases are now, and which of them have lost a case.

    Args:
        before: the lists of a domain as they were.
        moved: where each case of these is now; -1 where it is deleted.
        count: of cases now.
    """
    there = moved >= 0
    kept, had = moved[there], before.positions[there]
    near = np.where(had >= 0, moved[had], -1)
    lists = Lists.empty(count)
    lists.positions[kept], lists.nearness[kept] = near, before.nearness[there]
    lost = np.zeros(count, np.bool_)
    lost[kept] = np.any((had >= 0) & (near < 0), axis=1)
    return lists, lost


def _let_in(lists: Lists, vectors: Matrix, kept: Rows, added: Rows, start: int) -> None:
    """Put added cases into the lists of those whose last neighbour is farther away."""
    pairs = [np.empty((2, 0), np.int64)]
    values = [np.empty(0, np.float32)]
    for owners, entering in _near_enough(lists, vectors, kept, added):
        nearness = np.empty(len(owners), np.float32)
        for at in range(0, len(owners), _BLOCK):
            part = slice(at, at + _BLOCK)
            nearness[part] = products(vectors[owners[part]], vectors[entering[part]])
        nearer = nearness > lists.nearness[owners, -1]
        pairs.append(np.stack([owners[nearer], entering[nearer] + start]))
        values.append(nearness[nearer])
    owners, entering = np.concatenate(pairs, axis=1)
    changed = np.unique(owners)
    owner = np.concatenate([np.repeat(changed, NEIGHBOURS), owners])
    near = np.concatenate([lists.positions[changed].ravel(), entering])
    nearness = np.concatenate([lists.nearness[changed].ravel(), *values])
    order = np.lexsort((near, -nearness, owner))
    places = np.arange(len(order)) - np.searchsorted(owner[order], owner[order])
    first_ones = order[places < NEIGHBOURS]
    lists.positions[changed] = near[first_ones].reshape(-1, NEIGHBOURS)
    lists.nearness[changed] = nearness[first_ones].reshape(-1, NEIGHBOURS)


def _near_enough(
    lists: Lists, vectors: Matrix, kept: Rows, added: Rows
) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of a kept case and an added one that may be nearer than the last of its list."""
    for at in range(0, len(kept), _BLOCK):
        owners = kept[at : at + _BLOCK]
        floors = lists.nearness[owners, -1:] - np.float32(TIE)
        own = vectors[owners]
        for begin in range(0, len(added), _BLOCK):
            entering = added[begin : begin + _BLOCK]
            row, column = np.nonzero(own @ vectors[entering].T >= floors)
            yield owners[row], entering[column]
