"""Every record as each kind of query and of gallery item, embedded once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL.Image import Image

from mmedrag.datasets.corpus import Codes, codes, text_key
from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import image_digest, open_image
from mmedrag.progress import Progress, silent
from mmedrag.protocols import Embedder
from mmedrag.types import Case, Matrix, Problem, Query

BATCH = 4
"""Records whose images are decoded together: twice as many is what the presets' encoders remember,
so that an image is encoded once for all of its roles."""

TEXTS = 256
"""Texts that are embedded together."""


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """By record, ``(n, dim)`` each; a row is zero where the record lacks what it needs.

    ``image_codes`` are equal for the same file content, ``partners`` say whose text stands beside
    a record's image in ``both_queries`` (-1: the record has not both).
    """

    image_queries: Matrix
    image_cases: Matrix
    text_queries: Matrix
    text_cases: Matrix
    both_queries: Matrix
    whole_cases: Matrix
    image_codes: Codes
    text_codes: Codes
    partners: Codes
    problems: tuple[Problem, ...]


def embed_records(
    cases: Sequence[Case], groups: Codes, embedder: Embedder, progress: Progress = silent
) -> Vectors:
    """Embed every record as query and as case, by image, by text and by both.

    ``groups`` is int64 ``(n,)``.

    An image that cannot be decoded is a problem, and the record counts as one without an image.
    ``progress`` is told how many more records are done.
    """
    text_codes = codes(text_key(case.text) for case in cases)
    partners = find_partners(groups, text_codes)
    pictured = _Pictured(cases, partners, embedder)
    for start in range(0, len(cases), BATCH):
        rows = range(start, min(start + BATCH, len(cases)))
        pictured.add(rows)
        progress(len(rows))
    text_queries, text_cases = embed_texts([case.text for case in cases], embedder)
    return Vectors(
        image_queries=pictured.image_queries,
        image_cases=pictured.image_cases,
        text_queries=text_queries,
        text_cases=text_cases,
        both_queries=pictured.both_queries,
        whole_cases=pictured.whole_cases,
        image_codes=codes(pictured.digests),
        text_codes=text_codes,
        partners=np.where([d is not None for d in pictured.digests], partners, -1),
        problems=tuple(pictured.problems),
    )


def embed_texts(texts: Sequence[str], embedder: Embedder) -> tuple[Matrix, Matrix]:
    """Texts as queries and as cases, ``(n, dim)`` each; zeros for an empty one.

    Each distinct text is handed over once, in both roles together: an embedder that encodes a
    repeated text once does so here.
    """
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    index = {text: i for i, text in enumerate(distinct)}
    made = [np.zeros((2, 0, embedder.dim), np.float32)]
    for start in range(0, len(distinct), TEXTS):
        chunk = distinct[start : start + TEXTS]
        as_cases = [Case(id=str(i), text=text) for i, text in enumerate(chunk)]
        both = embedder.embed([*(Query(text=text) for text in chunk), *as_cases])
        made.append(both.reshape(2, len(chunk), embedder.dim))
    vectors = np.concatenate(made, axis=1)
    rows = np.zeros((2, len(texts), embedder.dim), np.float32)
    there = [row for row, text in enumerate(texts) if text in index]
    rows[:, there] = vectors[:, [index[texts[row]] for row in there]]
    return rows[0], rows[1]


def find_partners(groups: Codes, text_codes: Codes) -> Codes:
    """For every record the one whose text it borrows: the next of its group with another text.

    Codes and result are int64 ``(n,)``.

    Itself where the group has no other text, -1 where it has no text at all.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        if text_codes[row] >= 0:
            members[int(group)].append(row)
    partners = np.full(len(groups), -1, np.int64)
    for rows in members.values():
        for i, row in enumerate(rows):
            ahead = [*rows[i + 1 :], *rows[:i]]
            others = (other for other in ahead if text_codes[other] != text_codes[row])
            partners[row] = next(others, row)
    for bare in np.flatnonzero(text_codes < 0):
        partners[bare] = next(iter(members.get(int(groups[bare]), ())), -1)
    return partners


class _Pictured:
    """Collects what needs the images, a few records at a time."""

    def __init__(self, cases: Sequence[Case], partners: Codes, embedder: Embedder) -> None:
        def empty() -> Matrix:
            return np.zeros((len(cases), embedder.dim), np.float32)

        self._cases, self._partners, self._embedder = cases, partners, embedder
        self.image_queries, self.image_cases = empty(), empty()
        self.both_queries, self.whole_cases = empty(), empty()
        self.digests: list[str | None] = []
        self.problems: list[Problem] = []

    def add(self, rows: Sequence[int]) -> None:
        """Embed the next records."""
        decoded = [self._decoded(self._cases[row]) for row in rows]
        self.digests += [digest for _, digest in decoded]
        pictures = {row: picture for row, (picture, _) in zip(rows, decoded, strict=True)}
        self._images_alone({row: picture for row, picture in pictures.items() if picture})
        self._with_texts(pictures)

    def _images_alone(self, pictures: Mapping[int, Image]) -> None:
        rows, shown = list(pictures), list(pictures.values())
        queries = [Query(image=self._cases[row].image) for row in rows]
        cases = [Case(id=str(row), image=self._cases[row].image) for row in rows]
        made = self._embedder.embed([*queries, *cases], [*shown, *shown])
        self.image_queries[rows], self.image_cases[rows] = np.split(made, 2)

    def _with_texts(self, pictures: Mapping[int, Image | None]) -> None:
        query_rows = [row for row, seen in pictures.items() if seen and self._partners[row] >= 0]
        case_rows = [row for row, seen in pictures.items() if seen or self._cases[row].text.strip()]
        texts = [self._cases[self._partners[row]].text for row in query_rows]
        queries = [
            Query(text, self._cases[row].image) for row, text in zip(query_rows, texts, strict=True)
        ]
        cases = [
            replace(self._cases[row], image=self._cases[row].image if pictures[row] else None)
            for row in case_rows
        ]
        made = self._embedder.embed(
            [*queries, *cases], [pictures[row] for row in query_rows + case_rows]
        )
        self.both_queries[query_rows], self.whole_cases[case_rows] = np.split(
            made, [len(query_rows)]
        )

    def _decoded(self, case: Case) -> tuple[Image | None, str | None]:
        if case.image is None:
            return None, None
        try:
            return open_image(case.image, case.frame), image_digest(case.image, case.frame)
        except ImageError as error:
            self.problems.append(Problem(case.image, None, str(error)))
            return None, None
