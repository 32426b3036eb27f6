"""The neighbours of cases as they are now: those that were kept, less what is gone since, and more.

A generation holds the lists of its own cases (:mod:`~mmedrag.casebase.neighbours`). Cases that were
added since are compared with whatever is asked about, and their own lists are searched for once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.exact import TIE, Mask, Positions
from mmedrag.casebase.neighbours import (
    NEIGHBOURS,
    Corpora,
    Lists,
    Neighbours,
    first,
    nearest_of,
    products,
)
from mmedrag.types import Matrix

_BLOCK = 16_384  # added cases that are compared at once


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """The cases added since a generation: vectors by place, positions by domain, the first one."""

    vectors: Matrix
    domains: Mapping[str, Sequence[int]]
    start: int

    def of(self, domain: str, alive: Mask) -> tuple[Positions, Matrix]:
        """Those of a domain that are not deleted."""
        positions = np.array(self.domains.get(domain, ()), np.int64)
        positions = positions[alive[positions]]
        return positions, self.vectors[positions - self.start]


class Graph:
    """The neighbours of the cases of a snapshot.

    Args:
        corpora: the cases of its generation, ``None`` where it has none.
        kept: their lists; where there are none, they are searched for when they are asked for.
    """

    def __init__(self, corpora: Corpora | None, kept: Neighbours | None) -> None:
        self._corpora, self._kept = corpora, kept
        self._searched: dict[int, Lists] = {}

    def lists(self, positions: Positions, vectors: Matrix, added: Added, alive: Mask) -> Lists:
        """The neighbours that some cases have now.

        Args:
            positions: of the cases, ``(m,)``.
            vectors: theirs, ``(m, dim)``.
            added: what no list holds yet.
            alive: which cases are not deleted.
        """
        lists = self._stored(positions, vectors, added)
        gone = (lists.positions >= 0) & ~alive[lists.positions]
        lists.positions[gone], lists.nearness[gone] = -1, -np.inf
        for domain in added.domains:
            own = np.flatnonzero(self._in_domain(positions, domain, added))
            new, theirs = added.of(domain, alive)
            if not len(own) or not len(new):
                continue
            for at in range(0, len(new), _BLOCK):
                part = slice(at, at + _BLOCK)
                floors = lists.nearness[own, -1:]
                near, values = _nearest(
                    positions[own], vectors[own], new[part], theirs[part], floors
                )
                joined = first(
                    np.concatenate([lists.positions[own], near], axis=1),
                    np.concatenate([lists.nearness[own], values], axis=1),
                )
                lists.positions[own], lists.nearness[own] = joined.positions, joined.nearness
        return lists

    def _stored(self, positions: Positions, vectors: Matrix, added: Added) -> Lists:
        """The neighbours among the cases of the generation."""
        lists = Lists.empty(len(positions))
        kept = np.zeros(len(positions), np.bool_)
        if self._kept is not None:
            kept = positions < added.start
            found = self._kept.at(positions[kept])
            lists.positions[kept], lists.nearness[kept] = found.positions, found.nearness
        others = np.flatnonzero(~kept)
        if self._corpora is not None and len(others):
            self._search_for(self._corpora, positions[others], vectors[others], added)
            for i in others.tolist():
                one = self._searched[int(positions[i])]
                lists.positions[i], lists.nearness[i] = one.positions[0], one.nearness[0]
        return lists

    def _search_for(
        self, corpora: Corpora, positions: Positions, vectors: Matrix, added: Added
    ) -> None:
        """Search for what was not asked about before; a generation never changes."""
        new = np.array([position not in self._searched for position in positions.tolist()])
        for position in positions[new].tolist():
            self._searched[position] = Lists.empty(1)  # of a domain that it has no case of
        for domain, shard in corpora.shards.items():
            own = np.flatnonzero(new & self._in_domain(positions, domain, added))
            found = nearest_of(corpora, shard, positions[own], vectors[own])
            for i, position in enumerate(positions[own].tolist()):
                part = slice(i, i + 1)
                self._searched[position] = Lists(found.positions[part], found.nearness[part])

    def _in_domain(self, positions: Positions, domain: str, added: Added) -> Mask:
        inside = np.isin(positions, np.array(added.domains.get(domain, ()), np.int64))
        shard = None if self._corpora is None else self._corpora.shards.get(domain)
        if shard is not None:
            inside |= (positions >= shard.start) & (positions < shard.stop)
        return inside


def _nearest(
    positions: Positions,
    vectors: Matrix,
    new: Positions,
    theirs: Matrix,
    floors: NDArray[np.float32],
) -> tuple[Positions, NDArray[np.float32]]:
    """Which of the new cases may be among the nearest of each case, and how near they are.

    Those that are no nearer than the last of a list, ``(m, 1)``, count as none.
    """
    values = vectors @ theirs.T
    places = np.broadcast_to(np.arange(len(new)), values.shape)
    if len(new) > NEIGHBOURS + 1:  # itself
        places = np.argpartition(-values, NEIGHBOURS, axis=1)[:, : NEIGHBOURS + 1]
        values = np.take_along_axis(values, places, axis=1)
    near = new[places]
    may = (values >= floors - np.float32(TIE)) & (near != positions[:, None])
    row, column = np.nonzero(may)
    values = np.full(may.shape, -np.inf, np.float32)
    values[may] = products(vectors[row], theirs[places[row, column]])
    return near, values
