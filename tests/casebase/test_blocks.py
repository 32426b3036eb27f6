"""Arrays in files: what is taken out is what was written, or damage is said."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_folder import FAST
from mmedrag.casebase.blocks import (
    BLOCK,
    GenerationDamaged,
    StoredArray,
    row_block,
    write_array,
)

sizes = st.lists(st.integers(0, 700), min_size=1, max_size=5)


@settings(deadline=None, max_examples=30)
@given(
    sizes,
    st.sampled_from([1, 3, 64, 200, 1_500]),
    st.integers(0, 2**32 - 1),
    st.sampled_from([row_block, lambda _: BLOCK, lambda _: 1_000]),
)
def test_an_array_comes_back_whole_in_part_and_by_rows(pieces, width, seed, block):
    rng = np.random.default_rng(seed)
    whole = rng.standard_normal((sum(pieces), width), np.float32)
    parts = np.split(whole, np.cumsum(pieces)[:-1])
    with TemporaryDirectory(dir=FAST) as folder:
        entry = write_array(Path(folder) / "x", parts, "<f4", block(4 * width))
        n = len(whole)
        start, stop = sorted(rng.integers(0, n + 1, 2).tolist())
        rows = rng.integers(0, n, 9) if n else np.empty(0, np.int64)
        np.testing.assert_array_equal(StoredArray(Path(folder), entry).span(), whole)
        np.testing.assert_array_equal(
            StoredArray(Path(folder), entry).span(start, stop), whole[start:stop]
        )
        np.testing.assert_array_equal(StoredArray(Path(folder), entry).at(rows), whole[rows])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("width", "block"), [(3, BLOCK), (80, row_block(640))])
def test_a_flipped_bit_is_met_where_it_is_and_nowhere_else(tmp_path, seed, width, block):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**31, (15_000 // width, width))
    entry = write_array(tmp_path / "x", [values], "<i8", block)
    content = bytearray((tmp_path / "x").read_bytes())
    place = int(rng.integers(entry["bytes"]))
    content[place] ^= 1 << int(rng.integers(8))
    (tmp_path / "x").write_bytes(content)
    array = StoredArray(tmp_path, entry)
    damaged, size = place // block, 8 * width
    for row in [*rng.integers(0, len(values), 40).tolist(), place // size]:
        blocks = range(row * size // block, (row * size + size - 1) // block + 1)
        if damaged in blocks:
            with pytest.raises(GenerationDamaged):
                array.at(np.array([row]))
        else:
            np.testing.assert_array_equal(array.at(np.array([row]))[0], values[row])
    with pytest.raises(GenerationDamaged):
        array.span()


def test_a_block_is_a_row_where_rows_are_neither_short_nor_long(tmp_path):
    assert [row_block(n) for n in (24, 512, 1_024, 3_072, 4_096, 6_000)] == [
        BLOCK, 512, 1_024, 3_072, 4_096, BLOCK,
    ]  # fmt: skip
    values = np.arange(4_000, dtype=np.float32).reshape(20, 200)
    entry = write_array(tmp_path / "x", [values], "<f4", row_block(800))
    content = bytearray((tmp_path / "x").read_bytes())
    content[7 * 800] ^= 1
    (tmp_path / "x").write_bytes(content)
    array = StoredArray(tmp_path, entry)
    others = np.delete(np.arange(20), 7)
    np.testing.assert_array_equal(array.at(others), values[others])
    with pytest.raises(GenerationDamaged):
        array.at(np.array([7]))


def test_files_whose_entry_names_no_block_have_blocks_of_4096_bytes(tmp_path):
    entry = write_array(tmp_path / "x", [np.arange(9_000)], "<i8")
    del entry["block"]
    np.testing.assert_array_equal(StoredArray(tmp_path, entry).span(), np.arange(9_000))


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
