"""BM25 over the reports: SQLite's FTS5, asked in a way that stays fast in large casebases."""

from __future__ import annotations

import re
import sqlite3
import unicodedata

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.exact import Rows

POSTINGS = 5_000
"""Postings that one query may score. Words are taken from the rarest on, the rarest always, so
that what is left out are the commonest words, which tell cases apart least."""

_MAX_WORDS = 128
_MAX_LENGTH = 64
_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = (
    "a about after all also an and any are as at be been but by can could did do does for from had "
    "has have he her here him his how i if in into is it its may me more most my no not of on or "
    "our she should show shows so some such than that the their them then there these they this "
    "those to was we were what when where which who whom why will with would you your"
)
_STOP = frozenset(_STOP_WORDS.split())


def words(text: str) -> list[str]:
    """The distinct words of a text that are worth searching, in order, at most 128."""
    found = dict.fromkeys(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))
    kept = [word for word in found if word not in _STOP and len(word) <= _MAX_LENGTH]
    return kept[:_MAX_WORDS]


class Lexicon:
    """BM25 of the words of a query, and how frequent words are at one epoch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._frequencies: dict[str, int] = {}
        self._epoch = -1

    def match(self, text: str, epoch: int) -> tuple[Rows, NDArray[np.float64]]:
        """Rows that hold a word of ``text``, ascending, and their BM25 (above 0).

        No text can cause a syntax error: only words pass, each quoted.
        """
        chosen = self._rarest(words(text), epoch)
        if not chosen:
            return np.empty(0, np.int64), np.empty(0)
        found = self._connection.execute(
            "SELECT rowid, -bm25(lexicon) FROM lexicon WHERE lexicon MATCH ? ORDER BY rowid",
            [" OR ".join(f'"{word}"' for word in chosen)],
        ).fetchall()
        table = np.array([tuple(row) for row in found], np.float64).reshape(-1, 2)
        # FTS5's inverse document frequency has a floor just above 0; rounding must not make it 0
        return table[:, 0].astype(np.int64), np.maximum(table[:, 1], 1e-12)

    def _rarest(self, asked: list[str], epoch: int) -> list[str]:
        if epoch != self._epoch:
            self._frequencies, self._epoch = {}, epoch
        known = sorted((self._frequency(word), word) for word in asked)
        chosen: list[str] = []
        spent = 0
        for frequency, word in known:
            if frequency and (not chosen or spent + frequency <= POSTINGS):
                chosen.append(word)
                spent += frequency
        return chosen

    def _frequency(self, word: str) -> int:
        if word not in self._frequencies:
            sql = "SELECT count(*) FROM lexicon WHERE lexicon MATCH ?"
            found = self._connection.execute(sql, [f'"{word}"']).fetchone()
            self._frequencies[word] = int(found[0])
        return self._frequencies[word]
