"""The cases of a snapshot: where they are, which are deleted, and which are the nearest.

A case has a *position*: those of the generation come first, domain by domain, then those added
since. Masks, scores and candidates are arrays over positions, so that nothing that a search or a
write costs depends on how many cases SQLite would have to look at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmedrag.casebase import queries
from mmedrag.casebase.derivation import UNASSIGNED
from mmedrag.casebase.exact import (
    ExactRows,
    Mask,
    Positions,
    Rows,
    locate,
)
from mmedrag.casebase.generations import Generation
from mmedrag.casebase.lexical import Scored
from mmedrag.casebase.onward import Added
from mmedrag.casebase.shard import Found, Shard, joined
from mmedrag.measures.row_sets import distinct
from mmedrag.types import Domain, Matrix, Vector

TIES = 1_024
"""At the cut, that are looked at beyond k."""

_FEW_GONE = 100  # deleted cases a domain; so many more are searched for rather than all masked


class Members:
    """The cases of a generation, those added since, and which of both are deleted.

    Args:
        generation: where there is one.
        dim: length of the vectors.
    """

    def __init__(self, generation: Generation | None, dim: int) -> None:
        self._dim = dim
        self._generation = generation
        self._shards: Mapping[str, Shard] = {} if generation is None else generation.shards
        self.stored = 0 if generation is None else len(generation.rows)
        self._fresh = ExactRows(dim)
        self._fresh_domains: dict[str, list[int]] = {}  # positions by domain
        self.alive: Mask = np.ones(self.stored, np.bool_)
        self._gone: Positions = np.empty(0, np.int64)  # those of the generation that are not

    @property
    def keys(self) -> dict[str, str]:
        """The kind of index that each domain of the generation has."""
        return {name: shard.key for name, shard in self._shards.items()}

    def domains(self) -> set[str]:
        """The domains that cases are of."""
        shards, fresh = self._shards.items(), self._fresh_domains.items()
        stored = {name for name, s in shards if self.alive[s.start : s.stop].any()}
        added = {name for name, positions in fresh if self.alive[positions].any()}
        return (stored | added) - {UNASSIGNED}

    def fresh(self) -> int:
        """How many cases are searched in memory because no generation holds them yet."""
        return int(np.count_nonzero(self.alive[self.stored :]))

    def masked(self) -> int:
        """How many deleted cases the generation's files still hold."""
        return self.stored - int(np.count_nonzero(self.alive[: self.stored]))

    def candidates(
        self,
        vector: Vector,
        k: int,
        domain: Domain | None,
        allowed: Mask | None,
        few: int | None = None,
    ) -> Positions:
        """Positions among which the ``k`` most similar are, ascending; few allowed ones exactly."""
        mask = self.alive if allowed is None else self.alive & allowed
        searched = [shard for name, shard in self._shards.items() if domain in (None, name)]
        found = []
        for shard in searched:
            gone = int(np.diff(np.searchsorted(self._gone, [shard.start, shard.stop]))[0])
            if allowed is None and gone <= _FEW_GONE:
                found.append(self._living(shard.search(vector, k + gone, k + gone + TIES, None)))
                continue
            inside = mask[shard.start : shard.stop]
            few = 0 if allowed is None else few
            found.append(shard.search(vector, k, k + TIES, inside, few=few))
        positions = [joined(searched, found, k, TIES)]
        fresh = self._fresh_mask(domain) & mask[self.stored :]
        if fresh.any():
            positions.append(self._fresh.search(vector, k, k + TIES, fresh) + self.stored)
        return np.sort(np.concatenate(positions))

    def _living(self, found: Found) -> Found:
        """What was found, less the deleted cases."""
        if not len(self._gone):
            return found
        living = self.alive[found[0]]
        return found[0][living], found[1][living]

    def above(self, row: int) -> Mask:
        """Which positions have higher row numbers and are not deleted."""
        mask = np.zeros(len(self.alive), np.bool_)
        mask[self.stored :] = self._fresh.rows > row
        if self._generation is not None and row < self._generation.summary.row:
            mask[: self.stored] = self._generation.rows > row
        return mask & self.alive

    def rows_above(self, positions: Positions, above: int) -> Rows:
        """The row numbers of some positions that are above one, ascending."""
        rows = distinct(self.rows_at(positions))
        return rows[np.searchsorted(rows, above, "right") :]

    def visible(self, scored: Scored, domain: Domain | None, allowed: Mask | None) -> Scored:
        """What a search over ``domain`` may find of scored positions, which ascend."""
        positions, scores = scored
        if domain is not None and not np.any(positions[-1:] >= self.stored):  # a stretch of them
            shard = self._shards.get(domain)
            ends = [0, 0] if shard is None else [shard.start, shard.stop]
            first, last = np.searchsorted(positions, ends)
            positions, scores, domain = positions[first:last], scores[first:last], None
        inside = self.are_visible(positions, domain, allowed)
        return positions[inside], scores[inside]

    def are_visible(
        self, positions: Positions, domain: Domain | None, allowed: Mask | None
    ) -> Mask:
        """Which of some positions a search over ``domain`` may find, ``positions.shape``."""
        inside = self.alive[positions]
        if allowed is not None:
            inside &= allowed[positions]
        if domain is not None:
            inside &= self._in_domain(positions, domain)
        return inside

    def _in_domain(self, positions: Positions, domain: Domain) -> Mask:
        shard = self._shards.get(domain)
        inside = np.zeros(positions.shape, np.bool_)
        if shard is not None:
            inside = (positions >= shard.start) & (positions < shard.stop)
        fresh = positions >= self.stored
        inside[fresh] = self._fresh_mask(domain)[positions[fresh] - self.stored]
        return inside

    def _fresh_mask(self, domain: Domain | None) -> Mask:
        """Which of the cases added since are of a domain."""
        mask = np.full(len(self._fresh), domain is None)
        if domain is not None:
            mask[np.array(self._fresh_domains.get(domain, []), np.int64) - self.stored] = True
        return mask

    def add(self, added: queries.Added) -> None:
        """Take cases in at the next positions."""
        first = self.stored + len(self._fresh)
        self._fresh.append(added.rows, added.vectors)
        for position, domain in enumerate(added.domains, first):
            self._fresh_domains.setdefault(domain or UNASSIGNED, []).append(position)
        more = self.stored + len(self._fresh) - len(self.alive)
        self.alive = np.pad(self.alive, (0, more), constant_values=True)

    def kill(self, positions: Positions) -> None:
        """Cases at these positions, none of them deleted before, are deleted."""
        self.alive[positions] = False
        stored = np.sort(positions[positions < self.stored])
        self._gone = np.insert(self._gone, np.searchsorted(self._gone, stored), stored)

    @property
    def added(self) -> Added:
        """Those that no generation holds."""
        return Added(self._fresh.vectors, self._fresh_domains, self.stored)

    def inside(self, domain: Domain | None) -> Mask:
        """Which positions are of a domain and not deleted."""
        if domain is None:
            return self.alive.copy()
        inside, shard = np.zeros(len(self.alive), np.bool_), self._shards.get(domain)
        if shard is not None:
            inside[shard.start : shard.stop] = True
        inside[self.stored :] = self._fresh_mask(domain)
        inside &= self.alive
        return inside

    def positions_of(self, rows: Rows) -> Positions:
        """Where each row is; -1 where it is not here."""
        positions = np.full(len(rows), -1, np.int64)
        if self._generation is not None:
            positions = self._generation.places.of(rows)
        offsets, present = locate(self._fresh.rows, rows)
        positions[present] = offsets[present] + self.stored
        return positions

    def rows_at(self, positions: Positions) -> Rows:
        """The row numbers of some positions."""
        rows = np.empty(len(positions), np.int64)
        stored = positions < self.stored
        if self._generation is not None:
            rows[stored] = self._generation.rows[positions[stored]]
        rows[~stored] = self._fresh.rows[positions[~stored] - self.stored]
        return rows

    def vectors_at(self, positions: Positions) -> Matrix:
        """The vectors of some positions, ``(len(positions), dim)``."""
        vectors = np.empty((len(positions), self._dim), np.float32)
        stored = positions < self.stored
        if self._generation is not None:
            vectors[stored] = self._generation.vectors.at(positions[stored])
        vectors[~stored] = self._fresh.vectors[positions[~stored] - self.stored]
        return vectors
