"""Shards that are added make the casebase that indexing makes, and encode nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.assembly import create
from mmedrag.bulk.adding import encoded_rows
from mmedrag.bulk.plan import FILE, read_plan
from mmedrag.bulk.shards import shards_in
from mmedrag.casebase.casebase import Casebase
from mmedrag.cli import main
from mmedrag.errors import CorpusError, EncoderMismatch

DERIVED = {"generations", "settings", "vectors", "cases", "texts"}  # compared by themselves


def tables(path: Path) -> dict[str, list[tuple]]:
    database = f"file:{path / 'casebase.db'}?mode=ro"
    with closing(sqlite3.connect(database, uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall())
            for (name,) in names.fetchall()
            if not name.startswith("sqlite_")
        }


def test_the_casebase_is_that_of_indexing(
    corpus: Path, shards: Path, tmp_path: Path, capsys
) -> None:
    direct, added = tmp_path / "direct.casebase", tmp_path / "added.casebase"
    assert main(["index", str(corpus), "--into", str(direct)]) == 0
    said = capsys.readouterr().out
    assert main(["index", str(shards), "--into", str(added)]) == 0
    now = capsys.readouterr().out
    assert "40 cases written, 0 unchanged, 0 encoded" in now
    assert now.splitlines()[1:] == said.splitlines()[1:]  # problems and duplicates too
    one, other = tables(direct), tables(added)
    assert one.keys() == other.keys()
    for name in one.keys() - DERIVED:
        assert one[name] == other[name], name
    assert len(one["mentions"]) > 40
    assert len(one["definition_vectors"]) > 5
    for name in ("cases", "texts"):  # the last column is a checksum over the vector, too
        assert [row[:-1] for row in one[name]] == [row[:-1] for row in other[name]], name
    for (_, mine, _), (_, theirs, _) in zip(one["vectors"], other["vectors"], strict=True):
        # Batches are others, which changes the last digits.
        np.testing.assert_allclose(
            np.frombuffer(mine, "<f4"), np.frombuffer(theirs, "<f4"), atol=1e-5
        )
    settings = [{k: v for k, v in t["settings"] if k != "row_sum"} for t in (one, other)]
    assert settings[0].items() >= {"preset": "offline"}.items()
    assert settings[0] == settings[1]
    assert main(["verify", str(added)]) == 0


def test_added_again_nothing_changes(shards: Path, tmp_path: Path, capsys) -> None:
    into = tmp_path / "x.casebase"
    assert main(["index", str(shards), "--into", str(into)]) == 0
    capsys.readouterr()
    assert main(["add", str(into), str(shards)]) == 0
    assert "0 cases written, 40 unchanged, 0 encoded" in capsys.readouterr().out


@pytest.fixture
def copy(shards: Path, tmp_path: Path) -> Path:
    """Shards that a test may damage."""
    return Path(shutil.copytree(shards, tmp_path / "shards"))


@pytest.fixture
def casebase(tmp_path: Path):
    made, _ = create(tmp_path / "x.casebase")
    with made:
        yield made


def test_a_damaged_shard_is_refused(copy: Path, casebase: Casebase) -> None:
    shard = shards_in(copy)[2]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(CorpusError, match="does not hold what its name says"):
        list(encoded_rows(casebase, copy))


def test_an_absent_shard_is_refused_before_anything_is_read(copy: Path, casebase: Casebase) -> None:
    shards_in(copy)[5].unlink()
    with pytest.raises(CorpusError, match=r"Shard 5 .* is absent"):
        next(encoded_rows(casebase, copy))


def test_an_unfinished_encoding_is_refused(copy: Path, casebase: Casebase) -> None:
    replace(read_plan(copy), shards=None).save()
    with pytest.raises(CorpusError, match="not finished"):
        next(encoded_rows(casebase, copy))


def test_another_encoder_is_refused(copy: Path, casebase: Casebase) -> None:
    replace(read_plan(copy), fingerprint="another").save()
    with pytest.raises(EncoderMismatch, match="another"):
        next(encoded_rows(casebase, copy))


def test_a_plan_of_another_kind_is_refused(copy: Path, casebase: Casebase) -> None:
    fields = json.loads((copy / FILE).read_text("utf-8"))
    (copy / FILE).write_text(json.dumps({**fields, "schema": "mmedrag-shards/9"}), "utf-8")
    with pytest.raises(CorpusError, match="not mmedrag-shards/1"):
        next(encoded_rows(casebase, copy))


def test_an_empty_casebase_takes_over_the_key(shards: Path, casebase: Casebase) -> None:
    list(encoded_rows(casebase, shards))
    assert (casebase.path / "pseudonym.key").read_text() == (shards / "pseudonym.key").read_text()
