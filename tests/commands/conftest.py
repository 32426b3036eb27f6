"""A small casebase, made as a user makes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.cli import main
from mmedrag.datasets.records import write_records
from mmedrag.types import Case


@pytest.fixture(scope="session")
def small_casebase(phantoms: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_records(phantoms[:9], folder / "records.jsonl")
    assert main(["index", str(folder / "records.jsonl"), "--into", str(folder / "x.casebase")]) == 0
    return folder / "x.casebase"
