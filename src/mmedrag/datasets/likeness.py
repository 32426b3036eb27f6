"""Groups of pictures whose previews are alike, in bounded memory and time.

Hashes are compared in blocks, band by band: of :data:`MAX_DISTANCE` + 1 bands of two hashes that
are close, one is equal. What is close is compared by its fine detail, unless both are in one group
already, and at most :data:`MOST_PAIRS` times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_DISTANCE = 4
"""Bits by which the hashes of near-duplicates may differ, of 64."""

MIN_CORRELATION = 0.88
"""Correlation of the previews' fine detail in near-duplicates.

A hash sees coarse shapes, and those are alike in all fundus photographs or head scans. Measured on
real sets: copies in another format or size stay above 0.95, other pictures of the kind below 0.88.
"""

MOST_PAIRS = 20_000_000
"""Comparisons of fine detail: about a minute. Only thousands of pictures of one coarse shape that
are no copies of each other take more."""

SIDE = 32
"""Pixels of a preview's side."""

Preview: TypeAlias = NDArray[np.uint8]
"""A small grey picture of shape (32, 32)."""
Positions: TypeAlias = NDArray[np.int64]
Hashes: TypeAlias = NDArray[np.uint64]

_BANDS = MAX_DISTANCE + 1  # so many that one of them must be equal
_WIDTH = -(-64 // _BANDS)
_BLOCK = 1 << 19  # pairs of hashes that are compared at once: 4 MB an array
_PAIRS = 4096  # of previews, compared at once
_DETAILS = 10_000  # kept while pairs are compared: 40 MB


@dataclass(frozen=True, slots=True)
class Groups:
    """Keys of pictures that are alike; ``complete`` unless there was too much to compare."""

    members: list[list[int]]
    complete: bool


def alike(previews: Mapping[int, bytes], most: int = MOST_PAIRS) -> Groups:
    """Group pictures, given by the bytes of their previews: connected by pairs that are alike."""
    firsts: dict[bytes, int] = {}
    for position, image in enumerate(previews.values()):
        firsts.setdefault(image, position)
    images = list(previews.values())
    parents = np.array([firsts[image] for image in images], np.int64)
    unique = np.array(sorted(firsts.values()), np.int64)
    hashes = np.array([difference_hash(_picture(images[i])) for i in unique.tolist()], np.uint64)

    @lru_cache(_DETAILS)
    def detail(position: int) -> NDArray[np.float32]:
        return _detail(_picture(images[position]))

    left = most
    for ones, others in close_pairs(hashes):
        for start in range(0, len(ones), _PAIRS):
            pair = (unique[ones[start : start + _PAIRS]], unique[others[start : start + _PAIRS]])
            apart = _roots(parents, pair[0]) != _roots(parents, pair[1])
            first, second = pair[0][apart][:left], pair[1][apart][:left]
            left -= len(first)
            fine = [np.array([detail(i) for i in side.tolist()]) for side in (first, second)]
            same = np.einsum("ij,ij->i", *fine) >= MIN_CORRELATION if len(first) else apart[:0]
            _join(parents, first[same], second[same])
            if not left:
                return Groups(_grouped(previews, parents), complete=False)
    return Groups(_grouped(previews, parents), complete=True)


def difference_hash(picture: Preview) -> int:
    """The 64-bit difference hash of a grey preview.

    Each bit of 8 × 8 says whether that place is brighter than its neighbour to the left.
    """
    small = Image.fromarray(picture).resize((9, 8), Image.Resampling.BOX)
    grey = np.asarray(small, np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def close_pairs(hashes: Hashes) -> Iterator[tuple[Positions, Positions]]:
    """Pairs of positions whose hashes differ by at most :data:`MAX_DISTANCE` bits, each once."""
    for band in range(_BANDS):
        values = _band(hashes, band)
        order = np.argsort(values, kind="stable")
        ends = np.flatnonzero(np.diff(values[order])) + 1
        for bucket in np.split(order, ends):
            step = max(1, _BLOCK // max(1, len(bucket)))
            for start in range(0, len(bucket) - 1, step):
                yield _close_within(hashes, bucket[start : start + step], bucket[start:], band)


def _close_within(
    hashes: Hashes, rows: Positions, columns: Positions, band: int
) -> tuple[Positions, Positions]:
    """Close pairs of some rows with later columns; those of an earlier equal band are left out."""
    different = hashes[rows][:, None] ^ hashes[columns][None, :]
    close = np.triu(_bits(different) <= MAX_DISTANCE, 1)
    row, column = np.nonzero(close)
    seen = np.zeros(len(row), np.bool_)
    for earlier in range(band):
        seen |= _band(different[row, column], earlier) == 0
    return rows[row[~seen]], columns[column[~seen]]


def _band(hashes: Hashes, band: int) -> Hashes:
    return (hashes >> np.uint64(band * _WIDTH)) & np.uint64((1 << _WIDTH) - 1)


def _bits(values: Hashes) -> Hashes:
    """How many bits of each number are set."""
    masks = (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 0x0101010101010101)
    odd, pairs, nibbles, ones = map(np.uint64, masks)
    one, two, four, rest = map(np.uint64, (1, 2, 4, 56))
    values = values - ((values >> one) & odd)
    values = (values & pairs) + ((values >> two) & pairs)
    return (((values + (values >> four)) & nibbles) * ones) >> rest


def _picture(preview: bytes) -> Preview:
    return np.frombuffer(preview, np.uint8).reshape(SIDE, SIDE)


def _detail(seen: Preview) -> NDArray[np.float32]:
    """A preview less its coarse shape, edges clipped, as a vector of norm 1 (or 0: no detail)."""
    picture = Image.fromarray(seen)
    coarse = picture.resize((SIDE // 4, SIDE // 4), Image.Resampling.BOX)
    shape = coarse.resize(picture.size, Image.Resampling.BICUBIC)
    fine = np.clip(seen.astype(np.float32) - np.asarray(shape, np.float32), -4, 4).ravel()
    fine -= fine.mean()
    unit: NDArray[np.float32] = fine / max(float(np.linalg.norm(fine)), 1e-6)
    return unit


def _roots(parents: Positions, positions: Positions) -> Positions:
    roots = parents[positions]
    while (parents[roots] != roots).any():
        roots = parents[roots]
    return roots


def _join(parents: Positions, ones: Positions, others: Positions) -> None:
    for pair in zip(ones, others, strict=True):
        low, high = sorted(int(_roots(parents, np.array([i]))[0]) for i in pair)
        parents[high] = low


def _grouped(previews: Mapping[int, bytes], parents: Positions) -> list[list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for key, root in zip(previews, _roots(parents, parents).tolist(), strict=True):
        groups[root].append(key)
    return [group for group in groups.values() if len(group) > 1]
