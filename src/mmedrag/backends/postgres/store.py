"""The store: what was added is found, what was deleted is gone, whichever server answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self
from zlib import crc32

from mmedrag.backends.postgres import cases, upkeep, writing
from mmedrag.backends.postgres.acknowledged import Acknowledged
from mmedrag.backends.postgres.address import Address
from mmedrag.backends.postgres.contents import RESERVED, ServerContents
from mmedrag.backends.postgres.faults import server_faults
from mmedrag.backends.postgres.rows import rows_of, words_to_stem
from mmedrag.backends.postgres.schema import lay_out
from mmedrag.backends.postgres.sessions import Connection, connect
from mmedrag.errors import CasebaseDamaged, CasebaseError
from mmedrag.locations import Location
from mmedrag.protocols import DefinitionSource
from mmedrag.remembering import forget
from mmedrag.types import Entry, Vector


class PostgresStore(ServerContents):
    """Cases in PostgreSQL with pgvector; a :class:`~mmedrag.stores.CaseDatabase`.

    Any number of readers and writers, whose writes follow each other. What a write has returned
    from is on the disk of the server, and on that of its standby where the server waits for one
    (``synchronous_standby_names``). An instance may be used from several threads.

    Attributes:
        name: the URL, its password masked.
        folder: on this machine, for the key of pseudonyms and what was learned from the cases.
        dim: length of the vectors.
        fingerprint: the encoder's; see :class:`~mmedrag.protocols.Embedder`.
        preset: name of the preset that made it.
        notices: what was found wrong, one line each.
        scan: cases that a search compares one by one rather than through the vector index.
    """

    @classmethod
    def create(
        cls,
        location: Location,
        *,
        dim: int,
        fingerprint: str,
        preset: str,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Make the tables and open them; see :meth:`mmedrag.casebase.Casebase.create`.

        Raises:
            CasebaseError: the schema is there already, or the server refuses.
        """
        address = Address.of(location)
        if dim < 1 or not set(settings or {}).isdisjoint(RESERVED):
            raise CasebaseError(
                "The settings of the new casebase are not valid",
                f"Give dim >= 1 and no settings named {', '.join(RESERVED)}.",
            )
        kept = {**(settings or {}), "dim": str(dim), "fingerprint": fingerprint, "preset": preset}
        with server_faults(address.name, "create"), connect(address, readonly=False) as connection:
            lay_out(connection, address, kept)
        return cls(address, readonly=False)

    @classmethod
    def open(cls, location: Location, *, readonly: bool = False) -> Self:
        """Open what is there.

        Raises:
            CasebaseNotFound: nothing of ours is there.
            CasebaseError: no server answers, it refuses, or it has no pgvector.
        """
        return cls(Address.of(location), readonly=readonly)

    def set(self, key: str, value: str) -> None:
        """Keep a setting of the caller's.

        Raises:
            CasebaseError: the key is the store's own, or the server refuses.
        """
        if key in RESERVED:
            raise CasebaseError(f"The setting {key} is the casebase's own", "Use another key.")
        self._keep(key, value)

    def _keep(self, key: str, value: str) -> None:
        text = "INSERT INTO settings VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = %s"
        self._write(lambda c: c.execute(text, [key, value, value]).rowcount, "keep a setting in")

    def take_setting(self, key: str) -> str | None:
        """Erase a setting of the caller's, and give what it was."""
        value = self.settings.get(key)
        if value is not None:
            text = "DELETE FROM settings WHERE key = %s"
            self._write(lambda c: c.execute(text, [key]).rowcount, "erase a setting of")
        return value

    def add(self, entries: Sequence[Entry]) -> None:
        """Add cases, or replace those of the same id: all of them or, on an error, none.

        They are found at once, and durable when this returns. Where the server goes away meanwhile,
        the write is made on the one that takes its place.

        Raises:
            CasebaseError: an entry is not valid, or the server refuses.
        """
        distinct = {entry.case.id: entry for entry in entries}
        made = [
            rows_of(entry, self.dim, self._stems(words_to_stem(entry.case.text)))
            for entry in distinct.values()
        ]

        def work(connection: Connection) -> int:
            writing.insert(connection, made)
            return len(made)

        if made:
            there = "SELECT 1 FROM cases WHERE id = ANY(%s) LIMIT 1"
            replaced = self._read(lambda c: c.execute(there, [list(distinct)]).fetchone())
            self._write(work, "add cases to")
            if replaced:
                upkeep.forget_knowledge(self.folder)
            self._forget_points(list(distinct))

    def delete(self, ids: Sequence[str]) -> int:
        """Delete cases; unknown ids are passed over. Returns how many there were.

        No search finds them any more. What the server still has of them on its disk is in
        :meth:`unerased`, and :meth:`erase` erases it from the tables.

        Raises:
            CasebaseError: the server refuses.
        """
        wanted = [case_id for case_id in ids if "\0" not in case_id]
        gone = self._write(lambda c: writing.delete(c, wanted), "delete cases from")
        if gone:
            forget()
            upkeep.forget_knowledge(self.folder)
            self._forget_points(wanted)
        return gone

    def keep_definition_vectors(self, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors of definitions by the digest of what was embedded."""
        blobs = {digest: vector.astype("<f4").tobytes() for digest, vector in vectors.items()}
        columns = [list(blobs), list(blobs.values()), [crc32(blob) for blob in blobs.values()]]
        text = (
            "INSERT INTO definition_vectors SELECT * FROM "
            "unnest(%s::text[], %s::bytea[], %s::bigint[]) ON CONFLICT (digest) DO NOTHING"
        )
        if blobs:
            self._write(lambda c: c.execute(text, columns).rowcount, "keep vectors in")

    def publish(self, index_key: str | None = None) -> None:
        """Make the vector index of domains that have many cases; others are searched exactly.

        Raises:
            CasebaseError: a FAISS key was given, or the server refuses.
        """
        if index_key is not None:
            raise CasebaseError(
                f"PostgreSQL knows no index {index_key!r}", "Leave out --index-key: it makes HNSW."
            )
        if self._points is None:
            self._sessions.outside(lambda c: upkeep.publish(c, self.dim, self.scan), "index")
            return
        self._points.publish(self._read, self._keep)
        self._index = self._points.candidates
        self._sessions.outside(upkeep.analyse, "index")

    def erase(self) -> dict[str, int]:
        """Write the tables anew without what was deleted, which stops all other work meanwhile.

        The server's write-ahead log and its backups keep it until they are recycled.
        """
        before = self.unerased().get("deleted cases in the tables", 0)
        if before:
            self._sessions.outside(upkeep.rewrite, "erase from")
            text = "UPDATE state SET deleted = deleted - %s"
            self._write(lambda c: c.execute(text, [before]).rowcount, "erase from")
        return self.unerased()

    def accept(self) -> None:
        """Take what the server holds for what was acknowledged, where every case is sound.

        Raises:
            CasebaseDamaged: a case fails its checksum.
        """
        if not self._acknowledged.lost:
            return
        with self._sessions.reading() as connection:
            damaged = next(cases.problems(connection), None)
        if damaged is not None:
            raise CasebaseDamaged(damaged, "Restore a backup.")
        self._ledger.forget()
        self._acknowledged = Acknowledged(self._ledger)

    def recognise(self, definitions: DefinitionSource) -> int:
        """Read the reports that this source has not read, and keep what it recognises.

        Returns:
            How many reports were read.
        """
        return upkeep.recognise(self._read, self._write, definitions)

    def rebuild(
        self, definitions: DefinitionSource | None = None, *, neighbours: bool | None = None
    ) -> None:
        """Derive words, values and index again; encodes nothing.

        Args:
            definitions: recognises the terms of all reports again, where given.
            neighbours: are never kept here.

        Raises:
            CasebaseDamaged: a case fails its checksum; nothing is changed.
            CasebaseError: neighbours are to be kept.
        """
        if neighbours:
            raise CasebaseError(
                "Only a casebase in a folder keeps the neighbours of its cases",
                "Copy it into one (mmedrag copy URL FOLDER), and rebuild that with --neighbours.",
            )
        self.accept()
        self._write(lambda c: upkeep.derive(c, self._stems), "rebuild")
        if definitions is not None:
            self._write(upkeep.forget_mentions, "rebuild")
            self.recognise(definitions)
        self._sessions.outside(upkeep.reindex, "rebuild")
        if self._points is not None:
            self._points.distrust(self._keep)
        self.publish()

    def _forget_points(self, ids: Sequence[str]) -> None:
        self._notice("" if self._points is None else self._points.forget(ids))

    def _write(self, work: Callable[[Connection], int], doing: str) -> int:
        self._acknowledged.require_all(self.name)

        def counted(connection: Connection, epoch: int) -> int:
            self._notice(self._acknowledged.compare_next(epoch))
            self._acknowledged.require_all(self.name)
            return work(connection)

        epoch, written = self._sessions.write(counted, doing)
        self._acknowledged.note(epoch)
        return written
