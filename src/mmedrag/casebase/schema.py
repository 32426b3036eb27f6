"""The tables of ``casebase.db``, what marks the file as ours, and the way from older formats.

A format is a number in the file. Format 2 adds what is derived once instead of at every query
(mentions, vectors of definitions) and a checksum of each vector by itself; format 3 adds where each
mention is (side, lobe); format 4 moves the lexical index out of the database into the generations
and keeps what their numbers stand for; format 5 has sites in the index on terms, so that "left
upper lobe mass" is answered from it alone; format 6 keeps beside each text what a search gives out
of its case (:mod:`~mmedrag.casebase.packing`).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from zlib import crc32

from mmedrag.errors import CasebaseError

FORMAT = 6
APPLICATION = 0x4D4D5247  # "MMRG"

_FIRST = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cases (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    domain TEXT,
    modality TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    study_id TEXT NOT NULL,
    date TEXT NOT NULL,
    source TEXT NOT NULL,
    licence TEXT NOT NULL,
    split TEXT NOT NULL,
    labels TEXT NOT NULL,
    meta TEXT NOT NULL,
    image TEXT,
    frame INTEGER NOT NULL,
    content TEXT NOT NULL,
    thumbnail TEXT,
    checksum BLOB NOT NULL
);
CREATE INDEX cases_content ON cases (content);
CREATE INDEX cases_thumbnail ON cases (thumbnail) WHERE thumbnail IS NOT NULL;
CREATE TABLE texts (
    row INTEGER PRIMARY KEY REFERENCES cases (row) ON DELETE CASCADE, text TEXT NOT NULL);
CREATE TABLE vectors (
    row INTEGER PRIMARY KEY REFERENCES cases (row) ON DELETE CASCADE, vector BLOB NOT NULL);
CREATE TABLE deletions (row INTEGER PRIMARY KEY, epoch INTEGER NOT NULL);
CREATE INDEX deletions_epoch ON deletions (epoch);
CREATE TABLE erasures (thumbnail TEXT PRIMARY KEY);
CREATE TABLE generations (number INTEGER PRIMARY KEY, manifest TEXT NOT NULL);
CREATE TABLE state (
    epoch INTEGER NOT NULL, pruned INTEGER NOT NULL, lexicon_stale INTEGER NOT NULL);
INSERT INTO state VALUES (0, 0, 0);
"""

_SECOND = """
ALTER TABLE vectors ADD COLUMN crc INTEGER;
CREATE TABLE recognisers (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE);
CREATE TABLE recognised (
    row INTEGER PRIMARY KEY REFERENCES cases (row) ON DELETE CASCADE,
    recogniser INTEGER NOT NULL REFERENCES recognisers (number),
    checksum INTEGER NOT NULL);
CREATE INDEX recognised_by ON recognised (recogniser);
CREATE TABLE terms (
    number INTEGER PRIMARY KEY, concept TEXT NOT NULL, term TEXT NOT NULL, kind TEXT NOT NULL,
    UNIQUE (concept, term, kind));
CREATE TABLE mentions (
    row INTEGER NOT NULL REFERENCES recognised (row) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    term INTEGER NOT NULL REFERENCES terms (number),
    assertion TEXT NOT NULL,
    PRIMARY KEY (row, start, "end", term)) WITHOUT ROWID;
CREATE INDEX mentions_term ON mentions (term, assertion);
CREATE TABLE definition_vectors (
    digest TEXT PRIMARY KEY, vector BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
"""

_THIRD = """
DELETE FROM recognised;
ALTER TABLE mentions ADD COLUMN sites TEXT NOT NULL DEFAULT '';
"""
"""Mentions of format 2 are forgotten: nobody knows where they are, and they can be derived."""

_FOURTH = """
DROP TABLE IF EXISTS lexicon;
ALTER TABLE generations ADD COLUMN last_row INTEGER NOT NULL DEFAULT 0;
CREATE TABLE vocabulary (
    generation INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,
    number INTEGER NOT NULL, cases INTEGER NOT NULL,
    PRIMARY KEY (generation, field, value)) WITHOUT ROWID;
CREATE INDEX cases_domain ON cases (domain);
CREATE INDEX cases_patient ON cases (patient_id);
CREATE INDEX cases_study ON cases (study_id);
"""

_FIFTH = """
DROP INDEX mentions_term;
CREATE INDEX mentions_term ON mentions (term, assertion, row, sites);
"""

_SIXTH = """
ALTER TABLE texts ADD COLUMN record BLOB;
ALTER TABLE texts ADD COLUMN seal INTEGER;
CREATE TRIGGER unpacked AFTER DELETE ON recognised BEGIN
    UPDATE texts SET record = NULL, seal = NULL WHERE row = OLD.row; END;
"""
"""Cases of older formats are packed by the next rebuild; until then the other tables are read."""

_SCRIPTS = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH)


def lay_out_tables(connection: sqlite3.Connection) -> None:
    """Make the empty tables of the newest format, inside a transaction of the caller's."""
    for script in _SCRIPTS:
        _execute(connection, script)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def migrate(connection: sqlite3.Connection) -> bool:
    """Bring an older file to the newest format in one transaction; whether there was need.

    Mentions are not derived here, because that takes a dictionary: they count as stale.
    """
    if version(connection) == FORMAT:
        return False
    connection.execute("BEGIN IMMEDIATE")
    try:
        stored = version(connection)  # another writer may have been first
        needed = stored < FORMAT
        for script in _SCRIPTS[stored:]:
            _execute(connection, script)
        if stored < 2:
            connection.create_function("crc32", 1, crc32, deterministic=True)
            connection.execute("UPDATE vectors SET crc = crc32(vector)")
        if needed:
            connection.execute("UPDATE state SET epoch = epoch + 1")  # readers look again
            connection.execute("UPDATE settings SET value = ? WHERE key = 'format'", [str(FORMAT)])
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return needed


def version(connection: sqlite3.Connection) -> int:
    """The format of an open file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse files that are no casebase, or of a later version.

    Raises:
        CasebaseError: with the remedy for each.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION:
        raise CasebaseError(f"{path} is not a casebase", "Give the folder that index made.")
    if (stored := version(connection)) > FORMAT:
        raise CasebaseError(
            f"{path} has format {stored}, this version reads up to {FORMAT}",
            "Upgrade: pip install --upgrade mmedrag.",
        )


def _execute(connection: sqlite3.Connection, script: str) -> None:
    """Statement by statement: ``executescript`` would commit the caller's transaction."""
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)
