"""What was acknowledged, noted beside the database: lost writes and flipped bits are noticed.

SQLite throws a damaged end of its write-ahead log away as if it had never been written, and a bit
that flips in a page goes unnoticed. Two small files tell:

``acknowledged``
    the number of the last write that has returned. A database that stands at a lower one has lost
    writes.
``seal.json``
    made when the last writer closes: SHA-256 of ``casebase.db`` at a number of writes. While no
    later write is acknowledged and the log is empty, the file must have this digest. ``core`` is a
    digest of the little that a search takes from the database without a checksum of its own; a
    large file is hashed while searches go on, since they have been told that this is sound.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Event
from typing import Any
from zlib import crc32

from mmedrag.casebase.descriptors import sha256_beside
from mmedrag.casebase.log import log_of
from mmedrag.durability import write_durably

_AT_ONCE = 128 << 20  # bytes of a database file that is hashed before anything is answered
_LINE = 32  # bytes, written in place: less than a sector, so that it is whole or not there


class Ledger:
    """The two files beside a database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._database = folder / "casebase.db"
        self._acknowledged = folder / "acknowledged"
        self._seal = folder / "seal.json"

    def acknowledge(self, epoch: int) -> None:
        """Note durably that a write has been made; called before the write returns."""
        number = f"{epoch:020d}"
        line = f"{number} {crc32(number.encode()):08x}".ljust(_LINE - 1) + "\n"
        descriptor = os.open(self._acknowledged, os.O_CREAT | os.O_WRONLY, self._mode())
        try:
            os.pwrite(descriptor, line.encode(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def expect(self, epoch: int) -> None:
        """Be ready for a write of this number: without a note yet, note the one before it.

        A writer that is killed between its first write and the note of it leaves a note all the
        same, so that a missing one is always a lost one.
        """
        if self.acknowledged() is None:
            self.acknowledge(epoch - 1)

    def acknowledged(self) -> int | None:
        """The last write that is noted; ``None`` where the note is not there or is damaged."""
        try:
            number, check = self._acknowledged.read_bytes()[:_LINE].split()
            return int(number) if int(check, 16) == crc32(number) else None
        except (OSError, ValueError):
            return None

    def seal(self, epoch: int, core: str) -> None:
        """Note the digest of the database file, unless a part of it is still in the log."""
        if log_of(self._database).exists() and log_of(self._database).stat().st_size:
            return
        seal = {"epoch": epoch, "core": core, "sha256": sha256_beside(self._database)}
        write_durably(self._seal, json.dumps(seal) + "\n", mode=self._mode())

    @property
    def large(self) -> bool:
        """Whether the database file takes long to be hashed."""
        return self._database.stat().st_size > _AT_ONCE

    def core(self, epoch: int) -> str | None:
        """What was sealed at this number of writes of what searches read; ``None`` if nothing."""
        seal = self._sealed(epoch)
        return None if seal is None else str(seal.get("core"))

    def broken(self, epoch: int, stop: Event | None = None) -> bool | None:
        """Whether the database file has changed since it was sealed at this number of writes.

        ``None`` where it was not: a writer is at work, or was killed.

        The caller is in a read transaction at that number, so that nobody can fold a log into the
        file meanwhile.

        Raises:
            InterruptedError: ``stop`` was set.
        """
        seal = self._sealed(epoch)
        if seal is None:
            return None
        try:
            return bool(sha256_beside(self._database, stop) != seal["sha256"])
        except InterruptedError:
            raise
        except (OSError, KeyError):
            return None

    def _sealed(self, epoch: int) -> dict[str, Any] | None:
        """The seal of the file as it is; ``None`` where there is none, or none that can be read."""
        try:
            seal: dict[str, Any] = json.loads(self._seal.read_bytes())
            log = log_of(self._database)
            if seal["epoch"] != epoch or (log.exists() and log.stat().st_size):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return seal

    def forget(self) -> None:
        """Take what is there for what was acknowledged, from now on."""
        self._seal.unlink(missing_ok=True)
        self._acknowledged.unlink(missing_ok=True)

    def _mode(self) -> int:
        try:
            return self._database.stat().st_mode & 0o777
        except FileNotFoundError:  # the database is on a server
            return 0o600
