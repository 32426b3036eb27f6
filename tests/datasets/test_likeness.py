"""Pictures that are alike are grouped, however many there are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.datasets import likeness
from mmedrag.datasets.duplicates import DuplicateReport
from mmedrag.datasets.likeness import MAX_DISTANCE, alike, close_pairs
from proofs import examples


@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.sets(st.integers(0, 63), max_size=6)), max_size=8),
    st.sampled_from([1, 5, 1 << 21]),
)
@settings(max_examples=examples(100), deadline=None)
def test_close_pairs_are_all_pairs_that_are_close_each_once(values, changes, block):
    pool = list(values)
    for which, bits in changes:
        pool.append(pool[which % len(pool)] ^ sum(1 << bit for bit in bits))
    before, likeness._BLOCK = likeness._BLOCK, block
    try:
        found = [
            frozenset((int(one), int(other)))
            for ones, others in close_pairs(np.array(pool, np.uint64))
            for one, other in zip(ones, others, strict=True)
        ]
    finally:
        likeness._BLOCK = before
    expected = {
        frozenset((i, j))
        for i in range(len(pool))
        for j in range(i)
        if (pool[i] ^ pool[j]).bit_count() <= MAX_DISTANCE
    }
    assert len(found) == len(expected)
    assert set(found) == expected


def noisy(seed: int) -> bytes:
    """A falling ramp, so of one hash, with fine detail of its own."""
    ramp = np.linspace(200, 20, 32)[None, :] + np.random.default_rng(seed).normal(0, 2, (32, 32))
    return ramp.astype(np.uint8).tobytes()


def test_copies_are_grouped_among_others_of_their_shape():
    pictures = {key: noisy(key % 40) for key in range(60)}
    touched = bytearray(pictures[3])
    touched[5] += 1
    pictures[99] = bytes(touched)
    groups = alike(pictures)
    assert groups.complete
    assert groups.members == [[i, i + 40] + ([99] if i == 3 else []) for i in range(20)]


def test_too_much_to_compare_ends_and_is_said():
    groups = alike({key: noisy(key) for key in range(60)}, most=100)
    assert not groups.complete
    report = DuplicateReport(60, (), (), (), (), (), (), complete=False)
    assert "not all were compared" in str(report)


def test_none():
    assert alike({}).members == []
