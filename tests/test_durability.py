"""A file is there whole, or what was there before it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mmedrag.durability import durable_file, write_durably


def test_content_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_durably(file, "eins")
    write_durably(file, b"zwei")
    assert file.read_bytes() == b"zwei"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_failing_disk_leaves_the_former_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    write_durably(file, "before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(file, "after")
    assert file.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_block_that_fails_leaves_the_former_content(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_durably(file, "before")
    with pytest.raises(OSError, match="file"), durable_file(file) as temporary:
        (temporary.parent / temporary.name / "x").write_text("a library that fails")
    assert file.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_mode_holds_from_the_first_byte_on(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with durable_file(file, mode=0o600) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        temporary.write_bytes(b"secret")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("before")
    link.symlink_to(target)
    write_durably(link, "after")
    assert link.is_symlink()
    assert target.read_text() == "after"


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_durably(pipe, "through")
        assert os.read(reader, 99) == b"through"
    finally:
        os.close(reader)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]
