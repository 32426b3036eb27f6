"""A corpus in pieces: the rows of one shard, numbered, with a digest of what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import count, islice

from mmedrag.bulk.plan import Plan
from mmedrag.bulk.shards import read_heading, shards_in
from mmedrag.datasets import read_corpus
from mmedrag.types import Case, Problem


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of the corpus ``plan.sources[source]`` that make shard ``number``."""

    number: int
    source: int
    rows: tuple[Case | Problem, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a piece: rows of the corpus, cases among them, those that became none.

    ``encoded`` is whether the shard was made now; else it was there.
    """

    number: int
    rows: int
    cases: int
    problems: tuple[Problem, ...] = ()
    encoded: bool = True


def pieces(plan: Plan) -> Iterator[Piece]:
    """All pieces of an encoding, in order. Images are not read for it.

    Raises:
        CorpusError: a corpus cannot be read.
    """
    numbers = count()
    for source, corpus in enumerate(plan.sources):
        rows = read_corpus(
            corpus.path,
            corpus.kind,
            domain=plan.domain_of(corpus),
            columns=corpus.columns or None,
            salt=plan.salt(),
        )
        while taken := tuple(islice(rows, plan.rows)):
            digest = hashlib.blake2b(f"{source} {plan.fingerprint}".encode(), digest_size=16)
            for row in taken:
                digest.update(_described(row).encode("utf-8", "surrogatepass"))
            yield Piece(next(numbers), source, taken, digest.hexdigest())


def present(plan: Plan, piece: Piece) -> Written | None:
    """What became of a piece whose shard is there and fits it."""
    path = shards_in(plan.into, piece.number).get(piece.number)
    heading = None if path is None else read_heading(path)
    if heading is None or heading.piece != piece.digest:
        return None
    rows = len(piece.rows)
    return Written(piece.number, rows, heading.cases, heading.problems, encoded=False)


def _described(row: Case | Problem) -> str:
    """All that a row says, and size and time of its image's file, by which a new one is noticed."""
    text = repr([getattr(row, f.name) for f in fields(row)])
    if isinstance(row, Problem) or row.image is None:
        return text
    try:
        status = row.image.stat()
    except OSError:
        return text
    return f"{text} {status.st_size} {status.st_mtime_ns}"
