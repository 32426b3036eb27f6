"""``mmedrag encode`` as a user sees it: what was made, what was skipped, what comes next."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.cli import main
from mmedrag.datasets.records import write_records
from mmedrag.types import Case


def test_the_command_says_what_comes_next(phantoms: list[Case], tmp_path: Path, capsys) -> None:
    records = tmp_path / "corpus" / "records.jsonl"
    write_records(phantoms[:5], records)
    records.write_text(records.read_text("utf-8") + "not JSON\n", "utf-8")
    into = tmp_path / "shards"
    command = ["encode", str(records), "--into", str(into), "--rows", "4", "--workers", "1"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "5 cases in 2 shards, 2 of them made now" in said
    assert "1 row or file skipped" in said
    assert f"mmedrag index {into}" in said
    assert main([*command, "--preset", "tuned"]) == 2
    assert "was encoded with another preset" in capsys.readouterr().err


def test_remarks_are_told_apart_from_what_was_skipped(tmp_path: Path, capsys) -> None:
    (tmp_path / "t.csv").write_bytes("id,text\n1,Kein Erguß.\n2\n".encode("cp1252"))
    command = ["encode", str(tmp_path / "t.csv"), "--into", str(tmp_path / "s"), "--workers", "1"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "1 row or file skipped" in said
    assert "1 remark on cases that are stored" in said


@pytest.mark.parametrize("option", ["--workers", "--rows"])
def test_numbers_below_one_are_refused(tmp_path: Path, option: str) -> None:
    assert main(["encode", "x.jsonl", "--into", str(tmp_path / "s"), option, "0"]) == 2
    assert not (tmp_path / "s").exists()


def test_a_corpus_without_cases_is_no_success(tmp_path: Path, capsys) -> None:
    (tmp_path / "records.jsonl").write_text('{"id": "a"}\n', "utf-8")
    command = ["encode", str(tmp_path / "records.jsonl"), "--into", str(tmp_path / "s")]
    assert main([*command, "--workers", "1"]) == 2
    assert "no case was encoded" in capsys.readouterr().err
