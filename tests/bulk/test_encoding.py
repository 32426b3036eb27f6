"""Bulk encoding goes on where it stopped, whoever was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.bulk.encoding import encode_corpus
from mmedrag.bulk.plan import Plan, Source, alone
from mmedrag.bulk.shards import shards_in
from mmedrag.errors import CorpusError, QueryError
from patience import PATIENCE


@pytest.fixture
def mine(plan: Plan, corpus: Path, shards: Path, tmp_path: Path) -> Plan:
    """The finished encoding, and its corpus, as a copy that a test may change."""
    shutil.copytree(shards, tmp_path / "shards")
    return replace(plan, into=tmp_path / "shards")


def test_again_makes_nothing(mine: Plan) -> None:
    again = encode_corpus(mine, 1)
    assert (again.shards, again.made, again.cases) == (6, 0, 40)
    assert len(again.problems) == 2


def test_what_is_absent_or_damaged_is_made_again(mine: Plan) -> None:
    there = shards_in(mine.into)
    there[1].unlink()
    there[3].write_bytes(b"cut")
    assert encode_corpus(mine, 1).made == 2


def test_rows_that_come_at_the_end_leave_full_pieces(tmp_path: Path, corpus: Path) -> None:
    own = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    mine = Plan(into=tmp_path / "shards", sources=(Source(own),), rows=16)
    lines = (own / "records.jsonl").read_text("utf-8").splitlines()
    (own / "records.jsonl").write_text("\n".join(lines[:20]), "utf-8")
    assert encode_corpus(mine, 1).made == 2
    (own / "records.jsonl").write_text("\n".join(lines[:24]), "utf-8")
    longer = encode_corpus(mine, 1)
    assert (longer.shards, longer.made, longer.cases) == (2, 1, 24)
    (own / "records.jsonl").write_text("\n".join(lines[:16]), "utf-8")
    shorter = encode_corpus(mine, 1)
    assert (shorter.shards, shorter.made, shorter.cases) == (1, 0, 16)
    assert list(shards_in(mine.into)) == [0]


def test_two_runs_into_one_folder_do_not_mix_their_shards(mine: Plan) -> None:
    with alone(mine.into), pytest.raises(CorpusError, match="Another process is encoding into"):
        encode_corpus(mine, 1)
    assert encode_corpus(mine, 1).made == 0
    (mine.into / "encoding.json").write_text("{")
    with pytest.raises(CorpusError, match="Delete the folder"):
        encode_corpus(mine, 1)


def test_a_changed_image_is_noticed(tmp_path: Path, phantoms) -> None:
    image = tmp_path / "corpus" / "scan.png"
    image.parent.mkdir()
    shutil.copy(phantoms[0].image, image)
    mine = Plan(into=tmp_path / "shards", sources=(Source(image.parent),), rows=16)
    assert encode_corpus(mine, 1).made == 1
    shutil.copy(phantoms[1].image, image)
    assert encode_corpus(mine, 1).made == 1


@pytest.mark.parametrize("change", [{"rows": 16}, {"preset": "tuned"}])
def test_other_settings_are_refused(mine: Plan, change: dict) -> None:
    with pytest.raises(QueryError, match="was encoded with another"):
        encode_corpus(replace(mine, **change), 1)


def test_a_folder_of_something_else_is_refused(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CorpusError, match="not empty"):
        encode_corpus(replace(plan, into=tmp_path), 1)


def test_strict_stops_at_the_first_problem(mine: Plan) -> None:
    with pytest.raises(CorpusError, match=r"not JSON|cut"):
        encode_corpus(mine, 1, strict=True)


def test_strict_does_not_stop_at_remarks_on_cases(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("text\nKein Erguß.\n".encode("cp1252"))
    plan = Plan(into=tmp_path / "shards", sources=(Source(tmp_path / "t.csv"),), rows=16)
    encoded = encode_corpus(plan, 1, strict=True)
    assert (encoded.cases, len(encoded.problems)) == (1, 1)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds workers in /proc")
def test_killed_workers_are_replaced_and_a_killed_parent_leaves_none(
    corpus: Path, tmp_path: Path
) -> None:
    into = tmp_path / "shards"
    arguments = ["encode", str(corpus), "--into", str(into), "--rows", "4", "--workers", "2"]
    command = [sys.executable, "-c", f"from mmedrag.cli import main; exit(main({arguments}))"]

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as parent:
        workers = _workers_with_shards(parent, into, 1)
        os.kill(workers[0], signal.SIGKILL)
        workers = _workers_with_shards(parent, into, 4)  # of a new pool, or nearly done
        parent.kill()
    deadline = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []
    kept = len(shards_in(into))
    assert kept >= 4
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert f"40 cases in 11 shards, {11 - kept} of them made now" in said


def _workers_with_shards(parent: subprocess.Popen, into: Path, number: int) -> list[int]:
    """The worker processes of a parent, once so many shards are there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if into.is_dir() and len(shards_in(into)) >= number and (found := _workers(parent.pid)):
            return found
        assert parent.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    raise AssertionError("no worker wrote so many shards")


def _workers(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [pid for pid in map(int, children) if "spawn_main" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
