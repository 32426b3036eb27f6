"""What the tables hold, to be searched and read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self, TypeVar

from mmedrag.backends.postgres import cases, description, mentions, upkeep
from mmedrag.backends.postgres.acknowledged import Acknowledged
from mmedrag.backends.postgres.address import Address
from mmedrag.backends.postgres.faults import server_faults
from mmedrag.backends.postgres.nearest import SCAN, Index, by_hnsw
from mmedrag.backends.postgres.occurrences import ServerOccurrences
from mmedrag.backends.postgres.schema import FORMAT, TOKEN, check_format, migrate
from mmedrag.backends.postgres.search import Search
from mmedrag.backends.postgres.sessions import Connection, Sessions, connect
from mmedrag.casebase.checksums import checked_vector
from mmedrag.casebase.contents import FINDINGS
from mmedrag.casebase.ledger import Ledger
from mmedrag.casebase.snapshot import checked
from mmedrag.casebase.stems import stemmer
from mmedrag.errors import CasebaseDamaged, CasebaseError, MissingExtra
from mmedrag.protocols import Ontology
from mmedrag.types import Case, Domain, Entry, Facet, Hit, Kind, Mention, Question, Vector

if TYPE_CHECKING:
    from mmedrag.backends.qdrant import PointIndex

RESERVED = ("preset", "fingerprint", "dim", "points", TOKEN)
"""Settings that the store keeps for itself."""

_PAGE = 500
T = TypeVar("T")


class ServerContents:
    """The reading half of :class:`~mmedrag.backends.postgres.store.PostgresStore`."""

    def __init__(self, address: Address, *, readonly: bool) -> None:
        """Connect.

        Raises:
            CasebaseNotFound: nothing of ours is there.
            CasebaseError: no server answers, it refuses, or it has no pgvector.
        """
        self._address = address
        self.name = address.name
        self.folder = address.folder
        self.notices: list[str] = []
        self.scan = SCAN
        self._ontology: Ontology | None = None
        self._stemmer, self._stemming = stemmer(), Lock()
        with connect(address, readonly=readonly) as connection, server_faults(self.name, "open"):
            check_format(connection, address)
            if not readonly and migrate(connection):
                self.notices.append(f"The tables were brought to format {FORMAT}")
            settings = _settings(connection)
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
        self._points = _point_index(address, self.dim)
        self._acknowledged = Acknowledged(self._ledger)
        self._sessions = Sessions(address, readonly=readonly)
        self._index = self._trusted_index()

    def close(self) -> None:
        """End the connections; using the store afterwards is an error."""
        if self._points is not None and not self._sessions.closed:
            self._points.close()
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
        figures = self._read(lambda c: description.describe(c, self._address))
        more = {"unerased": self.unerased(), "notices": list(self.notices)}
        return {"path": self.name, **figures, "settings": self.settings, **more}

    def export(self, into: Path) -> int:
        """Write ``records.jsonl`` in the native format, with previews, into a new folder.

        Raises:
            CasebaseError: the folder has records already, or cannot be written.
        """
        return description.export(self.entries(), into)

    def relate(self, ontology: Ontology) -> None:
        """Let kinds of a concept count as the concept, in filters and in criteria."""
        self._ontology = ontology

    def unerased(self) -> dict[str, int]:
        """What deleted or replaced cases have left; see :meth:`erase`."""
        rows = self._read(lambda c: c.execute("SELECT deleted FROM state").fetchall())
        return {"deleted cases in the tables": rows[0][0]} if rows[0][0] else {}

    def verify(self) -> list[str]:
        """Run every check; ``[]`` is sound."""
        with self._sessions.reading() as connection:
            problems = list(upkeep.problems(connection, self._stems))
            if self._points is not None and (problem := self._points.problem(connection)):
                problems.append(problem)
            return problems

    def _search(self, connection: Connection) -> Search:
        return Search(connection, self._stems, self._ontology, self.scan, self._index)

    def _stems(self, words: Sequence[str]) -> list[str]:
        with self._stemming:
            return self._stemmer.stems(words)

    def _read(self, work: Callable[[Connection], T], doing: str = "read") -> T:
        def compared(connection: Connection) -> T:
            if not self._sessions.readonly:
                self._notice(self._acknowledged.compare(connection))
            return work(connection)

        return self._sessions.read(compared, doing)

    def _trusted_index(self) -> Index:
        """The points, where there are some and none is missing; else the server's own index."""

        def problem(connection: Connection) -> str:
            points = self._points
            return "" if points is None else points.problem(connection, leftovers=False)

        try:  # twice, since a case may be deleted between the two counts
            wrong = self._read(problem) and self._read(problem)
        except CasebaseError:
            self._sessions.close()
            raise
        self._notice(wrong)
        return by_hnsw if self._points is None or wrong else self._points.candidates

    def _notice(self, notice: str) -> None:
        if notice:
            self.notices.append(notice)


def _settings(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM settings").fetchall())


def _point_index(address: Address, dim: int) -> PointIndex | None:
    """The points of a database that has some.

    Raises:
        MissingExtra: the extra ``qdrant`` is not installed.
        CasebaseError: they cannot be opened.
    """
    if not address.points:
        return None
    try:
        qdrant = import_module("mmedrag.backends.qdrant")
        points = qdrant.open_points(address.points, dim)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mmedrag"):
            raise
        raise MissingExtra(
            "Vectors in Qdrant need its libraries", "Install them: pip install 'mmedrag[qdrant]'."
        ) from error
    index: PointIndex = qdrant.PointIndex(points, address.points)
    return index
