"""Arrays in files: what is taken out is what was written, or damage is said."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_folder import FAST
from mmedrag.casebase.blocks import BLOCK, GenerationDamaged, StoredArray, write_array

sizes = st.lists(st.integers(0, 700), min_size=1, max_size=5)


@settings(deadline=None, max_examples=30)
@given(sizes, st.sampled_from([1, 3, 64, 1_500]), st.integers(0, 2**32 - 1))
def test_an_array_comes_back_whole_in_part_and_by_rows(pieces, width, seed):
    rng = np.random.default_rng(seed)
    whole = rng.standard_normal((sum(pieces), width), np.float32)
    parts = np.split(whole, np.cumsum(pieces)[:-1])
    with TemporaryDirectory(dir=FAST) as folder:
        entry = write_array(Path(folder) / "x", parts, "<f4")
        n = len(whole)
        start, stop = sorted(rng.integers(0, n + 1, 2).tolist())
        rows = rng.integers(0, n, 9) if n else np.empty(0, np.int64)
        np.testing.assert_array_equal(StoredArray(Path(folder), entry).span(), whole)
        np.testing.assert_array_equal(
            StoredArray(Path(folder), entry).span(start, stop), whole[start:stop]
        )
        np.testing.assert_array_equal(StoredArray(Path(folder), entry).at(rows), whole[rows])


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_is_met_where_it_is_and_nowhere_else(tmp_path, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**31, (5_000, 3))
    entry = write_array(tmp_path / "x", [values], "<i8")
    content = bytearray((tmp_path / "x").read_bytes())
    place = int(rng.integers(entry["bytes"]))
    content[place] ^= 1 << int(rng.integers(8))
    (tmp_path / "x").write_bytes(content)
    array = StoredArray(tmp_path, entry)
    damaged = place // BLOCK
    for row in rng.integers(0, 5_000, 40).tolist():
        blocks = range(row * 24 // BLOCK, (row * 24 + 23) // BLOCK + 1)
        if damaged in blocks:
            with pytest.raises(GenerationDamaged):
                array.at(np.array([row]))
        else:
            np.testing.assert_array_equal(array.at(np.array([row]))[0], values[row])
    with pytest.raises(GenerationDamaged):
        array.span()


def test_checksums_are_vouched_for_and_sizes_fit(tmp_path):
    entry = write_array(tmp_path / "x", [np.arange(9_000)], "<i8")
    content = (tmp_path / "x").read_bytes()
    for changed in (content[:-1], content + b"x", content[:-1] + b"x", b""):
        (tmp_path / "x").write_bytes(changed)
        with pytest.raises(GenerationDamaged):
            StoredArray(tmp_path, entry)
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(GenerationDamaged):
        StoredArray(tmp_path, {**entry, "shape": [8_999]})
