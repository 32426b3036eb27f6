"""The tables, what marks them as ours, and the way from older formats.

A format is a number in the table ``state``; each entry of ``_MIGRATIONS`` leads to the next one.
Texts compare by their bytes (collation C), as :mod:`mmedrag.filters` compares them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from uuid import uuid4

import psycopg
from psycopg import sql

from mmedrag.backends.postgres.address import Address
from mmedrag.errors import CasebaseError, CasebaseNotFound

TOKEN = "token"  # noqa: S105
"""The setting that tells this database from any other that was ever at its address."""

_FIRST = """
CREATE TABLE settings (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE state (
    format int NOT NULL, epoch bigint NOT NULL, last_row bigint NOT NULL, cases bigint NOT NULL,
    words bigint NOT NULL, deleted bigint NOT NULL);
INSERT INTO state VALUES (1, 0, 0, 0, 0, 0);
CREATE TABLE writes (
    epoch bigint PRIMARY KEY, token uuid NOT NULL UNIQUE, at timestamptz NOT NULL DEFAULT now(),
    client text NOT NULL DEFAULT concat(session_user, '@', inet_client_addr()),
    doing text NOT NULL, cases bigint NOT NULL);
CREATE TABLE counts (domain text COLLATE "C" PRIMARY KEY, cases bigint NOT NULL);
CREATE TABLE cases (
    row bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    domain text COLLATE "C",
    modality text COLLATE "C" NOT NULL,
    patient_id text COLLATE "C" NOT NULL,
    study_id text COLLATE "C" NOT NULL,
    date text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    licence text COLLATE "C" NOT NULL,
    split text COLLATE "C" NOT NULL,
    labels text NOT NULL,
    meta text NOT NULL,
    image text,
    frame bigint NOT NULL,
    content text COLLATE "C" NOT NULL,
    thumbnail text COLLATE "C",
    text text NOT NULL,
    checksum bytea NOT NULL,
    length bigint NOT NULL,
    stems tsvector NOT NULL);
CREATE INDEX cases_content ON cases (content);
CREATE INDEX cases_thumbnail ON cases (thumbnail) WHERE thumbnail IS NOT NULL;
CREATE INDEX cases_domain ON cases (domain, lower(modality));
CREATE INDEX cases_patient ON cases (patient_id);
CREATE INDEX cases_study ON cases (study_id);
CREATE INDEX cases_stems ON cases USING gin (stems);
CREATE TABLE vectors (
    row bigint NOT NULL, domain text COLLATE "C" NOT NULL, embedding vector({dim}) NOT NULL)
    PARTITION BY LIST (domain);
CREATE INDEX vectors_row ON vectors (row);
CREATE TABLE previews (digest text COLLATE "C" PRIMARY KEY, jpeg bytea NOT NULL);
CREATE TABLE attributes (
    row bigint NOT NULL, field text COLLATE "C" NOT NULL, value text COLLATE "C", number numeric);
CREATE INDEX attributes_row ON attributes (row);
CREATE INDEX attributes_value ON attributes (field, left(value, 64));
CREATE INDEX attributes_number ON attributes (field, number) WHERE number IS NOT NULL;
CREATE TABLE lexicon (stem text COLLATE "C" PRIMARY KEY, cases bigint NOT NULL);
CREATE TABLE recognisers (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, fingerprint text NOT NULL UNIQUE);
CREATE TABLE recognised (
    row bigint PRIMARY KEY, recogniser bigint NOT NULL REFERENCES recognisers (number),
    checksum bigint NOT NULL);
CREATE INDEX recognised_by ON recognised (recogniser);
CREATE TABLE terms (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    concept text COLLATE "C" NOT NULL, term text COLLATE "C" NOT NULL, kind text NOT NULL,
    UNIQUE (concept, term, kind));
CREATE TABLE mentions (
    row bigint NOT NULL, start bigint NOT NULL, "end" bigint NOT NULL,
    term bigint NOT NULL REFERENCES terms (number), assertion text COLLATE "C" NOT NULL,
    sites text COLLATE "C" NOT NULL, PRIMARY KEY (row, start, "end", term));
CREATE INDEX mentions_term ON mentions (term, assertion, row);
CREATE TABLE definition_vectors (
    digest text COLLATE "C" PRIMARY KEY, vector bytea NOT NULL, crc bigint NOT NULL);
"""

_MIGRATIONS = (_FIRST,)
FORMAT = len(_MIGRATIONS)

UNASSIGNED = ""
"""The partition of cases without a domain."""


def lay_out(connection: psycopg.Connection, address: Address, settings: Mapping[str, str]) -> None:
    """Make the empty tables, inside a transaction of the caller's.

    Raises:
        CasebaseError: a schema of that name is there.
    """
    if connection.execute("SELECT to_regnamespace(%s)", [address.schema]).fetchone() != (None,):
        raise CasebaseError(
            f"The schema {address.schema} is there already in {address.name}",
            "Add to it, or name another: ?schema=NAME.",
        )
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(address.schema)))
    for script in _MIGRATIONS:
        connection.execute(script.replace("{dim}", str(int(settings["dim"]))))
    kept = {**settings, TOKEN: uuid4().hex}
    connection.cursor().executemany("INSERT INTO settings VALUES (%s, %s)", list(kept.items()))


def check_format(connection: psycopg.Connection, address: Address) -> None:
    """Refuse schemas that hold no cases, or of another version.

    Raises:
        CasebaseNotFound: nothing of ours is there.
        CasebaseError: it is of a later version.
    """
    table = f'"{address.schema}".state'
    if connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
        raise CasebaseNotFound(
            f"No casebase at {address.name}", "Make one: mmedrag index CORPUS --into URL."
        )
    stored = _format(connection, "")
    if not 0 < stored <= FORMAT:
        raise CasebaseError(
            f"{address.name} has format {stored}, this version reads up to {FORMAT}",
            "Upgrade: pip install --upgrade mmedrag.",
        )


def migrate(connection: psycopg.Connection) -> bool:
    """Bring older tables to the newest format, in a transaction; whether there was need."""
    if _format(connection, "") == FORMAT:
        return False
    before = _format(connection, "FOR UPDATE")  # another writer may have been first
    for script in _MIGRATIONS[before:]:
        connection.execute(script)
    connection.execute("UPDATE state SET format = %s", [FORMAT])
    return before < FORMAT


def _format(connection: psycopg.Connection, lock: str) -> int:
    row = connection.execute(f"SELECT format FROM state {lock}").fetchone()  # noqa: S608
    return 0 if row is None else int(row[0])


def partition_of(domain: str) -> str:
    """The table that holds the vectors of a domain."""
    return f"vectors_{hashlib.sha256(domain.encode()).hexdigest()[:16]}"


def make_partition(connection: psycopg.Connection, domain: str) -> None:
    """Make the partition of a domain, where there is none."""
    connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF vectors FOR VALUES IN ({})").format(
            sql.Identifier(partition_of(domain)), sql.Literal(domain)
        )
    )
