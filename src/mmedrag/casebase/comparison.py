"""A generation beside what the database makes today: the same vectors, values and words."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.columns import ColumnWriter
from mmedrag.casebase.database import Database
from mmedrag.casebase.derivation import UNASSIGNED
from mmedrag.casebase.exact import TIE, Mask, Positions
from mmedrag.casebase.generations import Generation
from mmedrag.casebase.neighbours import products
from mmedrag.casebase.postings import StemReader
from mmedrag.casebase.statement_lists import StoredStatements, lists_of, places_of, readers_of
from mmedrag.casebase.vocabulary import WORDS, Counted

Values: TypeAlias = Mapping[str, tuple[int, int]]
"""The number of each value, and how many cases have it."""
Numbers: TypeAlias = NDArray[np.int64]

_CHUNK = 2**20  # postings that are read together
_CASES = 512  # cases whose neighbours' vectors are read together


def differences(database: Database, generation: Generation) -> Iterator[str]:
    """Where a generation is not what its cases make that are not deleted, one line each.

    Everything is derived again and compared by its meaning: words and values have other numbers
    each time. The generation holds the rows that it should.
    """
    kept: Mask = np.zeros(len(generation.rows), np.bool_)
    summary, columns, words = generation.summary, ColumnWriter(), _Words(database, generation)
    for name, shard in generation.shards.items():
        held = generation.rows[shard.start : shard.stop]
        domain = None if name == UNASSIGNED else name
        for rows, vectors in database.vectors_of(domain, summary.row, summary.dim):
            stored = generation.vectors.at(np.searchsorted(held, rows) + shard.start)
            if not np.array_equal(stored, vectors):
                yield f"the index of {name} does not hold the vectors of the database"
        for batch in database.contents_of(domain, summary.row):
            positions = np.searchsorted(held, batch.rows) + shard.start
            kept[positions] = True
            columns.add(batch.plain, batch.labels, batch.meta)
            words.add(batch.texts, positions)
    vocabulary = database.vocabulary.counted(generation.summary.number)
    if not words.are_stored(vocabulary.get(WORDS, {}), kept):
        yield "the lexical index does not match the texts"
    yield from _columns(generation, vocabulary, columns, kept)
    if generation.statements is not None and not database.recognised_since(summary.epoch):
        yield from _statements(database, generation, generation.statements, kept)
    yield from _neighbours(generation)


class _Words:
    """The words of the database and those of a generation, by sums over all postings.

    A posting (a word, the position of its report, how often) counts as a random number, the same
    wherever it comes from, so that equal postings have equal sums in whatever order. With keys
    that are drawn anew each time, other postings have the same two sums once in 2^128.
    """

    def __init__(self, database: Database, generation: Generation) -> None:
        self._reader = StemReader(database.stemmer.stems)
        self._starts, self._positions, self._counts, self._lengths = generation.postings.arrays()
        self._key = secrets.token_bytes(16)
        self._salts = np.frombuffer(secrets.token_bytes(32), np.uint64)
        self._hashes = np.empty(0, np.uint64)  # of the stems that were read
        self._sums = np.zeros(2, np.uint64)
        self._same_lengths = True

    def add(self, texts: Sequence[str], positions: Positions) -> None:
        """Take in reports of the database, which stand at these positions of the generation."""
        read = self._reader.read(texts)
        new = [stem for stem, _ in self._reader.vocabulary()[len(self._hashes) :]]
        self._hashes = np.concatenate([self._hashes, self._hashed(new)])
        self._sums += self._sum(self._hashes[read.stems], positions[read.documents], read.counts)
        self._same_lengths &= np.array_equal(self._lengths.at(positions), read.lengths)

    def are_stored(self, values: Values, kept: Mask) -> bool:
        """Whether the generation holds these words and no others of the ``kept`` cases.

        Args:
            values: the vocabulary of the generation.
            kept: which of its cases are not deleted, ``(n,)``.
        """
        if not (self._same_lengths and _same_vocabulary(values, self._reader.vocabulary())):
            return False
        starts = self._starts.span()
        hashes = np.zeros(len(starts), np.uint64)
        hashes[[number - 1 for number, _ in values.values()]] = self._hashed(values)
        sums = np.zeros(2, np.uint64)
        for begin in range(0, len(self._positions), _CHUNK):
            end = min(begin + _CHUNK, len(self._positions))
            first, last = np.searchsorted(starts, begin, "right") - 1, np.searchsorted(starts, end)
            lists = np.diff(np.clip(starts[first : last + 1], begin, end))
            stems = np.repeat(np.arange(first, first + len(lists)), lists)
            positions = self._positions.span(begin, end)
            alive = kept[positions]
            counts = self._counts.span(begin, end)[alive]
            sums += self._sum(hashes[stems[alive]], positions[alive], counts)
        return bool((sums == self._sums).all())

    def _hashed(self, words: Iterable[str]) -> NDArray[np.uint64]:
        digests = (blake2b(word.encode(), digest_size=8, key=self._key).digest() for word in words)
        return np.frombuffer(b"".join(digests), np.uint64)

    def _sum(
        self, words: NDArray[np.uint64], positions: NDArray[Any], counts: NDArray[Any]
    ) -> NDArray[np.uint64]:
        """Two sums over postings, modulo 2^64."""
        place = positions.astype(np.uint64) << np.uint64(17) | counts.astype(np.uint64)
        return np.array(
            [
                _mixed(_mixed(place ^ salt) + words ^ other).sum(dtype=np.uint64)
                for salt, other in self._salts.reshape(2, 2)
            ]
        )


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A permutation of 64 bits after which every bit depends on all (SplitMix64's finaliser)."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


def _columns(
    generation: Generation, vocabulary: Mapping[str, Values], columns: ColumnWriter, kept: Mask
) -> Iterator[str]:
    made, words = columns.finish()
    stored = generation.columns.arrays()
    for field, arrays in made.items():
        values = vocabulary.get(field, {})
        if field not in stored:
            same = not generation.columns.has(field)
        elif same := _same_vocabulary(values, words[field]):
            codes, *positions = (array.span() for array in stored[field])
            numbers = _renumbered(values, words[field], int(codes.max(initial=0)) + 1)
            if positions:
                alive = kept[positions[0]]
                documents = _compacted(kept)[positions[0][alive]]
                same = _same_sets((numbers[codes[alive]], documents), arrays)
            else:
                same = np.array_equal(numbers[codes[kept]], arrays[0])
        if not same:
            yield f"the column of {field} in the index does not match the cases"


def _statements(
    database: Database, generation: Generation, statements: StoredStatements, kept: Mask
) -> Iterator[str]:
    """Each list has the reports that the tables name, with their sites, and there is no other."""
    last, count = generation.summary.row, len(kept)
    places = places_of(generation.rows[kept], np.flatnonzero(kept))
    stored = {key: of for key, *of in statements.lists.each() if kept[of[0]].any()}
    readers = readers_of(database, places, last, count)
    same = np.array_equal(statements.readers[kept], readers[kept])
    for key, positions, bits in lists_of(database, places, 0, last):
        there, sites = stored.pop(key, (positions[:0], bits[:0]))
        alive = kept[there]
        same &= np.array_equal(there[alive], positions) and np.array_equal(sites[alive], bits)
    if stored or not same:
        yield "the lists of what reports say in the index do not match the mentions"


def _neighbours(generation: Generation) -> Iterator[str]:
    """The lists of neighbours hold other cases of the domain, with what their vectors say."""
    if generation.neighbours is None:
        return
    for name, shard in generation.shards.items():
        for start in range(shard.start, shard.stop, _CASES):
            positions = np.arange(start, min(start + _CASES, shard.stop))
            lists = generation.neighbours.at(positions)
            there = lists.positions >= 0
            near, own = lists.positions[there], np.repeat(positions, there.sum(axis=1))
            inside = (near >= shard.start) & (near < shard.stop) & (near != own)
            vectors = generation.vectors.at(own), generation.vectors.at(np.where(inside, near, own))
            known = np.abs(products(*vectors) - lists.nearness[there]) <= TIE
            falling = (lists.nearness[:, 1:] <= lists.nearness[:, :-1]).all()
            if not (inside.all() and known.all() and falling):
                yield f"the neighbours of {name} in the index are not what its vectors say"
                break


def _same_vocabulary(values: Values, counted: Counted) -> bool:
    return {value: cases for value, (_, cases) in values.items()} == {
        value: cases for value, cases in counted if cases
    }


def _renumbered(values: Values, counted: Counted, size: int) -> Numbers:
    """New numbers by old ones, 0 where there is none."""
    new = {value: number for number, (value, _) in enumerate(counted, 1)}
    numbers = np.zeros(max([size, *(number + 1 for number, _ in values.values())]), np.int64)
    for value, (number, _) in values.items():
        numbers[number] = new.get(value, 0)
    return numbers


def _compacted(kept: Mask) -> Numbers:
    """Where each case is once the deleted ones are gone."""
    return np.cumsum(kept) - 1


def _same_sets(stored: Sequence[NDArray[Any]], made: Sequence[NDArray[Any]]) -> bool:
    """Whether two lists of tuples, given by columns, have the same members."""
    if len(stored[0]) != len(made[0]):
        return False
    orders = [np.lexsort(columns[::-1]) for columns in (stored, made)]
    return all(
        np.array_equal(a[orders[0]], b[orders[1]]) for a, b in zip(stored, made, strict=True)
    )
