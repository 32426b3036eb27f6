"""Compiling: dictionary entries, streamed, into the one SQLite file that is searched."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from zlib import crc32

import numpy as np

from mmedrag.definitions.compiled import (
    APPLICATION,
    FORMAT,
    INDEXES,
    SCHEMA,
    CompiledDictionary,
    checksum,
    signed,
)
from mmedrag.definitions.entities import Lexicon, prefix_hashes
from mmedrag.definitions.kinds import kind_of
from mmedrag.definitions.references import normal_reference, relation_type
from mmedrag.definitions.terms import Name, Term, names
from mmedrag.durability import durable_file
from mmedrag.errors import CorpusError
from mmedrag.text.wording import RULES, codes
from mmedrag.types import Problem

PROBLEMS_KEPT = 100
"""Broken rows beyond this many are counted but not kept."""

MOST_BROKEN = 1_000_000
"""Broken rows at which a dictionary is refused, where they outnumber its terms."""

_COLLECTED = """
PRAGMA temp_store=FILE;
CREATE TEMP TABLE collected (key INTEGER, rank INTEGER, concept INTEGER, name TEXT, exact INTEGER,
                             contexts TEXT, lay INTEGER);
CREATE TEMP TABLE related (child INTEGER, parent TEXT);
CREATE TEMP TABLE stated (concept INTEGER, type TEXT, target TEXT);
CREATE TEMP TABLE referenced (concept INTEGER, code TEXT);
CREATE TEMP TABLE linked (source INTEGER, type TEXT, target INTEGER,
                          PRIMARY KEY (source, type, target)) WITHOUT ROWID;
CREATE TEMP TABLE resolved (child INTEGER, parent INTEGER, PRIMARY KEY (child, parent))
  WITHOUT ROWID;
"""
# Ontologies name parents by code; some tables name them by their terms. What the dictionary does
# not have is left out. A code to which two concepts of one source refer is wider than either, so it
# joins none.
_RESOLVED = """
CREATE INDEX concepts_code ON concepts (code);
CREATE INDEX concepts_term ON concepts (term);
INSERT OR IGNORE INTO resolved
  SELECT child, number FROM (
    SELECT child, coalesce((SELECT min(id) FROM concepts WHERE code = parent),
                           (SELECT min(id) FROM concepts WHERE term = parent)) AS number
    FROM related)
  WHERE number IS NOT NULL AND number <> child;
INSERT OR IGNORE INTO linked
  SELECT CASE type WHEN 'has_part' THEN number ELSE concept END,
         CASE type WHEN 'has_part' THEN 'part_of' ELSE type END,
         CASE type WHEN 'has_part' THEN concept ELSE number END FROM (
    SELECT concept, type, coalesce((SELECT min(id) FROM concepts WHERE code = target),
                                   (SELECT min(id) FROM concepts WHERE term = target)) AS number
    FROM stated)
  WHERE number IS NOT NULL AND number <> concept;
INSERT INTO crossreferences
  SELECT referenced.code, min(concept) FROM referenced JOIN concepts ON concepts.id = concept
  GROUP BY referenced.code, concepts.source HAVING count(DISTINCT concept) = 1;
DROP INDEX concepts_term;
CREATE INDEX temp.linked_target ON linked (target);
CREATE INDEX temp.referenced_concept ON referenced (concept);
CREATE TEMP TABLE referring (concept INTEGER, code TEXT, PRIMARY KEY (concept, code))
  WITHOUT ROWID;
INSERT INTO referring SELECT concept, code FROM crossreferences;
CREATE INDEX temp.resolved_parent ON resolved (parent, child);
CREATE INDEX temp.collected_concept ON collected (concept);
"""
_RELATIVES = """
SELECT id,
  (SELECT count(*) FROM collected WHERE concept = id),
  (SELECT coalesce(group_concat(parent, ' '), '') FROM resolved WHERE child = id),
  (SELECT coalesce(group_concat(child, ' '), '') FROM resolved WHERE parent = id)
FROM concepts ORDER BY id
"""
_LINKS = """
SELECT id,
  (SELECT coalesce(group_concat(type || ' ' || target, ' '), '') FROM linked WHERE source = id),
  (SELECT coalesce(group_concat(type || ' ' || source, ' '), '') FROM linked WHERE target = id),
  (SELECT coalesce(group_concat(code, ' '), '') FROM referring WHERE concept = id)
FROM (SELECT source AS id FROM linked UNION SELECT target FROM linked
      UNION SELECT concept FROM referring)
ORDER BY id
"""


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
        CorpusError: no entry is usable, a million and most of them are not, or the file cannot be
            written.
    """
    try:
        with durable_file(into, mode=0o644) as temporary:
            with closing(sqlite3.connect(temporary)) as connection:
                connection.execute("PRAGMA journal_mode=OFF")
                made = fill(connection, entries, into)
            if not made.terms:
                raise CorpusError(
                    f"No usable entry for the dictionary {into}",
                    f"First problem: {made.problems[0]}." if made.problems else "Check the files.",
                )
    except (sqlite3.Error, OSError) as error:
        raise CorpusError(
            f"The dictionary {into} cannot be written: {error}",
            "Choose a folder that exists and is writable, with free space.",
        ) from error
    return made


def in_memory(entries: Iterable[Term]) -> CompiledDictionary:
    """The same without a file, for small dictionaries."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    fill(connection, entries, Path(":memory:"))
    return CompiledDictionary(connection, Path(":memory:"))


def fill(
    connection: sqlite3.Connection, entries: Iterable[Term | Problem], into: Path
) -> Compilation:
    """Write ``entries`` to an open, empty database; ``into`` is for the report."""
    connection.executescript(SCHEMA)
    writer = _Writer(connection)
    problems: list[Problem] = []
    broken = 0
    for entry in entries:
        if isinstance(entry, Problem):
            broken += not entry.stored
            problems.extend([entry] if len(problems) < PROBLEMS_KEPT else [])
            if broken > max(MOST_BROKEN, writer.terms):
                raise CorpusError(
                    f"More than {MOST_BROKEN:,} entries of the dictionary {into} are broken",
                    f"First problem: {problems[0]}.",
                )
        else:
            writer.add(entry)
    writer.finish()
    return Compilation(into, writer.terms, writer.defined, writer.names, broken, tuple(problems))


class _Writer:
    """Adds terms to an open database and collects the hashes of their names."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.terms = self.defined = self.names = self._contents = 0
        self._connection = connection
        self._prefixes, self._whole = array("Q"), array("Q")
        connection.executescript(_COLLECTED)

    def add(self, term: Term) -> None:
        self.terms += 1
        self.defined += bool(term.definition)
        self._contents = crc32(repr(term).encode("utf-8", "replace"), self._contents)
        fields = (
            *(term.id, term.term, term.definition, term.source, term.licence),
            *(kind_of(term.kind, term.term), term.region, " ".join(term.domains)),
        )
        row = tuple(map(_storable, fields))
        self._connection.execute(
            "INSERT INTO concepts VALUES (?,?,?,?,?,?,?,?,?,?)", (self.terms, *row, checksum(row))
        )
        self._connection.executemany(
            "INSERT INTO collected VALUES (?,?,?,?,?,?,?)",
            [self._row(name, bool(term.definition)) for name in names(term)],
        )
        self._connection.executemany(
            "INSERT INTO related VALUES (?,?)",
            [(self.terms, _storable(parent)) for parent in term.parents],
        )
        if term.relations or term.references:
            self._link(term)

    def _link(self, term: Term) -> None:
        """Its relations and references; sources without any keep the fingerprint they had."""
        linked = repr((term.relations, term.references))
        self._contents = crc32(linked.encode("utf-8", "replace"), self._contents)
        self._connection.executemany(
            "INSERT INTO stated VALUES (?,?,?)",
            [
                (self.terms, kind, _storable(other))
                for kind, other in ((relation_type(_storable(k)), o) for k, o in term.relations)
                if kind
            ],
        )
        references = {"".join(normal_reference(_storable(r)).split()) for r in term.references}
        self._connection.executemany(
            "INSERT INTO referenced VALUES (?,?)",
            [(self.terms, reference) for reference in sorted(references - {"", term.id})],
        )

    def _row(self, name: Name, defined: bool) -> tuple[int, int, int, str, bool, str, bool]:
        hashes = prefix_hashes(codes(name.text))
        self._prefixes.extend(hashes)
        self._whole.append(hashes[-1])
        self.names += 1
        # A name in its context beats one in any; one in its own case beats one in any case; a
        # defined concept beats one that is not.
        rank = 8 * (not name.contexts) + 4 * (not name.exact) + 2 * (not defined) + name.synonym
        text, contexts = _storable(name.text), _storable(" ".join(name.contexts))
        return signed(hashes[-1]), rank, self.terms, text, name.exact, contexts, name.lay

    def finish(self) -> None:
        lexicon = Lexicon.from_hashes(self._prefixes, self._whole)
        blobs = lexicon.prefixes.tobytes(), np.packbits(lexicon.ends).tobytes()
        self._connection.executemany("INSERT INTO names VALUES (?,?,?,?,?,?,?,?,?)", self._sorted())
        self._connection.executescript(_RESOLVED)
        relatives = self._connection.execute(_RELATIVES)
        self._connection.executemany(
            "INSERT INTO relatives VALUES (?,?,?,?,?)", ((*row, checksum(row)) for row in relatives)
        )
        links = self._connection.execute(_LINKS)
        self._connection.executemany(
            "INSERT INTO links VALUES (?,?,?,?,?)", ((*row, checksum(row)) for row in links)
        )
        self._connection.executescript(INDEXES)
        self._connection.execute(
            "INSERT INTO lexicon VALUES (?,?,?)", (*blobs, crc32(blobs[1], crc32(blobs[0])))
        )
        about = [
            ("terms", self.terms),
            ("defined", self.defined),
            ("names", self.names),
            ("wording", RULES),
            ("contents", self._contents),
        ]
        self._connection.executemany("INSERT INTO about VALUES (?,?)", about)
        self._connection.execute(f"PRAGMA application_id={APPLICATION}")
        self._connection.execute(f"PRAGMA user_version={FORMAT}")
        self._connection.commit()

    def _sorted(self) -> Iterator[tuple[object, ...]]:
        """The rows of ``names`` by key; each says how many share its key."""
        rows = self._connection.execute("SELECT * FROM collected ORDER BY key, rank, concept")
        for _, group in groupby(rows, key=lambda row: row[0]):
            alike = list(group)
            for row in alike:
                counted = (*row, len(alike))
                yield (*counted, checksum(counted))


def _storable(text: str) -> str:
    """Without lone surrogates, which SQLite cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
