"""Whether a database is there, which one it is, and its removal."""

from __future__ import annotations

import shutil

from psycopg import sql

from mmedrag.backends.postgres.address import Address
from mmedrag.backends.postgres.faults import server_faults
from mmedrag.backends.postgres.schema import TOKEN, check_format
from mmedrag.backends.postgres.sessions import connect
from mmedrag.errors import CasebaseError, CasebaseNotFound
from mmedrag.locations import Location


def exists(location: Location) -> bool:
    """Whether tables of ours are there.

    Raises:
        CasebaseError: no server answers, it refuses, or it has no pgvector.
    """
    address = Address.of(location)
    with server_faults(address.name, "open"), connect(address, readonly=True) as connection:
        try:
            check_format(connection, address)
        except CasebaseNotFound:
            return False
    return True


def identity(location: Location) -> str | None:
    """What tells a database from any other at its address; ``None`` where none can be had."""
    address = Address.of(location)
    text = "SELECT value FROM settings WHERE key = %s"
    try:
        with server_faults(address.name, "open"), connect(address, readonly=True) as connection:
            row = connection.execute(text, [TOKEN]).fetchone()
    except CasebaseError:
        return None
    return None if row is None else str(row[0])


def remove(location: Location) -> None:
    """Remove the tables with all that they hold; the key of pseudonyms on this machine stays."""
    address = Address.of(location)
    schema = sql.Identifier(address.schema)
    with server_faults(address.name, "remove"), connect(address, readonly=False) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
    for notes in address.folder.glob("writes-*"):
        shutil.rmtree(notes, ignore_errors=True)
