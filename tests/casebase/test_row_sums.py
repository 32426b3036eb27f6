"""What a damaged row hides from an answer is missed, although that row is never read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from fast_folder import FAST
from mmedrag.casebase import Casebase
from mmedrag.casebase.records import COLUMNS
from mmedrag.casebase.row_sums import SETTING
from mmedrag.errors import CasebaseDamaged
from mmedrag.testing.case_index import DIM, entries_of, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Query

pytestmark = pytest.mark.proof("corruption")
ENTRIES = entries_of(31, 40)
DAMAGES = [
    *(f"UPDATE cases SET {name} = 'other' WHERE row = 5" for name in COLUMNS),
    "UPDATE cases SET domain = NULL WHERE row = 5",
    "DELETE FROM cases WHERE row = 5",
    "UPDATE cases SET row = 500 WHERE row = 5",
]


@pytest.fixture
def casebase() -> Iterator[Casebase]:
    with TemporaryDirectory(dir=FAST) as folder:
        path = Path(folder) / "cases"
        with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
            casebase.add(ENTRIES[:30])
            casebase.delete([ENTRIES[0].case.id, "nobody"])
            casebase.add([*ENTRIES[20:], *ENTRIES[35:]])
            yield casebase


def damage(casebase: Casebase, sql: str) -> None:
    casebase._access.database._run("PRAGMA foreign_keys = OFF")
    casebase._access.database._run(sql)


def question() -> object:
    return question_of(Query(where="modality = 'ct'"), unit(np.random.default_rng(0)))


@pytest.mark.parametrize("sql", DAMAGES)
def test_a_column_that_keeps_a_row_out_is_noticed_beside_a_writer(casebase, sql):
    damage(casebase, sql)
    with Casebase.open(casebase.path, readonly=True) as reader:
        with pytest.raises(CasebaseDamaged, match="not what was written"):
            reader.search(question(), 5)
        assert any("not what was written" in problem for problem in reader.verify())


@pytest.mark.parametrize("sql", DAMAGES[:3])
def test_it_is_noticed_after_a_kill(casebase, sql, tmp_path):
    damage(casebase, sql)
    copy = shutil.copytree(casebase.path, tmp_path / "killed")
    with Casebase.open(copy) as again, pytest.raises(CasebaseDamaged, match="not what was written"):
        again.count()


def test_a_reader_that_stays_open_notices_with_the_next_write(casebase):
    with Casebase.open(casebase.path, readonly=True) as reader:
        reader.search(question(), 5)
        damage(casebase, DAMAGES[2])
        casebase.add(ENTRIES[:1])
        reader._access.database.row_sum._rest_until = 0.0  # as a while later
        with pytest.raises(CasebaseDamaged, match="not what was written"):
            reader.search(question(), 5)


def test_an_id_that_the_index_hides_is_noticed(casebase):
    database = casebase._access.database
    database._run("PRAGMA writable_schema = ON")
    page = database._run(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_cases_1'"
    ).fetchone()[0]
    size = database._run("PRAGMA page_size").fetchone()[0]
    database.truncate_log()
    content = bytearray((casebase.path / "casebase.db").read_bytes())
    at = content.index(ENTRIES[10].case.id.encode(), (page - 1) * size)
    content[at] ^= 4
    copy = shutil.copytree(casebase.path, casebase.path.with_name("copy"))
    (copy / "casebase.db").write_bytes(content)
    with Casebase.open(copy, readonly=True) as reader, pytest.raises(CasebaseDamaged):
        reader.get(ENTRIES[10].case.id)


def test_a_file_of_a_release_without_the_sum_is_read_and_summed_by_the_next_write(casebase):
    damage(casebase, f"DELETE FROM settings WHERE key = '{SETTING}'")
    with Casebase.open(casebase.path, readonly=True) as reader:
        assert reader.verify() == []
    casebase.add(ENTRIES[:1])
    damage(casebase, DAMAGES[2])
    with Casebase.open(casebase.path, readonly=True) as reader, pytest.raises(CasebaseDamaged):
        reader.count()


def test_a_write_of_such_a_release_is_no_damage(casebase):
    damage(casebase, "UPDATE state SET epoch = epoch + 1")
    damage(casebase, "UPDATE cases SET split = 'other' WHERE row = 5")
    with Casebase.open(casebase.path, readonly=True) as reader:
        assert reader.count() == 39


def test_rebuild_takes_what_is_there_where_every_case_is_sound(casebase):
    damage(casebase, "UPDATE settings SET value = replace(value, ' ', ' 1') WHERE key = 'row_sum'")
    path = casebase.path
    casebase.close()
    (path / "seal.json").unlink()
    with Casebase.open(path) as again:
        assert again.verify() != []
        again.rebuild()
        assert again.verify() == []
        assert again.count() == 39


@pytest.mark.parametrize("largest", [0, 2**28])
def test_rebuild_writes_the_file_anew_in_memory_or_beside_it(casebase, monkeypatch, largest):
    monkeypatch.setattr("mmedrag.casebase.connection.COPIED_IN_MEMORY", largest)
    casebase.delete([entry.case.id for entry in ENTRIES[:10]])
    casebase.rebuild()
    assert casebase.verify() == []
    casebase.add(ENTRIES[:1])  # the temporary tables are there again
    assert casebase._access.database._run("PRAGMA temp_store").fetchone()[0] == 2
    assert casebase.count() == 31
