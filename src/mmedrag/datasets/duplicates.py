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
from functools import lru_cache
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case, Problem

MAX_DISTANCE = 4
"""Bits by which the hashes of near-duplicates may differ, of 64."""

MIN_CORRELATION = 0.88
"""Correlation of the previews' fine detail in near-duplicates.

A hash sees coarse shapes, and those are alike in all fundus photographs or head scans. Measured on
real sets: copies in another format or size stay above 0.95, other pictures of the kind below 0.88.
"""

Preview: TypeAlias = NDArray[np.uint8]
"""A small grey picture of shape (32, 32); see :func:`preview`."""

_SIDE = 32
_BANDS = MAX_DISTANCE + 1  # so many bands that one of them must be equal
_BATCH = 256
_DETAILS = 10_000  # kept while pairs are compared


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

    def __str__(self) -> str:
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
            )
        )


class Duplicates:
    """Collects cases and compares them: about 2 kB of memory a case with an image.

    Images: 64-bit difference hashes at most :data:`MAX_DISTANCE` bits apart, confirmed by the
    correlation of their fine detail. Texts: equal but for case and white space. Patients and
    studies are told apart by source.
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
        groups = _similar(self._previews)
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
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.uint8).copy()


def difference_hash(picture: Preview) -> int:
    """The 64-bit difference hash of a grey preview.

    Each bit of 8 × 8 says whether that place is brighter than its neighbour to the left.
    """
    small = Image.fromarray(picture).resize((9, 8), Image.Resampling.BOX)
    grey = np.asarray(small, np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


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


def _similar(previews: Mapping[int, bytes]) -> list[list[int]]:
    """Groups of near-duplicates: connected by pairs that pass both tests."""
    firsts: dict[bytes, int] = {}
    parents = {key: firsts.setdefault(image, key) for key, image in previews.items()}
    hashes = {key: difference_hash(_picture(image)) for image, key in firsts.items()}

    @lru_cache(_DETAILS)
    def detail(key: int) -> NDArray[np.float32]:
        return _detail(_picture(previews[key]))

    for one, other in _close_pairs(hashes):
        if float(detail(one) @ detail(other)) >= MIN_CORRELATION:
            low, high = sorted((_root(parents, one), _root(parents, other)))
            parents[high] = low
    groups: dict[int, list[int]] = defaultdict(list)
    for key in previews:
        groups[_root(parents, key)].append(key)
    return [group for group in groups.values() if len(group) > 1]


def _picture(preview: bytes) -> Preview:
    return np.frombuffer(preview, np.uint8).reshape(_SIDE, _SIDE)


def _detail(seen: Preview) -> NDArray[np.float32]:
    """A preview less its coarse shape, edges clipped, as a vector of norm 1 (or 0: no detail)."""
    picture = Image.fromarray(seen)
    coarse = picture.resize((_SIDE // 4, _SIDE // 4), Image.Resampling.BOX)
    shape = coarse.resize(picture.size, Image.Resampling.BICUBIC)
    fine = np.clip(seen.astype(np.float32) - np.asarray(shape, np.float32), -4, 4).ravel()
    fine -= fine.mean()
    unit: NDArray[np.float32] = fine / max(float(np.linalg.norm(fine)), 1e-6)
    return unit


def _close_pairs(hashes: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Pairs of keys whose hashes differ by at most :data:`MAX_DISTANCE` bits."""
    holders: dict[int, list[int]] = defaultdict(list)
    for key, value in hashes.items():
        holders[value].append(key)
    for members in holders.values():
        yield from combinations(members, 2)
    for one, other in _close_hashes(list(holders)):
        for first in holders[one]:
            for second in holders[other]:
                yield first, second


def _close_hashes(values: Sequence[int]) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    width = -(-64 // _BANDS)
    for band in range(_BANDS):
        buckets: dict[int, list[int]] = defaultdict(list)
        for value in values:
            buckets[value >> band * width & (1 << width) - 1].append(value)
        for bucket in buckets.values():
            pairs.update(
                pair
                for pair in combinations(bucket, 2)
                if (pair[0] ^ pair[1]).bit_count() <= MAX_DISTANCE
            )
    return pairs


def _root(parents: dict[int, int], key: int) -> int:
    while parents[key] != key:
        parents[key] = parents[parents[key]]
        key = parents[key]
    return key
