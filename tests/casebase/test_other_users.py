"""Readers without write permission follow every write; where they cannot, they are refused."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import pytest
from crash_writer import DIM, entry

from fast_folder import FAST
from mmedrag.casebase import Casebase
from patience import PATIENCE

NOBODY = 65534
pytestmark = [
    pytest.mark.proof("concurrency"),
    pytest.mark.skipif(
        os.name != "posix" or os.geteuid() != 0, reason="only root may become another user"
    ),
]

READER = f"""
import json, os, sys
import urllib.parse  # pathlib loads it late, and this user may not read where Python lies
from pathlib import Path
import numpy as np
from mmedrag.casebase import Casebase
from mmedrag.errors import CasebaseError
from mmedrag.testing.questions import question_of
from mmedrag.types import Query
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
try:
    casebase = Casebase.open(Path(sys.argv[1]), readonly=True)
except CasebaseError as error:
    print(json.dumps(str(error)), flush=True)
    sys.exit()
question = question_of(Query(), np.ones({DIM}, np.float32) / {DIM} ** 0.5)
for line in sys.stdin:
    print(json.dumps(sorted(h.case.id for h in casebase.search(question, 99))), flush=True)
"""


class Reader:
    """A process of another user that keeps the casebase open and is asked what it finds."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def output(self) -> IO[str]:
        return self._process.stdout

    def ids(self) -> list[str] | str:
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def refusal(self) -> str:
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()


@pytest.fixture
def path() -> Iterator[Path]:
    with TemporaryDirectory(dir=FAST) as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "cases"
        with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
            casebase.add([entry(str(i), 1) for i in range(4)])
        yield path


def test_another_user_sees_every_deletion_and_addition(path: Path) -> None:
    reader = Reader(path)
    assert reader.ids() == ["0", "1", "2", "3"]
    with Casebase.open(path) as writer:
        writer.delete(["1"])
        assert reader.ids() == ["0", "2", "3"]
        writer.add([entry("9", 1)])
        assert reader.ids() == ["0", "2", "3", "9"]
        writer.publish()
        writer.delete(["9"])
        assert reader.ids() == ["0", "2", "3"]
        writer.rebuild()
        assert reader.ids() == ["0", "2", "3"]
    assert reader.ids() == ["0", "2", "3"]
    with Casebase.open(path) as writer:
        writer.delete(["0"])
    assert reader.ids() == ["2", "3"]
    reader.close()


def test_another_user_may_open_it_at_any_time(path: Path) -> None:
    for gone in ("0", "1"):
        with Casebase.open(path) as writer:
            writer.delete([gone])
            during = Reader(path)
            assert gone not in during.ids()
        after = Reader(path)
        assert after.ids() == during.ids()
        during.close()
        after.close()


def test_a_killed_writer_shuts_nobody_out(path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from mmedrag.casebase import Casebase;"
        "Casebase.open(Path(sys.argv[1])).delete(['2']); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    reader = Reader(path)
    assert reader.ids() == ["0", "1", "3"]
    reader.close()


def test_a_writer_that_closes_removes_no_log(path: Path) -> None:
    """A reader that came between the removal of the log and a new one was refused."""
    files = [path / "casebase.db-wal", path / "casebase.db-shm"]
    before = [file.stat().st_ino for file in files]
    for gone in ("0", "1"):
        with Casebase.open(path) as writer:
            writer.delete([gone])
        assert [file.stat().st_ino for file in files] == before
        assert files[0].stat().st_size == 0


def test_a_reader_waits_while_a_writer_opens_the_log(path: Path) -> None:
    """As between two steps of SQLite: the log's index is emptied, and not made anew yet."""
    index = os.open(path / "casebase.db-shm", os.O_RDWR)
    fcntl.lockf(index, fcntl.LOCK_SH, 1, 128)  # a connection that may write is there
    os.ftruncate(index, 3)
    reader = Reader(path)
    assert select.select([reader.output], [], [], 1.5) == ([], [], [])  # not refused
    with Casebase.open(path) as writer:
        writer.delete(["0"])
        assert reader.ids() == ["1", "2", "3"]
    os.close(index)
    reader.close()


def test_where_the_log_cannot_be_followed_the_reader_is_refused(path: Path) -> None:
    """As a release before this one left it: in WAL mode, without the log's files."""
    for name in ("casebase.db-wal", "casebase.db-shm"):
        (path / name).unlink()
    reader = Reader(path)
    assert "mmedrag rebuild" in reader.refusal()
    reader.close()
    Casebase.open(path).close()
    reader = Reader(path)
    assert reader.ids() == ["0", "1", "2", "3"]
    reader.close()


def test_a_folder_that_may_not_be_read_is_an_error_with_a_remedy(path: Path) -> None:
    (path / "casebase.db").chmod(0o600)
    reader = Reader(path)
    assert "may read" in reader.refusal()
    reader.close()


def test_a_full_disk_can_be_read(tmp_path: Path, path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        copy = Path(shutil.copytree(path, disk / "cases"))
        with (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                try:
                    filler.write(bytes(4096))
                except OSError:
                    break
        for readonly in (True, False, True):
            with Casebase.open(copy, readonly=readonly) as casebase:
                assert sorted(casebase.ids()) == ["0", "1", "2", "3"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
