"""Readers beside a writer: every answer is that of one committed state, and soon of the newest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from crash_writer import DIM, entry

from fast_folder import FAST
from mmedrag.casebase import Casebase
from mmedrag.testing.questions import question_of
from mmedrag.types import Query
from patience import PATIENCE
from proofs import scaled

pytestmark = pytest.mark.proof("concurrency")
NOBODY = 65534
READER = """
import json, os, sys
from pathlib import Path
import numpy as np
from mmedrag.casebase import Casebase
from mmedrag.testing.questions import question_of
from mmedrag.types import Query
if sys.argv[3:]:
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[3]))
with Casebase.open(Path(sys.argv[1]), readonly=True) as casebase:
    seen = []
    print("ready", flush=True)
    while True:
        question = question_of(Query(text=sys.argv[2]), np.ones(8, np.float32) / 8**0.5)
        hits = casebase.search(question, 99)
        seen.append(sorted((h.case.id, h.case.text) for h in hits))
        if any(h.case.text == "version99" for h in hits):
            break
    print(json.dumps({"seen": seen, "notices": casebase.notices}))
"""


@pytest.fixture
def tmp_path():
    """No question is asked of the disk here."""
    with TemporaryDirectory(dir=FAST) as folder:
        yield Path(folder)


def state(version):
    """Every commit changes every case, and how many there are."""
    return sorted((str(i), f"version{version}") for i in range(10 + version % 3))


def write_versions(casebase, last):
    for version in range(1, last):
        gone = [str(i) for i in range(10 + version % 3, 13)]
        if version % 4 == 0:
            casebase.publish()
        casebase.add([entry(case_id, version) for case_id, _ in state(version)])
        if gone:
            casebase.delete(gone)
        if version % 7 == 0:
            casebase.rebuild()
    casebase.add([entry(case_id, 99) for case_id, _ in state(99)])


def committed(last):
    """What a reader may see: after each add, and after the deletion that follows."""
    states = [[]]
    for version in (*range(1, last), 99):
        added = dict(states[-1]) | dict(state(version))
        states.append(sorted(added.items()))
        states.append(state(version))
    return states


@pytest.mark.parametrize("text", ["", "version"])
def test_readers_in_other_processes_see_committed_states_only(tmp_path, text, record_property):
    record_property("answers", read_beside(tmp_path, 15, [text]))


@pytest.mark.long
@pytest.mark.parametrize("text", ["", "version"])
def test_readers_of_another_user_see_committed_states_only(tmp_path, text, record_property):
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may become another user")
    tmp_path.chmod(0o755)
    answers = read_beside(tmp_path, max(15, min(98, scaled(98))), [text, str(NOBODY)])
    record_property("answers to another user", answers)


def read_beside(folder, last, words):
    """How many answers two readers had while a writer made its versions; all are judged."""
    path = folder / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        command = [sys.executable, "-c", READER, str(path), *words]
        readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for reader in readers:
            assert reader.stdout.readline() == "ready\n"
        write_versions(casebase, last)
        told = [json.loads(reader.communicate(timeout=PATIENCE)[0]) for reader in readers]
    allowed = committed(last)
    for answers in told:
        assert answers["notices"] == []
        at = 0
        for seen in answers["seen"]:
            pairs = [tuple(pair) for pair in seen]
            at = next(i for i in range(at, len(allowed)) if allowed[i] == pairs)  # never back
    return sum(len(answers["seen"]) for answers in told)


def test_threads_of_one_process_see_committed_states_only(tmp_path):
    last = 16
    allowed = committed(last)
    wrong, answers = [], []
    over = threading.Event()
    with Casebase.create(tmp_path / "cases", dim=DIM, fingerprint="f", preset="p") as casebase:

        def read():
            vector = np.ones(DIM, np.float32)
            while not over.is_set():
                hits = casebase.search(question_of(Query(), vector), 99)
                seen = sorted((h.case.id, h.case.text) for h in hits)
                answers.append(len(seen))
                if seen not in allowed:
                    wrong.append(seen)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            write_versions(casebase, last)
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert wrong == []
    assert len(answers) > last


def test_a_reader_follows_a_writer_through_everything(tmp_path):
    path = tmp_path / "cases"
    vector = entry("1", 1).vector
    Casebase.create(path, dim=DIM, fingerprint="f", preset="p").close()
    with Casebase.open(path) as writer, Casebase.open(path, readonly=True) as reader:
        writer.add([entry("1", 1), entry("2", 1)])
        assert reader.search(question_of(Query(), vector), 1)[0].case.id == "1"
        writer.publish()
        assert reader.info()["generation"] == 1
        assert reader.info()["rows_outside_index"] == 0
        writer.delete(["1"])
        assert [h.case.id for h in reader.search(question_of(Query(), vector), 9)] == ["2"]
        writer.rebuild()
        assert [h.case.id for h in reader.search(question_of(Query(), vector), 9)] == ["2"]
        assert reader.info()["deleted_rows_in_index"] == 0
        writer.add([entry("1", 1)])
        assert reader.search(question_of(Query(), vector), 1)[0].case.id == "1"
    assert [p.name for p in (path / "generations").iterdir()] == ["000002"]
    assert Path(path / "CURRENT").read_text() == "000002\n"


def test_a_walk_that_is_not_finished_holds_up_no_writer(tmp_path):
    with Casebase.create(tmp_path / "cases", dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([entry(str(i), 1) for i in range(5)])
        walk = casebase.cases()
        first = next(walk)
        assert casebase.delete([first.id]) == 1
        casebase.publish()
        assert len([first, *walk]) == 5  # one committed state: the one at its beginning
        assert casebase.count() == 4


def test_a_write_may_begin_while_a_search_begins_to_look_at_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.ledger._AT_ONCE", 0)
    with Casebase.create(tmp_path / "cases", dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([entry("0", 0)])
        access = casebase._access
        checking = access._checking

        def begun_beside_a_write():
            thread = checking()
            start = thread.start

            def overtaken():
                access._stop_watching()  # as a writer does, in another thread
                start()

            thread.start = overtaken
            return thread

        monkeypatch.setattr(access, "_checking", begun_beside_a_write)
        access._next_check = 0.0
        assert casebase.search(question_of(Query(), np.ones(DIM, np.float32) / DIM**0.5), 9)
        casebase.delete(["0"])
