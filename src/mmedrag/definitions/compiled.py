"""A dictionary in the form in which it is searched: one SQLite file, made once, opened at once.

Tables: ``concepts`` (what is defined), ``relatives`` (how many names each has, and the numbers of
its parents and children), ``links`` (its other
relations, outgoing and incoming, and its cross references; ``crossreferences`` finds them by code),
``names`` (how it is written; by the hash of the name's tokens),
``lexicon`` (the arrays of :class:`~mmedrag.definitions.entities.Lexicon`) and ``about``. Rows and
arrays carry checksums, and rows say how many belong together: a damaged file gives an error, never
a wrong definition.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from weakref import finalize
from zlib import crc32

import numpy as np

from mmedrag.definitions.entities import Lexicon
from mmedrag.errors import CorpusError
from mmedrag.text.wording import RULES
from mmedrag.types import Definition

APPLICATION = 0x4D4D5244  # "MMRD"
FORMAT = 2

SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE concepts (id INTEGER PRIMARY KEY, code TEXT, term TEXT, definition TEXT, source TEXT,
                       licence TEXT, kind TEXT, region TEXT, domains TEXT, checksum INTEGER);
CREATE TABLE relatives (id INTEGER PRIMARY KEY, names INTEGER, parents TEXT, children TEXT,
                        checksum INTEGER);
CREATE TABLE names (key INTEGER, rank INTEGER, concept INTEGER, name TEXT, exact INTEGER,
                    contexts TEXT, lay INTEGER, alike INTEGER, checksum INTEGER);
CREATE TABLE links (id INTEGER PRIMARY KEY, outgoing TEXT, incoming TEXT, codes TEXT,
                    checksum INTEGER);
CREATE TABLE crossreferences (code TEXT, concept INTEGER);
CREATE TABLE lexicon (prefixes BLOB, ends BLOB, checksum INTEGER);
"""
INDEXES = """
CREATE INDEX names_key ON names (key, rank);
CREATE INDEX names_concept ON names (concept);
CREATE INDEX crossreferences_code ON crossreferences (code);
"""


class Concept(NamedTuple):
    """One row of ``concepts``. ``kind`` is empty where its ancestors say it; domains by blank."""

    id: int
    code: str
    term: str
    definition: str
    source: str
    licence: str
    kind: str
    region: str
    domains: str

    def defined(self) -> Definition:
        """As the pipeline's type."""
        return Definition(self.code, self.term, self.definition, self.source, self.licence)


class Links(NamedTuple):
    """How a concept is related but by is-a: pairs of a type and the other concept, and codes.

    ``codes`` are its cross references in normal form
    (:func:`~mmedrag.definitions.references.normal_reference`).
    """

    outgoing: tuple[tuple[str, Concept], ...] = ()
    incoming: tuple[tuple[str, Concept], ...] = ()
    codes: tuple[str, ...] = ()


class Candidate(NamedTuple):
    """A name that a text may have used, and its concept.

    ``contexts`` are words (in normal form) and domains (``@radiology``) of which a text must have
    one for the name to mean the concept; empty: it always may.
    """

    name: str
    exact: bool
    contexts: tuple[str, ...]
    concept: Concept


class CompiledDictionary:
    """One compiled dictionary, opened for reading. Safe to share between threads.

    Raises :class:`~mmedrag.errors.CorpusError` from any method that finds the file damaged.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        finalize(self, connection.close)  # whoever asks for the glossary need not give it back
        self._candidates: dict[int, tuple[Candidate, ...]] = {}
        with self._reading():
            self.lexicon = self._load()
            self.about: dict[str, int] = dict(connection.execute("SELECT key, value FROM about"))
            self.has_links = self._any_links()

    @classmethod
    def open(cls, path: Path) -> CompiledDictionary:
        """Open ``path``, read only.

        Raises:
            CorpusError: absent, damaged, not such a file, or made under other rules.
        """
        if not path.is_file():
            raise CorpusError(
                f"No dictionary at {path}",
                "Make one with: mmedrag dictionary FILES --into PATH.",
            )
        try:
            address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
            connection = sqlite3.connect(address, uri=True, check_same_thread=False)
            try:
                _require_format(connection, path)
                return cls(connection, path)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError, UnicodeError, ValueError) as error:
            raise _damaged(path) from error

    def candidates(self, keys: Iterable[int]) -> dict[int, tuple[Candidate, ...]]:
        """The names behind keys of the lexicon (:attr:`mmedrag.definitions.entities.Match.key`)."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._candidates]
        with self._reading():
            for start in range(0, len(wanted), 500):
                self._fetch(wanted[start : start + 500])
        return self._candidates

    def concepts(self, code: str) -> list[Concept]:
        """The concepts of that code, the defined ones first."""
        query = "SELECT * FROM concepts WHERE code = ? ORDER BY definition = '', id"
        with self._reading():
            return [_concept(row) for row in self._connection.execute(query, (code,))]

    def parents(self, concept: Concept) -> list[Concept]:
        """What the concept is a kind of, one step up."""
        with self._reading():
            return [self._numbered(int(number)) for number in self._relatives(concept)[1].split()]

    def children(self, concept: Concept) -> list[Concept]:
        """What is a kind of the concept, one step down."""
        with self._reading():
            return [self._numbered(int(number)) for number in self._relatives(concept)[2].split()]

    def links(self, concept: Concept) -> Links:
        """Its relations other than is-a, and its cross references."""
        if not self.has_links:
            return Links()
        query = "SELECT * FROM links WHERE id = ?"
        with self._reading():
            row = self._connection.execute(query, (concept.id,)).fetchone()
            if row is None:
                return Links()
            if row[-1] != checksum(row[:-1]):
                raise ValueError(concept.code)
            return Links(self._pairs(row[1]), self._pairs(row[2]), tuple(row[3].split()))

    def referring(self, code: str) -> list[Concept]:
        """The concepts with a cross reference to a code in normal form."""
        if not self.has_links:
            return []
        query = "SELECT concept FROM crossreferences WHERE code = ?"
        with self._reading():
            rows = self._connection.execute(query, (code,)).fetchall()
            concepts = [self._numbered(number) for (number,) in rows]
        if any(code not in self.links(concept).codes for concept in concepts):
            raise _damaged(self.path)
        return concepts

    def names(self, concept: Concept, lay: bool = False) -> list[str]:
        """How the concept may be written, the preferred term first; lay words where wanted."""
        query = "SELECT name, lay FROM names WHERE concept = ? ORDER BY rank & 1, lay, rowid"
        with self._reading():
            rows = self._connection.execute(query, (concept.id,)).fetchall()
            if len(rows) != self._relatives(concept)[0]:
                raise ValueError(concept.code)
            return list(dict.fromkeys(name for name, patients in rows if lay or not patients))

    def vocabulary(self) -> Iterator[str]:
        """All names that a text is matched with."""
        with self._reading():
            for (name,) in self._connection.execute("SELECT name FROM names"):
                yield name

    @property
    def fingerprint(self) -> str:
        """The contents in a line: equal fingerprints mean equal entries."""
        return str(sorted(self.about.items()))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _any_links(self) -> bool:
        """Whether any concept has links; dictionaries of earlier versions have no such table."""
        query = "SELECT 1 FROM sqlite_master WHERE name = 'links'"
        if self._connection.execute(query).fetchone() is None:
            return False
        return self._connection.execute("SELECT 1 FROM links LIMIT 1").fetchone() is not None

    def _pairs(self, text: str) -> tuple[tuple[str, Concept], ...]:
        words = text.split()
        pairs = zip(words[::2], words[1::2], strict=True)
        return tuple((kind, self._numbered(int(number))) for kind, number in pairs)

    def _numbered(self, number: int) -> Concept:
        query = "SELECT * FROM concepts WHERE id = ?"
        return _concept(self._connection.execute(query, (number,)).fetchone())

    def _relatives(self, concept: Concept) -> tuple[int, str, str]:
        """How many names it has; its parents' and its children's numbers."""
        query = "SELECT * FROM relatives WHERE id = ?"
        number, names, parents, children, check = self._connection.execute(
            query, (concept.id,)
        ).fetchone()
        if check != checksum((number, names, parents, children)):
            raise ValueError(concept.code)
        return names, parents, children

    def _fetch(self, keys: Sequence[int]) -> None:
        candidates: dict[int, list[Candidate]] = {key: [] for key in keys}
        rows = self._connection.execute(
            "SELECT n.*, c.* FROM names n JOIN concepts c ON c.id = n.concept"  # noqa: S608
            f" WHERE n.key IN ({','.join('?' * len(keys))}) ORDER BY n.key, n.rank, c.id",
            [signed(key) for key in keys],
        ).fetchall()
        counts = Counter(row[0] for row in rows)
        for key, rank, number, name, exact, contexts, lay, alike, check, *row in rows:
            named = (key, rank, number, name, exact, contexts, lay, alike)
            if check != checksum(named) or alike != counts[key]:
                raise ValueError(name)
            candidate = Candidate(name, bool(exact), tuple(contexts.split()), _concept(row))
            candidates[key % (1 << 64)].append(candidate)
        if not all(candidates.values()):
            raise ValueError("a name of the lexicon is missing")
        self._candidates.update((key, tuple(names)) for key, names in candidates.items())

    def _load(self) -> Lexicon:
        row = self._connection.execute("SELECT prefixes, ends, checksum FROM lexicon").fetchone()
        if row is None or crc32(row[1], crc32(row[0])) != row[2]:
            raise ValueError("lexicon")
        prefixes = np.frombuffer(row[0], dtype=np.uint64)
        ends = np.unpackbits(np.frombuffer(row[1], dtype=np.uint8), count=len(prefixes))
        return Lexicon(prefixes, ends.astype(np.bool_))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, LookupError, OverflowError) as error:
            raise _damaged(self.path) from error


def _require_format(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise CorpusError(
            f"{path} is not a compiled dictionary",
            "Compile it: mmedrag dictionary FILES --into PATH.",
        )
    row = connection.execute("SELECT value FROM about WHERE key = 'wording'").fetchone()
    if version != FORMAT or row != (RULES,):
        raise CorpusError(
            f"The dictionary {path} was compiled by another version of MMedRAG",
            "Compile it again from its sources: mmedrag dictionary FILES --into PATH.",
        )


def _damaged(path: Path) -> CorpusError:
    return CorpusError(f"The dictionary {path} is damaged", "Compile it again from its sources.")


def _concept(row: Sequence[object]) -> Concept:
    if row[-1] != checksum(row[1:-1]):
        raise ValueError(row[0])
    return Concept(*row[:-1])  # type: ignore[arg-type]


def checksum(row: Sequence[object]) -> int:
    """The checksum that stands in the last column of a row."""
    return crc32(repr(tuple(row)).encode("utf-8", "surrogatepass"))


def signed(key: int) -> int:
    """A 64-bit key as SQLite holds it."""
    return key - (1 << 64) if key >= 1 << 63 else key
