"""Only files that can be read to their end are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmedrag.errors import CorpusError
from mmedrag.regular_files import regular_file


def sparse(path: Path, head: bytes, size: int, tail: bytes = b"") -> Path:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
        file.seek(size)
        file.write(tail)
    return path


def holes_are_known(folder: Path) -> bool:
    probe = sparse(folder / "probe", b"", 2**30)
    return probe.stat().st_blocks < 2**20


@pytest.mark.parametrize("tail", [b"", b"2,No mass.\n"])
def test_what_was_never_written_is_no_text(tmp_path, tail):
    if not holes_are_known(tmp_path):
        pytest.skip("this file system writes every zero")
    with pytest.raises(CorpusError, match="never written"):
        regular_file(sparse(tmp_path / "t.csv", b"id,text\n1,No mass.\n", 2**36, tail))


@pytest.mark.parametrize("size", [0, 100, 2**28])
def test_a_block_that_a_crash_left_empty_is_read(tmp_path, size):
    path = sparse(tmp_path / "t.csv", b"id,text\n", size + 8, b"1,No mass.\n")
    assert regular_file(path) == path


def test_many_small_holes_count_together(tmp_path, monkeypatch):
    if not holes_are_known(tmp_path):
        pytest.skip("this file system writes every zero")
    path = sparse(tmp_path / "t.csv", b"id,text\n", 2**26)
    with path.open("rb+") as file:
        for at in range(0, 2**26, 2**22):
            file.seek(at)
            file.write(b"x")
    assert regular_file(path) == path
    monkeypatch.setattr("mmedrag.regular_files.MAX_HOLES", 2**25)
    with pytest.raises(CorpusError, match="never written"):
        regular_file(path)


def test_a_file_of_zeros_that_were_written_is_a_file(tmp_path):
    path = tmp_path / "zeros"
    path.write_bytes(bytes(3 * 2**20))
    assert regular_file(path) == path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_folders_and_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "", "absent", "a\0b"):
        with pytest.raises(CorpusError):
            regular_file(tmp_path / name)
