"""The store: what was added is found, what was deleted is gone, whichever server answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Self, TypeVar
from zlib import crc32

from mmedrag.backends.postgres import cases, description, mentions, upkeep, writing
from mmedrag.backends.postgres.address import Address
from mmedrag.backends.postgres.faults import server_faults
from mmedrag.backends.postgres.nearest import SCAN
from mmedrag.backends.postgres.occurrences import ServerOccurrences
from mmedrag.backends.postgres.rows import rows_of, words_to_stem
from mmedrag.backends.postgres.schema import FORMAT, TOKEN, check_format, lay_out, migrate
from mmedrag.backends.postgres.search import Search
from mmedrag.backends.postgres.sessions import Connection, Sessions, connect
from mmedrag.casebase.checksums import checked_vector
from mmedrag.casebase.contents import FINDINGS
from mmedrag.casebase.ledger import Ledger
from mmedrag.casebase.snapshot import checked
from mmedrag.casebase.stems import stemmer
from mmedrag.errors import CasebaseDamaged, CasebaseError
from mmedrag.locations import Location
from mmedrag.protocols import DefinitionSource, Ontology
from mmedrag.types import Case, Domain, Entry, Facet, Hit, Kind, Mention, Question, Vector

RESERVED = ("preset", "fingerprint", "dim", TOKEN)
"""Settings that the store keeps for itself."""

_PAGE = 500
T = TypeVar("T")


class PostgresStore:
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

    def __init__(self, address: Address, *, readonly: bool) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self._address = address
        self.name = address.name
        self.folder = address.folder
        self.notices: list[str] = []
        self.scan = SCAN
        self._ontology: Ontology | None = None
        self._stemmer, self._stemming = stemmer(), Lock()
        self._lost = 0
        with connect(address, readonly=readonly) as connection, server_faults(self.name, "open"):
            check_format(connection, address)
            if not readonly and migrate(connection):
                self.notices.append(f"The tables were brought to format {FORMAT}")
            settings = _settings(connection)
            epoch = _epoch(connection)
        try:
            self.dim = int(settings["dim"])
            self.fingerprint, self.preset = settings["fingerprint"], settings["preset"]
            self._ledger = Ledger(self.folder / f"writes-{settings[TOKEN][:12]}")
        except (KeyError, ValueError) as fault:
            raise CasebaseDamaged(
                f"The settings of {self.name} are damaged ({fault})", "Restore a backup."
            ) from fault
        with suppress(OSError):  # nobody needs it to search
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._acknowledged = self._ledger.acknowledged() or 0
        if not readonly:
            self._compare(epoch)
        self._sessions = Sessions(address, readonly=readonly)

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

    def close(self) -> None:
        """End the connections; using the store afterwards is an error."""
        self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Settings

    @property
    def settings(self) -> dict[str, str]:
        """What was given to :meth:`create` and :meth:`set`."""
        kept = self._read(_settings)
        return {key: value for key, value in kept.items() if key not in RESERVED}

    def set(self, key: str, value: str) -> None:
        """Keep a setting of the caller's.

        Raises:
            CasebaseError: the key is the store's own, or the server refuses.
        """
        if key in RESERVED:
            raise CasebaseError(f"The setting {key} is the casebase's own", "Use another key.")
        text = "INSERT INTO settings VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = %s"
        self._write(lambda c: c.execute(text, [key, value, value]).rowcount, "keep a setting in")

    def take_setting(self, key: str) -> str | None:
        """Erase a setting of the caller's, and give what it was."""
        value = self.settings.get(key)
        if value is not None:
            text = "DELETE FROM settings WHERE key = %s"
            self._write(lambda c: c.execute(text, [key]).rowcount, "erase a setting of")
        return value

    # Reading

    def search(self, question: Question, k: int) -> list[Hit]:
        """The ``k`` most relevant cases; see :meth:`mmedrag.casebase.Casebase.search`.

        Raises:
            FilterError: the query's ``where`` does not parse.
            EncoderMismatch: the vector has another length.
            QueryError: the vector is not finite.
            CasebaseError: no server answers.
        """
        vector = checked(question.vector, self.dim)
        if k < 1:
            return []
        return self._read(lambda c: self._search(c).hits(question, vector, k), "search")

    def count(self) -> int:
        """How many cases it holds."""
        return int(self._read(lambda c: c.execute("SELECT cases FROM state").fetchall())[0][0])

    def get(self, case_id: str) -> Case | None:
        """The case of that id, or ``None``."""
        return None if "\0" in case_id else self._read(lambda c: cases.case_at(c, case_id))

    def preview(self, case_id: str) -> bytes | None:
        """The case's preview as JPEG, or ``None`` where it has none or it is damaged."""
        return self._read(lambda c: description.preview(c, case_id))

    def vectors_by_content(self, contents: Sequence[str]) -> dict[str, Vector]:
        """Stored vectors by content hash, so that nothing is encoded twice."""
        return self._read(lambda c: description.vectors_by_content(c, contents))

    def domains(self) -> list[Domain]:
        """The domains that its cases are of, by name."""
        text = "SELECT domain FROM counts WHERE domain <> '' ORDER BY domain"
        return [Domain(name) for (name,) in self._read(lambda c: c.execute(text).fetchall())]

    def ids(self) -> Iterator[str]:
        """All ids, in the order of adding."""
        with self._sessions.reading() as connection, connection.cursor("ids") as cursor:
            for (case_id,) in cursor.execute("SELECT id FROM cases ORDER BY row"):
                yield case_id

    def cases(self) -> Iterator[Case]:
        """All cases of one committed state, in the order of adding."""
        with self._sessions.reading() as connection:
            for page in cases.pages(connection, _PAGE):
                yield from (stored.case for stored in page)

    def entries(self, ids: Sequence[str] | None = None) -> Iterator[Entry]:
        """All entries of one committed state, or those of some ids, in the order of adding.

        Raises:
            CasebaseDamaged: what is stored fails its checks.
        """
        with self._sessions.reading() as connection:
            for page in cases.pages(connection, _PAGE, ids):
                yield from description.entries(connection, page)

    def recognised(self, recogniser: str) -> Iterator[tuple[Case, tuple[Mention, ...] | None]]:
        """All cases with what the source of that fingerprint found in their reports.

        ``None`` stands for the mentions of a report that it has not read.
        """
        for entry in self.entries():
            yield entry.case, entry.mentions if entry.recogniser == recogniser else None

    def recognisers(self) -> dict[str, int]:
        """How many reports each recogniser has read, by its fingerprint."""
        return self._read(mentions.counts)

    def unrecognised(self, recogniser: str) -> int:
        """How many cases keep no mentions by the source of that fingerprint."""
        return self.count() - self.recognisers().get(recogniser, 0)

    @property
    def occurrences(self) -> ServerOccurrences:
        """What base rates are counted from."""
        return ServerOccurrences(self._read, self._search)

    def affirmed(self) -> list[Mention]:
        """One mention for each concept and term that some report affirms."""
        return self._read(mentions.affirmed)

    def facets(
        self,
        *,
        where: str | None = None,
        domain: Domain | None = None,
        kinds: Collection[Kind] = FINDINGS,
        limit: int = 20,
    ) -> list[Facet]:
        """See :meth:`mmedrag.casebase.Casebase.facets`.

        Raises:
            FilterError: ``where`` does not parse, or some reports are not read yet.
        """
        return self._read(
            lambda c: description.facets(c, self._search(c), where, domain, kinds, limit)
        )

    def frequency(self, word: str) -> int:
        """The number of reports that use a word in any of its inflections."""
        return self._read(lambda c: description.frequency(c, self._stems, word))

    def similar(self, word: str) -> dict[str, int]:
        """Words of several reports that differ from a word in few letters, and in how many."""
        return self._read(lambda c: description.similar(c, self._stems, word))

    def definition_vectors(self, digests: Sequence[str]) -> dict[str, Vector]:
        """Kept vectors of definitions by the digest of what was embedded."""
        text = "SELECT digest, vector, crc FROM definition_vectors WHERE digest = ANY(%s)"
        rows = self._read(lambda c: c.execute(text, [list(digests)]).fetchall())
        return {d: checked_vector(f"of definition {d}", blob, crc) for d, blob, crc in rows}

    def info(self) -> dict[str, object]:
        """Counts, sizes and settings, for people to read."""
        found = self._read(lambda c: description.describe(c, self._address))
        more = {"unerased": self.unerased(), "notices": list(self.notices)}
        return {"path": self.name, **found, "settings": self.settings, **more}

    def export(self, into: Path) -> int:
        """Write ``records.jsonl`` in the native format, with previews, into a new folder.

        Raises:
            CasebaseError: the folder has records already, or cannot be written.
        """
        return description.export(self.entries(), into)

    # Writing

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
            self._write(work, "add cases to")

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
            upkeep.forget_knowledge(self.folder)
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

    # Upkeep

    def relate(self, ontology: Ontology) -> None:
        """Let kinds of a concept count as the concept, in filters and in criteria."""
        self._ontology = ontology

    def publish(self, index_key: str | None = None) -> None:
        """Make the vector index of domains that have many cases; others are searched exactly.

        Raises:
            CasebaseError: a FAISS key was given, or the server refuses.
        """
        if index_key is not None:
            raise CasebaseError(
                f"PostgreSQL knows no index {index_key!r}", "Leave out --index-key: it makes HNSW."
            )
        self._sessions.outside(lambda c: upkeep.publish(c, self.dim, self.scan), "index")

    def unerased(self) -> dict[str, int]:
        """What deleted or replaced cases have left; see :meth:`erase`."""
        rows = self._read(lambda c: c.execute("SELECT deleted FROM state").fetchall())
        return {"deleted cases in the tables": rows[0][0]} if rows[0][0] else {}

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

    def verify(self) -> list[str]:
        """Run every check; ``[]`` is sound."""
        with self._sessions.reading() as connection:
            return list(upkeep.problems(connection, self._stems, self.dim))

    def accept(self) -> None:
        """Take what the server holds for what was acknowledged, where every case is sound.

        Raises:
            CasebaseDamaged: a case fails its checksum.
        """
        if not self._lost:
            return
        with self._sessions.reading() as connection:
            damaged = next(cases.problems(connection), None)
        if damaged is not None:
            raise CasebaseDamaged(damaged, "Restore a backup.")
        self._ledger.forget()
        self._lost = self._acknowledged = 0

    def recognise(self, definitions: DefinitionSource) -> int:
        """Read the reports that this source has not read, and keep what it recognises.

        Returns:
            How many reports were read.
        """
        return upkeep.recognise(self._read, self._write, definitions)

    def rebuild(self, definitions: DefinitionSource | None = None) -> None:
        """Derive words, values and index again; encodes nothing.

        Args:
            definitions: recognises the terms of all reports again, where given.

        Raises:
            CasebaseDamaged: a case fails its checksum; nothing is changed.
        """
        self.accept()
        self._write(lambda c: upkeep.derive(c, self._stems), "rebuild")
        if definitions is not None:
            self._write(upkeep.forget_mentions, "rebuild")
            self.recognise(definitions)
        self._sessions.outside(lambda c: upkeep.reindex(c), "rebuild")
        self.publish()

    # Within

    def _search(self, connection: Connection) -> Search:
        return Search(connection, self._stems, self._ontology, self.scan)

    def _stems(self, words: Sequence[str]) -> list[str]:
        with self._stemming:
            return self._stemmer.stems(words)

    def _read(self, work: Callable[[Connection], T], doing: str = "read") -> T:
        def compared(connection: Connection) -> T:
            if not self._sessions.readonly:
                self._compare(_epoch(connection))
            return work(connection)

        return self._sessions.read(compared, doing)

    def _write(self, work: Callable[[Connection], int], doing: str) -> int:
        if self._lost:
            raise CasebaseDamaged(
                f"{self._lost} acknowledged writes to {self.name} are lost",
                "Restore a backup, or accept what is there with 'mmedrag rebuild'.",
            )

        def counted(connection: Connection, epoch: int) -> int:
            if epoch <= self._acknowledged:
                raise _Lost(self._acknowledged - epoch + 1)
            return work(connection)

        try:
            epoch, written = self._sessions.write(counted, doing)
        except _Lost as lost:
            self._compare(self._acknowledged - lost.writes)
            return self._write(work, doing)
        self._acknowledge(epoch)
        return written

    def _acknowledge(self, epoch: int) -> None:
        self._acknowledged = max(epoch, self._acknowledged)
        with suppress(OSError):  # the write is made; without the note less would be noticed
            self._ledger.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._ledger.acknowledge(self._acknowledged)

    def _compare(self, epoch: int) -> None:
        """Notice that the server stands at an older state than was acknowledged here."""
        if epoch < self._acknowledged and not self._lost:
            self._lost = self._acknowledged - epoch
            self.notices.append(
                f"{self._lost} acknowledged writes are lost: an older copy of the database, or a "
                "standby that had not got them, answers; restore a backup, or accept the loss "
                "with 'mmedrag rebuild'"
            )


class _Lost(Exception):
    """The server stands at an older state than was acknowledged."""

    def __init__(self, writes: int) -> None:
        super().__init__(writes)
        self.writes = writes


def _settings(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM settings").fetchall())


def _epoch(connection: Connection) -> int:
    return int(connection.execute("SELECT epoch FROM state").fetchall()[0][0])
