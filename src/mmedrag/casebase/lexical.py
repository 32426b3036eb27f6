"""BM25 over the reports: SQLite's FTS5, asked in a way that stays fast in large casebases."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.exact import Rows

POSTINGS = 20_000
"""Postings that one query may score. Words are taken from the rarest on, the rarest always, so
that what is left out are the commonest words, which tell cases apart least."""

K1, B = 1.2, 0.75
_REMEMBERED = 2_000_000  # postings in memory
_TOKENIZER = "porter unicode61 remove_diacritics 2"  # as in the database's schema
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


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection the temporary tables that :class:`Lexicon` reads; outside transactions."""
    connection.execute("PRAGMA temp_store = MEMORY")  # no query's words reach the disk
    connection.execute("CREATE VIRTUAL TABLE temp.hits USING fts5vocab(main, lexicon, instance)")
    connection.execute(f"CREATE VIRTUAL TABLE temp.asked USING fts5(w, tokenize='{_TOKENIZER}')")
    connection.execute("CREATE VIRTUAL TABLE temp.stems USING fts5vocab(temp, asked, row)")


class Lexicon:
    """BM25 with FTS5's formula over FTS5's postings, which are remembered while nothing is written.

    FTS5's own ``bm25()`` looks every row's length up on disk: five times slower.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._epoch = -1
        self._frequencies: dict[str, int] = {}
        self._postings: dict[str, tuple[Rows, NDArray[np.float64]]] = {}
        self._held = 0  # postings remembered
        self._lengths = np.zeros(1, np.int64)  # words of each text, by row number
        self._rows, self._average = 0, 1.0

    def match(self, text: str, epoch: int) -> tuple[Rows, NDArray[np.float64]]:
        """Rows that hold a word of ``text``, ascending, and their BM25 (above 0).

        No text can cause a syntax error: only words pass, each quoted.
        """
        if epoch != self._epoch:
            self._refresh()
            self._epoch = epoch
        found = [self._weights(stem) for stem in self._stems(self._rarest(words(text)))]
        if not found:
            return np.empty(0, np.int64), np.empty(0)
        rows, places = np.unique(np.concatenate([r for r, _ in found]), return_inverse=True)
        scores: NDArray[np.float64] = np.zeros(len(rows))
        np.add.at(scores, places, np.concatenate([w for _, w in found]))
        return rows, scores

    def _rarest(self, asked: list[str]) -> list[str]:
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

    def _stems(self, chosen: list[str]) -> list[str]:
        """The words as the index holds them; the temporary table goes with the transaction."""
        if not chosen:
            return []
        self._connection.execute("DELETE FROM temp.asked")
        self._connection.execute("INSERT INTO temp.asked VALUES (?)", [" ".join(chosen)])
        return [row[0] for row in self._connection.execute("SELECT term FROM temp.stems")]

    def _weights(self, stem: str) -> tuple[Rows, NDArray[np.float64]]:
        """Rows that hold a stem, and what it adds to the BM25 of each."""
        if stem not in self._postings:
            cursor = self._connection.execute("SELECT doc FROM temp.hits WHERE term = ?", [stem])
            every = np.fromiter((row[0] for row in cursor), np.int64)
            rows, counts = np.unique(every, return_counts=True)
            rarity = np.log((self._rows - len(rows) + 0.5) / (len(rows) + 0.5))
            longer = 1 - B + B * self._lengths[rows] / self._average
            weights = max(rarity, 1e-6) * counts * (K1 + 1) / (counts + K1 * longer)
            self._remember(stem, rows, weights)
        return self._postings[stem]

    def _remember(self, stem: str, rows: Rows, weights: NDArray[np.float64]) -> None:
        if self._held > _REMEMBERED:
            self._postings.clear()
            self._held = 0
        self._postings[stem] = (rows, weights)
        self._held += len(rows)

    def _refresh(self) -> None:
        """Forget frequencies, and read the lengths of new texts."""
        self._frequencies.clear()
        self._postings.clear()
        self._held = 0
        totals = self._connection.execute("SELECT block FROM lexicon_data WHERE id = 1").fetchone()
        numbers = [*_varints(totals[0]), 0, 0] if totals else [0, 0]
        self._rows, self._average = numbers[0], max(numbers[1] / max(numbers[0], 1), 1e-9)
        known = len(self._lengths) - 1
        new = self._connection.execute(
            "SELECT id, sz FROM lexicon_docsize WHERE id > ? ORDER BY id", [known]
        ).fetchall()
        if new:
            self._lengths = np.pad(self._lengths, (0, new[-1][0] - known))
            self._lengths[[row[0] for row in new]] = [next(_varints(row[1]), 0) for row in new]


def differences(connection: sqlite3.Connection) -> Iterator[str]:
    """Where the lexical index is not what the texts make, asked as a search asks; writes nothing.

    A second index is made in memory. Every stem must have the same postings in both, and every text
    the same length; the index may have no further stems. The caller is inside a transaction that
    is undone, and the second index with it.
    """
    name = "casebase.db: the lexical index does not match the texts"
    for statement in _SECOND_INDEX:
        connection.execute(statement)
    try:
        connection.execute("INSERT INTO temp.again (rowid, text) SELECT row, text FROM main.texts")
        counts = [
            connection.execute(f"SELECT count(*) FROM temp.{table}").fetchone()[0]  # noqa: S608
            for table in ("stems_again", "stems_now")
        ]
        if counts[0] != counts[1]:
            yield f"{name} ({counts[1]} stems instead of {counts[0]})"
        for (stem,) in connection.execute("SELECT term FROM temp.stems_again").fetchall():
            if _postings(connection, "hits", stem) != _postings(connection, "hits_again", stem):
                yield f"{name} (at the stem {stem!r})"
                break
        if _lengths(connection, "main.lexicon") != _lengths(connection, "temp.again"):
            yield f"{name} (lengths)"
    except sqlite3.DatabaseError as fault:
        yield f"{name} ({fault})"


_SECOND_INDEX = (
    f"CREATE VIRTUAL TABLE temp.again USING fts5 (text, content='', tokenize='{_TOKENIZER}')",
    "CREATE VIRTUAL TABLE temp.hits_again USING fts5vocab (temp, again, instance)",
    "CREATE VIRTUAL TABLE temp.stems_again USING fts5vocab (temp, again, row)",
    "CREATE VIRTUAL TABLE temp.stems_now USING fts5vocab (main, lexicon, row)",
)


def _postings(connection: sqlite3.Connection, table: str, stem: str) -> list[tuple[int, int]]:
    sql = f"SELECT doc, offset FROM temp.{table} WHERE term = ?"  # noqa: S608
    return [tuple(row) for row in connection.execute(sql, [stem])]


def _lengths(connection: sqlite3.Connection, index: str) -> tuple[list[tuple[int, bytes]], object]:
    rows = connection.execute(f"SELECT id, sz FROM {index}_docsize ORDER BY id")  # noqa: S608
    sql = f"SELECT block FROM {index}_data WHERE id = 1"  # noqa: S608
    totals = connection.execute(sql).fetchone()
    numbers = [*_varints(totals[0])] if totals else []
    return [tuple(row) for row in rows], [number for number in numbers if number]


def _varints(block: bytes) -> Iterator[int]:
    """SQLite's variable-length integers (up to eight bytes): seven bits a byte, highest first."""
    value = 0
    for byte in block:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            yield value
            value = 0
