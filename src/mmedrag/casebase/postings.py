"""Which reports hold which stem: the lexical index of a generation, and of the cases since.

A generation's postings are three arrays: where each stem's list begins, the positions of the
reports that hold it, and how often. Stems are numbers here (:mod:`~mmedrag.casebase.vocabulary`).
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.blocks import StoredArray, write_array
from mmedrag.casebase.exact import Positions
from mmedrag.casebase.stems import separated, worth_searching
from mmedrag.casebase.vocabulary import Counted

Counts = NDArray[np.integer[Any]]
Stemming = Callable[[Sequence[str]], list[str]]
Posting = tuple[Positions, Counts]
"""Positions of reports, ascending, and how often each holds the stem."""

_FILES = {"starts": "<i8", "postings": "<u4", "counts": "<u2", "lengths": "<u4"}
_PART = 2**20  # postings that are sorted together
_MOST = 65_535  # of one word in one report, that are counted
_NOTHING: Posting = (np.empty(0, np.int64), np.empty(0, np.int64))


def words_of(text: str) -> list[str]:
    """The words of a report that have postings."""
    return [word for word in separated([text])[:-1] if worth_searching(word)]


class _Words(dict[str, int]):
    """Numbers for words in the order of their coming; 0 is the end of a text."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The stems of some reports: a row for each stem of each report, ordered by stem."""

    stems: NDArray[np.int64]
    """Their numbers, from 0."""
    documents: NDArray[np.int64]
    """Which of the reports, from 0."""
    counts: NDArray[np.int64]
    """How often the report holds the stem."""
    lengths: NDArray[np.int64]
    """How many words each report has."""


class StemReader:
    """Numbers the stems of reports in the order of their coming, and counts who holds them."""

    def __init__(self, stemming: Stemming) -> None:
        self._stemming = stemming
        self._words = _Words({"\x1e": 0})
        self._numbers: dict[str, int] = {}  # of stems, from 0; -1 for words without one
        self._stem_of = np.full(1, -1, np.int64)  # by the number of a word
        self._cases = np.empty(0, np.int64)  # by the number of a stem

    def read(self, texts: Sequence[str]) -> Occurrences:
        """Take in the next reports."""
        words = separated(texts)
        numbers = np.fromiter(map(self._words.__getitem__, words), np.int64, len(words))
        self._learn()
        ends = np.flatnonzero(numbers == 0)
        stems = self._stem_of[numbers]
        kept = stems >= 0
        keys = stems[kept] << 32 | np.cumsum(numbers == 0)[kept]
        pairs, counts = np.unique(keys, return_counts=True)
        self._cases = np.pad(self._cases, (0, len(self._numbers) - len(self._cases)))
        self._cases += np.bincount(pairs >> 32, minlength=len(self._cases))
        lengths = np.diff(ends, prepend=-1) - 1
        return Occurrences(pairs >> 32, pairs & 0xFFFFFFFF, np.minimum(counts, _MOST), lengths)

    def vocabulary(self) -> Counted:
        """The stems that were read, and how many reports hold each."""
        return list(zip(self._numbers, self._cases.tolist(), strict=True))

    def _learn(self) -> None:
        """Stems of the words that came for the first time."""
        new = [*self._words][len(self._stem_of) :]
        kept = [word for word in new if worth_searching(word)]
        stems = dict(zip(kept, self._stemming(kept), strict=True))
        numbers = [
            self._numbers.setdefault(stems[word], len(self._numbers)) if word in stems else -1
            for word in new
        ]
        self._stem_of = np.concatenate([self._stem_of, np.array(numbers, np.int64)])


class PostingsWriter:
    """Collects the words of a generation's reports, in the order of positions.

    What was read lies in ``spool``, an empty file, until it is written stem by stem: memory grows
    with the reports by the lengths alone.
    """

    def __init__(self, stemming: Stemming, spool: IO[bytes]) -> None:
        self._reader, self._spool = StemReader(stemming), spool
        self._pieces: list[tuple[int, int]] = []  # where each begins, and how many rows it has
        self._lengths: list[NDArray[np.uint32]] = []
        self._count = 0

    def add(self, texts: Sequence[str]) -> None:
        """Take in the next reports."""
        read = self._reader.read(texts)
        self._pieces.append((self._spool.tell(), len(read.stems)))
        self._spool.write(read.stems.astype("<u4").tobytes())
        self._spool.write((read.documents + self._count).astype("<u4").tobytes())
        self._spool.write(read.counts.astype("<u2").tobytes())
        self._lengths.append(read.lengths.astype(np.uint32))
        self._count += len(texts)

    def write(self, folder: Path) -> tuple[dict[str, Any], Counted]:
        """Write the arrays; gives their entries in the manifest and the vocabulary of stems."""
        self._spool.flush()
        counted = self._reader.vocabulary()
        starts = np.concatenate([[0], np.cumsum([cases for _, cases in counted])]).astype(np.int64)
        arrays: dict[str, Iterable[NDArray[Any]]] = {
            "starts": [starts],
            "postings": self._by_stem(starts, 4, "<u4"),
            "counts": self._by_stem(starts, 8, "<u2"),
            "lengths": self._lengths,
        }
        entry = {
            name: write_array(folder / name, arrays[name], dtype) for name, dtype in _FILES.items()
        }
        return entry, counted

    def _by_stem(self, starts: NDArray[np.int64], offset: int, dtype: str) -> Iterator[Counts]:
        """A column of the pieces in the order of stems and positions, some stems at a time.

        ``offset`` is what stands before it in a piece, in bytes a row.
        """
        if not starts[-1]:
            return
        held = mmap.mmap(self._spool.fileno(), 0, access=mmap.ACCESS_READ)
        for first, last in _parts(starts):
            stems, values = [], []
            for begin, rows in self._pieces:
                own = np.frombuffer(held, "<u4", rows, begin)
                low, high = np.searchsorted(own, [first, last])
                stems.append(own[low:high])
                values.append(np.frombuffer(held, dtype, rows, begin + offset * rows)[low:high])
            yield np.concatenate(values)[np.argsort(np.concatenate(stems), kind="stable")]


def _parts(starts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of stems that have about :data:`_PART` postings together."""
    first = 0
    while first < len(starts) - 1:
        reached = int(np.searchsorted(starts, starts[first] + _PART, "right")) - 1
        last = max(first + 1, reached)
        yield first, last
        first = last


class Postings:
    """The postings of a loaded generation."""

    def __init__(self, folder: Path, entry: Mapping[str, Any]) -> None:
        self._starts = StoredArray(folder, entry["starts"])
        self._positions = StoredArray(folder, entry["postings"])
        self._counts = StoredArray(folder, entry["counts"])
        self._lengths = StoredArray(folder, entry["lengths"])

    def arrays(self) -> tuple[StoredArray, ...]:
        """Starts, positions, counts and lengths."""
        return self._starts, self._positions, self._counts, self._lengths

    def frequency(self, number: int) -> int:
        """How many reports hold a stem, deleted ones included."""
        start, stop = self._starts.span(number - 1, number + 1)
        return int(stop - start)

    def of(self, number: int, most: int | None = None) -> Posting:
        """The reports that hold a stem, of many the first ``most``."""
        start, stop = (int(offset) for offset in self._starts.span(number - 1, number + 1))
        stop = stop if most is None else min(stop, start + most)
        positions = self._positions.span(start, stop).astype(np.int64)
        return positions, self._counts.span(start, stop)

    @property
    def words(self) -> int:
        """How many words all reports have."""
        return int(self._lengths.span().sum(dtype=np.int64))

    def lengths(self, positions: Positions) -> NDArray[np.int64]:
        """How many words the reports at some positions have."""
        return self._lengths.at(positions)


class FreshPostings:
    """Postings of cases that no generation holds yet, in memory."""

    def __init__(self, stemming: Stemming, first: int) -> None:
        """Positions are counted from ``first``."""
        self._stemming = stemming
        self._first = first
        self._lists: dict[str, tuple[list[int], list[int]]] = {}
        self._lengths: list[int] = []

    def add(self, texts: Sequence[str]) -> int:
        """Take in the next reports; gives how many words they have."""
        before = len(self._lengths)
        words: list[str] = []
        for word in separated(texts):
            if word != "\x1e":
                words.append(word)
                continue
            kept = [word for word in words if worth_searching(word)]
            for stem, often in Counter(self._stemming(kept)).items():
                positions, counts = self._lists.setdefault(stem, ([], []))
                positions.append(self._first + len(self._lengths))
                counts.append(min(often, _MOST))
            self._lengths.append(len(words))
            words = []
        return sum(self._lengths[before:])

    def stems(self, letter: str) -> set[str]:
        """Stems that begin with a letter."""
        return {stem for stem in self._lists if stem.startswith(letter)}

    def frequency(self, stem: str) -> int:
        """How many reports hold a stem, deleted ones included."""
        return len(self._lists[stem][0]) if stem in self._lists else 0

    def of(self, stem: str) -> Posting:
        """The reports that hold a stem."""
        if stem not in self._lists:
            return _NOTHING
        positions, counts = self._lists[stem]
        return np.array(positions, np.int64), np.array(counts, np.int64)

    def lengths(self, positions: Positions) -> NDArray[np.int64]:
        """How many words the reports at some positions have."""
        return np.array([self._lengths[i - self._first] for i in positions.tolist()], np.int64)
