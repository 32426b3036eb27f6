"""Which reports hold which stem: the lexical index of a generation, and of the cases since.

A generation's postings are three arrays: where each stem's list begins, the positions of the
reports that hold it, and how often. Stems are numbers here (:mod:`~mmedrag.casebase.vocabulary`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

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


class PostingsWriter:
    """Collects the words of a generation's reports, in the order of positions."""

    def __init__(self, stemming: Stemming) -> None:
        self._stemming = stemming
        self._words = _Words({"\x1e": 0})
        self._numbers: dict[str, int] = {}  # of stems, from 0; -1 for words without one
        self._stem_of = np.full(1, -1, np.int64)  # by the number of a word
        self._lengths: list[NDArray[np.int64]] = []
        self._pieces: list[tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint16]]] = []
        self._count = 0

    def add(self, texts: Sequence[str]) -> None:
        """Take in the next reports."""
        words = separated(texts)
        numbers = np.fromiter(map(self._words.__getitem__, words), np.int64, len(words))
        self._learn()
        ends = np.flatnonzero(numbers == 0)
        self._lengths.append(np.diff(ends, prepend=-1) - 1)
        documents = np.cumsum(numbers == 0)
        stems = self._stem_of[numbers]
        kept = stems >= 0
        keys = stems[kept] << 32 | (documents[kept] + self._count)
        pairs, counts = np.unique(keys, return_counts=True)
        piece = (pairs >> 32, (pairs & 0xFFFFFFFF).astype(np.uint32))
        self._pieces.append((*piece, np.minimum(counts, _MOST).astype(np.uint16)))
        self._count += len(texts)

    def finish(self) -> tuple[list[NDArray[np.integer[Any]]], Counted]:
        """Starts, positions, counts and lengths, and the vocabulary of stems."""
        cases = np.zeros(len(self._numbers), np.int64)
        for stems, _, _ in self._pieces:
            cases += np.bincount(stems, minlength=len(cases))
        starts = np.concatenate([[0], np.cumsum(cases)])
        positions = np.empty(starts[-1], np.uint32)
        counts = np.empty(starts[-1], np.uint16)
        cursor = starts[:-1].copy()
        for stems, documents, often in self._pieces:
            here = np.bincount(stems, minlength=len(cases))
            before = np.concatenate([[0], np.cumsum(here)[:-1]])
            slots = np.arange(len(stems)) + np.repeat(cursor - before, here)
            positions[slots], counts[slots] = documents, often
            cursor += here
        lengths = np.concatenate([np.empty(0, np.int64), *self._lengths])
        counted = list(zip(self._numbers, cases.tolist(), strict=True))
        return [starts, positions, counts, lengths], counted

    def write(self, folder: Path) -> tuple[dict[str, Any], Counted]:
        """Write the arrays; gives their entries in the manifest and the vocabulary of stems."""
        arrays, counted = self.finish()
        entry = {
            name: write_array(folder / name, [array], dtype)
            for (name, dtype), array in zip(_FILES.items(), arrays, strict=True)
        }
        return entry, counted

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

    def of(self, number: int) -> Posting:
        """The reports that hold a stem."""
        start, stop = (int(offset) for offset in self._starts.span(number - 1, number + 1))
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
