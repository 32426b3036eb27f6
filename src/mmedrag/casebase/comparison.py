"""A generation beside what the database makes today: the same vectors, values and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.columns import ColumnWriter
from mmedrag.casebase.database import Database
from mmedrag.casebase.derivation import UNASSIGNED
from mmedrag.casebase.exact import Mask
from mmedrag.casebase.generations import Generation
from mmedrag.casebase.postings import PostingsWriter
from mmedrag.casebase.vocabulary import WORDS, Counted

Values: TypeAlias = Mapping[str, tuple[int, int]]
"""The number of each value, and how many cases have it."""
Numbers: TypeAlias = NDArray[np.int64]


def differences(database: Database, generation: Generation) -> Iterator[str]:
    """Where a generation is not what its cases make that are not deleted, one line each.

    Everything is derived again and compared by its meaning: words and values have other numbers
    each time. The generation holds the rows that it should.
    """
    kept: Mask = np.zeros(len(generation.rows), np.bool_)
    columns, postings = ColumnWriter(), PostingsWriter(database.stemmer.stems)
    for name, shard in generation.shards.items():
        held = generation.rows[shard.start : shard.stop]
        domain = None if name == UNASSIGNED else name
        for batch in database.contents_of(domain, generation.summary.row, generation.summary.dim):
            positions = np.searchsorted(held, batch.rows) + shard.start
            kept[positions] = True
            if not np.array_equal(generation.vectors.at(positions), batch.vectors):
                yield f"the index of {name} does not hold the vectors of the database"
            columns.add(batch.plain, batch.labels, batch.meta)
            postings.add(batch.texts)
    vocabulary = database.vocabulary.counted(generation.summary.number)
    arrays, words = postings.finish()
    stored = [array.span() for array in generation.postings.arrays()]
    if not _same_words(stored, vocabulary.get(WORDS, {}), arrays, words, kept):
        yield "the lexical index does not match the texts"
    yield from _columns(generation, vocabulary, columns, kept)


def _same_words(
    stored: Sequence[NDArray[Any]],
    values: Values,
    arrays: Sequence[NDArray[Any]],
    words: Counted,
    kept: Mask,
) -> bool:
    if not (_same_vocabulary(values, words) and np.array_equal(stored[3][kept], arrays[3])):
        return False
    starts, positions, counts, _ = stored
    alive = kept[positions]
    stems = np.repeat(np.arange(1, len(starts)), np.diff(starts))[alive]
    documents = _compacted(kept)[positions[alive]]
    kept_postings = (_renumbered(values, words, len(starts))[stems], documents, counts[alive])
    fresh = np.repeat(np.arange(1, len(arrays[0])), np.diff(arrays[0]))
    return _same_sets(kept_postings, (fresh, arrays[1], arrays[2]))


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
