"""Connections to the servers of a database: a pool, and work that survives a change of server.

The URL may name several servers. Whoever writes uses the one that takes writes; whoever only reads
prefers a standby. When a server goes away, reading is repeated on another one, and so is a write
that the others have not got: each leaves its token in the table ``writes``, so that nothing is
written twice and nothing that was acknowledged is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from time import monotonic, sleep
from typing import Any, TypeAlias, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg import IsolationLevel, conninfo, sql
from psycopg_pool import ConnectionPool

from mmedrag.backends.postgres.address import Address
from mmedrag.backends.postgres.faults import casebase_error, is_lost, server_faults
from mmedrag.errors import CasebaseError

PATIENCE = 30.0
"""Seconds that work waits for a server: a standby is promoted meanwhile."""

_PAUSE = 0.1
_CONNECTIONS = 8
_NO_VECTORS = (
    "The server {} has no pgvector",
    "Install it there, and as an administrator of the database: CREATE EXTENSION vector.",
)

_OLDEST = (0, 8)
"""Version of pgvector that goes on searching where a filter lets in too few."""

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")


class Sessions:
    """Work on a database, each piece in a transaction of its own.

    Args:
        address: of the database.
        readonly: whether nothing is written, so that a standby serves.
    """

    def __init__(self, address: Address, *, readonly: bool) -> None:
        self.address = address
        self.readonly = readonly
        self._pool = ConnectionPool(
            connection_string(address, readonly=readonly),
            min_size=1,
            max_size=_CONNECTIONS,
            configure=self._configure,
            check=ConnectionPool.check_connection,
            timeout=PATIENCE,
            reconnect_timeout=PATIENCE,
            name=f"mmedrag-{address.schema}",
            open=False,
        )
        self._pool.open()

    def close(self) -> None:
        """End all connections."""
        self._pool.close()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._pool.closed

    def read(self, work: Callable[[Connection], T], doing: str = "read") -> T:
        """Do something with one committed state.

        Raises:
            CasebaseError: no server answers, or it refuses.
        """

        def attempt(connection: Connection) -> T:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction():
                return work(connection)

        return self._repeated(attempt, doing)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One committed state for as long as the block lasts; it is not repeated.

        Raises:
            CasebaseError: see :meth:`read`.
        """
        with server_faults(self.address.name, "read"), self._pool.connection() as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction():
                yield connection

    def write(self, work: Callable[[Connection, int], int], doing: str) -> tuple[int, int]:
        """Do something in one durable transaction, the only one that writes.

        Args:
            work: gets the connection and the number of this write; returns how many cases it wrote.
            doing: for messages and for the table ``writes``.

        Returns:
            The number of the write, and what ``work`` returned.

        Raises:
            CasebaseError: the database is open for reading only, or the server refuses.
        """
        self._require_writable()
        token = uuid4()
        attempts = count()

        def attempt(connection: Connection) -> tuple[int, int]:
            before = _written(connection, token) if next(attempts) else None
            return before or _write(connection, token, work, doing)

        return self._repeated(attempt, doing)

    def outside(self, work: Callable[[Connection], T], doing: str) -> T:
        """Do what cannot be done in a transaction, such as making an index meanwhile.

        Raises:
            CasebaseError: see :meth:`write`.
        """
        self._require_writable()
        name = self.address.name
        with server_faults(name, doing), self._pool.connection() as connection:
            connection.autocommit = True
            try:
                return work(connection)
            finally:
                with suppress(psycopg.Error):
                    connection.autocommit = False

    def _repeated(self, attempt: Callable[[Connection], T], doing: str) -> T:
        end = monotonic() + PATIENCE
        while True:
            connection: Connection | None = None
            try:
                with self._pool.connection(max(0.1, end - monotonic())) as connection:
                    _settle(connection)
                    return attempt(connection)
            except psycopg.Error as fault:
                lost = is_lost(fault, connection)
                if lost and connection is not None:
                    connection.close()  # to a server that went away, or is none to write to
                if not lost or monotonic() > end:
                    raise casebase_error(fault, self.address.name, doing) from None
                sleep(_PAUSE)

    def _require_writable(self) -> None:
        if self.readonly:
            raise CasebaseError(
                f"{self.address.name} is open for reading only", "Open it without readonly=True."
            )

    def _configure(self, connection: Connection) -> None:
        configure(connection, self.address)
        connection.commit()


def connection_string(address: Address, *, readonly: bool) -> str:
    """The URL with the kind of server that is wanted, where it does not say so itself."""
    given = conninfo.conninfo_to_dict(address.conninfo)
    several = "," in str(given.get("host") or "")
    wanted = "read-write" if not readonly else "prefer-standby" if several else "any"
    defaults = {
        "application_name": "mmedrag",
        "connect_timeout": "10",
        "target_session_attrs": wanted,
    }
    return conninfo.make_conninfo(
        address.conninfo, **{k: v for k, v in defaults.items() if k not in given}
    )


def connect(address: Address, *, readonly: bool) -> Connection:
    """One connection: it says what is wrong at once, where a pool would try again and again.

    Raises:
        CasebaseError: no server answers, it refuses, or it has no pgvector.
    """
    with server_faults(address.name, "connect to"):
        connection = psycopg.connect(connection_string(address, readonly=readonly))
        try:
            configure(connection, address)
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection


def configure(connection: Connection, address: Address) -> None:
    """Give a session its schema, and writes that are on the disk before they return.

    Raises:
        CasebaseError: there is no pgvector.
    """
    extension = connection.execute(
        "SELECT nspname, extversion FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
        "WHERE extname = 'vector'"
    ).fetchone()
    if extension is None:
        what, remedy = _NO_VECTORS
        raise CasebaseError(what.format(address.name), remedy)
    if tuple(map(int, str(extension[1]).split(".")[:2])) < _OLDEST:
        raise CasebaseError(
            f"The server {address.name} has pgvector {extension[1]}, which filters lose cases with",
            "Install 0.8 or later, and: ALTER EXTENSION vector UPDATE.",
        )
    path = sql.SQL("SET search_path TO {}, {}").format(
        sql.Identifier(address.schema), sql.Identifier(str(extension[0]))
    )
    connection.execute(path)
    connection.execute("SET plan_cache_mode = force_custom_plan")
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
    )


def _settle(connection: Connection) -> None:
    """Forget the kind of transaction that a former user of the connection wanted."""
    if connection.read_only or connection.isolation_level is not None:
        connection.read_only = None
        connection.isolation_level = None


def _written(connection: Connection, token: UUID) -> tuple[int, int] | None:
    """What a former attempt has written, whose answer was lost; waits where it still commits."""
    connection.execute("SELECT FROM state FOR UPDATE")
    cursor = connection.execute("SELECT epoch, cases FROM writes WHERE token = %s", [token])
    row = cursor.fetchone()
    connection.rollback()
    return None if row is None else (int(row[0]), int(row[1]))


def _write(
    connection: Connection, token: UUID, work: Callable[[Connection, int], int], doing: str
) -> tuple[int, int]:
    with connection.transaction():
        row = connection.execute("UPDATE state SET epoch = epoch + 1 RETURNING epoch").fetchone()
        assert row is not None
        epoch = int(row[0])
        cases = work(connection, epoch)
        connection.execute(
            "INSERT INTO writes (epoch, token, doing, cases) VALUES (%s, %s, %s, %s)",
            [epoch, token, doing, cases],
        )
    return epoch, cases
