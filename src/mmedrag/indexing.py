"""Corpus to casebase: decode, embed in batches, write. Resumable, and nothing is encoded twice.

The next batch is read and decoded while the present one is encoded. What a batch has written
survives; a run that was interrupted goes on where it stopped, because content that the casebase
knows (by its digest) is not encoded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from PIL import Image

from mmedrag.casebase.casebase import Casebase
from mmedrag.casebase.records import Entry
from mmedrag.datasets.duplicates import Duplicates, Preview, preview
from mmedrag.errors import CorpusError, ImageError
from mmedrag.images import image_digest, open_image, thumbnail
from mmedrag.protocols import Embedder, ModalityClassifier
from mmedrag.types import Case, Problem, Query, Vector

BATCH = 32
"""Cases that are embedded together and written in one transaction."""

Progress = Callable[[int], object]
"""Told how many more rows of the corpus are done."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What became of a corpus: cases written, unchanged, newly encoded, routed, and problems."""

    written: int = 0
    unchanged: int = 0
    encoded: int = 0
    unrouted: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A case whose image, where it is needed, has been decoded once for all uses."""

    case: Case
    content: str
    picture: Image.Image | None = None
    thumbnail: bytes | None = None
    preview: Preview | None = None


@dataclass(slots=True)
class _Tally:
    written: int = 0
    unchanged: int = 0
    encoded: int = 0
    unrouted: int = 0
    problems: list[Problem] = field(default_factory=list)


def index(
    corpus: Iterable[Case | Problem],
    casebase: Casebase,
    embedder: Embedder,
    classifier: ModalityClassifier,
    *,
    strict: bool = False,
    progress: Progress = lambda rows: None,
    duplicates: Duplicates | None = None,
) -> IndexReport:
    """Add a corpus to a casebase (a case whose id is known replaces the older one).

    Args:
        corpus: cases and problems, as the loaders of ``mmedrag.datasets`` give them.
        casebase: where to; its index is published at the end.
        embedder: must be the casebase's own.
        classifier: routes cases that name no domain.
        strict: raise at the first problem instead of counting it.
        progress: told of finished rows.
        duplicates: collects near-duplicate images and repeated texts, where given.

    Raises:
        CorpusError: in strict mode, at the first problem.
        CasebaseError: where the casebase cannot be written.
    """
    tally = _Tally()
    workers = ThreadPoolExecutor(2, "decode")
    try:
        for batch in _prepared_batches(corpus, casebase, workers):
            cases = _usable(batch, tally, strict)
            _write(cases, casebase, embedder, classifier, tally)
            if duplicates is not None:
                for p in cases:
                    duplicates.add(p.case, p.preview)
            progress(len(batch))
    finally:
        workers.shutdown(cancel_futures=True)
    casebase.publish()
    return IndexReport(
        tally.written, tally.unchanged, tally.encoded, tally.unrouted, tuple(tally.problems)
    )


def content_digest(case: Case) -> str:
    """What of a case determines its vector: its text and the bytes of its image.

    Raises:
        ImageError: where the image cannot be read.
    """
    image = image_digest(case.image, case.frame) if case.image is not None else ""
    return hashlib.sha256(f"{image}\n{case.text}".encode("utf-8", "replace")).hexdigest()


def _prepared_batches(
    corpus: Iterable[Case | Problem], casebase: Casebase, workers: ThreadPoolExecutor
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
    try:
        content = content_digest(row)
        if row.image is None:
            return _Prepared(row, content)
        picture = open_image(row.image, row.frame)
    except ImageError as error:
        return Problem(row.image or Path(row.id), None, f"{row.id}: {error}")
    return _Prepared(row, content, picture, thumbnail(picture), preview(picture))


def _usable(batch: Sequence[_Prepared | Problem], tally: _Tally, strict: bool) -> list[_Prepared]:
    cases: dict[str, _Prepared] = {}
    for item in batch:
        if isinstance(item, _Prepared):
            cases[item.case.id] = item
        elif strict:
            raise CorpusError(str(item), "Mend the row, or leave out --strict to skip it.")
        else:
            tally.problems.append(item)
    return list(cases.values())


def _write(
    batch: Sequence[_Prepared],
    casebase: Casebase,
    embedder: Embedder,
    classifier: ModalityClassifier,
    tally: _Tally,
) -> None:
    known = casebase.vectors_by_content([p.content for p in batch])
    routed = [(p, _routed(p, classifier, casebase)) for p in batch]
    changed = [
        (p, case) for p, case in routed if p.content not in known or casebase.get(case.id) != case
    ]
    vectors = dict(known) | _encode([p for p, _ in changed if p.content not in known], embedder)
    casebase.add([Entry(case, vectors[p.content], p.content, p.thumbnail) for p, case in changed])
    tally.written += len(changed)
    tally.unchanged += len(batch) - len(changed)
    tally.encoded += len(vectors) - len(known)
    tally.unrouted += sum(case.domain is None for _, case in changed)


def _encode(batch: Sequence[_Prepared], embedder: Embedder) -> dict[str, Vector]:
    distinct = {p.content: p for p in batch}
    vectors = embedder.embed(
        [p.case for p in distinct.values()], [p.picture for p in distinct.values()]
    )
    return dict(zip(distinct, vectors, strict=True))


def _routed(prepared: _Prepared, classifier: ModalityClassifier, casebase: Casebase) -> Case:
    """The case with a domain: its own, the one it was given earlier, or the classifier's."""
    case = prepared.case
    if case.domain is not None:
        return case
    earlier = casebase.get(case.id)
    if earlier is not None and replace(earlier, domain=None) == case:
        return earlier
    return replace(case, domain=classifier.classify(Query(case.text, case.image)).decision)
