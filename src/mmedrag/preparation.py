"""Rows of a corpus made ready: read, digested and decoded ahead of whoever encodes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from mmedrag.datasets.duplicates import preview
from mmedrag.datasets.likeness import Preview
from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import image_digest, open_image, thumbnail
from mmedrag.protocols import Embedder, ModalityClassifier
from mmedrag.readings import state_of
from mmedrag.types import LONGEST_TEXT, Case, Domain, Entry, Mention, Problem, Query, Vector

BATCH = 32
"""Cases that are embedded together and written in one transaction."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A case whose image, where it is needed, has been decoded once for all uses.

    ``content`` is its :func:`content_digest`, ``preview`` what its image is compared with others
    by, ``notice`` what is to be said of the image. One that was encoded in advance
    (:mod:`mmedrag.bulk`) has its ``vector`` and its ``mentions``, and no ``picture``. ``state`` is
    that of the image's file before it was read (:func:`mmedrag.readings.state_of`).
    """

    case: Case
    content: str
    picture: Image.Image | None = None
    thumbnail: bytes | None = None
    preview: Preview | None = None
    notice: Problem | None = None
    vector: Vector | None = None
    mentions: tuple[Mention, ...] | None = None
    recogniser: str = ""
    state: bytes | None = None


Row: TypeAlias = Case | Prepared | Problem
"""What a corpus may consist of."""


def case_of(row: Row) -> Case | None:
    """The case of a row, or ``None`` for a problem."""
    if isinstance(row, Prepared):
        return row.case
    return row if isinstance(row, Case) else None


def content_digest(case: Case) -> str:
    """What of a case determines its vector: its text and the bytes of its image.

    Raises:
        ImageError: where the image cannot be read.
    """
    return digest_of(image_digest(case.image, case.frame) if case.image is not None else "", case)


def digest_of(image: str, case: Case) -> str:
    """The :func:`content_digest` of a case whose image has that digest."""
    return hashlib.sha256(f"{image}\n{case.text}".encode("utf-8", "replace")).hexdigest()


def prepared_batches(
    corpus: Iterable[Row],
    workers: ThreadPoolExecutor,
    how: Callable[[Row], Prepared | Problem] | None = None,
) -> Iterator[list[Prepared | Problem]]:
    """Batches in the order of the corpus; the next is prepared while the caller works.

    Args:
        corpus: what is prepared.
        workers: threads that read and decode.
        how: a row is prepared; by default :func:`prepare`.
    """
    rows = iter(corpus)

    def submit() -> list[Future[Prepared | Problem]]:
        return [workers.submit(how or prepare, row) for row in islice(rows, BATCH)]

    ahead = submit()
    while ahead:
        current, ahead = ahead, submit()
        yield [future.result() for future in current]


def prepare(row: Row) -> Prepared | Problem:
    """A case with its digest and decoded image; what cannot be read becomes a problem."""
    if not isinstance(row, Case):
        return row
    if len(row.text) > LONGEST_TEXT:
        reason = f"a text of {len(row.text):,} characters, more than {LONGEST_TEXT:,}; split it"
        return Problem(row.image or Path(row.id), None, f"{row.id}: {reason}")
    state = state_of(row)
    try:
        content = content_digest(row)
        if row.image is None:
            return Prepared(row, content)
        picture = open_image(row.image, row.frame)
    except ImageError as error:
        return Problem(row.image or Path(row.id), None, f"{row.id}: {error}")
    message = picture.info.get("notice")
    notice = Problem(row.image, None, message, stored=True) if message else None
    return Prepared(
        as_stored(row), content, picture, thumbnail(picture), preview(picture), notice, state=state
    )


def as_stored(case: Case) -> Case:
    """The case as it is kept: the name of a de-identified file, which may be a patient's, goes."""
    if case.image is None or "deidentified" not in case.meta:
        return case
    return replace(case, image=Path("deidentified") / case.id.replace("/", "-"))


def kept(entry: Entry, case: Case) -> Prepared:
    """A case with all that is stored of its text and image, neither of which is read again."""
    seen = None
    if entry.thumbnail is not None:
        with Image.open(BytesIO(entry.thumbnail)) as picture:
            seen = preview(picture)
    return Prepared(
        case,
        entry.content,
        thumbnail=entry.thumbnail,
        preview=seen,
        vector=entry.vector,
        mentions=entry.mentions,
        recogniser=entry.recogniser,
    )


def encode(batch: Sequence[Prepared], embedder: Embedder) -> dict[str, Vector]:
    """Vectors by content; equal contents are encoded once."""
    distinct = {p.content: p for p in batch}
    vectors = embedder.embed(
        [p.case for p in distinct.values()], [p.picture for p in distinct.values()]
    )
    return dict(zip(distinct, vectors, strict=True))


def route(batch: Sequence[Prepared], classifier: ModalityClassifier) -> dict[str, Domain | None]:
    """What the classifier decides on for each, by the case's id."""
    verdicts = classifier.classify(
        [Query(p.case.text, p.case.image, frame=p.case.frame) for p in batch],
        [p.picture for p in batch],
    )
    return {p.case.id: v.decision for p, v in zip(batch, verdicts, strict=True)}
