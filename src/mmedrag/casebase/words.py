"""Which words the reports of a casebase use: what a misspelt question may have meant."""

from __future__ import annotations

import re
import sqlite3
from functools import cache

from symspellpy.editdistance import DistanceAlgorithm, EditDistance

COMMON = 3
"""Reports in which a word must stand to be what somebody meant to write."""

MISTAKES = 2
"""Letters by which a word may differ from what was meant (Damerau-Levenshtein distance)."""

_WORD = re.compile(r"[^\W\d_]+")


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection the temporary table that :func:`similar` reads; outside transactions."""
    connection.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, lexicon, row)")


def frequency(connection: sqlite3.Connection, word: str) -> int:
    """The number of reports that use a word in any of its inflections."""
    if not _WORD.fullmatch(word):
        return 0
    sql = "SELECT count(*) FROM lexicon WHERE lexicon MATCH ?"
    return int(connection.execute(sql, [f'"{word}"']).fetchone()[0])


def similar(connection: sqlite3.Connection, word: str) -> dict[str, int]:
    """Words of at least COMMON reports that differ from ``word`` in few letters, and in how many.

    They begin with the same letter, so that a small part of the index is read.
    """
    stem = _stem(connection, word)
    if not stem or not stem[0].isalpha():
        return {}
    stems = connection.execute(
        "SELECT term FROM temp.vocabulary WHERE term >= ? AND term < ? AND doc >= ? "
        "AND abs(length(term) - ?) <= ?",
        [stem[0], chr(ord(stem[0]) + 1), COMMON, len(stem), MISTAKES],
    ).fetchall()
    near = [term for (term,) in stems if distance(stem, term) >= 0]
    found: dict[str, int] = {}
    for term in near:
        found |= _written(connection, term, word)
    return found


def distance(one: str, other: str) -> int:
    """In how many letters two words differ; -1 where in more than MISTAKES."""
    return int(_distances().compare(one, other, MISTAKES))


def _written(connection: sqlite3.Connection, stem: str, word: str) -> dict[str, int]:
    """The words of one report with that stem that are nearest to ``word``."""
    sql = "SELECT text FROM texts WHERE row = (SELECT doc FROM temp.hits WHERE term = ? LIMIT 1)"
    found = connection.execute(sql, [stem]).fetchone()
    words = {w.lower() for w in _WORD.findall(found[0])} if found else set()
    apart = {w: d for w in words if w[0] == word[0] and (d := distance(word, w)) >= 0}
    return {w: d for w, d in apart.items() if d == min(apart.values())}


def _stem(connection: sqlite3.Connection, word: str) -> str:
    connection.execute("DELETE FROM temp.asked")
    connection.execute("INSERT INTO temp.asked VALUES (?)", [word])
    found = connection.execute("SELECT term FROM temp.stems").fetchone()
    return str(found[0]) if found else ""


@cache
def _distances() -> EditDistance:
    return EditDistance(DistanceAlgorithm.DAMERAU_OSA)
