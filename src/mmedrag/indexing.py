"""Corpus to casebase: decode, embed in batches, write. Resumable, and nothing is encoded twice.

While a batch is encoded, the next one is read and decoded and the one before is written, so that
the encoder does not wait for files or disks. What a batch has written survives; a run that was
interrupted goes on where it stopped, because content that the casebase knows (by its digest) is
not encoded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from PIL import Image

from mmedrag.datasets.duplicates import Duplicates, Preview, preview
from mmedrag.datasets.identifiers import unique
from mmedrag.encoders.definition_vectors import DefinitionStore, embed_definitions
from mmedrag.errors import CorpusError, ImageError
from mmedrag.imaging.decoding import image_digest, open_image, thumbnail
from mmedrag.progress import Progress, silent
from mmedrag.protocols import CaseStore, DefinitionSource, Embedder, ModalityClassifier
from mmedrag.types import LONGEST_TEXT, Case, Entry, Problem, Query, Vector

BATCH = 32
"""Cases that are embedded together and written in one transaction."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A case whose image, where it is needed, has been decoded once for all uses."""

    case: Case
    content: str
    picture: Image.Image | None = None
    thumbnail: bytes | None = None
    preview: Preview | None = None
    notice: Problem | None = None


@dataclass(slots=True)
class _Tally:
    written: int = 0
    unchanged: int = 0
    encoded: int = 0
    unrouted: int = 0
    problems: list[Problem] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)


def index(
    corpus: Iterable[Case | Problem],
    casebase: CaseStore,
    embedder: Embedder,
    classifier: ModalityClassifier,
    *,
    definitions: DefinitionSource | None = None,
    strict: bool = False,
    progress: Progress = silent,
    duplicates: Duplicates | None = None,
) -> IndexReport:
    """Add a corpus to a casebase (a case whose id is known replaces the older one).

    Args:
        corpus: cases and problems, as the loaders of ``mmedrag.datasets`` give them.
        casebase: where to; its index is published at the end.
        embedder: must be the casebase's own.
        classifier: routes cases that name no domain.
        definitions: recognises the terms of each report, which are stored with it, and gives the
            definitions that are embedded in advance; ``None`` leaves both to the searches.
        strict: raise at the first problem instead of counting it.
        progress: told of finished rows.
        duplicates: collects near-duplicate images and repeated texts, where given.

    Raises:
        CorpusError: in strict mode, at the first problem.
        CasebaseError: where the casebase cannot be written.
    """
    tally = _Tally()
    write = _Writing(casebase, definitions, tally)
    workers, writer = ThreadPoolExecutor(2, "decode"), ThreadPoolExecutor(1, "write")

    def writes() -> Iterator[Callable[[], int]]:
        """Encode batch by batch, and say how to write each; the one before is written meanwhile."""
        vectors: dict[str, Vector] = {}
        for batch in _prepared_batches(unique(corpus), workers):
            cases = _usable(batch, tally, strict)
            known = _known([p.content for p in cases], casebase, vectors)
            new = _encode([p for p in cases if p.content not in known], embedder)
            vectors = known | new
            tally.encoded += len(new)
            routed = _routed(cases, classifier, casebase)
            if duplicates is not None:
                for p in cases:
                    duplicates.add(p.case, p.preview)
            yield partial(write, len(batch), routed, vectors, frozenset(new))

    try:
        for rows in _one_behind(writes(), writer):
            progress(rows)
    finally:
        workers.shutdown(cancel_futures=True)
        writer.shutdown()
    if definitions is not None and isinstance(casebase, DefinitionStore):
        embed_definitions(casebase, embedder, definitions)
    casebase.publish()
    return IndexReport(
        tally.written,
        tally.unchanged,
        tally.encoded,
        tally.unrouted,
        tuple(tally.problems),
        tuple(tally.replaced),
    )


def content_digest(case: Case) -> str:
    """What of a case determines its vector: its text and the bytes of its image.

    Raises:
        ImageError: where the image cannot be read.
    """
    image = image_digest(case.image, case.frame) if case.image is not None else ""
    return hashlib.sha256(f"{image}\n{case.text}".encode("utf-8", "replace")).hexdigest()


def _prepared_batches(
    corpus: Iterable[Case | Problem], workers: ThreadPoolExecutor
) -> Iterator[list[_Prepared | Problem]]:
    """Batches in the order of the corpus; the next is prepared while the caller works."""
    rows = iter(corpus)

    def submit() -> list[Future[_Prepared | Problem]]:
        return [workers.submit(_prepare, row) for row in islice(rows, BATCH)]

    ahead = submit()
    while ahead:
        current, ahead = ahead, submit()
        yield [future.result() for future in current]


def _prepare(row: Case | Problem) -> _Prepared | Problem:
    if isinstance(row, Problem):
        return row
    if len(row.text) > LONGEST_TEXT:
        reason = f"a text of {len(row.text):,} characters, more than {LONGEST_TEXT:,}; split it"
        return Problem(row.image or Path(row.id), None, f"{row.id}: {reason}")
    try:
        content = content_digest(row)
        if row.image is None:
            return _Prepared(row, content)
        picture = open_image(row.image, row.frame)
    except ImageError as error:
        return Problem(row.image or Path(row.id), None, f"{row.id}: {error}")
    message = picture.info.get("notice")
    notice = Problem(row.image, None, message, stored=True) if message else None
    return _Prepared(_stored(row), content, picture, thumbnail(picture), preview(picture), notice)


def _stored(case: Case) -> Case:
    """The case as it is kept: the name of a de-identified file, which may be a patient's, goes."""
    if case.image is None or "deidentified" not in case.meta:
        return case
    return replace(case, image=Path("deidentified") / case.id.replace("/", "-"))


def _usable(batch: Sequence[_Prepared | Problem], tally: _Tally, strict: bool) -> list[_Prepared]:
    cases: dict[str, _Prepared] = {}
    for item in batch:
        if isinstance(item, _Prepared):
            cases[item.case.id] = item
            tally.problems.extend([item.notice] if item.notice else [])
        elif strict:
            raise CorpusError(str(item), "Mend the row, or leave out --strict to skip it.")
        else:
            tally.problems.append(item)
    return list(cases.values())


def _known(
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
class _Writing:
    """Writes the cases of a batch that are new or differ from what is stored."""

    casebase: CaseStore
    definitions: DefinitionSource | None
    tally: _Tally

    def __call__(
        self,
        rows: int,
        batch: Sequence[_Prepared],
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
        entries = [Entry(p.case, vectors[p.content], p.content, p.thumbnail) for p in changed]
        self.casebase.add(self._recognised(entries))
        self.tally.written += len(changed)
        self.tally.unchanged += len(batch) - len(changed)
        self.tally.unrouted += sum(p.case.domain is None for p in changed)
        self.tally.replaced += [
            p.case.id for p in changed if before[p.case.id] not in (None, p.case)
        ]
        return rows

    def _lacks_preview(self, prepared: _Prepared) -> bool:
        """Whether the preview that a case should have is absent or damaged."""
        return prepared.thumbnail is not None and self.casebase.preview(prepared.case.id) is None

    def _recognised(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries with the terms of their reports."""
        if self.definitions is None:
            return list(entries)
        source = self.definitions.fingerprint
        found = self.definitions.recognise([entry.case.text for entry in entries])
        return [
            replace(entry, mentions=mentions, recogniser=source)
            for entry, mentions in zip(entries, found, strict=True)
        ]


def _encode(batch: Sequence[_Prepared], embedder: Embedder) -> dict[str, Vector]:
    distinct = {p.content: p for p in batch}
    vectors = embedder.embed(
        [p.case for p in distinct.values()], [p.picture for p in distinct.values()]
    )
    return dict(zip(distinct, vectors, strict=True))


def _routed(
    batch: Sequence[_Prepared], classifier: ModalityClassifier, casebase: CaseStore
) -> list[_Prepared]:
    """The cases with their domains and, encoded as they are, without their decoded images.

    A domain is what the row names, what the case was given earlier, or the classifier's decision.
    """
    stored = {p.case.id: casebase.get(p.case.id) for p in batch if p.case.domain is None}
    earlier = {
        p.case.id: case.domain
        for p in batch
        if (case := stored.get(p.case.id)) is not None and replace(case, domain=None) == p.case
    }
    new = [p for p in batch if p.case.domain is None and p.case.id not in earlier]
    verdicts = classifier.classify(
        [Query(p.case.text, p.case.image) for p in new], [p.picture for p in new]
    )
    decided = {p.case.id: v.decision for p, v in zip(new, verdicts, strict=True)}
    domains = {p.case.id: p.case.domain for p in batch} | earlier | decided
    return [
        replace(p, case=replace(p.case, domain=domains[p.case.id]), picture=None) for p in batch
    ]
