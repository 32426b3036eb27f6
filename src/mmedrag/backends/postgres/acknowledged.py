"""What was acknowledged to this machine: a server that has lost some of it is noticed.

Others write at any time, so that two numbers are comparable in one order only: first the number of
the last write that has returned is read, then a snapshot is taken, which holds at least that write.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Lock

from filelock import FileLock

from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.ledger import Ledger
from mmedrag.errors import CasebaseDamaged

_PATIENCE, _PAUSE = 5.0, 0.002  # seconds, for other processes that note a write
_NOTICE = (
    "{} acknowledged writes are lost: an older copy of the database, or a standby that had not "
    "got them, answers; restore a backup, or accept the loss with 'mmedrag rebuild'"
)


class Acknowledged:
    """The number of the last write that has returned; it only grows.

    Whoever accepts a loss makes another one, so that what was read before is not held against it.

    Args:
        ledger: its note, which all processes of this machine share.

    Attributes:
        epoch: the number.
        lost: how many writes were found to be lost.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = Lock()
        self.epoch = ledger.acknowledged() or 0
        self.lost = 0

    def note(self, epoch: int) -> None:
        """Note a write that has returned, on disk too, unless a later one is noted already."""
        with self._lock:
            self.epoch = max(epoch, self.epoch)
        folder = self._ledger.folder
        with suppress(OSError):  # the write is made; without the note less would be noticed
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock, FileLock(folder / "lock", _PATIENCE, poll_interval=_PAUSE):
                if (self._ledger.acknowledged() or 0) < epoch:
                    self._ledger.acknowledge(epoch)

    def compare(self, connection: Connection) -> str:
        """What is to be noticed about a server, if anything.

        Args:
            connection: in a transaction that has read nothing yet.
        """
        expected = self.epoch  # before the snapshot
        # A standby follows later and has lost nothing until it is promoted.
        text = "SELECT epoch FROM state WHERE NOT pg_is_in_recovery()"
        row = connection.execute(text).fetchone()
        return "" if row is None else self._miss(int(row[0]), expected)

    def compare_next(self, epoch: int) -> str:
        """What is to be noticed where the next write gets this number, which nobody else gets."""
        return self._miss(epoch - 1, self.epoch)

    def _miss(self, epoch: int, expected: int) -> str:
        """What is to be noticed where a server stands at one number in place of another."""
        with self._lock:
            if epoch >= expected or self.lost:
                return ""
            self.lost = expected - epoch
        return _NOTICE.format(self.lost)

    def require_all(self, name: str) -> None:
        """Refuse to go on after a loss.

        Raises:
            CasebaseDamaged: a write was found to be lost.
        """
        if self.lost:
            raise CasebaseDamaged(
                f"{self.lost} acknowledged writes to {name} are lost",
                "Restore a backup, or accept what is there with 'mmedrag rebuild'.",
            )
