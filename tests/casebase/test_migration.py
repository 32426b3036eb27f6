"""A casebase written by the release with format 1: read as it is, brought up to date by a writer.

``format1.casebase.tar.xz`` holds five synthetic cases (two with a picture) and one deletion,
``format2.casebase.tar.xz`` three reports with their terms, which do not say where they are.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.assembly import assemble, definitions_of, load, outdated, rebuild
from mmedrag.casebase import Casebase
from mmedrag.casebase.schema import FORMAT
from mmedrag.errors import CasebaseDamaged, FilterError
from mmedrag.presets import Stages
from mmedrag.testing.questions import question_of
from mmedrag.types import Assertion, Case, Criterion, Entry, Kind, Mention, Query

OLD = Path(__file__).with_name("format1.casebase.tar.xz")
CASES = 5
QUESTION = Query("Small pleural effusion?")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "old.casebase"


@pytest.fixture
def second(tmp_path: Path) -> Path:
    with tarfile.open(OLD.with_name("format2.casebase.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "two.casebase"


def version(path: Path) -> int:
    database = f"file:{path / 'casebase.db'}?mode=ro"
    with closing(sqlite3.connect(database, uri=True)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def contents(casebase: Casebase) -> dict[str, tuple]:
    return {case.id: (case, casebase.preview(case.id)) for case in casebase.cases()}


def test_an_old_casebase_is_read_as_it_is(old: Path) -> None:
    with Casebase.open(old, readonly=True) as casebase:
        assert casebase.count() == CASES
        assert casebase.verify() == []
        assert sum(preview is not None for _, preview in contents(casebase).values()) == 2
        assert casebase.unrecognised("anything") == CASES
    assert version(old) == 1


def test_an_old_casebase_answers_and_says_why_it_is_slow(old: Path, offline: Stages) -> None:
    rag = load(old)
    context = rag.retrieve(QUESTION)
    assert any("'mmedrag rebuild'" in notice for notice in rag.cases.notices)
    hits = [e for e in context.gathered if e.key.startswith("C")]
    assert any(evidence.mentions for evidence in hits)
    rag.cases.close()
    rebuild(old).close()
    again = load(old)
    assert again.cases.notices == []
    renewed = again.retrieve(QUESTION)
    assert [(e.key, e.name, e.mentions) for e in renewed.gathered] == [
        (e.key, e.name, e.mentions) for e in context.gathered
    ]
    again.cases.close()


def test_no_report_of_one_without_terms_meets_a_criterion(old: Path) -> None:
    wanted = Criterion(Assertion.AFFIRMED, "X:1", "mass")
    with Casebase.open(old, readonly=True) as casebase:
        question = question_of(Query(), np.zeros(casebase.dim, np.float32))
        found = casebase.search(replace(question, criteria=(wanted,)), 99)
        assert len(found) == CASES


def test_the_first_writer_brings_it_up_to_date(old: Path, offline: Stages) -> None:
    with Casebase.open(old, readonly=True) as casebase:
        before = contents(casebase)
        source = next(iter(before))
    with Casebase.open(old) as casebase:
        case, _ = before[source]
        vector = np.zeros(casebase.dim, np.float32)
        casebase.add([Entry(case, vector, "new", None)])
        assert version(old) == FORMAT
        assert any(f"format {FORMAT}" in notice for notice in casebase.notices)
        assert contents(casebase) == before | {source: (case, None)}
        assert casebase.verify() == []
        definitions = definitions_of(casebase)
        assert len(outdated(casebase, definitions)) == 1
        assert casebase.recognise(definitions) == CASES
        assert outdated(casebase, definitions) == []
        assert casebase.recognise(definitions) == 0
    with Casebase.open(old, readonly=True) as casebase:
        assert casebase.info()["format"] == str(FORMAT)


def test_a_reader_that_opened_it_before_goes_on(old: Path, offline: Stages) -> None:
    with Casebase.open(old, readonly=True) as reader:
        rag = assemble(offline, reader, definitions_of(reader))
        before = [(e.key, e.name) for e in rag.retrieve(QUESTION).gathered]
        rebuild(old).close()
        assert [(e.key, e.name) for e in rag.retrieve(QUESTION).gathered] == before
        assert reader.unrecognised(rag.definitions.fingerprint) == 0


KILLED = """
import os, sys
from pathlib import Path
from mmedrag.casebase import Casebase, schema
calls = 0
def crc32(blob):
    global calls
    calls += 1
    if calls == 3:
        os.kill(os.getpid(), 9)
    return 0
schema.crc32 = crc32
with Casebase.open(Path(sys.argv[1])) as casebase:
    casebase.delete(["nobody"])
"""


def test_a_killed_migration_leaves_the_old_format(old: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(old)], check=False, env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    with Casebase.open(old, readonly=True) as casebase:
        assert casebase.count() == CASES
        assert casebase.verify() == []
    assert version(old) == 1
    with Casebase.open(old) as casebase:
        casebase.delete(["nobody"])
        assert casebase.verify() == []
    assert version(old) == FORMAT


def test_a_flipped_bit_in_an_old_row_is_noticed_when_it_is_read(old: Path) -> None:
    connection = sqlite3.connect(old / "casebase.db")
    with connection:
        connection.execute("UPDATE texts SET text = replace(text, 'effusion', 'effusioo')")
    connection.close()
    with (
        Casebase.open(old, readonly=True) as casebase,
        pytest.raises(CasebaseDamaged, match="checksum"),
    ):
        list(casebase.cases())


def test_terms_without_sites_are_read_again_and_nothing_else_is_lost(
    second: Path, offline: Stages
) -> None:
    left, right = Query("left pleural effusion"), Query("right pneumothorax")
    with Casebase.open(second, readonly=True) as casebase:
        assert version(second) == 2
        assert casebase.verify() == []
        before = contents(casebase)
        assert casebase.unrecognised("anything") == len(before) == 3
        with pytest.raises(FilterError, match="mmedrag rebuild"):
            casebase.search(question_of(Query(where="affirms = 'x'"), np.zeros(casebase.dim)), 3)
    with load(second) as rag:
        assert any("'mmedrag rebuild'" in notice for notice in rag.notices)
        assert rag.retrieve(left).gathered
    rebuild(second).close()
    assert version(second) == FORMAT
    with load(second) as rag:
        assert rag.notices == []
        assert contents(rag.cases) == before
        assert rag.retrieve(left).gathered[0].name == "a"
        assert rag.retrieve(right).gathered[0].name == "c"
        assert rag.cases.verify() == []


def test_format_4_is_read_as_it_is_and_gets_sites_into_its_index(tmp_path: Path) -> None:
    path, vector = tmp_path / "four.casebase", np.ones(2, np.float32) / 2
    found = Mention("mass", 10, 14, "X:1", "mass", Assertion.AFFIRMED, Kind.FINDING, ("left",))
    entry = Entry(Case(id="a", text="Left lung mass."), vector, "a", None, (found,), "somebody")
    with Casebase.create(path, dim=2, fingerprint="f", preset="p") as casebase:
        casebase.add([entry])
        casebase.publish()
    with closing(sqlite3.connect(path / "casebase.db")) as connection, connection:
        connection.execute("DROP INDEX mentions_term")
        connection.execute("CREATE INDEX mentions_term ON mentions (term, assertion)")
        connection.execute("DROP TRIGGER unpacked")
        connection.execute("ALTER TABLE texts DROP COLUMN record")
        connection.execute("ALTER TABLE texts DROP COLUMN seal")
        connection.execute("UPDATE settings SET value = '4' WHERE key = 'format'")
        connection.execute("PRAGMA user_version = 4")
    (path / "seal.json").unlink()
    criterion = Criterion(Assertion.AFFIRMED, "X:1", "mass", ("left",))
    question = replace(question_of(Query("left mass"), vector), criteria=(criterion,))
    with Casebase.open(path, readonly=True) as casebase:
        assert casebase.verify() == []
        before = casebase.search(question, 5)
        assert [hit.mentions for hit in before] == [(found,)]
    assert version(path) == 4
    with Casebase.open(path) as casebase:
        casebase.delete(["nobody"])
        assert version(path) == FORMAT
        assert [(h.case, h.relevance) for h in casebase.search(question, 5)] == [
            (h.case, h.relevance) for h in before
        ]
        assert casebase.verify() == []
        assert packed_rows(casebase) == 0
        casebase.rebuild()
        assert packed_rows(casebase) == 1
        assert [h.mentions for h in casebase.search(question, 5)] == [(found,)]


def packed_rows(casebase: Casebase) -> int:
    sql = "SELECT count(record) FROM texts"
    return int(casebase._access.database._run(sql).fetchone()[0])
