"""A casebase that could not be filled is not left behind empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.cli import main
from mmedrag.errors import QueryError
from mmedrag.filling import filling
from mmedrag.types import Entry


def test_an_index_without_a_case_leaves_nothing(tmp_path: Path) -> None:
    into = tmp_path / "x.casebase"
    (tmp_path / "empty.jsonl").write_text("not json\n")
    assert main(["index", str(tmp_path / "empty.jsonl"), "--into", str(into)]) != 0
    assert main(["index", str(tmp_path / "absent"), "--into", str(into)]) == 2
    assert not into.exists()


def test_what_fails_before_the_first_case_leaves_nothing(tmp_path: Path) -> None:
    into = tmp_path / "x.casebase"
    with pytest.raises(KeyboardInterrupt), filling(into):
        raise KeyboardInterrupt
    assert not into.exists()


def test_what_is_written_stays_and_is_filled_further(tmp_path: Path, phantoms) -> None:
    into = tmp_path / "x.casebase"
    with pytest.raises(KeyboardInterrupt), filling(into) as (casebase, stages):  # noqa: PT012
        vector = stages.embedder.embed(phantoms[:1])[0]
        casebase.add([Entry(phantoms[0], vector, "", None)])
        raise KeyboardInterrupt
    with filling(into) as (casebase, _):
        assert casebase.count() == 1
        casebase.delete([phantoms[0].id])
    assert into.exists()  # it was there before
    with pytest.raises(QueryError, match="--preset"), filling(into, preset="paper"):
        pass
