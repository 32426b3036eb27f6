"""Corpus to casebase: decode, embed in batches, write. Resumable, and nothing is encoded twice.

While a batch is encoded, the next one is read and decoded and the one before is written, so that
the encoder does not wait for files or disks. What a batch has written survives; a run that was
interrupted goes on where it stopped, because content that the casebase knows (by its digest) is
not encoded again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO

from PIL import Image

from mmedrag.datasets.duplicates import Duplicates, preview
from mmedrag.datasets.identifiers import unique
from mmedrag.encoders.definition_vectors import DefinitionStore, embed_definitions
from mmedrag.errors import CorpusError
from mmedrag.knowledge.names import keep_names
from mmedrag.preparation import (
    Prepared,
    Row,
    as_stored,
    case_of,
    encode,
    prepare,
    prepared_batches,
    route,
)
from mmedrag.progress import Progress, silent
from mmedrag.protocols import CaseStore, DefinitionSource, Embedder, ModalityClassifier
from mmedrag.readings import Readings, state_of
from mmedrag.stores import CaseDatabase
from mmedrag.types import Case, Entry, Problem, Vector


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What became of a corpus: cases written, unchanged, newly encoded, unrouted, and problems.

    ``replaced`` are the ids of written cases that took the place of another case of that id.
    """

    written: int = 0
    unchanged: int = 0
    encoded: int = 0
    unrouted: int = 0
    problems: tuple[Problem, ...] = ()
    replaced: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    written: int = 0
    unchanged: int = 0
    encoded: int = 0
    unrouted: int = 0
    problems: list[Problem] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)

    def report(self) -> IndexReport:
        return IndexReport(
            self.written,
            self.unchanged,
            self.encoded,
            self.unrouted,
            tuple(self.problems),
            tuple(self.replaced),
        )


def index(
    corpus: Iterable[Row],
    casebase: CaseStore,
    embedder: Embedder,
    classifier: ModalityClassifier,
    *,
    definitions: DefinitionSource | None = None,
    strict: bool = False,
    progress: Progress = silent,
    duplicates: Duplicates | None = None,
    readings: Readings | None = None,
) -> IndexReport:
    """Add a corpus to a casebase (a case whose id is known replaces the older one).

    Args:
        corpus: cases and problems, as the loaders of ``mmedrag.datasets`` give them, and cases
            that were encoded in advance (by the same embedder), which are not encoded again.
        casebase: where to; its index is published at the end.
        embedder: must be the casebase's own.
        classifier: routes cases that name no domain.
        definitions: recognises the terms of each report, which are stored with it, and gives the
            definitions that are embedded in advance; ``None`` leaves both to the searches.
        strict: raise at the first row or file that cannot be read instead of counting it.
        progress: told of finished rows.
        duplicates: collects near-duplicate images and repeated texts, where given.
        readings: of earlier runs: an image whose file has not changed since is not read again.

    Raises:
        CorpusError: in strict mode, at the first that cannot be read.
        CasebaseError: where the casebase cannot be written.
    """
    tally = _Tally()
    write = _Writing(casebase, definitions, tally, readings)
    how = prepare if readings is None else _Resuming(casebase, readings)
    workers, writer = ThreadPoolExecutor(2, "decode"), ThreadPoolExecutor(1, "write")

    def writes() -> Iterator[Callable[[], int]]:
        """Encode batch by batch, and say how to write each; the one before is written meanwhile."""
        vectors: dict[str, Vector] = {}
        for batch in prepared_batches(unique(corpus, case_of), workers, how):
            cases = _usable(batch, tally, strict)
            vectors, new = _vectors(cases, casebase, embedder, vectors, tally)
            routed = _routed(cases, classifier, casebase)
            if duplicates is not None:
                for p in cases:
                    duplicates.add(p.case, p.preview)
            yield partial(write, len(batch), routed, vectors, new)

    try:
        for rows in _one_behind(writes(), writer):
            progress(rows)
    finally:
        workers.shutdown(cancel_futures=True)
        writer.shutdown()
    if definitions is not None and isinstance(casebase, DefinitionStore):
        embed_definitions(casebase, embedder, definitions)
    casebase.publish()
    if definitions is not None and isinstance(casebase, CaseDatabase):
        keep_names(casebase, definitions)
    return tally.report()


def _usable(batch: Sequence[Prepared | Problem], tally: _Tally, strict: bool) -> list[Prepared]:
    cases: dict[str, Prepared] = {}
    for item in batch:
        if isinstance(item, Prepared):
            cases[item.case.id] = item
            tally.problems.extend([item.notice] if item.notice else [])
        elif strict and not item.stored:
            raise CorpusError(str(item), "Mend the row, or leave out --strict to skip it.")
        else:
            tally.problems.append(item)
    return list(cases.values())


def _vectors(
    cases: Sequence[Prepared],
    casebase: CaseStore,
    embedder: Embedder,
    before: Mapping[str, Vector],
    tally: _Tally,
) -> tuple[dict[str, Vector], frozenset[str]]:
    """Vectors by content, stored, given with a case or encoded now; and which are not stored."""
    stored = _stored_vectors([p.content for p in cases], casebase, before)
    absent = [p for p in cases if p.content not in stored]
    given = {p.content: p.vector for p in absent if p.vector is not None}
    encoded = encode([p for p in absent if p.content not in given], embedder)
    tally.encoded += len(encoded)
    new = given | encoded
    return stored | new, frozenset(new)


def _stored_vectors(
    contents: Sequence[str], casebase: CaseStore, before: Mapping[str, Vector]
) -> dict[str, Vector]:
    """Vectors by content, of the casebase and of the batch before, which may not be written yet."""
    recent = {content: before[content] for content in contents if content in before}
    return recent | casebase.vectors_by_content([c for c in contents if c not in recent])


def _one_behind(writes: Iterator[Callable[[], int]], writer: ThreadPoolExecutor) -> Iterator[int]:
    """Run each while the next is made ready, one at a time and in order; what they return."""
    running: Future[int] | None = None
    for write in writes:
        if running is not None:
            yield running.result()
        running = writer.submit(write)
    if running is not None:
        yield running.result()


@dataclass(frozen=True, slots=True)
class _Resuming:
    """Prepares a row; one that is stored as it is, image and all, without opening its file."""

    casebase: CaseStore
    readings: Readings

    def __call__(self, row: Row) -> Prepared | Problem:
        return (self._unchanged(row) if isinstance(row, Case) else None) or prepare(row)

    def _unchanged(self, row: Case) -> Prepared | None:
        state = state_of(row)
        content = None if state is None else self.readings.content(row, state)
        stored = None if content is None else self.casebase.get(row.id)
        if content is None or stored is None:
            return None
        case = as_stored(row)
        if case != (stored if row.domain else replace(stored, domain=None)):
            return None
        small = self.casebase.preview(row.id)
        if small is None or not self.casebase.vectors_by_content([content]):
            return None
        with Image.open(BytesIO(small)) as picture:
            return Prepared(case, content, thumbnail=small, preview=preview(picture))


@dataclass(frozen=True, slots=True)
class _Writing:
    """Writes the cases of a batch that are new or differ from what is stored."""

    casebase: CaseStore
    definitions: DefinitionSource | None
    tally: _Tally
    readings: Readings | None = None

    def __call__(
        self,
        rows: int,
        batch: Sequence[Prepared],
        vectors: Mapping[str, Vector],
        new: Collection[str],
    ) -> int:
        """Returns ``rows``, the rows of the corpus that the batch was made of."""
        before = {p.case.id: self.casebase.get(p.case.id) for p in batch}
        changed = [
            p
            for p in batch
            if p.content in new or before[p.case.id] != p.case or self._lacks_preview(p)
        ]
        entries = [
            Entry(p.case, vectors[p.content], p.content, p.thumbnail, p.mentions, p.recogniser)
            for p in changed
        ]
        self.casebase.add(self._recognised(entries))
        if self.readings is not None:
            self.readings.keep(
                # An image with a remark is read again, so that the remark is made again.
                {p.case.id: (p.state, p.content) for p in batch if p.state and not p.notice}
            )
        self.tally.written += len(changed)
        self.tally.unchanged += len(batch) - len(changed)
        self.tally.unrouted += sum(p.case.domain is None for p in changed)
        self.tally.replaced += [
            p.case.id for p in changed if before[p.case.id] not in (None, p.case)
        ]
        return rows

    def _lacks_preview(self, prepared: Prepared) -> bool:
        """Whether the preview that a case should have is absent or damaged."""
        return prepared.thumbnail is not None and self.casebase.preview(prepared.case.id) is None

    def _recognised(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries with the terms of their reports; none is read twice by one recogniser."""
        if self.definitions is None:
            return list(entries)
        source = self.definitions.fingerprint
        unread = [e for e in entries if e.mentions is None or e.recogniser != source]
        recognised = self.definitions.recognise([entry.case.text for entry in unread])
        read = {
            entry.case.id: replace(entry, mentions=mentions, recogniser=source)
            for entry, mentions in zip(unread, recognised, strict=True)
        }
        return [read.get(entry.case.id, entry) for entry in entries]


def _routed(
    batch: Sequence[Prepared], classifier: ModalityClassifier, casebase: CaseStore
) -> list[Prepared]:
    """The cases with their domains and, encoded as they are, without their decoded images.

    A domain is what the row names, what the case was given earlier, or the classifier's decision.
    """
    stored = {p.case.id: casebase.get(p.case.id) for p in batch if p.case.domain is None}
    earlier = {
        p.case.id: case.domain
        for p in batch
        if (case := stored.get(p.case.id)) is not None and replace(case, domain=None) == p.case
    }
    new = [
        p for p in batch
        if p.case.domain is None and p.case.id not in earlier and p.vector is None
    ]  # fmt: skip
    domains = {p.case.id: p.case.domain for p in batch} | earlier | route(new, classifier)
    return [
        replace(p, case=replace(p.case, domain=domains[p.case.id]), picture=None) for p in batch
    ]
