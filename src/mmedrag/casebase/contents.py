"""What a casebase holds, to be searched and read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Self, TypeVar

from mmedrag.casebase import words
from mmedrag.casebase.access import Access
from mmedrag.casebase.blocks import GenerationDamaged
from mmedrag.casebase.database import Database
from mmedrag.casebase.facets import facets as count_facets
from mmedrag.casebase.faults import storage_faults
from mmedrag.casebase.folder import (
    GRAPH,
    caller_settings,
    connect,
    describe,
    essentials,
    export,
    size_of,
    walk,
    walk_entries,
    walk_recognised,
)
from mmedrag.casebase.log import log_of
from mmedrag.casebase.occurrences import Occurrences
from mmedrag.casebase.snapshot import Snapshot, checked
from mmedrag.casebase.verification import problems
from mmedrag.errors import QueryError
from mmedrag.protocols import Ontology, Walk
from mmedrag.types import Case, Domain, Entry, Facet, Hit, Kind, Mention, Question, Vector

T = TypeVar("T")
FINDINGS = frozenset(kind for kind in Kind if kind.is_finding)


class Contents:
    """The reading half of :class:`~mmedrag.casebase.casebase.Casebase`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.path = access.path
        self.dim, self.fingerprint, self.preset = essentials(access.database, access.path)

    @property
    def name(self) -> str:
        """Its path, for messages."""
        return str(self.path)

    @property
    def folder(self) -> Path:
        """Where files are kept that belong to it: its own folder."""
        return self.path

    def relate(self, ontology: Ontology) -> None:
        """Let kinds of a concept count as the concept, in filters and in criteria."""
        with self._access.now() as snapshot:
            self._access.database.ontology = ontology
            snapshot.forget_filters()

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

    def count(self) -> int:
        """How many cases it holds."""
        with self._access.reading() as database:
            return database.count()

    @property
    def settings(self) -> dict[str, str]:
        """What was given to :meth:`create`."""
        with self._access.glancing() as database:
            return caller_settings(database)

    def get(self, case_id: str) -> Case | None:
        """The case of that id, or ``None``."""
        with self._access.reading() as database:
            return database.case(case_id)

    def domains(self) -> list[Domain]:
        """The domains that its cases are of, by name."""
        with self._access.now() as snapshot:
            return sorted(Domain(name) for name in snapshot.members.domains())

    def ids(self) -> Iterator[str]:
        """All ids, in the order of adding."""
        with self._access.reading() as database:
            return iter(database.all_ids())

    def cases(self) -> Iterator[Case]:
        """All cases of one committed state, in the order of adding."""
        with self._access.reading():
            pass  # refuses what is not sound
        return (case for case, _ in walk(self.path, readonly=self._access.readonly))

    def entries(self, ids: Sequence[str] | None = None) -> Iterator[Entry]:
        """All entries of one committed state, or those of some ids, in the order of adding.

        Raises:
            CasebaseDamaged: a preview is missing or damaged.
        """
        with self._access.reading():
            pass  # refuses what is not sound
        return walk_entries(self.path, self._access.thumbnails, ids)

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
        return self._search(question, k)

    def search_onward(self, question: Question, k: int, walk: Walk) -> list[Hit]:
        """Cases that are relevant to a question, or near those that are (sections 6.3 and 7).

        Cases added since the last publication take part. Of one deleted since, the lists that had
        it are shorter until then.

        Args:
            question: see :meth:`search`; the same cases may be found.
            k: how many; fewer come only where fewer match.
            walk: from the most relevant over their stored neighbours, as
                :class:`mmedrag.expansion.OverNeighbours`.

        Returns:
            Hits by falling relevance, which the walk blends, ties by id.

        Raises:
            QueryError: the casebase keeps no neighbours, or the vector is not finite.
            FilterError, EncoderMismatch: as for :meth:`search`.
        """
        with self._access.now():
            kept = GRAPH in self._access.database.settings()
        if not kept:
            raise QueryError(
                "The casebase keeps no neighbours of its cases",
                "Make them (mmedrag rebuild CASEBASE --neighbours), or search without --expansion.",
            )
        return self._search(question, k, walk)

    def _search(self, question: Question, k: int, walk: Walk | None = None) -> list[Hit]:
        vector = checked(question.vector, self.dim)
        if k < 1:
            return []
        return self._asked(
            lambda snapshot, database: snapshot.search(database, question, vector, k, walk)
        )

    def _asked(self, work: Callable[[Snapshot, Database], T]) -> T:
        """What ``work`` gives for the newest state."""
        try:
            with self._access.now() as snapshot:
                return work(snapshot, self._access.database)
        except GenerationDamaged as damage:  # in a part that no search had used before
            self._access.distrust(damage)
            self._mend()
            with self._access.now() as snapshot:
                return work(snapshot, self._access.database)

    def _mend(self) -> None:
        """Derive a damaged generation again, where that may be written."""

    def facets(
        self,
        *,
        where: str | None = None,
        domain: Domain | None = None,
        kinds: Collection[Kind] = FINDINGS,
        limit: int = 20,
    ) -> list[Facet]:
        """The concepts that the most reports affirm, and how many rule them out.

        Args:
            where: counts only cases that this filter lets in.
            domain: counts only cases of this domain.
            kinds: of concepts that are counted; findings of all kinds by default.
            limit: how many concepts, at most.

        Raises:
            FilterError: ``where`` does not parse, or some reports are not read yet.
        """

        def work(snapshot: Snapshot, database: Database) -> list[Facet]:
            snapshot.require_read(database)
            terms = database.mention_table.terms_of(kinds) if database.recognises else ()
            counted = snapshot.visible(database, domain, where)
            return count_facets(snapshot.statements(database), terms, counted, limit)

        return self._asked(work)

    def frequency(self, word: str) -> int:
        """The number of reports that use a word in any of its inflections."""
        with self._access.now() as snapshot:
            return words.frequency(snapshot, word)

    def similar(self, word: str) -> dict[str, int]:
        """Words of several reports that differ from a word in few letters, and in how many."""
        with self._access.now() as snapshot:
            return words.similar(self._access.database, snapshot, word)

    def info(self) -> dict[str, object]:
        """Counts, sizes and settings, for people to read."""
        with self._access.now() as snapshot:
            statistics = describe(self.path, self._access.database, snapshot)
        return {**statistics, "unerased": self.unerased(), "notices": list(self.notices)}

    def recognisers(self) -> dict[str, int]:
        """How many reports each recogniser has read, by its fingerprint."""
        with self._access.reading() as database:
            return database.recognised_by()

    def unrecognised(self, recogniser: str) -> int:
        """How many cases keep no mentions by the source of that fingerprint.

        A search gives such a case out with what it has (:class:`~mmedrag.types.Hit`), and whoever
        asked reads the report again, which is slow; :meth:`recognise` ends that.
        """
        with self._access.glancing() as database:
            return database.count() - database.recognised_by().get(recogniser, 0)

    @property
    def occurrences(self) -> Occurrences:
        """What base rates are counted from."""
        return Occurrences(self._asked)

    def affirmed(self) -> list[Mention]:
        """One mention for each concept and term that some report affirms."""
        with self._access.reading() as database:
            return database.mention_table.affirmed() if database.recognises else []

    def definition_vectors(self, digests: Sequence[str]) -> dict[str, Vector]:
        """Kept vectors of definitions by the digest of what was embedded."""
        with self._access.glancing() as database:  # each has a checksum of its own
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

    def unerased(self) -> dict[str, int]:
        """What deleted or replaced cases have left on the disk; empty where nothing.

        ``vectors in the index``: masked rows of the live generation, which also says by numbers
        which words and values they had. ``bytes of log``: of the write-ahead log, which may hold
        their texts. ``previews``: files that could not be removed yet.
        """
        with self._access.now() as snapshot:
            held = self._access.database.log_holds_erased()
            left = {
                "vectors in the index": snapshot.members.masked(),
                "bytes of log": size_of(log_of(self.path / "casebase.db")) if held else 0,
                "previews": len(self._access.database.erasures()),
            }
            return {name: number for name, number in left.items() if number}
