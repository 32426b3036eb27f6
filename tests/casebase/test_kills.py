"""``kill -9`` of the real command line, and of a migration, at any moment."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from fast_folder import FAST
from mmedrag.casebase import Casebase
from mmedrag.casebase.schema import FORMAT
from proofs import SEED, scaled

pytestmark = pytest.mark.proof("crash")

OLD = Path(__file__).with_name("format1.casebase.tar.xz")
KILLER = Path(__file__).with_name("command_killer.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
IDS = [str(i) for i in range(12)]


@pytest.fixture
def folder():
    """Kills of a process leave what it wrote to a folder in memory, as to a disk."""
    with TemporaryDirectory(dir=FAST) as name:
        yield Path(name)


def corpus(folder: Path, version: int, ids: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    rows = [{"id": i, "text": f"version{version}: case {i}.", "domain": "radiology"} for i in ids]
    (folder / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


class Commands:
    """Commands that are killed, or not; see :mod:`command_killer`."""

    def __init__(self, folder: Path) -> None:
        self._said = folder / "said.txt"
        self._killer = subprocess.Popen(
            [sys.executable, str(KILLER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            text=True,
        )

    def killed(self, words: list[object], seconds: float, folder: Path | None = None) -> int:
        """0, or -9 after a kill; a command that fails by itself is a failure of the test."""
        request = [list(map(str, words)), str(self._said), seconds, folder and str(folder)]
        self._killer.stdin.write(json.dumps(request) + "\n")
        self._killer.stdin.flush()
        status = int(self._killer.stdout.readline())
        assert status in (0, -signal.SIGKILL), self._said.read_text()
        return status

    def done(self, words: list[object]) -> None:
        """A command that nobody kills."""
        assert self.killed(words, 600) == 0

    def close(self) -> None:
        """End the process that the commands are forked from."""
        self._killer.communicate()


@pytest.fixture
def commands(folder):
    with closing(Commands(folder)) as commands:
        yield commands


def killed(command: list[str], seconds: float) -> int:
    """The exit status of a program that is killed that long after it began, if it still runs."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT
    ) as process:
        process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode


def stored(path: Path) -> dict[str, str]:
    with Casebase.open(path) as casebase:
        assert casebase.notices == []
        assert casebase.verify() == []
        return {case.id: case.text.split(":")[0] for case in casebase.cases()}


def command_of(kind: str, folder: Path, path: Path, version: int, ids: list[str]) -> list:
    if kind == "delete":
        return ["delete", path, *ids, "--now"]
    if kind == "rebuild":
        return ["rebuild", path]
    if kind == "index":
        return ["index", corpus(folder / "corpus", version, ids), "--into", path]
    return [kind, path, corpus(folder / "corpus", version, ids)]


def feasible(kind: str, ids: list[str], state: dict[str, str]) -> tuple[str, list[str]]:
    """A command that has something to do: deleting what is not there is an error."""
    there = [case_id for case_id in ids if case_id in state]
    if kind != "delete":
        return kind, ids
    return ("delete", there) if there else ("add", ids)


def after(kind: str, state: dict[str, str], version: int, ids: list[str]) -> dict[str, str]:
    """The state once the command has done all of its work."""
    if kind == "delete":
        return {k: v for k, v in state.items() if k not in ids}
    return state if kind == "rebuild" else state | dict.fromkeys(ids, f"version{version}")


@pytest.mark.long
def test_a_killed_command_loses_nothing(folder, commands, record_property):
    path = folder / "cases"
    start = corpus(folder / "start", 0, IDS)
    commands.done(["index", start, "--into", path])
    state = stored(path)
    rng = np.random.default_rng([5, SEED])
    kills = acknowledged = 0
    for version in range(1, scaled(250) + 1):
        ids = sorted(rng.choice(IDS, rng.integers(2, 8), replace=False).tolist())
        kind = str(rng.choice(["add", "update", "delete", "rebuild"]))
        kind, ids = feasible(kind, ids, state)
        command = command_of(kind, folder, path, version, ids)
        begun = path if version % 2 else None  # seconds from when it has become the writer
        status = commands.killed(command, float(rng.uniform(0, 0.15 if begun else 0.6)), begun)
        acknowledged += status == 0
        kills += status == -signal.SIGKILL
        state = judged(path, state, after(kind, state, version, ids), status)
    assert kills > 0
    record_property("kills of the command line", kills)
    record_property("commands that ended before the kill", acknowledged)


@pytest.mark.long
def test_a_command_that_creates_is_killed_and_can_be_given_again(folder, commands, record_property):
    """There is no casebase, an empty one, or one with whole cases; never one by halves."""
    rng = np.random.default_rng([8, SEED])
    kills = 0
    for number in range(scaled(60)):
        path = folder / str(number)
        command = command_of("index", folder, path, number, IDS)
        begun = folder if number % 2 else None  # seconds from when the casebase is laid out
        status = commands.killed(command, float(rng.uniform(0, 0.3 if begun else 0.6)), begun)
        kills += status == -signal.SIGKILL
        whole = dict.fromkeys(IDS, f"version{number}")
        if path.exists():
            assert stored(path).items() <= whole.items()
        commands.done(command)
        assert stored(path) == whole
    assert kills > 0
    record_property("kills of a creation", kills)


@pytest.mark.long
def test_a_command_killed_while_it_publishes_loses_nothing(folder, commands, record_property):
    """From the first file of the new generation on: the pointer moves, the old one goes."""
    path = folder / "cases"
    start = corpus(folder / "start", 0, IDS)
    commands.done(["index", start, "--into", path])
    state = stored(path)
    rng = np.random.default_rng([7, SEED])
    kills = 0
    for version in range(1, scaled(120) + 1):
        ids = sorted(rng.choice(IDS, rng.integers(2, 8), replace=False).tolist())
        kind = ["add", "update", "delete", "rebuild", "index"][version % 5]
        kind, ids = feasible(kind, ids, state)
        command = command_of(kind, folder, path, version, ids)
        status = commands.killed(command, float(rng.exponential(0.01)), path / "generations")
        kills += status == -signal.SIGKILL
        done = after(kind, state, version, ids)
        state = judged(path, state, done, status)
    assert kills > 0
    record_property("kills of the command line in a publication", kills)


def judged(path: Path, state: dict[str, str], done: dict[str, str], status: int):
    """What is stored after a command; each case as it was or as the command makes it."""
    found = stored(path)
    if status == 0:
        assert found == done
    for case_id in IDS:
        assert found.get(case_id) in (state.get(case_id), done.get(case_id))
    assert set(found) <= set(IDS)
    return found


@pytest.mark.long
def test_a_migration_that_is_killed_anywhere_can_be_done_again(folder, record_property):
    """Kills fall before, inside and after the transaction that migrates."""
    program = (
        "import sys; from pathlib import Path; from mmedrag.casebase import Casebase;"
        "print('begins', flush=True); Casebase.open(Path(sys.argv[1])).delete(['nobody'])"
    )
    rng = np.random.default_rng([6, SEED])
    kills = 0
    for number in range(scaled(60)):
        into = folder / str(number)
        with tarfile.open(OLD) as archive:
            archive.extractall(into, filter="data")
        path = into / "old.casebase"
        before = contents(path)
        status = killed([sys.executable, "-c", program, str(path)], rng.uniform(0, 0.08))
        kills += status == -signal.SIGKILL
        assert contents(path) == before
        with Casebase.open(path) as casebase:
            casebase.delete(["nobody"])
            assert casebase.verify() == []
        assert contents(path) == before
        with sqlite3.connect(path / "casebase.db") as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        connection.close()
    assert kills > 0
    record_property("kills of a migration", kills)


def contents(path: Path) -> dict[str, tuple]:
    with Casebase.open(path, readonly=True) as casebase:
        return {case.id: (case, casebase.preview(case.id)) for case in casebase.cases()}
