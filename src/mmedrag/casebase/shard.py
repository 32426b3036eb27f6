"""One domain's part of a generation: its vectors, its FAISS index, and how both are searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.blocks import REMEDY, Blocks, GenerationDamaged, StoredArray
from mmedrag.casebase.exact import TIE, Mask, Positions, nearest, settled
from mmedrag.types import Matrix, Vector

faiss: Any = import_module("faiss")  # its type stubs do not know its Python layer
Index: TypeAlias = Any
Found: TypeAlias = tuple[Positions, NDArray[np.float32]]
"""Candidates, and their inner products as the index sees them."""

_SPARE = 16  # fetched beyond k, so that ties at the cut are seen at once
_APPROXIMATE = 2  # an approximate index proposes this many times k; exact arithmetic chooses
_COARSE = 4  # so many of codes of 4 bits a dimension
_REACH = 4  # times as many lists as an index searches by itself are put in order first
_SHARE = 0.15  # of its cases that an index compares, above which matrix products compare all sooner
_NOTHING: Found = np.empty(0, np.int64), np.empty(0, np.float32)
SCANNED = 40_000 * 1_024
"""Bytes of vectors of a domain's cases that a filter lets in, up to which these are compared one by
one, exactly; codes of inverted lists are as short whatever the dimensions."""


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

    @property
    def comparable(self) -> bool:
        """Whether the inner products that it finds can be compared with those of other shards."""
        return self._approximate is None or self._approximate.comparable

    def __len__(self) -> int:
        return self.stop - self.start

    def check(self) -> None:
        """Check every byte of the index.

        Raises:
            GenerationDamaged: it was changed.
        """
        if self._approximate is not None:
            self._approximate.check()

    def search(
        self, query: Vector, k: int, cap: int, mask: Mask | None, *, few: int | None = None
    ) -> Found:
        """Candidates for the ``k`` largest inner products.

        An exact shard gives these and the ties with the last of them, up to ``cap``. Others give
        more than ``k``, to be told apart by exact arithmetic, never fewer than match, and what
        ties with the last as they see it.

        Args:
            query: ``(dim,)``.
            k: how many are wanted.
            cap: how many ties are looked at.
            mask: which of its cases may be found, ``(len(self),)``.
            few: up to so many cases that may be found are compared one by one rather than through
                an approximate index; by default as many as have :data:`SCANNED` bytes.
        """
        count = len(self) if mask is None else int(np.count_nonzero(mask))
        if count == 0:
            return _NOTHING
        scanned = SCANNED // (4 * len(query))
        if self._approximate is None:
            if mask is not None and count <= scanned:
                return self._scan(query, k, cap, np.flatnonzero(mask))
            return self._search_flat(query, k, cap, mask, count)
        positions, values = _NOTHING
        if mask is None or count > (scanned if few is None else few):
            positions, values = self._proposed(self._approximate, query, k, cap, mask, count)
        if len(positions) < min(k, count):
            within = np.arange(len(self)) if mask is None else np.flatnonzero(mask)
            return self._scan(query, k, cap, within)
        return positions + self.start, values

    def _proposed(
        self,
        index: ApproximateIndex,
        query: Vector,
        k: int,
        cap: int,
        mask: Mask | None,
        count: int,
    ) -> Found:
        """What an index proposes, and more of it as long as the last ties with the ``k``-th."""
        wanted = min(candidates(k, self.key), count)
        limit = max(wanted, min(cap, count))
        while True:
            positions, values = index.search(query, k, wanted, mask)
            if wanted == limit or len(values) < k or values[-1] < values[k - 1] - TIE:
                return positions, values
            wanted = min(4 * wanted, limit)

    def many(self, queries: Matrix, k: int) -> Positions:
        """Candidates for the ``k`` largest inner products with each of several vectors, ``(m, w)``.

        At least ``k`` of each as far as there are so many cases, to be told apart by exact
        arithmetic; -1 where an index proposes no more.
        """
        k = min(k, len(self))
        if self._approximate is None or self._approximate.share > _SHARE:
            return self._many_flat(queries, k)
        positions = self._approximate.many(queries, min(candidates(k, self.key), len(self)))
        short = np.count_nonzero(positions >= 0, axis=1) < k
        if short.any():
            exact = self._many_flat(queries[short], min(positions.shape[1], len(self)))
            positions[short] = -1
            positions[short, : exact.shape[1]] = exact[:, : positions.shape[1]] - self.start
        return np.where(positions >= 0, positions + self.start, -1)

    def _many_flat(self, queries: Matrix, k: int) -> Positions:
        vectors = self._vectors.span(self.start, self.stop)
        wanted = min(k + _SPARE, len(self))
        found = faiss.knn(queries, vectors, wanted, faiss.METRIC_INNER_PRODUCT)[1]
        return np.asarray(found + self.start)

    def _search_flat(self, query: Vector, k: int, cap: int, mask: Mask | None, count: int) -> Found:
        vectors = self._vectors.span(self.start, self.stop)
        selector = None if mask is None else selector_of(mask)
        k = min(k, count)
        limit = min(cap, count)
        wanted = min(k + _SPARE, limit)
        while True:
            values, positions = _exact(query, vectors, wanted, selector)
            floor = values[k - 1] - TIE
            if wanted == limit or values[-1] < floor:
                near = values >= floor
                return positions[near] + self.start, values[near]
            wanted = min(4 * wanted, limit)

    def _scan(self, query: Vector, k: int, cap: int, within: Positions) -> Found:
        """Exact candidates among some cases, whose vectors are compared where they lie."""
        positions = within + self.start
        values = _products(query, self._vectors.checked_at(positions), positions)
        near = nearest(values, k, cap)
        return positions[near], values[near]


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

    @property
    def comparable(self) -> bool:
        """Whether it compares the vectors as they are; a transformation may shorten them."""
        return False

    @property
    def share(self) -> float:
        """Which share of its cases a search compares; 0 where that is not known."""
        inverted = inverted_of(self._index())
        return 0.0 if inverted is None else inverted.nprobe / inverted.nlist

    def search(self, query: Vector, k: int, wanted: int, mask: Mask | None) -> Found:
        """About ``wanted`` candidates; fewer where masking leaves too few."""
        return self._within(query, wanted, mask)

    def many(self, queries: Matrix, wanted: int) -> Positions:
        """``wanted`` candidates for each of several vectors, ``(m, wanted)``; -1 for none."""
        self._blocks.check()
        wide = self._parameters(2 * wanted)
        return np.asarray(self._index().search(queries, wanted, params=wide)[1])

    def _within(self, query: Vector, wanted: int, mask: Mask | None, times: int = 1) -> Found:
        """Candidates, of a graph those of a search so many times as wide as it gives some."""
        index = self._index()
        if mask is not None:
            wanted = min(4 * wanted, self._shape[0])
        with one_thread():
            wide = self._parameters(times * wanted)
            values, positions = index.search(query[None], wanted, params=wide)
        valid = positions[0] >= 0
        if mask is not None:
            valid &= mask[positions[0]]
        return positions[0, valid], values[0, valid]

    def _parameters(self, width: int) -> Index:
        """What FAISS is told of a search; nothing where it has no width."""
        return None

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


class NeighbourGraph(ApproximateIndex):
    """An HNSW index (Malkov and Yashunin 2018)."""

    def search(self, query: Vector, k: int, wanted: int, mask: Mask | None) -> Found:
        """Candidates of ever wider searches, until twice the width hardly changes the nearest.

        How far a graph must be searched depends on the question, as with inverted lists.
        """
        found, times = self._within(query, wanted, mask), 1
        while times * wanted < self._shape[0]:
            before, times = found, 2 * times
            found = self._within(query, wanted, mask, times)
            if settled(before[0][:k], found[0][:k]):
                break
        return found

    def _parameters(self, width: int) -> Index:
        return faiss.SearchParametersHNSW(efSearch=width)


class InvertedLists(ApproximateIndex):
    """An IVF index that is searched where it lies on the disk; a list is checked at first use.

    ``head`` is the number of bytes before the lists, which stand at the end of the file, each
    with its codes and then its 8-byte positions.
    """

    def __init__(self, folder: Path, entry: Mapping[str, Any], dim: int) -> None:
        super().__init__(folder, entry, dim)
        self._head = int(entry["head"])
        self._starts: NDArray[np.int64] = np.empty(0, np.int64)  # of lists in the file
        self._sound: Mask = np.empty(0, np.bool_)  # lists that were checked
        self._inverted: Index = None
        self._graph = False  # whether the centres of the lists are one

    @property
    def comparable(self) -> bool:
        """Whether it holds the vectors as they are."""
        return isinstance(self._index(), faiss.IndexIVF)

    def search(self, query: Vector, k: int, wanted: int, mask: Mask | None) -> Found:
        """Candidates from the nearest lists.

        How many lists hold the nearest depends on the question: more of one that has only an image
        or only words than of a case, for which they were counted, and under a mask the nearest may
        lie anywhere. So part after part of the lists is searched, until one brings nothing that is
        nearer than half of what is proposed beyond ``k``.
        """
        index, inverted = self._index(), self._inverted
        row = query[None] if self.comparable else _transformed(index, query)
        selector, sure = None if mask is None else selector_of(mask), (k + wanted) // 2
        best = _NOTHING
        with one_thread():
            for lists, nearness in _parts(
                inverted, row, growing=mask is not None, graph=self._graph
            ):
                self._check_lists(lists)
                found = _in_lists(inverted, row, lists, nearness, wanted, selector)
                values, nearer = best[1], found[1]  # both fall
                if len(values) >= sure and not np.any(nearer[:1] > values[sure - 1]):
                    break
                best = _best([best, found], wanted) if len(values) else found
        return best

    def _before_loading(self) -> None:
        self._blocks.check(0, self._head)

    def _load(self, flags: int) -> Index:
        index = super()._load(flags | faiss.IO_FLAG_MMAP)
        self._inverted = inverted = inverted_of(index)
        self._graph = isinstance(faiss.downcast_index(inverted.quantizer), faiss.IndexHNSW)
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
        self._sound = np.zeros(len(sizes), np.bool_)
        return index

    def _check_lists(self, lists: NDArray[np.int64]) -> None:
        lists = lists[lists >= 0]  # a quantizer that is a graph may not reach all
        for number in lists[~self._sound[lists]].tolist():
            self._blocks.check(int(self._starts[number]), int(self._starts[number + 1]))
            self._sound[number] = True


def joined(shards: Sequence[Shard], found: Sequence[Found], k: int, cap: int) -> Positions:
    """What some shards have found, as far as it may be among the ``k`` nearest of all of them.

    Args:
        shards: that were searched.
        found: by each of them.
        k: how many are wanted.
        cap: how many ties are looked at.
    """
    positions = np.concatenate([_NOTHING[0], *(part for part, _ in found)])
    if len(found) < 2 or not all(shard.comparable for shard in shards):
        return positions
    values = np.concatenate([part for _, part in found])
    wanted = max(candidates(k, shard.key) for shard in shards)
    return positions[nearest(values, wanted, wanted + cap)]


def candidates(k: int, key: str) -> int:
    """How many an index of that kind proposes for the ``k`` nearest.

    The more cases lie close together, the more of them codes of 4 bits mistake for one another: of
    a million vectors in clusters twice ``k`` had 96 % of the nearest, four times 99.9 %.
    """
    return (_COARSE if key.endswith("SQ4") else _APPROXIMATE) * k + _SPARE


def inverted_of(index: Index) -> Index:
    """The inverted lists within an index, as what they are; ``None`` where there are none."""
    found = faiss.try_extract_index_ivf(index)
    return None if found is None else faiss.downcast_index(found)


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
    if "head" in entry:
        return InvertedLists(folder, entry, dim)
    kind = NeighbourGraph if str(entry["index"]).startswith("HNSW") else ApproximateIndex
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


def _products(
    query: Vector, vectors: NDArray[np.float32], positions: Positions
) -> NDArray[np.float32]:
    """Inner products with the vectors at some positions, ``(len(positions),)``."""
    values = np.empty(len(positions), np.float32)
    pointers = [faiss.swig_ptr(array) for array in (values, query, vectors, positions)]
    faiss.fvec_inner_products_by_idx(*pointers, len(query), 1, len(positions))
    return values


def _parts(
    inverted: Index, row: NDArray[np.float32], *, growing: bool, graph: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """The numbers of all lists and how near they are, from the nearest on, in parts.

    Each has half as many as the index searches by itself, or, growing, as many as all before. The
    centres of the lists may be a graph, which does not reach all of them.
    """
    count, probes, start = int(inverted.nlist), int(inverted.nprobe), 0
    for reach in (min(_REACH * probes, count), count):  # to order few takes half the time
        wide = faiss.SearchParametersHNSW(efSearch=reach) if graph else None
        nearness, lists = inverted.quantizer.search(row, reach, params=wide)
        while start < reach:
            step = max(start, probes) if growing else -(-probes // 2)
            part = slice(start, min(start + step, reach))
            yield lists[0, part], nearness[0, part]
            start = part.stop


def _in_lists(
    inverted: Index,
    row: NDArray[np.float32],
    lists: NDArray[np.int64],
    nearness: NDArray[np.float32],
    wanted: int,
    selector: Index,
) -> Found:
    """The best of some lists. FAISS's Python layer takes no parameters here, its C++ does."""
    values, positions = np.empty(wanted, np.float32), np.empty(wanted, np.int64)
    parameters = None  # to make some takes as long as to search a list
    if selector is not None or len(lists) != inverted.nprobe:
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=len(lists))
    pointers = [faiss.swig_ptr(array) for array in (row, lists, nearness, values, positions)]
    inverted.search_preassigned_c(1, pointers[0], wanted, *pointers[1:], False, parameters)
    there = positions >= 0
    return positions[there], values[there]


def _best(found: Sequence[Found], wanted: int) -> Found:
    """The best of what was found in several parts."""
    positions, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = np.argsort(-values, kind="stable")[:wanted]
    return positions[kept], values[kept]


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
