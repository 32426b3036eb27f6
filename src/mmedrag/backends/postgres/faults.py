"""What PostgreSQL refuses, told as one line with a remedy; no message has a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from mmedrag.errors import CasebaseError, CasebaseNotFound

_REMEDIES = (
    ("password authentication failed", "Check user and password; PGPASSWORD or ~/.pgpass may "
     "hold the password in place of the URL."),
    ("no password supplied", "Put the password into PGPASSWORD or ~/.pgpass, or into the URL."),
    ("does not exist", "Create the database (createdb NAME), or check the names in the URL."),
    ("could not translate host name", "Check the name of the host."),
    ("Connection refused", "Start the server, or check host and port."),
    ("timeout", "Check host, port and firewall."),
    ("read-only", "Name the primary server too, as postgresql://first,second/cases."),
)  # fmt: skip
"""What a connection's failure says, and what to do."""


_PASSING = (errors.ReadOnlySqlTransaction, errors.AdminShutdown, errors.SerializationFailure,
            errors.DeadlockDetected)  # fmt: skip
"""What another server, or another attempt, does not say."""


@contextmanager
def server_faults(name: str, doing: str) -> Iterator[None]:
    """Turn what psycopg raises into a :class:`CasebaseError`.

    Args:
        name: of the database, for the message.
        doing: what was under way, such as ``"add cases to"``.
    """
    try:
        yield
    except psycopg.Error as fault:
        raise casebase_error(fault, name, doing) from None


def casebase_error(fault: psycopg.Error, name: str, doing: str) -> CasebaseError:
    """One line with a remedy."""
    what = f"Could not {doing} {name}: {_reason(fault)}"
    match fault:
        case PoolClosed():
            return CasebaseError(f"{name} is closed", "Open it again.")
        case PoolTimeout():
            return CasebaseError(
                f"Could not {doing} {name}: no server of it answers, or all connections are busy",
                "Start the server, or name its standbys too, as postgresql://first,second/cases.",
            )
        case errors.InsufficientPrivilege():
            return CasebaseError(what, "Let the user of the URL own the schema, or name another.")
        case errors.UndefinedTable() | errors.InvalidSchemaName():
            return CasebaseNotFound(
                f"No casebase at {name}", "Make one: mmedrag index CORPUS --into URL."
            )
        case errors.DiskFull() | errors.OutOfMemory():
            return CasebaseError(what, "Free disk or memory of the server; nothing was changed.")
        case errors.QueryCanceled() | errors.LockNotAvailable():
            return CasebaseError(what, "Raise the server's statement_timeout or lock_timeout.")
        case errors.ProgramLimitExceeded() | errors.DataError():
            return CasebaseError(what, "Shorten what is stored: an id or a field is too long.")
        case errors.ReadOnlySqlTransaction():
            return CasebaseError(what, dict(_REMEDIES)["read-only"])
    remedy = (cure for sign, cure in _REMEDIES if sign in str(fault))
    return CasebaseError(what, next(remedy, "See the log of the server."))


def is_lost(fault: psycopg.Error, connection: psycopg.Connection | None) -> bool:
    """Whether a connection went away under a statement, so that it may be repeated on another."""
    if isinstance(fault, PoolTimeout | PoolClosed):
        return False
    if isinstance(fault, _PASSING):
        return True
    return connection is None or connection.broken


def _reason(fault: psycopg.Error) -> str:
    """The first line that says something, without the address, which clients are not told."""
    text = fault.diag.message_primary or str(fault).rpartition("failed: ")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"
