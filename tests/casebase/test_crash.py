"""``kill -9`` at any moment: what was acknowledged is there, nothing is there by halves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from crash_writer import DIM, entry

from fast_folder import FAST
from mmedrag.casebase import Casebase
from mmedrag.testing.questions import question_of
from mmedrag.types import Query
from proofs import SEED, scaled

pytestmark = pytest.mark.proof("crash")
WRITER = Path(__file__).with_name("crash_writer.py")


def write_until_killed(path, seed, seconds):
    """What the writer said before it was killed at a random moment of its work."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(WRITER), str(path), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as writer:
        first = writer.stdout.readline()  # the work has begun
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    assert writer.returncode == -signal.SIGKILL  # it never fails by itself
    lines = [line for line in (first + rest).split("\n")[:-1] if line.endswith("}")]
    return [json.loads(line) for line in lines]


def replay(state, said):
    """The states that may be found: with all acknowledged writes, and with the one begun."""
    state = dict(state)
    begun = None
    for words in said:
        if "begin" in words:
            begun = words
            continue
        state, begun = applied(state, words["done"], words), None
    return [state] if begun is None else [state, applied(state, begun["begin"], begun)]


def applied(state, kind, words):
    if kind == "add":
        return {**state, **dict.fromkeys(words["ids"], words["version"])}
    if kind == "delete":
        return {k: v for k, v in state.items() if k not in words["ids"]}
    return state


def stored(casebase):
    """Versions by id, after checking that each case is whole."""
    found = {}
    for case in casebase.cases():
        version = int(case.text.removeprefix("version"))
        whole = entry(case.id, version)
        assert case == whole.case
        assert casebase.preview(case.id) == whole.thumbnail
        hit = casebase.search(question_of(Query(), whole.vector), 1)[0]
        assert (hit.case, hit.vector.tobytes()) == (case, whole.vector.tobytes())
        words = casebase.search(question_of(Query(text=case.text), whole.vector), 1)[0]
        assert words.case == case
        found[case.id] = version
    return found


def survives(path, seeds):
    Casebase.create(path, dim=DIM, fingerprint="f", preset="p").close()
    state = {}
    acknowledged = 0
    for seed in seeds:
        pause = float(np.random.default_rng(seed).uniform(0, 0.25))
        said = write_until_killed(path, seed, pause)
        acknowledged += sum("done" in words for words in said)
        with Casebase.open(path) as casebase:
            found = stored(casebase)
            assert found in replay(state, said)
            assert casebase.notices == []
            assert casebase.verify() == []
            casebase.add([entry("99", seed + 1)])  # the dead writer's lock is free
            casebase.delete(["99"])
        state = found
    return acknowledged


def test_a_killed_writer_loses_nothing(tmp_path, record_property):
    acknowledged = survives(tmp_path / "cases", range(12))
    assert acknowledged > 0
    record_property("kills of the library", 12)
    record_property("acknowledged writes", acknowledged)


@pytest.mark.long
def test_hundreds_of_killed_writers_lose_nothing(record_property):
    kills, first = scaled(300), 100 + 10_000 * SEED
    with TemporaryDirectory(dir=FAST) as folder:  # a kill leaves there what it leaves on a disk
        acknowledged = survives(Path(folder) / "cases", range(first, first + kills))
    assert acknowledged > 0
    record_property("kills of the library", kills)
    record_property("acknowledged writes", acknowledged)


def survives_as_if_it_had_ended(program, path):
    """A new casebase in which the program, killed at its end, has added case 1: it is sound."""
    Casebase.create(path, dim=DIM, fingerprint="f", preset="p").close()
    assert killed(program, path)
    with Casebase.open(path) as casebase:
        assert casebase.notices == []
        assert casebase.verify() == []
        assert set(stored(casebase)) == {"1"}


def test_a_first_publication_that_is_killed_before_its_pointer_is_no_damage(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from crash_writer import entry\n"
        "from mmedrag.casebase import Casebase\n"
        "from mmedrag.casebase.generations import Generations\n"
        "Generations.point_to = lambda *a: os.kill(os.getpid(), 9)\n"
        "casebase = Casebase.open(Path(sys.argv[1])); casebase.add([entry('1', 1)])\n"
        "casebase.publish()"
    )
    survives_as_if_it_had_ended(program, tmp_path / "cases")


def test_a_first_write_that_is_killed_before_its_note_is_no_damage(tmp_path):
    """The write is there, although nobody was told so: as after a kill while the log is synced."""
    program = (
        "import os, sys; from pathlib import Path; from crash_writer import entry\n"
        "from mmedrag.casebase import Casebase\n"
        "from mmedrag.casebase.ledger import Ledger\n"
        "note = Ledger.acknowledge\n"
        "Ledger.acknowledge = lambda s, n: os.kill(os.getpid(), 9) if n == 1 else note(s, n)\n"
        "casebase = Casebase.open(Path(sys.argv[1])); casebase.add([entry('1', 1)])"
    )
    survives_as_if_it_had_ended(program, tmp_path / "cases")


def killed(program, path):
    """Whether a program over a casebase ended by the signal that it sent to itself."""
    paths = os.pathsep.join([str(WRITER.parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    return done.returncode == -signal.SIGKILL


def test_a_killed_creation_leaves_nothing_in_the_way(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from mmedrag.casebase import Casebase, folder;"
        "folder.sync_folder = lambda path: os.kill(os.getpid(), 9);"
        "Casebase.create(Path(sys.argv[1]), dim=4, fingerprint='f', preset='p')"
    )
    path = tmp_path / "cases"
    assert killed(program, path)
    assert not path.exists()
    (left,) = tmp_path.iterdir()
    left.rename(tmp_path / f".cases.{os.getpid()}.tmp")  # as a container numbers its processes
    Casebase.create(path, dim=4, fingerprint="f", preset="p").close()
