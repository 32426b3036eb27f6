"""A sum over the table of cases, kept with every write: rows that a flipped bit hides are missed.

A row that is returned is held against its own checksum. One that a damaged domain, label or node of
the table keeps out of an answer is not returned, so the whole table is added up: by each casebase
that is opened without a seal that fits, and again by readers that stay open, in at most one
hundredth of their time. Texts, vectors and words are not in the sum.
"""

from __future__ import annotations

import sqlite3
from time import monotonic
from zlib import crc32

from mmedrag.casebase.records import COLUMNS

SETTING = "row_sum"
"""Its value is the number of a write and the sum after it. A write of a release that does not know
it leaves another number, and the sum then says nothing."""

_SHARE = 100
_ROW = f"crc32(CAST(row || {' || '.join(f'quote({name})' for name in COLUMNS)} AS BLOB))"
_TOTAL = f"SELECT COALESCE(sum({_ROW}), 0) FROM cases NOT INDEXED"  # noqa: S608
_ONE = f"SELECT {_ROW} FROM cases WHERE row = ?"  # noqa: S608
_IDS = "SELECT COALESCE(sum(crc32(CAST(row || quote(id) AS BLOB))), 0) FROM cases "


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection the function that the sums use."""
    connection.create_function("crc32", 1, crc32, deterministic=True)


class RowSum:
    """The sum of one database, inside transactions of the caller's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sum: int | None = None
        self._rest_until = 0.0

    def begin(self, epoch: int) -> None:
        """A write has begun that will have this number."""
        self._sum = self._stored(epoch - 1)

    def add(self, row: int, sign: int = 1) -> None:
        """A row was written, or (-1) is about to be deleted."""
        if self._sum is not None:
            digest = self._connection.execute(_ONE, [row]).fetchone()
            self._sum += sign * int(digest[0])

    def end(self, epoch: int) -> None:
        """Keep the sum with the write; added up anew where the former write kept none."""
        total = self._total() if self._sum is None else self._sum
        self._connection.execute(
            "INSERT OR REPLACE INTO settings VALUES (?, ?)", [SETTING, f"{epoch} {total}"]
        )

    def forget(self) -> None:
        """Take what is there for what was written."""
        self._sum = None

    def is_broken(self, epoch: int) -> bool:
        """Whether the table is not what was written; ``False`` where no sum was kept."""
        began = monotonic()
        stored = self._stored(epoch)
        broken = stored is not None and (stored != self._total() or self._hides_ids())
        self._rest_until = monotonic() + _SHARE * (monotonic() - began)
        return broken

    @property
    def is_kept(self) -> bool:
        """Whether any write has kept one."""
        sql = "SELECT 1 FROM settings WHERE key = ?"
        return self._connection.execute(sql, [SETTING]).fetchone() is not None

    @property
    def is_due(self) -> bool:
        """Whether it may be added up again."""
        return monotonic() > self._rest_until

    def _stored(self, epoch: int) -> int | None:
        sql = "SELECT value FROM settings WHERE key = ?"
        setting = self._connection.execute(sql, [SETTING]).fetchone()
        number, _, total = str(setting[0]).partition(" ") if setting else ("", "", "")
        return int(total) if number == str(epoch) and total.isdigit() else None

    def _total(self) -> int:
        return int(self._connection.execute(_TOTAL).fetchone()[0])

    def _hides_ids(self) -> bool:
        """Whether a case cannot be found by its id, or another one is found."""
        sums = [
            self._connection.execute(_IDS + how).fetchone()[0]
            for how in ("NOT INDEXED", "INDEXED BY sqlite_autoindex_cases_1")
        ]
        return bool(sums[0] != sums[1])
