"""A casebase over time, as its keeper types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from mmedrag.casebase import Casebase
from mmedrag.cli import main
from mmedrag.datasets import read_corpus


def test_info_is_text_or_json(small_casebase: Path, capsys) -> None:
    assert main(["info", str(small_casebase), "--concepts", "0"]) == 0
    text = capsys.readouterr().out
    assert main(["info", str(small_casebase), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cases"] == 9
    assert all(line.split()[0] in told for line in text.splitlines())


def test_a_sound_casebase_verifies(small_casebase: Path, capsys) -> None:
    assert main(["verify", str(small_casebase), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sound": True, "problems": []}


def test_what_is_wrong_with_a_damaged_database_is_listed(
    small_casebase: Path, tmp_path: Path, capsys
) -> None:
    damaged = tmp_path / "x.casebase"
    shutil.copytree(small_casebase, damaged)
    content = bytearray((damaged / "casebase.db").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "casebase.db").write_bytes(content)
    assert main(["verify", str(damaged), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert not told["sound"]
    assert "casebase.db has changed since it was closed" in told["problems"]


def test_an_export_counts_its_cases(small_casebase: Path, tmp_path: Path, capsys) -> None:
    assert main(["export", str(small_casebase), "--into", str(tmp_path / "out")]) == 0
    assert "9 cases exported" in capsys.readouterr().out


def test_nothing_is_exported_into_a_casebase(small_casebase: Path, capsys) -> None:
    before = sorted(small_casebase.rglob("*"))
    for into in (small_casebase, small_casebase / "generations" / "x"):
        assert main(["export", str(small_casebase), "--into", str(into)]) == 3
        assert "within a casebase" in capsys.readouterr().err
    assert sorted(small_casebase.rglob("*")) == before


def test_a_case_without_an_image_comes_back_from_an_export_as_it_was(tmp_path: Path) -> None:
    records, casebase, out = (tmp_path / name for name in ("records.jsonl", "x.casebase", "out"))
    records.write_text('{"id": "a", "text": "No effusion.", "meta": {"k": 1}}\n', "utf-8")
    assert main(["index", str(records), "--into", str(casebase)]) == 0
    assert main(["export", str(casebase), "--into", str(out)]) == 0
    with Casebase.open(casebase, readonly=True) as opened:
        assert [*read_corpus(out)] == [*opened.cases()]
