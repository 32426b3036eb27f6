"""The casebase: what was added is found, what was deleted is gone, whatever happens in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Self

from mmedrag.casebase.access import Access
from mmedrag.casebase.faults import storage_faults
from mmedrag.casebase.folder import (
    RESERVED,
    caller_settings,
    connect,
    describe,
    essentials,
    export,
    lay_out,
    size_of,
    walk,
    walk_recognised,
    write_generation,
)
from mmedrag.casebase.log import log_of
from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.records import record_of
from mmedrag.casebase.schema import FORMAT
from mmedrag.casebase.snapshot import checked
from mmedrag.casebase.thumbnails import digest_of
from mmedrag.casebase.verification import problems
from mmedrag.errors import (
    CasebaseError,
    CasebaseNotFound,
    EncoderMismatch,
)
from mmedrag.protocols import DefinitionSource
from mmedrag.types import Case, Domain, Entry, Hit, Mention, Question, Vector

AUTOMATIC = "auto"
_REPORTS = 512  # read together, and written in one transaction


class Casebase:
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
        self._access = access
        self.path = access.path
        self.dim, self.fingerprint, self.preset = essentials(access.database, access.path)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        dim: int,
        fingerprint: str,
        preset: str,
        settings: Mapping[str, str] | None = None,
    ) -> Casebase:
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
        told = {"format": str(FORMAT), "preset": preset, "fingerprint": fingerprint}
        told |= {"dim": str(dim), "index_key": AUTOMATIC}
        if dim < 1 or not set(settings or {}).isdisjoint(RESERVED):
            raise CasebaseError(
                "The settings of the new casebase are not valid",
                f"Give dim >= 1 and no settings named {', '.join(RESERVED)}.",
            )
        with storage_faults(path, "create"):
            lay_out(path, {**(settings or {}), **told})
        return cls.open(path)

    @classmethod
    def open(
        cls, path: Path, *, fingerprint: str | None = None, readonly: bool = False
    ) -> Casebase:
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

    def close(self) -> None:
        """Let other writers in; using the casebase afterwards is an error."""
        self._access.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def notices(self) -> list[str]:
        """What was found damaged and what was done about it, one line each."""
        return self._access.notices

    # Reading

    def count(self) -> int:
        """How many cases it holds."""
        with self._access.reading() as database:
            return database.count()

    def __len__(self) -> int:
        return self.count()

    @property
    def settings(self) -> dict[str, str]:
        """What was given to :meth:`create`."""
        with self._access.reading() as database:
            return caller_settings(database)

    def get(self, case_id: str) -> Case | None:
        """The case of that id, or ``None``."""
        with self._access.reading() as database:
            return database.case(case_id)

    def domains(self) -> list[Domain]:
        """The domains that its cases are of, by name."""
        with self._access.reading() as database:
            return sorted(Domain(name) for name in database.counts() if name is not None)

    def ids(self) -> Iterator[str]:
        """All ids, in the order of adding."""
        with self._access.reading() as database:
            return iter(database.all_ids())

    def cases(self) -> Iterator[Case]:
        """All cases of one committed state, in the order of adding."""
        with self._access.reading():
            pass  # refuses what is not sound
        return (case for case, _ in walk(self.path, readonly=self._access.readonly))

    def recognised(self, recogniser: str) -> Iterator[tuple[Case, tuple[Mention, ...] | None]]:
        """All cases with what the source of that fingerprint found in their reports.

        ``None`` stands for the mentions of a report that it has not read.
        """
        with self._access.reading():
            pass  # refuses what is not sound
        return walk_recognised(self.path, recogniser, readonly=self._access.readonly)

    def preview(self, case_id: str) -> bytes | None:
        """The case's preview as JPEG, or ``None`` where it has none or it is damaged."""
        with self._access.reading() as database:
            digest = database.thumbnail(case_id)
            return None if digest is None else self._access.thumbnails.read(digest)

    def vectors_by_content(self, contents: Sequence[str]) -> dict[str, Vector]:
        """Stored vectors by content hash, so that nothing is encoded twice."""
        with self._access.reading() as database:
            return database.vectors_by_content(contents)

    def search(self, question: Question, k: int) -> list[Hit]:
        """The ``k`` cases most relevant to a question (section 3.4, stage 1, eq. 2).

        Args:
            question: its ``vector``, ``(dim,)``, of norm 1, is compared and the query's ``text``
                matched by words too. It is asked of the corpus that its routing decided on (of all,
                unassigned cases included, where that abstains), as far as ``where`` lets cases in.
            k: how many; fewer come only where fewer match.

        Returns:
            Hits by falling relevance, ties by id. Without text the relevance is the similarity;
            with it, words and the question's ``criteria`` count too.

        Raises:
            FilterError: the query's ``where`` does not parse.
            EncoderMismatch: the vector has another length.
            QueryError: the vector is not finite.
        """
        vector = checked(question.vector, self.dim)
        if k < 1:
            return []
        with self._access.now() as snapshot:
            return snapshot.search(self._access.database, question, vector, k)

    def info(self) -> dict[str, object]:
        """Counts, sizes and settings, for people to read."""
        with self._access.now() as snapshot:
            told = describe(self.path, self._access.database, snapshot)
        return {**told, "unerased": self.unerased(), "notices": list(self.notices)}

    def unrecognised(self, recogniser: str) -> int:
        """How many cases keep no mentions by the source of that fingerprint.

        A search gives such a case out with what it has (:class:`~mmedrag.types.Hit`), and whoever
        asked reads the report again, which is slow; :meth:`recognise` ends that.
        """
        with self._access.reading() as database:
            return database.count() - database.recognised_by().get(recogniser, 0)

    def affirmed(self) -> list[Mention]:
        """One mention for each concept and term that some report affirms."""
        with self._access.reading() as database:
            return database.mention_table.affirmed() if database.derives else []

    def definition_vectors(self, digests: Sequence[str]) -> dict[str, Vector]:
        """Kept vectors of definitions by the digest of what was embedded."""
        with self._access.reading() as database:
            return database.definition_vectors(digests)

    def export(self, into: Path) -> int:
        """Write ``records.jsonl`` in the native format, with thumbnails, into a new folder.

        Returns:
            The number of cases.

        Raises:
            CasebaseError: the folder has records already, or cannot be written.
        """
        with self._access.reading():
            pass  # refuses what is not sound
        with storage_faults(into, "export to"):
            cases = walk(self.path, readonly=self._access.readonly)
            return export(cases, self._access.thumbnails, Path(into))

    def verify(self) -> list[str]:
        """Run every check; see :func:`mmedrag.casebase.verification.problems`. ``[]`` is sound."""
        with (
            storage_faults(self.path, "verify"),
            closing(connect(self.path, readonly=self._access.readonly)) as database,
        ):
            return list(problems(database, self._access.generations, self._access.thumbnails))

    # Writing

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
        with self._access.writing("add cases to"):
            previews = [e.thumbnail for e in entries if e.thumbnail is not None]
            with self._removed_on_failure(previews):
                self._access.thumbnails.write(previews)
                with self._access.guard, self._access.database.writing() as epoch:
                    for record in records.values():
                        self._access.database.insert(record, epoch)
            with self._access.guard:
                self._access.finish_erasures()

    def delete(self, ids: Sequence[str]) -> int:
        """Delete cases; unknown ids are passed over. Returns how many there were.

        No search finds them any more. Text, vector, words and terms leave the database file, and
        thumbnails that nobody else uses leave the disk, before this returns. What cannot be erased
        at once is in :meth:`unerased`, and :meth:`erase` erases it: the vector in the generation's
        file, and the log where another process still reads an older state.

        Raises:
            CasebaseError: the disk fails.
            CasebaseLocked: another process writes.
        """
        with self._access.writing("delete cases from"), self._access.guard:
            with self._access.database.writing() as epoch:
                gone = sum([self._access.database.delete(case_id, epoch) for case_id in ids])
                if gone:
                    self._access.database.merge_lexicon()
                    self._access.database.mention_table.forget_unused()
            self._access.finish_erasures()
            self._access.database.settle()
        return gone

    def unerased(self) -> dict[str, int]:
        """What deleted or replaced cases have left on the disk; empty where nothing.

        ``vectors in the index``: masked rows of the live generation. ``bytes of log``: of the
        write-ahead log, which may hold their texts. ``words of replaced texts``: 1 where the
        lexical index may hold some. ``previews``: files that could not be removed yet.
        """
        with self._access.now() as snapshot:
            held = self._access.database.log_holds_erased()
            left = {
                "vectors in the index": snapshot.masked(),
                "bytes of log": size_of(log_of(self.path / "casebase.db")) if held else 0,
                "words of replaced texts": int(self._access.database.state().lexicon_stale),
                "previews": len(self._access.database.erasures()),
            }
            return {name: number for name, number in left.items() if number}

    def erase(self) -> dict[str, int]:
        """Erase now what deleted and replaced cases have left; see :meth:`unerased`.

        The generation is built again from what is there, so this costs what :meth:`publish` costs.

        Returns:
            What is still left, because another process reads an older state; empty as a rule.

        Raises:
            CasebaseError: the disk fails.
            CasebaseLocked: another process writes.
        """
        with self._access.writers:
            self.publish()
            return self.unerased()

    def publish(self, index_key: str | None = None) -> None:
        """Build a new generation from the database and make it the live one.

        Args:
            index_key: a FAISS factory string, kept for later publications; ``"auto"`` chooses by
                size again. Domains with too few cases to train it get an exact index.

        Raises:
            CasebaseError: FAISS does not know the key, or the disk fails; the former generation
                then stays live.
            CasebaseLocked: another process writes.
        """
        with self._access.writing("publish the index of"):
            with self._access.guard:
                key = index_key or self._access.database.settings()["index_key"]
            summary, digest = write_generation(
                self.path, self._access.generations, None if key == AUTOMATIC else key
            )
            with self._access.guard:
                with self._access.database.writing():
                    self._access.database.record_generation(summary.number, digest)
                self._access.generations.point_to(summary.number)
                with self._access.database.writing():
                    self._access.database.set("index_key", key)
                    self._access.database.retire_before(summary.number, summary.epoch)
                self._access.generations.remove_others(summary.number)
                self._access.database.settle()

    def recognise(self, definitions: DefinitionSource) -> int:
        """Read the reports that this source has not read, and keep what it recognises.

        Returns:
            How many reports were read.

        Raises:
            CasebaseError: the disk fails; what was read before stays.
            CasebaseLocked: another process writes.
        """
        with self._access.writing("recognise the terms of"):
            count, row = 0, 0
            while batch := self._unread(definitions.fingerprint, row):
                found = definitions.recognise([text for _, text in batch])
                with self._access.guard, self._access.database.writing():
                    for (row, _), mentions in zip(batch, found, strict=True):
                        recognition = Recognition(definitions.fingerprint, mentions)
                        self._access.database.mention_table.write(row, recognition)
                count += len(batch)
            with self._access.guard, self._access.database.writing():
                self._access.database.mention_table.forget_unused()
            return count

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

    def accept(self) -> None:
        """Take what the database holds for what was acknowledged, where every case is sound.

        Ends the alarm after a loss that cannot be made good, or a damage to what is derived, which
        :meth:`rebuild` derives again. Nothing is done where there is no alarm.

        Raises:
            CasebaseDamaged: a case fails its checksum.
            CasebaseLocked: another process writes.
        """
        with self._access.writers, storage_faults(self.path, "accept the loss of"):
            self._access.accept()

    def rebuild(self, definitions: DefinitionSource | None = None) -> None:
        """Derive the lexical index and the generation again and compact; encodes nothing.

        What the database holds is taken for what was acknowledged from now on, so that this also
        ends the alarm after a loss that cannot be made good, or after a damage to derived parts.

        Args:
            definitions: recognises the terms of all reports again, where given.

        Raises:
            CasebaseDamaged: a case fails its checksum; nothing is changed.
            CasebaseError: the disk fails; the former state then stays live.
            CasebaseLocked: another process writes.
        """
        with self._access.writers, storage_faults(self.path, "rebuild"):
            self._access.accept()
            self._access.acquire()
            with self._access.guard, self._access.database.writing():
                self._access.database.rebuild_lexicon()
            if definitions is not None:
                with self._access.guard, self._access.database.writing():
                    self._access.database.mention_table.forget_all()
                self.recognise(definitions)
            self.publish()
            with self._access.guard:
                self._access.thumbnails.sweep(self._access.database.thumbnails())
                self._access.database.compact()
                self._access.database.truncate_log()

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

    def _unread(self, recogniser: str, row: int) -> list[tuple[int, str]]:
        with self._access.guard:
            return self._access.database.mention_table.unread(recogniser, row, _REPORTS)

    def _require(self, fingerprint: str | None) -> None:
        if fingerprint is not None and fingerprint != self.fingerprint:
            raise EncoderMismatch(
                f"{self.path} was made with encoder {self.fingerprint}, not {fingerprint}",
                f"Load it with preset {self.preset!r}, or index the corpus again.",
            )
