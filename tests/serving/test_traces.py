"""Traces by links."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mmedrag.errors import QueryError
from mmedrag.serving.traces import IN_MEMORY, Traces


def test_the_last_are_kept_in_memory() -> None:
    traces = Traces()
    first, *_, last = [traces.add("chest", f"<p>{n}") for n in range(IN_MEMORY + 1)]
    assert traces.get("chest", first) is None
    assert traces.get("chest", last) == f"<p>{IN_MEMORY}"
    assert traces.get("eyes", last) is None


def test_a_folder_outlives_the_service_for_some_days(tmp_path: Path) -> None:
    identity = Traces(tmp_path / "traces").add("a/../b", "<p>é")
    traces = Traces(tmp_path / "traces", days=2)
    assert traces.get("a/../b", identity) == "<p>é"
    (file,) = (tmp_path / "traces").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    old = time.time() - 3 * 86_400
    os.utime(file, (old, old))
    assert traces.get("a/../b", identity) is None
    assert not file.exists()
    assert "2 days" in traces.lasting


@pytest.mark.parametrize("identity", ["", "..", "../../etc/passwd", "%2e%2e", "a" * 17, "é" * 16])
def test_odd_ids_are_not_kept(tmp_path: Path, identity: str) -> None:
    assert Traces(tmp_path).get("chest", identity) is None


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueryError, match="cannot be made"):
        Traces(tmp_path / "file" / "traces")
