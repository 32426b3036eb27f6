"""A dictionary in the form in which it is searched: one SQLite file, made once, opened at once.

Tables: ``concepts`` (what is defined), ``names`` (how it is written; by the hash of the name's
tokens), ``lexicon`` (the arrays of :class:`~mmedrag.definitions.entities.Lexicon`) and ``about``.
Rows and arrays carry checksums: a damaged file gives an error, never a wrong definition.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

from mmedrag.definitions.entities import Lexicon, prefix_hashes
from mmedrag.definitions.terms import Name, Term, names
from mmedrag.definitions.wording import RULES, codes
from mmedrag.errors import CorpusError
from mmedrag.types import Definition, Problem

APPLICATION = 0x4D4D5244  # "MMRD"
FORMAT = 1
PROBLEMS_KEPT = 100
"""Broken rows beyond this many are counted but not kept."""

_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE concepts (id INTEGER PRIMARY KEY, code TEXT, term TEXT, definition TEXT, source TEXT,
                       licence TEXT, kind TEXT, checksum INTEGER);
CREATE TABLE names (key INTEGER, rank INTEGER, concept INTEGER, name TEXT, exact INTEGER,
                    checksum INTEGER);
CREATE TABLE lexicon (prefixes BLOB, ends BLOB, checksum INTEGER);
"""
_INDEXES = """
CREATE INDEX names_key ON names (key, rank);
CREATE INDEX names_concept ON names (concept);
CREATE INDEX concepts_code ON concepts (code);
"""


class Concept(NamedTuple):
    """One row of ``concepts``."""

    id: int
    code: str
    term: str
    definition: str
    source: str
    licence: str
    kind: str

    def defined(self) -> Definition:
        """As the pipeline's type."""
        return Definition(self.code, self.term, self.definition, self.source, self.licence)


class Candidate(NamedTuple):
    """A name that a text may have used, and its concept."""

    name: str
    exact: bool
    concept: Concept


@dataclass(frozen=True, slots=True)
class Compilation:
    """What :func:`compile_dictionary` made: counts, and the first broken rows."""

    path: Path
    terms: int
    defined: int
    names: int
    broken: int
    problems: tuple[Problem, ...]


def compile_dictionary(entries: Iterable[Term | Problem], into: Path) -> Compilation:
    """Write ``entries`` to the SQLite file ``into``, under a temporary name until it is whole.

    Problems among the entries are counted and reported, not stored. Entries are streamed.

    Raises:
        CorpusError: no entry is usable, or the file cannot be written.
    """
    handle, temporary = _temporary(into)
    os.close(handle)
    try:
        with closing(sqlite3.connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode=OFF")
            made = _fill(connection, entries, into)
        if not made.terms:
            raise CorpusError(
                f"No usable entry for the dictionary {into}",
                f"First problem: {made.problems[0]}." if made.problems else "Check the files.",
            )
        _publish(Path(temporary), into)
    except (sqlite3.Error, OSError) as error:
        raise CorpusError(
            f"The dictionary {into} cannot be written: {error}", "Check free space and permissions."
        ) from error
    finally:
        with suppress(OSError):
            Path(temporary).unlink()
    return made


def _temporary(into: Path) -> tuple[int, str]:
    try:
        return tempfile.mkstemp(prefix=f".{into.name}.", dir=into.parent)
    except OSError as error:
        raise CorpusError(
            f"The dictionary {into} cannot be written: {error.strerror}",
            "Choose a folder that exists and is writable.",
        ) from error


def _publish(temporary: Path, into: Path) -> None:
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.chmod(0o644)
    temporary.replace(into)


def in_memory(entries: Iterable[Term]) -> CompiledDictionary:
    """The same without a file, for small dictionaries."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    _fill(connection, entries, Path(":memory:"))
    return CompiledDictionary(connection, Path(":memory:"))


def _fill(
    connection: sqlite3.Connection, entries: Iterable[Term | Problem], into: Path
) -> Compilation:
    connection.executescript(_SCHEMA)
    writer = _Writer(connection)
    problems: list[Problem] = []
    broken = 0
    for entry in entries:
        if isinstance(entry, Problem):
            broken += 1
            problems.extend([entry] if len(problems) < PROBLEMS_KEPT else [])
        else:
            writer.add(entry)
    writer.finish()
    return Compilation(into, writer.terms, writer.defined, writer.names, broken, tuple(problems))


class _Writer:
    """Adds terms to an open database and collects the hashes of their names."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.terms = self.defined = self.names = 0
        self._connection = connection
        self._prefixes, self._whole = array("Q"), array("Q")

    def add(self, term: Term) -> None:
        self.terms += 1
        self.defined += bool(term.definition)
        fields = (term.id, term.term, term.definition, term.source, term.licence, term.kind)
        row = tuple(map(_storable, fields))
        self._connection.execute(
            "INSERT INTO concepts VALUES (?,?,?,?,?,?,?,?)", (self.terms, *row, _checksum(row))
        )
        self._connection.executemany(
            "INSERT INTO names VALUES (?,?,?,?,?,?)",
            [self._row(name, bool(term.definition)) for name in names(term)],
        )

    def _row(self, name: Name, defined: bool) -> tuple[int, int, int, str, bool, int]:
        hashes = prefix_hashes(codes(name.text))
        self._prefixes.extend(hashes)
        self._whole.append(hashes[-1])
        self.names += 1
        # A name in its own case beats one in any case, a defined concept one that is not.
        rank = 4 * (not name.exact) + 2 * (not defined) + name.synonym
        text = _storable(name.text)
        check = _checksum((self.terms, text, name.exact))
        return _signed(hashes[-1]), rank, self.terms, text, name.exact, check

    def finish(self) -> None:
        lexicon = Lexicon.from_hashes(self._prefixes, self._whole)
        blobs = lexicon.prefixes.tobytes(), np.packbits(lexicon.ends).tobytes()
        self._connection.executescript(_INDEXES)
        self._connection.execute(
            "INSERT INTO lexicon VALUES (?,?,?)", (*blobs, crc32(blobs[1], crc32(blobs[0])))
        )
        about = [
            ("terms", self.terms),
            ("defined", self.defined),
            ("names", self.names),
            ("wording", RULES),
        ]
        self._connection.executemany("INSERT INTO about VALUES (?,?)", about)
        self._connection.execute(f"PRAGMA application_id={APPLICATION}")
        self._connection.execute(f"PRAGMA user_version={FORMAT}")
        self._connection.commit()


class CompiledDictionary:
    """One compiled dictionary, opened for reading. Safe to share between threads.

    Raises :class:`~mmedrag.errors.CorpusError` from any method that finds the file damaged.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._candidates: dict[int, tuple[Candidate, ...]] = {}
        with self._reading():
            self.lexicon = self._load()
            self.about: dict[str, int] = dict(connection.execute("SELECT key, value FROM about"))

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
        with self._reading():
            rows = self._connection.execute(
                "SELECT * FROM concepts WHERE code = ? ORDER BY definition = '', id", (code,)
            )
            return [_concept(row) for row in rows]

    def names(self, concept: Concept) -> list[str]:
        """How the concept may be written, the preferred term first."""
        with self._reading():
            query = "SELECT name FROM names WHERE concept = ? ORDER BY rank & 1, rowid"
            return [name for (name,) in self._connection.execute(query, (concept.id,))]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _fetch(self, keys: Sequence[int]) -> None:
        found: dict[int, list[Candidate]] = {key: [] for key in keys}
        rows = self._connection.execute(
            "SELECT n.key, n.name, n.exact, n.checksum, c.* FROM names n JOIN concepts c"  # noqa: S608
            f" ON c.id = n.concept WHERE n.key IN ({','.join('?' * len(keys))})"
            " ORDER BY n.key, n.rank, c.id",
            [_signed(key) for key in keys],
        )
        for key, name, exact, check, *row in rows:
            concept = _concept(row)
            if check != _checksum((concept.id, name, bool(exact))):
                raise ValueError(name)
            found[key % (1 << 64)].append(Candidate(name, bool(exact), concept))
        if not all(found.values()):
            raise ValueError("a name of the lexicon is missing")
        self._candidates.update((key, tuple(names)) for key, names in found.items())

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
            "Compile it again from its sources.",
        )


def _damaged(path: Path) -> CorpusError:
    return CorpusError(f"The dictionary {path} is damaged", "Compile it again from its sources.")


def _concept(row: Sequence[object]) -> Concept:
    if row[-1] != _checksum(row[1:-1]):
        raise ValueError(row[0])
    return Concept(*row[:-1])  # type: ignore[arg-type]


def _checksum(row: Sequence[object]) -> int:
    return crc32(repr(tuple(row)).encode("utf-8", "surrogatepass"))


def _storable(text: str) -> str:
    """Without lone surrogates, which SQLite cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _signed(key: int) -> int:
    return key - (1 << 64) if key >= 1 << 63 else key
