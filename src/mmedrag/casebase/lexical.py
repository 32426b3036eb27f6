"""BM25 over the reports of a snapshot (section 3.4, stage 1, text queries)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.exact import Mask, Positions
from mmedrag.casebase.postings import FreshPostings, Posting, Postings
from mmedrag.casebase.remembered import RememberedArrays
from mmedrag.casebase.stems import Stemmer, separated, worth_searching
from mmedrag.measures.row_sets import distinct, places_in

POSTINGS = 20_000
"""Postings that one query may score. Words are taken from the rarest on, the rarest always, so
that what is left out are the commonest words, which tell cases apart least."""

K1, B = 1.2, 0.75
_MAX_WORDS = 128
_NUMBERS = 100_000  # stems whose numbers are remembered

Scored = tuple[Positions, NDArray[np.float64]]
"""Positions, ascending, and a score for each."""


def words(text: str) -> list[str]:
    """The distinct words of a text that are worth searching, in order, at most 128."""
    each = dict.fromkeys(separated([text])[:-1])
    return [word for word in each if worth_searching(word)][:_MAX_WORDS]


class Lexicon:
    """BM25 with the formula of SQLite's FTS5, over a generation's postings and those since.

    What deleted cases hold counts nowhere, so that a publication changes no score.

    Args:
        stored: of the generation, where there is one.
        number: gives a stem's number in the generation, or none.
        stemmer: of the database's connection.
        first: how many cases the generation holds.
    """

    def __init__(
        self,
        stored: Postings | None,
        number: Callable[[str], int | None],
        stemmer: Stemmer,
        first: int,
    ) -> None:
        self._stored = stored
        self._number = number
        self._stemmer = stemmer
        self._fresh = FreshPostings(stemmer.stems, first)
        self._weights = RememberedArrays[str, Scored](
            lambda scored: scored[0].nbytes + scored[1].nbytes
        )
        self._numbers: dict[str, int | None] = {}
        self._first, self._cases, self._dead = first, first, 0
        self._words = 0 if stored is None else stored.words

    def add(self, texts: Sequence[str]) -> None:
        """Take in the reports of the next positions."""
        self._words += self._fresh.add(texts)
        self._cases += len(texts)
        self._weights.forget()

    def kill(self, positions: Positions) -> None:
        """Cases at these positions are deleted."""
        self._words -= int(self._lengths(positions).sum())
        self._cases -= len(positions)
        self._dead += len(positions)
        self._weights.forget()

    def match(self, text: str, alive: Mask) -> Scored:
        """Positions of cases that hold a word of ``text``, and their BM25 (above 0).

        Args:
            text: of the question.
            alive: which positions are not deleted, ``(n + m,)``.
        """
        query_words = words(text)
        if not query_words:
            return np.empty(0, np.int64), np.empty(0)
        stems = self._rarest(list(dict.fromkeys(self._stemmer.stems(query_words))), alive)
        postings = [self._weighted(stem, alive) for stem in stems]
        if not postings:
            return np.empty(0, np.int64), np.empty(0)
        every = np.concatenate([positions for positions, _ in postings])
        positions = distinct(every)
        weights = np.concatenate([weights for _, weights in postings])
        places = places_in(positions)(every)
        scores = np.bincount(places, weights, len(positions)).astype(np.float64)
        return positions, scores

    def _lengths(self, positions: Positions) -> NDArray[np.int64]:
        """How many words the reports at some positions have."""
        lengths = np.empty(len(positions), np.int64)
        stored = positions < self._first
        if self._stored is not None:
            lengths[stored] = self._stored.lengths(positions[stored])
        lengths[~stored] = self._fresh.lengths(positions[~stored])
        return lengths

    def stem(self, word: str) -> str:
        """The stem of a word; empty where it is not worth searching."""
        return next(iter(self._stemmer.stems(words(word)[:1])), "")

    def fresh_stems(self, letter: str) -> set[str]:
        """Stems of reports that no generation holds yet and that begin with a letter."""
        return self._fresh.stems(letter)

    def frequency(self, stem: str, alive: Mask) -> int:
        """How many reports hold a stem."""
        return len(self._living(stem, alive)) if self._dead else self._most(stem)

    def first(self, stem: str, alive: Mask) -> Positions:
        """Where the first report is that holds a stem, ``(1,)``; nothing where none does."""
        if self._dead:
            return self._living(stem, alive)[:1]
        return self._posting(stem, most=1)[0][:1]

    def _living(self, stem: str, alive: Mask) -> Positions:
        positions, _ = self._posting(stem)
        return positions[alive[positions]] if self._dead else positions

    def _rarest(self, stems: list[str], alive: Mask) -> list[str]:
        frequencies = [self._frequency(stem, alive) for stem in stems]
        if self._dead and not any(0 < frequency <= POSTINGS for frequency in frequencies):
            # the rarest of all these common ones is scored, so that roughly is not enough
            frequencies = [len(self._living(stem, alive)) for stem in stems]
        chosen: list[str] = []
        spent = 0
        for frequency, stem in sorted(zip(frequencies, stems, strict=True)):
            if frequency and (not chosen or spent + frequency <= POSTINGS):
                chosen.append(stem)
                spent += frequency
        return chosen

    def _frequency(self, stem: str, alive: Mask) -> int:
        """How many cases hold a stem; only roughly where they are too many to be scored."""
        most = self._most(stem)
        if not self._dead or most - self._dead > POSTINGS:
            return most
        return len(self._weighted(stem, alive)[0])

    def _most(self, stem: str) -> int:
        """How many cases hold a stem, deleted ones included."""
        number = self._number_of(stem)
        stored = 0 if self._stored is None or number is None else self._stored.frequency(number)
        return stored + self._fresh.frequency(stem)

    def _weighted(self, stem: str, alive: Mask) -> Scored:
        """Cases that hold a stem, and what it adds to the BM25 of each."""

        def weigh() -> Scored:
            positions, counts = self._posting(stem)
            if self._dead:
                kept = alive[positions]
                positions, counts = positions[kept], counts[kept]
            return positions, self._weigh(positions, counts.astype(np.float64))

        return self._weights.of(stem, weigh)

    def _weigh(self, positions: Positions, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        rarity = np.log((self._cases - len(positions) + 0.5) / (len(positions) + 0.5))
        average = max(self._words / max(self._cases, 1), 1e-9)
        longer = 1 - B + B * self._lengths(positions) / average
        weights: NDArray[np.float64] = (
            max(rarity, 1e-6) * counts * (K1 + 1) / (counts + K1 * longer)
        )
        return weights

    def _posting(self, stem: str, most: int | None = None) -> Posting:
        """Reports that hold a stem; of many that a generation holds, the first ``most``."""
        fresh = self._fresh.of(stem)
        number = self._number_of(stem)
        if self._stored is None or number is None:
            return fresh
        stored = self._stored.of(number, most)
        return np.concatenate([stored[0], fresh[0]]), np.concatenate([stored[1], fresh[1]])

    def _number_of(self, stem: str) -> int | None:
        if self._stored is None:
            return None
        if stem not in self._numbers:
            if len(self._numbers) >= _NUMBERS:  # questions may name words without end
                self._numbers.clear()
            self._numbers[stem] = self._number(stem)
        return self._numbers[stem]
