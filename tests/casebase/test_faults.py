"""Full disks, broken disks, disks that may not be written: a clear error, nothing lost."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from crash_writer import DIM, entry
from fault_writer import OPERATIONS

from fast_folder import FAST
from mmedrag.casebase import Casebase
from mmedrag.errors import CasebaseError, CasebaseLocked
from mmedrag.testing.questions import question_of
from mmedrag.types import Query
from patience import PATIENCE
from proofs import SCALE

pytestmark = pytest.mark.proof("faults")
FAULTY = Path(__file__).with_name("fault_writer.py")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([entry(str(i), 1) for i in range(10)])
        casebase.publish()
    return path


@pytest.fixture
def path(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "cases"))


def holds(casebase, versions):
    assert {c.id: c.text for c in casebase.cases()} == {
        case_id: f"version{version}" for case_id, version in versions.items()
    }
    for case_id, version in versions.items():
        whole = entry(case_id, version)
        assert casebase.search(question_of(Query(), whole.vector), 1)[0].case == whole.case
        assert casebase.preview(case_id) == whole.thumbnail


def after(outcome, kind, versions):
    """What is stored after a write that succeeded or failed."""
    if kind == "add" and outcome["add"] is None:
        return {**versions, **{str(i): 2 for i in range(5, 15)}}
    return versions


@pytest.mark.parametrize("number", [0, 1, 6])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_failing_disk_is_told_and_loses_nothing(path, operation, number):
    code = "ENOSPC" if number % 2 else "EIO"
    command = [sys.executable, str(FAULTY), str(path), operation, str(number), code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    failures = [told for told in outcome.values() if told is not None]
    assert number > 1 or failures
    for name, text in failures:
        assert name == "CasebaseError"
        assert ("disk space" if code == "ENOSPC" else "Check the disk") in text
        assert "\n" not in text
    with Casebase.open(path) as casebase:
        versions = after(outcome, "add", {str(i): 1 for i in range(10)})
        there = set(casebase.ids())
        assert {"0", "1"}.isdisjoint(there) or outcome["delete"] is not None
        holds(casebase, {k: v for k, v in versions.items() if k in there or k not in ("0", "1")})
        casebase.rebuild()
        assert casebase.verify() == []


@pytest.mark.long
def test_every_call_of_the_system_may_fail(tmp_path, sound, record_property):
    """Beneath Python: SQLite and FAISS meet the faults too."""
    compiler = shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs gcc and LD_PRELOAD")
    library = tmp_path / "faulty_calls.so"
    source = FAULTY.with_name("faulty_calls.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    step = max(1, round(1 / SCALE))
    with TemporaryDirectory(dir=FAST) as folder:
        done = subprocess.run(
            [sys.executable, FAULTY.with_name("fault_trials.py"), sound, folder, str(step)],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "LD_PRELOAD": str(library)},
        )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    record_property("trials", result["trials"])
    record_property("faults met", result["met"])
    assert result["wrong"] == []
    assert result["met"] > 100 * SCALE


def limited(path, size, program):
    """Run a program that may not make any file longer than ``size`` bytes."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    command = [sys.executable, "-c", program, str(path)]
    paths = os.pathsep.join([str(FAULTY.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
    )


GROW = """
import sys
from pathlib import Path
from crash_writer import entry
from mmedrag.casebase import Casebase
from mmedrag.errors import CasebaseError
with Casebase.open(Path(sys.argv[1])) as casebase:
    for i in range(100, 4000, 20):
        try:
            casebase.add([entry(str(j), 1) for j in range(i, i + 20)])
        except CasebaseError as error:
            print(i, error)
            break
"""


def test_a_database_that_may_not_grow_keeps_what_it_acknowledged(path):
    done = limited(path, 400_000, GROW)
    assert done.returncode == 0, done.stderr
    stopped, _, message = done.stdout.strip().partition(" ")
    assert "disk" in message
    assert "nothing stored is lost" in message
    with Casebase.open(path) as casebase:
        assert set(casebase.ids()) == {str(i) for i in (*range(10), *range(100, int(stopped)))}
        assert casebase.verify() == []


def test_a_full_disk_keeps_what_it_acknowledged(tmp_path, sound):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        path = Path(shutil.copytree(sound, disk / "cases"))
        done = limited(path, 1 << 30, GROW)
        assert done.returncode == 0, done.stderr
        stopped, _, message = done.stdout.strip().partition(" ")
        assert "Free some disk space" in message
        with Casebase.open(path, readonly=True) as casebase:
            assert set(casebase.ids()) == {str(i) for i in (*range(10), *range(100, int(stopped)))}
            assert casebase.verify() == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_may_not_be_written_can_be_read(path, tmp_path, monkeypatch):
    """As root every folder may be written, so the question itself is answered with no."""
    for each in (path, *path.rglob("*")):
        each.chmod(each.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    ask = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: mode != os.W_OK and ask(p, mode))
    before = sorted(p.name for p in path.iterdir())
    for readonly in (True, False):
        with Casebase.open(path, readonly=readonly) as casebase:
            holds(casebase, {str(i): 1 for i in range(10)})
            with pytest.raises(CasebaseError, match=r"reading only|cannot be written"):
                casebase.add([entry("10", 1)])
    assert sorted(p.name for p in path.iterdir()) == before
    monkeypatch.undo()
    for each in (path, *path.rglob("*")):
        each.chmod(each.stat().st_mode | stat.S_IWUSR)


LOST = """
import os, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from crash_writer import DIM, entry
from mmedrag.casebase import Casebase
from mmedrag.errors import CasebaseError
with TemporaryDirectory() as folder:  # what is imported late, another user may not read
    with Casebase.create(Path(folder) / "c", dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([entry("1", 1)])
        casebase.delete(["1"])
        casebase.publish()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
refused = 0
try:
    with Casebase.open(Path(sys.argv[1])) as casebase:
        for version in range(100, 160, 2):
            for kind, write in (
                ("add", lambda: casebase.add([entry(str(version), 1), entry(str(version + 1), 1)])),
                ("delete", lambda: casebase.delete([str(version)])),
                ("publish", casebase.publish),
            ):
                try:
                    write()
                    print(kind, version, flush=True)
                except CasebaseError as error:
                    refused += 1
                    print("refused", error, flush=True)
            sys.stdin.readline()
except CasebaseError as error:
    print("refused", error, flush=True)
"""


@pytest.mark.parametrize(
    "lost", ["cases", "thumbnails", "generations", "casebase.db", "casebase.db-wal", "everything"]
)
def test_a_permission_that_is_lost_midway_is_told_and_loses_nothing(sound, lost):
    """The folder changes hands while another user's process writes to it, and is given back."""
    if os.geteuid() != 0:
        pytest.skip("only root may take a folder from another user")
    with TemporaryDirectory(dir=FAST) as folder:
        Path(folder).chmod(0o755)
        path = Path(shutil.copytree(sound, Path(folder) / "cases"))
        owned = [path, *path.rglob("*")]
        for each in owned:
            os.chown(each, 65534, 65534)
        paths = os.pathsep.join([str(FAULTY.parent), os.environ.get("PYTHONPATH", "")])
        with subprocess.Popen(
            [sys.executable, "-c", LOST, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        ) as writer:
            lines = [writer.stdout.readline() for _ in range(6) if not _ or _ % 3 or go(writer)]
            taken = [path, *path.rglob("*")]
            if lost != "everything":
                taken = [path if lost == "cases" else path / lost]
            modes = {each: each.stat().st_mode for each in taken}
            for each in taken:
                os.chown(each, 0, 0)
                each.chmod(0o555 if each.is_dir() else 0o444)
            output, errors = writer.communicate("\n" * 40, timeout=PATIENCE)
        assert writer.returncode == 0, errors
        for each, mode in modes.items():
            if each.exists():
                each.chmod(mode)
        said = [line.split(maxsplit=1) for line in [*lines, *output.splitlines()]]
        refusals = [text for kind, text in said if kind == "refused"]
        assert refusals or lost in ("casebase.db", "casebase.db-wal")  # open files stay open
        assert all("may read and write" in text for text in refusals), refusals
        added, gone = ([int(t) for kind, t in said if kind == k] for k in ("add", "delete"))
        kept = {str(i) for v in added for i in (v, v + 1)} - {str(v) for v in gone}
        with Casebase.open(path) as casebase:
            there = set(casebase.ids())
            assert kept <= there
            assert {str(v) for v in gone}.isdisjoint(there)
            holds(casebase, dict.fromkeys(there, 1))
            casebase.rebuild()
            assert casebase.verify() == []


def go(writer: subprocess.Popen) -> bool:
    """Let the writer go on with its next three writes."""
    writer.stdin.write("\n")
    writer.stdin.flush()
    return True


def test_a_second_writer_is_told_who_writes(path):
    with Casebase.open(path) as first, Casebase.open(path) as second:
        first.add([entry("10", 1)])
        with pytest.raises(CasebaseLocked, match=rf"Process {os.getpid()} is writing.*writer.lock"):
            second.delete(["10"])
        holds(second, {str(i): 1 for i in range(11)})
        first.close()
        assert second.delete(["10"]) == 1


def test_a_second_process_is_told_who_writes(path):
    program = (
        "import sys; from pathlib import Path; from mmedrag.casebase import Casebase;"
        "Casebase.open(Path(sys.argv[1])).delete(['0'])"
    )
    command = [sys.executable, "-c", program, str(path)]
    with Casebase.open(path) as writer:
        writer.add([entry("10", 1)])
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert f"CasebaseLocked: Process {os.getpid()} is writing" in done.stderr
    assert subprocess.run(command, check=False).returncode == 0


def test_an_entry_that_cannot_be_stored_stops_the_whole_batch(path):
    good, other = entry("20", 1), entry("21", 1)
    bad = {
        "norm": type(good)(other.case, other.vector * 3, "", None),
        "shape": type(good)(other.case, other.vector[:3], "", None),
        "Unicode": type(good)(type(other.case)(id="x", text="\ud800"), other.vector, "", None),
        "JSON": type(good)(type(other.case)(id="x", meta={"a": object()}), other.vector, "", None),
        "no id": type(good)(type(other.case)(id=""), other.vector, "", None),
        "not finite|norm nan": type(good)(other.case, other.vector * float("nan"), "", None),
    }
    with Casebase.open(path) as casebase:
        for message, entry_ in bad.items():
            with pytest.raises(CasebaseError, match=message):
                casebase.add([good, entry_])
        assert casebase.count() == 10


def test_a_closed_casebase_says_so(path):
    casebase = Casebase.open(path)
    casebase.close()
    casebase.close()
    with pytest.raises(CasebaseError, match="is closed"):
        casebase.count()
    with pytest.raises(CasebaseError, match="is closed"):
        casebase.delete(["0"])
