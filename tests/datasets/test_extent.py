"""The extent of a corpus is about the number of rows that its reader gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.datasets import read_corpus
from mmedrag.datasets.extent import extent, total
from mmedrag.datasets.records import write_records
from mmedrag.types import Case


def test_records_and_folders(phantoms: list[Case], tmp_path: Path) -> None:
    write_records(phantoms[:20], tmp_path / "corpus" / "records.jsonl")
    assert extent(tmp_path / "corpus") == 20
    assert extent(tmp_path / "corpus" / "records.jsonl") == 20
    images = tmp_path / "corpus" / "images"
    for image in [*images.iterdir()][:3]:
        image.with_suffix(".txt").write_text("No effusion.")
    assert extent(images) == len([*read_corpus(images)])


def test_rows_of_tables_are_counted_not_lines(tmp_path: Path) -> None:
    table = tmp_path / "reports.csv"
    table.write_text('id,report\n1,"No\neffusion\nat all."\n2,Effusion.\n', "utf-8")
    assert extent(table) == 2 == len([*read_corpus(table)])


def test_lines_of_json_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_text('{"report": "a"}\n{"report": "b"}\n', "utf-8")
    assert extent(file) == 2 == len([*read_corpus(file)])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent", b""),
        ("what.parquet", b"PAR1"),
        ("native.json", b'[{"id": 1, "text": "a"},\n{"id": 2, "text": "b"}]'),
        ("other.json", b'[{"report": "a"},\n{"report": "b"}]'),
    ],
)
def test_what_would_have_to_be_read_has_none(tmp_path: Path, name: str, content: bytes) -> None:
    if name != "absent":
        (tmp_path / name).write_bytes(content)
    assert extent(tmp_path / name) is None


def test_a_total_needs_all() -> None:
    assert total([3, 4]) == 7
    assert total([3, None]) is None
    assert total([]) == 0
