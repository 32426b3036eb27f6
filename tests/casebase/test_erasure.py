"""What is deleted leaves the disk: texts, words, vectors, thumbnails."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.casebase import Casebase, Entry
from mmedrag.cli import main
from mmedrag.errors import CasebaseError
from mmedrag.testing.case_index import DIM, entries_of, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Assertion, Case, Domain, Mention, Query

pytestmark = pytest.mark.proof("planted values")
SECRET = "Xylographica Quenselbeck"
VECTOR = unit(np.random.default_rng(21))
JPEG = b"\xff\xd8 the face of Quenselbeck"


def secret_case(case_id="secret", text=SECRET, thumbnail=JPEG):
    case = Case(
        id=case_id,
        text=f"Report on {text}",
        domain=Domain.RADIOLOGY,
        patient_id="Quenselbeck-77",
        meta={"history": "Quenselbeck smokes"},
    )
    return Entry(case, VECTOR, "", thumbnail)


def traces(path):
    """Files under a folder that hold a part of the secret; words are stored prefix by prefix."""
    found = {}
    for file in path.rglob("*"):
        if file.is_file():
            content = file.read_bytes().lower()
            for word in (b"quenselbeck", b"enselbeck", b"xylograph", VECTOR.tobytes().lower()):
                if word in content:
                    found.setdefault(file.name, []).append(word)
    return found


def test_a_deleted_case_leaves_no_trace(tmp_path):
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add(entries_of(22, 200))
        casebase.add([secret_case()])
        casebase.add(entries_of(23, 50))
        assert "casebase.db" in traces(path) or "casebase.db-wal" in traces(path)
        casebase.publish()
        assert casebase.delete(["secret", "secret"]) == 1
        left = traces(path)
        assert left == {"vectors": [VECTOR.tobytes().lower()]}  # masked, and it is said
        assert casebase.unerased() == {"vectors in the index": 1}
        assert casebase.info()["unerased"] == {"vectors in the index": 1}
        assert casebase.erase() == {}
        assert traces(path) == {}
        assert casebase.unerased() == {}


def test_terms_of_a_deleted_case_leave_no_trace(tmp_path):
    path = tmp_path / "cases"
    mention = Mention("Xylographica", 10, 22, "Q:QUENSELBECK", "xylographia", Assertion.AFFIRMED)
    entry = replace(secret_case(), mentions=(mention,), recogniser="quenselbeck's rules")
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([*entries_of(22, 20), entry])
        casebase.publish()
        casebase.delete(["secret"])
        casebase.erase()
        assert traces(path) == {}


def test_what_a_reader_holds_back_is_said_and_erased_later(tmp_path):
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([*entries_of(22, 20), secret_case()])
        walk = casebase.cases()  # holds the state before the deletion
        next(walk)
        casebase.delete(["secret"])
        left = casebase.erase()
        assert left == {} or set(left) == {"bytes of log"}
        held_back = set(traces(path)) - {"casebase.db-shm"}
        assert bool(held_back) == bool(left)
        walk.close()
        assert casebase.erase() == {}
        assert traces(path) == {}


def test_delete_now_on_the_command_line(tmp_path, capsys):
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([*entries_of(22, 20), secret_case(), secret_case("other")])
        casebase.publish()
    assert main(["delete", str(path), "secret"]) == 0
    assert "not erased yet: 1 vectors in the index" in capsys.readouterr().err
    assert set(traces(path))
    assert main(["delete", str(path), "other", "--now"]) == 0
    assert capsys.readouterr().err == ""
    assert traces(path) == {}
    assert main(["delete", str(path), "--now"]) == 0
    assert main(["delete", str(path)]) == 2


def test_previews_that_a_killed_writer_left_are_listed_and_swept(tmp_path):
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([secret_case()])
    program = (
        "import os, sys; from pathlib import Path; from mmedrag.casebase import Casebase\n"
        "from mmedrag.casebase.database import Database\n"
        "from test_erasure import secret_case\n"
        "Database.insert = lambda *a: os.kill(os.getpid(), 9)\n"
        "Casebase.open(Path(sys.argv[1])).add([secret_case('x', thumbnail=b'orphan')])"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    subprocess.run(
        [sys.executable, "-c", program, str(path)],
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    orphan = next(f for f in (path / "thumbnails").rglob("*.jpg") if f.read_bytes() == b"orphan")
    with Casebase.open(path, readonly=True) as casebase:
        assert [p for p in casebase.verify() if "belongs to no case" in p]
    with Casebase.open(path) as casebase:
        assert not orphan.exists()
        assert casebase.verify() == []
        assert casebase.preview("secret") == JPEG


def test_a_failed_write_leaves_no_preview(tmp_path, monkeypatch):
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([secret_case()])

        def full(*_):
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(casebase._access.database, "insert", full)
        with pytest.raises(CasebaseError):
            casebase.add([secret_case("x"), secret_case("y", thumbnail=b"orphan")])
        files = [f.read_bytes() for f in (path / "thumbnails").rglob("*.jpg")]
        assert files == [JPEG]


def test_a_replaced_text_leaves_no_trace_once_the_writer_closes(tmp_path):
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add(entries_of(24, 100))
        casebase.add([secret_case()])
        clean = Entry(Case(id="secret", text="Report"), VECTOR, "", None)
        casebase.add([clean])
        assert (
            casebase.search(question_of(Query(text="xylographica"), VECTOR), 1)[0].case
            == clean.case
        )
        assert casebase.preview("secret") is None
    left = traces(path)
    assert [word for words in left.values() for word in words] == [VECTOR.tobytes().lower()]


def test_a_shared_thumbnail_stays_while_one_case_uses_it(tmp_path):
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([secret_case("one"), secret_case("two")])
        assert len(list((path / "thumbnails").glob("*/*"))) == 1
        casebase.delete(["one"])
        assert casebase.preview("two") == JPEG
        casebase.delete(["two"])
        assert list((path / "thumbnails").glob("*/*")) == []


def test_a_writer_killed_between_commit_and_erasure_is_finished_by_the_next(tmp_path):
    path = tmp_path / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([secret_case()])
        with casebase._access.database.writing() as epoch:  # all that delete() does before a kill
            casebase._access.database.delete("secret", epoch)
        assert len(list((path / "thumbnails").glob("*/*"))) == 1
    with Casebase.open(path) as casebase:
        casebase.add(entries_of(25, 1))
        assert list((path / "thumbnails").glob("*/*")) == []


def test_nothing_is_encoded_twice(tmp_path):
    entries = entries_of(26, 30)
    with Casebase.create(tmp_path / "cases", dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add(entries)
        known = casebase.vectors_by_content([*(e.content for e in entries), "unknown"] * 40)
        assert set(known) == {e.content for e in entries}
        for e in entries:
            np.testing.assert_array_equal(known[e.content], e.vector)


def test_an_export_holds_every_case_in_the_native_format(tmp_path):
    entries = [*entries_of(27, 40), secret_case()]
    with Casebase.create(
        tmp_path / "cases", dim=DIM, fingerprint="f", preset="p", settings={"seed": "7"}
    ) as casebase:
        casebase.add(entries)
        assert casebase.settings == {"seed": "7"}
        assert casebase.export(tmp_path / "export") == 41
    lines = (tmp_path / "export" / "records.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["id"] for r in records] == [e.case.id for e in entries]
    assert [r["labels"] for r in records] == [list(e.case.labels) for e in entries]
    assert records[-1]["meta"] == {"history": "Quenselbeck smokes"}
    assert (tmp_path / "export" / records[-1]["image"]).read_bytes() == JPEG
