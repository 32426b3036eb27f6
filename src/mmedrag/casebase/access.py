"""One process's way to a casebase: its connection, its snapshot, and the right to write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from mmedrag.casebase.database import Database
from mmedrag.casebase.faults import damage_typed, storage_faults
from mmedrag.casebase.folder import connect
from mmedrag.casebase.generations import Generations
from mmedrag.casebase.reader import Reader
from mmedrag.casebase.schema import FORMAT, migrate
from mmedrag.casebase.snapshot import Snapshot
from mmedrag.casebase.thumbnails import Thumbnails
from mmedrag.casebase.writer import WriterLock
from mmedrag.errors import CasebaseDamaged, CasebaseError
from mmedrag.threads import give_way

_LEAST_REST = 60.0  # seconds between two looks at a large file


class Access:
    """Who reads holds ``guard``; who writes holds ``writers`` first, then the lock file.

    Attributes:
        path: the casebase's folder.
        readonly: whether it was opened for reading only.
        database: the connection; used under ``guard``.
        writers: taken before ``guard``.
        guard: of the connection and the snapshot.
    """

    def __init__(self, path: Path, *, readonly: bool) -> None:
        """Connect.

        Raises:
            CasebaseError: it is no casebase, or of a later version.
            sqlite3.Error: it cannot be read.
        """
        self.path = path
        self.readonly = readonly
        self.database = connect(path, readonly=readonly)
        self.generations = Generations(path)
        self.thumbnails = Thumbnails(path / "thumbnails")
        self.writers = threading.RLock()
        self.guard = threading.RLock()
        self._lock = WriterLock(path)
        self._closed = False
        self._lost = 0  # acknowledged writes that are not there
        self._unsound = ""  # what is wrong with the database file as a whole
        self._opening: Thread | None = None  # looks at the whole file, once
        self._watching: Thread | None = None  # looks again, and nobody waits for it
        self._stop = Event()
        self._next_check = 0.0
        self.database.require_sound = self._require_sound
        try:
            self._reader = Reader(path, self.database, self.generations)
        except BaseException:
            self.database.close()
            raise

    @property
    def notices(self) -> list[str]:
        """What was found damaged and what was done about it, one line each."""
        return self._reader.notices

    def look(self) -> None:
        """Compare the database with its ledger, and take in its newest state.

        Raises:
            CasebaseError: it cannot be read.
        """
        self._compare_with_ledger()
        if not self._unsound:
            with self.now():
                pass

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """The connection, for one thread at a time.

        Raises:
            CasebaseDamaged: it is not sound.
            CasebaseError: it is closed, or cannot be read.
        """
        with self._connected():
            self._require_sound()
            yield self.database

    @contextmanager
    def glancing(self) -> Iterator[Database]:
        """The connection while a large file may still be hashed.

        For what answers no question, or has a checksum of its own.

        Raises:
            CasebaseDamaged: it is known not to be sound.
            CasebaseError: it is closed, or cannot be read.
        """
        with self._connected():
            self._refuse_unsound()
            yield self.database

    @contextmanager
    def now(self) -> Iterator[Snapshot]:
        """The newest committed state, held still; see :meth:`reading`.

        A large file may still be hashed meanwhile: what a search reads has checksums of its own.
        """
        with self._connected():
            self._refuse_unsound()
            self._check_again()
            with self._reader.now() as snapshot:
                yield snapshot

    @contextmanager
    def _connected(self) -> Iterator[None]:
        with (
            self.guard,
            storage_faults(self.path, "read"),
            damage_typed(self.path, self._problems),
        ):
            self._require_open()
            yield

    def _require_sound(self) -> None:
        """Wait until the whole file has been looked at, and refuse what is not sound."""
        self._await_check()
        self._refuse_unsound()

    def _await_check(self) -> None:
        opening = self._opening  # others wait for it too, and forget it
        if opening is not None:
            opening.join()
            self._opening = None

    def _stop_watching(self) -> None:
        """Who looks at the file keeps its state, so that deleted texts could not leave the log."""
        watching = self._watching
        if watching is not None:
            self._stop.set()
            watching.join()
            self._stop.clear()
            self._watching = None

    def _refuse_unsound(self) -> None:
        if self._unsound:
            raise CasebaseDamaged(
                self._unsound,
                "'mmedrag verify' says what is wrong; 'mmedrag rebuild' mends what is derived; "
                "else restore a backup.",
            )

    def distrust(self, damage: CasebaseDamaged) -> None:
        """A part of the generation is damaged: search every case exactly from now on."""
        with self.guard:
            self._reader.distrust(damage)

    def forget(self) -> None:
        """Keep nothing of reports in memory: some of them are gone."""
        with self.guard:
            self._reader.forget()

    @contextmanager
    def writing(self, doing: str) -> Iterator[Database]:
        """Be the one writer, in this process and on this machine; ``doing`` is for messages.

        Raises:
            CasebaseError: the disk fails, or it is open for reading only.
            CasebaseLocked: another process writes.
        """
        with (
            self.writers,
            storage_faults(self.path, doing),
            damage_typed(self.path, self._problems),
        ):
            self.acquire()
            yield self.database

    def acquire(self) -> None:
        """Become the writer, and finish what a killed writer left undone."""
        self._await_check()
        self._stop_watching()
        if self._lost or self._unsound:
            raise CasebaseDamaged(
                self._unsound or f"{self._lost} acknowledged writes to {self.path} are lost",
                "Restore a backup, or accept what is there with 'mmedrag rebuild'.",
            )
        left_behind = self._lock.left_behind()
        if self._acquire_lock():
            with self.guard:
                if migrate(self.database.connection):
                    self.notices.append(f"The casebase was brought to format {FORMAT}")
                if left_behind:
                    self.thumbnails.sweep(self.database.thumbnails())
                self.finish_erasures()

    def finish_erasures(self) -> None:
        """Remove the files of thumbnails that no case uses any more."""
        queued = self.database.erasures()
        if not queued:
            return
        self.thumbnails.remove(queued)
        with self.database.writing():
            self.database.forget_erasures(queued)

    def accept(self) -> None:
        """Take what the database holds for what was acknowledged, where every case is sound.

        Ends the alarm after a loss that cannot be made good, or a damage to what is derived, which
        :meth:`rebuild` derives again. Nothing is done where there is no alarm.

        Raises:
            CasebaseDamaged: a case fails its checksum.
            CasebaseLocked: another process writes.
        """
        if not self._unsound and not self._lost:
            return
        self.require_sound_cases()
        with self.guard:
            self._unsound, self._lost = "", 0
        self.acquire()
        self.database.ledger.forget()
        with self.guard, self.database.writing():
            self.database.row_sum.forget()

    def require_sound_cases(self) -> None:
        """Look at every case.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        with self.guard:
            damaged = list(self.database.damaged_cases())
        if damaged:
            raise CasebaseDamaged(
                f"{damaged[0]} ({len(damaged)} such problems)",
                "Restore a backup, or delete what 'mmedrag verify' names and add it again.",
            )

    def recover(self, publish: Callable[[], None]) -> None:
        """Finish what a killed writer left undone and derive a damaged generation again.

        Nothing is done where that may not be written.

        Args:
            publish: derives the generation again.
        """
        damage = self._reader.damage
        if self.readonly or (damage is None and not self._lock.left_behind()):
            return
        index = len(self.notices) - 1
        try:
            if damage is None:
                self.acquire()
            else:
                publish()
        except CasebaseError as fault:
            if damage is not None:
                self.notices.append(f"The index could not be rebuilt now: {fault}")
            return
        if damage is not None:
            self.notices[index] = f"{damage}; it was derived again from the database"
        self._lock.release()  # taken for this alone

    def close(self) -> None:
        """Settle what was written, seal the database, and let other writers in."""
        with self.writers, self.guard:
            if self._closed:
                return
            self._closed = True
            self._stop.set()
            try:
                if self._lock.held and not self._unsound:
                    self._settle_and_close()
            finally:
                self._reader.close()
                self.database.close()
                self._lock.release()

    def _settle_and_close(self) -> None:
        """A full disk must not stop a close; the next writer settles what is left."""
        with suppress(sqlite3.OperationalError, OSError):
            self.database.settle()
            epoch, core = self.database.state().epoch, self.database.core()
            self.database.close()
            self.database.ledger.seal(epoch, core)

    def _compare_with_ledger(self) -> None:
        """Notice lost writes, and a file that has changed although nothing was written."""
        ledger = self.database.ledger
        acknowledged = ledger.acknowledged()  # before the database, which may go on meanwhile
        with self.database.reading():
            epoch = self.database.state().epoch
            if ledger.large and ledger.core(epoch) in (None, self.database.core()):
                self._opening = self._checking()
            else:
                self._unsound = self._wrong(self.database, epoch)
            kept = self.database.row_sum.is_kept
        self._next_check = monotonic() + _LEAST_REST
        if self._opening is not None:
            self._opening.start()
        # A release that keeps the sum makes the note before its first write is seen.
        if acknowledged is None and kept and ledger.acknowledged() is None:
            self.notices.append(
                f"The note of acknowledged writes beside {self.path / 'casebase.db'} is damaged or "
                "missing, so that lost writes cannot be noticed; the next write makes it again"
            )
        self._lost = max(0, (acknowledged or 0) - epoch)
        if self._lost:
            self.notices.append(
                f"{self._lost} acknowledged writes are lost: the write-ahead log was damaged or "
                "removed, or casebase.db is an older copy; restore a backup, or accept the loss "
                "with 'mmedrag rebuild'"
            )

    def _check_again(self) -> None:
        """Look at a large file from time to time, as :class:`Reader` does with small ones."""
        looking = (self._opening, self._watching)
        if monotonic() < self._next_check or not self.database.ledger.large:
            return
        if not any(thread is not None and thread.is_alive() for thread in looking):
            watching = self._checking()
            watching.start()
            self._watching = watching  # a writer may only wait for one that has begun

    def _checking(self) -> Thread:
        return Thread(target=self._check, name="casebase-check", daemon=True)

    def _check(self) -> None:
        """Look at the whole file while searches go on, on a connection of its own."""
        give_way()
        began = monotonic()
        with (
            suppress(sqlite3.Error, OSError),
            closing(connect(self.path, readonly=True)) as other,
            other.reading(),
        ):
            self._unsound = self._wrong(other, other.state().epoch)
        self._next_check = monotonic() + max(_LEAST_REST, 100 * (monotonic() - began))

    def _wrong(self, database: Database, epoch: int) -> str:
        """What is wrong with the database file as a whole at this number of writes, if anything."""
        broken = database.ledger.broken(epoch, self._stop)
        if broken:
            return f"{self.path / 'casebase.db'} has changed since it was closed"
        if broken is None and database.row_sum.is_broken(epoch):
            return f"{self.path / 'casebase.db'} is not what was written to it"
        return ""

    def _problems(self) -> Iterator[str]:
        with self.database.reading():
            yield from self.database.problems()

    def _acquire_lock(self) -> bool:
        """Whether the lock was taken; ``False`` where it is held already."""
        self._require_open()
        if self.readonly:
            raise CasebaseError(
                f"{self.path} is open for reading only", "Open it without readonly=True."
            )
        return self._lock.acquire()

    def _require_open(self) -> None:
        if self._closed:
            raise CasebaseError(f"{self.path} is closed", "Open it again.")
