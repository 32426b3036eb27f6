"""Words of texts and their stems, the same for reports and for questions."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from weakref import finalize

MAX_LENGTH = 64
_END = "\x1e"
_WORD = re.compile(r"[^\W_]+")
_SPACED = {code: " " for code in range(128) if not chr(code).isalnum()}
_STOP_WORDS = (
    "a about after all also an and any are as at be been but by can could did do does for from had "
    "has have he her here him his how i if in into is it its may me more most my no not of on or "
    "our she should show shows so some such than that the their them then there these they this "
    "those to was we were what when where which who whom why will with would you your"
)
_STOP = frozenset(_STOP_WORDS.split())
_REMEMBERED = 500_000


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection the temporary tables that :class:`Stemmer` uses; outside transactions."""
    connection.execute("PRAGMA temp_store = MEMORY")  # no query's words reach the disk
    connection.execute("CREATE VIRTUAL TABLE temp.asked USING fts5(w, tokenize='porter unicode61')")
    connection.execute("CREATE VIRTUAL TABLE temp.stems USING fts5vocab(temp, asked, instance)")


def folded(text: str) -> str:
    """In lower case, without diacritics, in compatible characters."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).lower()


def separated(texts: Iterable[str]) -> list[str]:
    r"""The words of several texts in order, ``"\x1e"`` after each text."""
    words: list[str] = []
    for text in map(folded, texts):
        # what is plain ASCII, as most words without diacritics are, is split three times faster
        words += text.translate(_SPACED).split() if text.isascii() else _WORD.findall(text)
        words.append(_END)
    return words


def worth_searching(word: str) -> bool:
    """Whether a word tells reports apart at all."""
    return word not in _STOP and len(word) <= MAX_LENGTH


def stemmer() -> Stemmer:
    """A stemmer of its own, for engines without SQLite; for one thread at a time."""
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    prepare(connection)
    made = Stemmer(connection)
    finalize(made, connection.close)
    return made


class Stemmer:
    """Porter's algorithm as SQLite has it; what was stemmed is remembered.

    The temporary table that it writes to goes with the caller's transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._stems: dict[str, str] = {}

    def stems(self, words: Sequence[str]) -> list[str]:
        """The stem of each word."""
        if len(self._stems) > _REMEMBERED:
            self._stems.clear()
        new = [word for word in dict.fromkeys(words) if word not in self._stems]
        if new:
            self._learn(new)
        return [self._stems[word] for word in words]

    def _learn(self, words: Sequence[str]) -> None:
        self._stems.update((word, word) for word in words)
        self._connection.execute("DELETE FROM temp.asked")
        self._connection.executemany(
            "INSERT INTO temp.asked (rowid, w) VALUES (?, ?)", enumerate(words)
        )
        cursor = self._connection.execute("SELECT doc, term FROM temp.stems WHERE offset = 0")
        self._stems.update((words[number], stem) for number, stem in cursor.fetchall())
        self._connection.execute("DELETE FROM temp.asked")
