"""One writer at a time: a lock file that the operating system frees when its holder dies."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mmedrag.errors import CasebaseError, CasebaseLocked


class WriterLock:
    """``writer.lock`` in a casebase; ``writer.pid`` beside it says who holds it, for messages."""

    def __init__(self, casebase: Path) -> None:
        self._file = casebase / "writer.lock"
        self._holder = casebase / "writer.pid"
        self._lock: FileLock | None = None

    @property
    def held(self) -> bool:
        """Whether this object has the lock."""
        return self._lock is not None

    def left_behind(self) -> bool:
        """Whether a writer's name is there that is not ours: it was killed, or is at work."""
        return self._lock is None and self._holder.exists()

    def acquire(self) -> bool:
        """Take the lock at once; ``False`` where this object has it already.

        Raises:
            CasebaseLocked: another writer has it.
            CasebaseError: the folder cannot be written to.
        """
        if self._lock is not None:
            return False
        if not os.access(self._file.parent, os.W_OK):
            raise CasebaseError(
                f"{self._file.parent} cannot be written to",
                "Change its permissions, or work on a copy of it.",
            )
        lock = FileLock(self._file, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except (Timeout, RuntimeError) as fault:  # RuntimeError: held by this very thread
            raise self._locked() from fault
        self._lock = lock
        self._holder.write_text(str(os.getpid()), "ascii")
        return True

    def release(self) -> None:
        """Let other writers in."""
        if self._lock is None:
            return
        with suppress(OSError):  # as by a killed writer; the next one looks what it left undone
            self._holder.unlink(missing_ok=True)
        self._lock.release()
        self._lock = None

    def _locked(self) -> CasebaseLocked:
        holder = ""
        with suppress(OSError):
            holder = self._holder.read_text("ascii", "replace").strip()[:20]
        process = f"process {holder}" if holder.isdigit() else "another process"
        return CasebaseLocked(
            f"{process.capitalize()} is writing to {self._file.parent} ({self._file.name})",
            "Wait until it ends, or stop it; reading needs no lock.",
        )
