"""One domain's part of a generation: its vectors, its FAISS index, and how both are searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.blocks import REMEDY, Blocks, GenerationDamaged, StoredArray
from mmedrag.casebase.exact import TIE, Mask, Positions, nearest
from mmedrag.types import Vector

faiss: Any = import_module("faiss")  # its type stubs do not know its Python layer
Index: TypeAlias = Any

_SPARE = 16  # fetched beyond k, so that ties at the cut are seen at once
_APPROXIMATE = 2  # an approximate index proposes this many times k; exact arithmetic chooses
_SCAN = 20_000  # rows that are compared one by one rather than through an approximate index
_CHUNK = 8_192


class Shard:
    """The positions ``start`` to ``stop`` of a generation, which hold one domain's cases.

    Args:
        folder: of the generation.
        entry: what the manifest says of this domain.
        vectors: of the whole generation, ``(n, dim)``.
    """

    def __init__(self, folder: Path, entry: Mapping[str, Any], vectors: StoredArray) -> None:
        self.start = int(entry["start"])
        self.stop = self.start + int(entry["count"])
        self.key = str(entry["index"])
        self._vectors = vectors
        self._approximate = _opened(folder, entry, vectors.shape[1]) if "faiss" in entry else None

    def __len__(self) -> int:
        return self.stop - self.start

    def check(self) -> None:
        """Check every byte of the index.

        Raises:
            GenerationDamaged: it was changed.
        """
        if self._approximate is not None:
            self._approximate.check()

    def search(self, query: Vector, k: int, cap: int, mask: Mask | None) -> Positions:
        """Candidates for the ``k`` largest inner products.

        An exact shard gives these and the ties with the last of them, up to ``cap``. Others give
        more than ``k``, to be told apart by exact arithmetic, and never fewer than match.

        Args:
            query: ``(dim,)``.
            k: how many are wanted.
            cap: how many ties are looked at.
            mask: which of its cases may be found, ``(len(self),)``.
        """
        count = len(self) if mask is None else int(np.count_nonzero(mask))
        if count == 0:
            return np.empty(0, np.int64)
        if self._approximate is None:
            if count <= _SCAN and mask is not None:
                return self._scan(query, k, cap, np.flatnonzero(mask))
            return self._search_flat(query, k, cap, mask, count)
        positions = np.empty(0, np.int64)
        if count > _SCAN or mask is None:
            wanted = min(candidates(k), count)
            positions = self._approximate.search(query, wanted, mask)
        if len(positions) < min(k, count):
            within = np.arange(len(self)) if mask is None else np.flatnonzero(mask)
            return self._scan(query, k, cap, within)
        return positions + self.start

    def _search_flat(
        self, query: Vector, k: int, cap: int, mask: Mask | None, count: int
    ) -> Positions:
        vectors = self._vectors.span(self.start, self.stop)
        selector = None if mask is None else selector_of(mask)
        k = min(k, count)
        limit = min(cap, count)
        wanted = min(k + _SPARE, limit)
        while True:
            values, positions = _exact(query, vectors, wanted, selector)
            floor = values[k - 1] - TIE
            if wanted == limit or values[-1] < floor:
                nearest: Positions = positions[values >= floor] + self.start
                return nearest
            wanted = min(4 * wanted, limit)

    def _scan(self, query: Vector, k: int, cap: int, within: Positions) -> Positions:
        """Exact candidates among some cases, whose vectors are read in chunks."""
        best = np.empty(0, np.int64)
        values = np.empty(0, np.float32)
        for start in range(0, len(within), _CHUNK):
            chunk = within[start : start + _CHUNK] + self.start
            best = np.concatenate([best, chunk])
            values = np.concatenate([values, self._vectors.at(chunk) @ query])
            kept = nearest(values, k, cap)
            best, values = best[kept], values[kept]
        return best


class ApproximateIndex:
    """A FAISS index whose position ``i`` is the shard's ``i``-th case, checked whole at first use.

    Args:
        folder: of the generation.
        entry: what the manifest says of the domain.
        dim: length of the vectors.
    """

    def __init__(self, folder: Path, entry: Mapping[str, Any], dim: int) -> None:
        self._blocks = Blocks(folder, entry["faiss"])
        self._shape = (int(entry["count"]), dim)
        self._loaded: Index = None

    def check(self) -> None:
        """Check every byte; see :meth:`Shard.check`."""
        self._blocks.check()

    def search(self, query: Vector, wanted: int, mask: Mask | None) -> Positions:
        """At most ``wanted`` candidates; fewer where masking leaves too few."""
        index = self._index()
        if mask is not None:
            wanted = min(4 * wanted, self._shape[0])
        with one_thread():
            _, positions = index.search(query[None], wanted)
        valid: Positions = positions[0, positions[0] >= 0]
        return valid if mask is None else valid[mask[valid]]

    def _index(self) -> Index:
        if self._loaded is None:
            self._before_loading()
            self._loaded = self._load(0)
        return self._loaded

    def _before_loading(self) -> None:
        self._blocks.check()

    def _load(self, flags: int) -> Index:
        name = self._blocks.path.name
        try:
            with _limited(self._blocks.size):
                index = faiss.read_index(str(self._blocks.path), flags)
        except RuntimeError as fault:
            raise GenerationDamaged(f"FAISS cannot read {name} of this version", REMEDY) from fault
        if (int(index.ntotal), int(index.d)) != self._shape:
            raise GenerationDamaged(f"{name} does not hold what its manifest says", REMEDY)
        return index


class InvertedLists(ApproximateIndex):
    """An IVF index that is searched where it lies on the disk; a list is checked at first use.

    ``head`` is the number of bytes before the lists, which stand at the end of the file, each
    with its codes and then its 8-byte positions.
    """

    def __init__(self, folder: Path, entry: Mapping[str, Any], dim: int) -> None:
        super().__init__(folder, entry, dim)
        self._head = int(entry["head"])
        self._starts: NDArray[np.int64] = np.empty(0, np.int64)  # of lists in the file

    def search(self, query: Vector, wanted: int, mask: Mask | None) -> Positions:
        """As many candidates as are wanted, or all that the mask lets in."""
        index = self._index()
        inverted = faiss.extract_index_ivf(index)
        selector = None if mask is None else selector_of(mask)
        probes = int(inverted.nprobe)
        row = query[None] if inverted is index else _transformed(index, query)
        while True:
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=probes)
            with one_thread():
                nearness, lists = inverted.quantizer.search(row, probes)
                self._check_lists(lists[0])
                _, positions = inverted.search_preassigned(
                    row, wanted, lists, nearness, params=parameters
                )
            valid: Positions = positions[0, positions[0] >= 0]
            if len(valid) == wanted or probes >= inverted.nlist:
                return valid
            probes = min(4 * probes, int(inverted.nlist))

    def _before_loading(self) -> None:
        self._blocks.check(0, self._head)

    def _load(self, flags: int) -> Index:
        index = super()._load(flags | faiss.IO_FLAG_MMAP)
        inverted = faiss.extract_index_ivf(index)
        lists = inverted.invlists
        mapped = faiss.downcast_InvertedLists(lists)
        if hasattr(mapped, "prefetch_nthread"):
            mapped.prefetch_nthread = 0  # would start threads at each search
        sizes = np.array([lists.list_size(i) for i in range(int(inverted.nlist))], np.int64)
        widths = sizes * (int(lists.code_size) + 8)
        self._starts = self._head + np.concatenate([[0], np.cumsum(widths)])
        if self._starts[-1] != self._blocks.size:
            raise GenerationDamaged(
                f"{self._blocks.path.name} does not hold what its manifest says", REMEDY
            )
        return index

    def _check_lists(self, lists: NDArray[np.int64]) -> None:
        for number in lists[lists >= 0].tolist():
            self._blocks.check(int(self._starts[number]), int(self._starts[number + 1]))


def candidates(k: int) -> int:
    """How many an approximate index proposes for the ``k`` nearest."""
    return _APPROXIMATE * k + _SPARE


def selector_of(mask: Mask) -> Index:
    """A mask as FAISS wants it."""
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


@contextmanager
def one_thread() -> Iterator[None]:
    """FAISS shares work out by queries: for one, other threads only cost their start.

    OpenMP keeps this number for the calling thread alone.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _opened(folder: Path, entry: Mapping[str, Any], dim: int) -> ApproximateIndex:
    kind = InvertedLists if "head" in entry else ApproximateIndex
    return kind(folder, entry, dim)


def _exact(
    query: Vector, vectors: NDArray[np.float32], k: int, selector: Index
) -> tuple[NDArray[np.float32], Positions]:
    """The ``k`` largest inner products, falling, by FAISS but without an index of its own."""
    values, positions = np.empty(k, np.float32), np.empty(k, np.int64)
    pointers = [faiss.swig_ptr(array) for array in (query, vectors, values, positions)]
    with one_thread():
        faiss.knn_inner_product(
            *pointers[:2], len(query), 1, len(vectors), k, *pointers[2:], selector
        )
    return values, positions


def _transformed(index: Index, query: Vector) -> NDArray[np.float32]:
    """The query as the inner index of a chain of transformations sees it, ``(1, dim')``."""
    chain = faiss.downcast_index(index)
    row = np.ascontiguousarray(query[None])
    for i in range(chain.chain.size()):
        row = chain.chain.at(i).apply(row)
    return row


@contextmanager
def _limited(size: int) -> Iterator[None]:
    """No vector in a file can be longer than the file (FAISS 1.12 and later can be told so)."""
    limit = getattr(faiss, "set_deserialization_vector_byte_limit", None)
    if limit is None:
        yield
        return
    before = faiss.get_deserialization_vector_byte_limit()
    limit(size + (1 << 20))
    try:
        yield
    finally:
        limit(before)
