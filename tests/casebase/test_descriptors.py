"""Nothing that is read beside SQLite takes its locks away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from crash_writer import DIM, entry

from mmedrag.casebase import Casebase
from mmedrag.casebase.descriptors import sha256_beside
from mmedrag.durability import sha256_of

LOCKED = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
try:
    connection.execute("PRAGMA journal_mode = DELETE")  # only where nobody else is connected
    print("free")
except sqlite3.OperationalError as error:
    print("locked")
"""


def is_locked(path: Path) -> bool:
    command = [sys.executable, "-c", LOCKED, str(path / "casebase.db")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout == "locked\n"


def test_opening_closing_and_checking_leave_the_locks_of_others(tmp_path: Path) -> None:
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([entry("0", 1)])
    with Casebase.open(path, readonly=True) as kept:
        assert kept.count() == 1
        assert is_locked(path)
        with Casebase.open(path, readonly=True) as other:  # compares with the seal
            other.verify()
        with Casebase.open(path) as writer:
            writer.delete(["0"])
        assert is_locked(path)
        assert kept.count() == 0


def descriptors() -> int:
    """How many this process has open, where the system says so."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "cases"
    Casebase.create(path, dim=DIM, fingerprint="f", preset="p").close()
    before = descriptors()
    for i in range(3):
        with Casebase.open(path, readonly=True), Casebase.open(path) as casebase:
            casebase.add([entry(str(i), 1)])
            assert casebase.verify() == []
    after = descriptors()
    assert after == before


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3_000_000))
    assert sha256_beside(file) == sha256_of(file)
