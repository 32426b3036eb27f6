"""The files of a generation: the same from the same state, and none that says a text."""

from __future__ import annotations

import json

from mmedrag.casebase import Casebase
from mmedrag.testing.case_index import DIM, entries_of


def published(path):
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add(entries_of(5, 80))
        casebase.publish()
    return path / "generations" / "000001"


def test_the_same_cases_give_the_same_files(tmp_path):
    one, other = published(tmp_path / "a"), published(tmp_path / "b")
    assert [f.name for f in sorted(one.iterdir())] == [f.name for f in sorted(other.iterdir())]
    for file in one.iterdir():
        assert file.read_bytes() == (other / file.name).read_bytes()


def test_no_file_holds_a_word_or_a_value(tmp_path):
    folder = published(tmp_path / "c")
    words = {word for entry in entries_of(5, 80) for word in entry.case.text.lower().split()}
    words |= {entry.case.patient_id for entry in entries_of(5, 80)} - {""}
    for file in folder.iterdir():
        content = file.read_bytes().lower()
        assert not [word for word in words if len(word) > 5 and word.encode() in content]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sum(entry["count"] for entry in manifest["shards"].values()) == 80
