"""Near-duplicate images, repeated captions, and patients on two sides of a split.

Duplicates are reported, never dropped: they inflate retrieval scores and waste places in a context,
but which copy to keep is the user's to say.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mmedrag.datasets.likeness import SIDE, Preview, alike
from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case, Problem

_BATCH = 256


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """What :func:`find_duplicates` found; groups hold case ids in the order of the corpus."""

    cases: int
    images: tuple[tuple[str, ...], ...]
    captions: tuple[tuple[str, ...], ...]
    images_across_splits: tuple[tuple[str, ...], ...]
    patients_across_splits: tuple[str, ...]
    studies_across_splits: tuple[str, ...]
    problems: tuple[Problem, ...]
    complete: bool = True
    """Whether all pairs of pictures were compared: see ``likeness.MOST_PAIRS``."""

    def __str__(self) -> str:
        ended = (
            ()
            if self.complete
            else ("so many pictures are alike in shape that not all were compared",)
        )
        images, captions = (sum(map(len, groups)) for groups in (self.images, self.captions))
        return "\n".join(
            (
                f"{self.cases} cases",
                f"{images} share an image with another, in {len(self.images)} groups",
                f"{captions} share a text with another, in {len(self.captions)} groups",
                f"{len(self.images_across_splits)} groups of images,"
                f" {len(self.patients_across_splits)} patients and"
                f" {len(self.studies_across_splits)} studies are on two sides of a split",
                f"{len(self.problems)} images could not be read",
                *ended,
            )
        )


class Duplicates:
    """Collects cases and compares them: about 2 kB of memory a case with an image.

    Images: see :mod:`~mmedrag.datasets.likeness`. Texts: equal but for case and white space.
    Patients and studies are told apart by source.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._splits: list[str] = []
        self._texts: dict[Hashable, list[int]] = defaultdict(list)
        self._patients: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._studies: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._previews: dict[int, bytes] = {}
        self._problems: list[Problem] = []

    def add(self, case: Case, seen: Preview | Problem | None) -> None:
        """Take note of a case, with the :func:`preview` of its image or what is wrong with it."""
        position = len(self._ids)
        if isinstance(seen, Problem):
            self._problems.append(seen)
        elif seen is not None:
            self._previews[position] = seen.tobytes()
        if case.text:
            self._texts[_text_key(case.text)].append(position)
        for splits, name in ((self._patients, case.patient_id), (self._studies, case.study_id)):
            if name and case.split:
                splits[case.source, name].add(case.split)
        self._ids.append(case.id)
        self._splits.append(case.split)

    def report(self) -> DuplicateReport:
        """What was found among the cases so far."""
        matches = alike(self._previews)
        groups = matches.members
        named = [tuple(self._ids[i] for i in group) for group in groups]
        leaks = [len({self._splits[i] for i in group if self._splits[i]}) > 1 for group in groups]
        texts = [group for group in self._texts.values() if len(group) > 1]
        return DuplicateReport(
            cases=len(self._ids),
            images=tuple(named),
            captions=tuple(tuple(self._ids[i] for i in group) for group in texts),
            images_across_splits=tuple(
                name for name, leak in zip(named, leaks, strict=True) if leak
            ),
            patients_across_splits=_across(self._patients),
            studies_across_splits=_across(self._studies),
            problems=tuple(self._problems),
            complete=matches.complete,
        )


def find_duplicates(cases: Iterable[Case]) -> DuplicateReport:
    """Compare all images and texts of a corpus; see :class:`Duplicates`."""
    duplicates = Duplicates()
    for batch in _batches(cases):
        for case, seen in zip(batch, _previews(batch), strict=True):
            duplicates.add(case, seen)
    return duplicates.report()


def preview(image: Image.Image) -> Preview:
    """A grey 32 × 32 picture, uint8, to compare images by."""
    small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.uint8).copy()


def _batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    batch: list[Case] = []
    for case in cases:
        batch.append(case)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _previews(batch: Sequence[Case]) -> list[Preview | Problem | None]:
    with ThreadPoolExecutor() as executor:
        return list(executor.map(_preview, batch))


def _preview(case: Case) -> Preview | Problem | None:
    if case.image is None:
        return None
    try:
        return preview(open_image(case.image, case.frame))
    except ImageError as error:
        return Problem(case.image, None, str(error))


def _text_key(text: str) -> bytes:
    return hashlib.blake2b(" ".join(text.casefold().split()).encode(), digest_size=16).digest()


def _across(seen: Mapping[tuple[str, str], set[str]]) -> tuple[str, ...]:
    return tuple(name for (_, name), splits in seen.items() if len(splits) > 1)
