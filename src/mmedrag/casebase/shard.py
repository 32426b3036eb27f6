"""One domain's FAISS index with its row numbers and its mask of deleted rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from mmedrag.casebase.exact import TIE, Mask, Rows, locate, nearest
from mmedrag.types import Matrix, Vector

faiss: Any = import_module("faiss")  # its type stubs do not know its Python layer
Index: TypeAlias = Any

Reader = Callable[[Rows], Matrix]
"""Reads stored vectors by ascending row numbers."""

_SPARE = 16  # fetched beyond k, so that ties at the cut are seen at once
_APPROXIMATE = 4  # an approximate index proposes this many times k; exact arithmetic chooses
_SCAN = 20_000  # rows that are compared one by one rather than through an approximate index
_CHUNK = 8_192


class Shard:
    """A loaded index; position ``i`` of the index holds row ``rows[i]`` of the database.

    Args:
        mapped: an ``IndexIDMap`` that owns the index and knows the row numbers, ascending.
    """

    def __init__(self, mapped: Index) -> None:
        self._owner = mapped  # frees the index when it goes
        self._index = faiss.downcast_index(mapped.index)
        self._flat = isinstance(self._index, faiss.IndexFlat)
        self.rows: Rows = faiss.vector_to_array(mapped.id_map)
        self.alive: Mask = np.ones(len(self.rows), np.bool_)
        self._dead = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and dimensions that the index holds."""
        return int(self._index.ntotal), int(self._index.d)

    def __len__(self) -> int:
        return len(self.rows)

    def kill(self, rows: Rows) -> None:
        """Mask deleted rows; row numbers that are not here are passed over."""
        positions, present = locate(self.rows, rows)
        self.alive[positions[present]] = False
        self._dead = len(self.rows) - int(np.count_nonzero(self.alive))

    def search(self, query: Vector, k: int, cap: int, allowed: Mask | None, read: Reader) -> Rows:
        """Candidates for the ``k`` largest inner products among rows alive and allowed.

        A flat index gives exactly these and the ties with the last of them, up to ``cap``. Others
        give more than ``k``, to be told apart by exact arithmetic, and never fewer than match.
        """
        mask = self._mask(allowed)
        count = len(self.rows) if mask is None else int(np.count_nonzero(mask))
        if count == 0:
            return np.empty(0, np.int64)
        if self._flat:
            return self._search_flat(query, k, cap, mask, count)
        wanted = min(_APPROXIMATE * k + _SPARE, count)
        found = np.empty(0, np.int64)
        if count > _SCAN or mask is None:
            found = self._search_approximate(query, wanted, mask)
        if len(found) < min(k, count):
            alive = self.rows if mask is None else self.rows[mask]
            return scan(query, k, cap, alive, read)
        return found

    def _mask(self, allowed: Mask | None) -> Mask | None:
        if allowed is not None:
            return self.alive & allowed
        return self.alive if self._dead else None

    def _search_flat(self, query: Vector, k: int, cap: int, mask: Mask | None, count: int) -> Rows:
        parameters = None
        if mask is not None:
            parameters = faiss.SearchParameters(sel=_selector(mask))
        k = min(k, count)
        limit = min(cap, count)
        wanted = min(k + _SPARE, limit)
        while True:
            with _one_thread():
                values, positions = self._index.search(query[None], wanted, params=parameters)
            floor = values[0, k - 1] - TIE
            if wanted == limit or values[0, -1] < floor:
                return _at(self.rows, positions[0, values[0] >= floor])
            wanted = min(4 * wanted, limit)

    def _search_approximate(self, query: Vector, wanted: int, mask: Mask | None) -> Rows:
        if not isinstance(self._index, faiss.IndexIVF):
            return self._search_unmasked(query, wanted, mask)
        probes = int(self._index.nprobe)
        while True:
            parameters = faiss.SearchParametersIVF(
                sel=None if mask is None else _selector(mask), nprobe=probes
            )
            _, positions = self._index.search(query[None], wanted, params=parameters)
            found = positions[0, positions[0] >= 0]
            if len(found) == wanted or probes >= self._index.nlist:
                return _at(self.rows, found)
            probes = min(4 * probes, int(self._index.nlist))

    def _search_unmasked(self, query: Vector, wanted: int, mask: Mask | None) -> Rows:
        """For index kinds that take no selector: ask for more, drop what is masked."""
        if mask is not None:
            wanted = min(4 * wanted, len(self.rows))
        _, positions = self._index.search(query[None], wanted)
        found = positions[0, positions[0] >= 0]
        return _at(self.rows, found if mask is None else found[mask[found]])


def scan(query: Vector, k: int, cap: int, rows: Rows, read: Reader) -> Rows:
    """Exact candidates among rows that are read from the database in chunks."""
    best = np.empty(0, np.int64)
    values = np.empty(0, np.float32)
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        best = np.concatenate([best, chunk])
        values = np.concatenate([values, read(chunk) @ query])
        kept = nearest(values, k, cap)
        best, values = best[kept], values[kept]
    return best


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS shares a flat search out by queries: for one, other threads only cost their start.

    OpenMP keeps this number for the calling thread alone.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _at(rows: Rows, positions: Rows) -> Rows:
    return rows[positions]


def _selector(mask: Mask) -> Index:
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
