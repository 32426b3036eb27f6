"""The connection to the database file: how it is opened, its transactions, where it stands."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np

from mmedrag.casebase import conditions, row_sums
from mmedrag.casebase.descriptors import Key, connected, connecting, disconnected
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.ledger import Ledger
from mmedrag.casebase.log import kept, leave_log
from mmedrag.casebase.mentions import MentionTable
from mmedrag.casebase.row_sums import RowSum
from mmedrag.casebase.schema import lay_out_tables, version
from mmedrag.casebase.stems import Stemmer, prepare
from mmedrag.casebase.vocabulary import Vocabulary

_BUSY_SECONDS, _PATIENCE_MS = 20.0, 500
COPIED_IN_MEMORY = 2**28
"""Bytes of a database that are copied in memory when it is written anew."""

_PRAGMAS = ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON", "cache_size = -32768")
_PASSING = {"SQLITE_READONLY_RECOVERY", "SQLITE_READONLY_CANTINIT"}
_RECOVERY_SECONDS, _PAUSE = 5.0, 0.01


@dataclass(frozen=True, slots=True)
class State:
    """The state of the database that readers compare.

    ``format`` is the file's; ``epoch`` counts committed writes; deletions are remembered for
    epochs above ``pruned``.
    """

    format: int
    epoch: int
    pruned: int


class Connection:
    """Raises :class:`sqlite3.Error`; callers turn it into our errors."""

    def __init__(self, file: Path, mode: str) -> None:
        """Open ``file`` in SQLite's URI ``mode``: ``rwc``, ``rw`` or ``ro``."""
        self.file = file
        self._file = None if mode == "ro" else file
        self.ledger = Ledger(file.parent)
        self.require_sound: Callable[[], None] = lambda: None
        """Waits until the whole file is known to be sound; called before it is searched freely."""
        uri = f"{file.absolute().as_uri()}?mode={mode}"
        with connecting():
            self.connection = sqlite3.connect(
                uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._key: Key | None = connected(file)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise
        self.mention_table = MentionTable(self.connection)
        self.vocabulary = Vocabulary(self.connection)
        self.stemmer = Stemmer(self.connection)
        self.row_sum = RowSum(self.connection)

    def _prepare(self) -> None:
        self.connection.row_factory = sqlite3.Row
        conditions.prepare(self.connection)
        row_sums.prepare(self.connection)
        for pragma in _PRAGMAS:
            self._run(f"PRAGMA {pragma}")
        prepare(self.connection)

    def create(self, settings: Mapping[str, str]) -> None:
        """Lay out an empty database."""
        self._run("PRAGMA journal_mode = WAL")
        lay_out_tables(self.connection)
        self.connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())

    def close(self) -> None:
        """End the connection; the files of the write-ahead log stay."""
        with connecting():
            if self._file is None:
                self.connection.close()
            else:
                with kept(self._file):
                    self.connection.close()
                with suppress(OSError):
                    leave_log(self._file)
            if self._key is not None:
                disconnected(self._key)
                self._key = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One committed state for everything inside."""
        self._run("BEGIN")
        try:
            yield
        finally:
            self._run("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[int]:
        """One durable transaction; gives the epoch that it will make. Undone on any exception.

        When the block ends, the write is acknowledged in the ledger.
        """
        self._run("BEGIN IMMEDIATE")
        try:
            self._run("UPDATE state SET epoch = epoch + 1")
            epoch = self.state().epoch
            self.row_sum.begin(epoch)
            yield epoch
            self.row_sum.end(epoch)
            with suppress(OSError):
                self.ledger.expect(epoch)
            self._run("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self._run("ROLLBACK")
            raise
        with suppress(OSError):  # the write is made; without the note less would be noticed
            self.ledger.acknowledge(epoch)

    def settings(self) -> dict[str, str]:
        """Every key and value."""
        return {row[0]: row[1] for row in self._run("SELECT key, value FROM settings")}

    def state(self) -> State:
        """Where the database stands."""
        row = self._run("SELECT epoch, pruned FROM state").fetchone()
        if row is None or not all(isinstance(value, int) for value in row):
            raise sqlite3.DatabaseError("the table state is damaged")
        epoch, pruned = row
        return State(version(self.connection), epoch, pruned)

    @property
    def derives(self) -> bool:
        """Whether the file has the tables of what is derived once (format 2)."""
        return version(self.connection) > 1

    @property
    def recognises(self) -> bool:
        """Whether the file keeps mentions as they are kept now (format 3)."""
        return version(self.connection) > 2

    @property
    def numbers(self) -> bool:
        """Whether the file keeps the vocabulary of its generations (format 4)."""
        return version(self.connection) > 3

    @property
    def packs(self) -> bool:
        """Whether the file keeps cases packed (format 6)."""
        return version(self.connection) > 5

    def truncate_log(self) -> bool:
        """Fold the write-ahead log into the file, so that erased texts leave the disk.

        Returns:
            Whether it is empty now. A reader that holds an older state for long postpones this.
        """
        self._run(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        try:
            return not self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            self._run(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")

    def compact(self) -> None:
        """Write the file and its indexes anew, without free pages.

        SQLite makes a copy first: in memory up to :data:`COPIED_IN_MEMORY` bytes, else in a
        nameless file of its folder for temporary files (``SQLITE_TMPDIR``, ``TMPDIR``).
        """
        pages, size = (self._run(f"PRAGMA {n}").fetchone()[0] for n in ("page_count", "page_size"))
        large = pages * size > COPIED_IN_MEMORY
        try:
            if large:
                self._run("PRAGMA temp_store = FILE")  # this drops the temporary tables
            self._run("REINDEX")
            self._run("VACUUM")
        finally:
            if large:
                prepare(self.connection)

    def _rows(self, sql: str, values: Sequence[object]) -> Rows:
        return np.fromiter((row[0] for row in self._run(sql, values)), np.int64)

    def _run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute; again while a writer that has just opened the log makes its index anew.

        A reader who may not write cannot wait for that by a lock: SQLite refuses it, as if the
        index had been left unfinished by a writer that died.
        """
        end = monotonic() + _RECOVERY_SECONDS
        while True:
            try:
                return self.connection.execute(sql, values)
            except sqlite3.OperationalError as fault:
                if fault.sqlite_errorname not in _PASSING or monotonic() > end:
                    raise
                sleep(_PAUSE)
