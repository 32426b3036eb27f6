"""The casebase: what was added is found, what was deleted is gone, whatever happens in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from mmedrag.casebase.access import Access
from mmedrag.casebase.faults import storage_faults
from mmedrag.casebase.folder import KNOWLEDGE, NAMES, RESERVED, lay_out
from mmedrag.casebase.records import record_of
from mmedrag.casebase.schema import FORMAT
from mmedrag.casebase.thumbnails import digest_of
from mmedrag.casebase.upkeep import AUTOMATIC, Upkeep
from mmedrag.errors import CasebaseError, CasebaseNotFound, EncoderMismatch
from mmedrag.readings import READINGS
from mmedrag.types import Entry, Vector

LEARNED = (KNOWLEDGE, NAMES)
"""Files that are learned from all cases, and again when they are asked for."""


class Casebase(Upkeep):
    """A folder of cases with their vectors; a :class:`~mmedrag.protocols.CaseStore`.

    Any number of readers, one writer. The lock is taken at the first write and held until
    :meth:`close`. What a write has returned from survives a crash. Each search sees one committed
    state, the newest, whichever process wrote it. An instance may be used from several threads.

    Attributes:
        path: the folder.
        dim: length of the vectors.
        fingerprint: the encoder's; see :class:`~mmedrag.protocols.Embedder`.
        preset: name of the preset that made it.
    """

    def __init__(self, access: Access) -> None:
        """Use :meth:`create` or :meth:`open`."""
        super().__init__(access)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        dim: int,
        fingerprint: str,
        preset: str,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Make an empty casebase and open it.

        Args:
            path: where; must not exist, or be an empty folder.
            dim: length of the vectors.
            fingerprint: the encoder's.
            preset: name of the preset that makes the encoder.
            settings: texts to be kept with it, by keys of the caller's choice.

        Raises:
            CasebaseError: something is there, or the folder cannot be written.
        """
        path = Path(path)
        reserved = {"format": str(FORMAT), "preset": preset, "fingerprint": fingerprint}
        reserved |= {"dim": str(dim), "index_key": AUTOMATIC}
        if dim < 1 or not set(settings or {}).isdisjoint(RESERVED):
            raise CasebaseError(
                "The settings of the new casebase are not valid",
                f"Give dim >= 1 and no settings named {', '.join(RESERVED)}.",
            )
        with storage_faults(path, "create"):
            lay_out(path, {**(settings or {}), **reserved})
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, fingerprint: str | None = None, readonly: bool = False) -> Self:
        """Open a casebase and check its index.

        A damaged or unknown index is derived again from the database, or, where that may not be
        written, replaced by exact search; :attr:`notices` says so. A database file that has
        changed since it was sealed is opened, for :meth:`verify` and :meth:`rebuild` alone.

        Raises:
            CasebaseNotFound: none there.
            EncoderMismatch: ``fingerprint`` is given and differs from the casebase's.
            CasebaseDamaged: the database itself cannot be read.
        """
        path = Path(path)
        with storage_faults(path, "open"):
            if not (path / "casebase.db").is_file():
                raise CasebaseNotFound(
                    f"No casebase at {path}", "Make one: mmedrag index CORPUS --into PATH."
                )
            access = Access(path, readonly=readonly)
            try:
                casebase = cls(access)
                casebase._require(fingerprint)
                access.look()
            except BaseException:
                access.database.close()
                raise
        access.recover(casebase.publish)
        return casebase

    def add(self, entries: Sequence[Entry]) -> None:
        """Add cases, or replace those of the same id: all of them or, on an error, none.

        They are found at once, and durable when this returns.

        Raises:
            CasebaseError: an entry is not valid, or the disk fails.
            CasebaseLocked: another process writes.
        """
        records = {entry.case.id: record_of(entry, self.dim) for entry in entries}
        if not records:
            return
        with self._access.writing("add cases to"), self._learned_anew([*records], LEARNED):
            previews = [e.thumbnail for e in entries if e.thumbnail is not None]
            with self._removed_on_failure(previews):
                self._access.thumbnails.write(previews)
                with self._access.guard, self._access.database.writing() as epoch:
                    self._access.database.forget_empty_log()
                    for record in records.values():
                        self._access.database.insert(record, epoch)
            with self._access.guard:
                self._access.finish_erasures()

    def delete(self, ids: Sequence[str]) -> int:
        """Delete cases; unknown ids are passed over. Returns how many there were.

        No search finds them any more. Text, vector, words and terms leave the database file, and
        thumbnails that nobody else uses leave the disk, before this returns. What cannot be erased
        at once is in :meth:`unerased`, and :meth:`erase` erases it: the vector in the generation's
        file, and the log where another process still reads an older state. What was learned from
        the cases for the knowledge graph goes too, and is learned again when it is asked for;
        so does what was kept of their files and of how their diagnoses were read, and what this
        process remembered of any report.
        Another process forgets with its next search.

        Raises:
            CasebaseError: the disk fails.
            CasebaseLocked: another process writes.
        """
        with (
            self._access.writing("delete cases from"),
            self._learned_anew(ids, (*LEARNED, READINGS)),
            self._access.guard,
        ):
            with self._access.database.writing() as epoch:
                gone = sum([self._access.database.delete(case_id, epoch) for case_id in ids])
            self._access.forget()
            self._access.finish_erasures()
            self._access.database.settle()
        return gone

    def set(self, key: str, value: str) -> None:
        """Keep a setting of the caller's, as those given to :meth:`create`.

        Raises:
            CasebaseError: the key is the casebase's own, or the disk fails.
            CasebaseLocked: another process writes.
        """
        if key in RESERVED:
            raise CasebaseError(f"The setting {key} is the casebase's own", "Use another key.")
        with (
            self._access.writing("keep a setting in") as database,
            self._access.guard,
            database.writing(),
        ):
            database.set(key, value)

    def take_setting(self, key: str) -> str | None:
        """Erase a setting of the caller's, and give what it was.

        Raises:
            CasebaseError: the disk fails.
            CasebaseLocked: another process writes.
        """
        with self._access.writers, storage_faults(self.path, "erase a setting of"):
            with self._access.reading() as database:
                value = database.settings().get(key)
            if value is None or key in RESERVED:
                return None
            self._access.acquire()
            with self._access.guard:
                with self._access.database.writing():
                    self._access.database.unset(key)
                self._access.database.truncate_log()
            return value

    def keep_definition_vectors(self, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors of definitions by the digest of what was embedded.

        Raises:
            CasebaseError: the disk fails.
            CasebaseLocked: another process writes.
        """
        with (
            self._access.writing("keep vectors in") as database,
            self._access.guard,
            database.writing(),
        ):
            database.keep_definition_vectors(vectors)

    @contextmanager
    def _learned_anew(self, ids: Sequence[str], files: Sequence[str]) -> Iterator[None]:
        """Erase files that were learned from cases, where one of these is there and goes.

        Before the write, which may be the last thing that this process does, and once more after
        it, since others may have learned meanwhile.
        """
        with self._access.guard:
            goes = self._access.database.has_any(ids)
        gone = [self.path / file for file in files if goes]
        for file in gone:
            file.unlink(missing_ok=True)
        yield
        for file in gone:
            file.unlink(missing_ok=True)

    @contextmanager
    def _removed_on_failure(self, previews: Sequence[bytes]) -> Iterator[None]:
        """Leave no preview behind that no case has."""
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error, OSError), self._access.guard:
                digests = {digest_of(preview) for preview in previews}
                self._access.thumbnails.remove(digests - self._access.database.thumbnails())
            raise

    def _require(self, fingerprint: str | None) -> None:
        if fingerprint is not None and fingerprint != self.fingerprint:
            raise EncoderMismatch(
                f"{self.path} was made with encoder {self.fingerprint}, not {fingerprint}",
                f"Load it with preset {self.preset!r}, or index the corpus again.",
            )
