"""Traces by links."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from mmedrag.cli import main
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


@pytest.mark.parametrize("kept", ["memory", "folder"])
def test_a_trace_goes_with_each_of_its_cases(tmp_path: Path, kept: str) -> None:
    traces = Traces(tmp_path if kept == "folder" else None)
    first = traces.add("chest", "<p>1", ["a", "b--><script>"])
    second, third = traces.add("chest", "<p>2", ["c"]), traces.add("eyes", "<p>3", ["a"])
    assert traces.get("chest", first) == "<p>1"
    traces.erase("chest", "b--><script>")
    assert traces.get("chest", first) is None
    assert traces.get("chest", second, lambda case: case == "c") == "<p>2"
    assert traces.get("chest", second, lambda case: case != "c") is None
    assert traces.get("chest", second) is None  # it is not kept for when the case comes back
    assert traces.get("eyes", third) == "<p>3"
    assert len(list(tmp_path.iterdir())) == (kept == "folder")


@pytest.mark.parametrize("by", ["the service", "another process"])
def test_what_a_deleted_case_said_is_in_no_trace(serve, own: Path, tmp_path: Path, by: str) -> None:
    client = serve(own, "--traces", str(tmp_path / "traces"))
    client.put("/v1/cases/q", json={"text": "A quokka sign beside the disc.", "patient_id": "Qx"})
    page = client.get("/", params={"text": "quokka sign"}).text
    link = re.findall(r"/trace/[\w-]+\?casebase=\w+", page)[0]
    assert "quokka sign beside" in client.get(link).text
    if by == "the service":
        assert client.delete("/v1/cases/q").status_code == 200
    else:
        assert main(["delete", str(own), "q"]) == 0
        assert client.get(link).status_code == 404
    assert not list((tmp_path / "traces").iterdir())
    assert client.get(link).status_code == 404


def test_a_trace_whose_first_line_is_damaged_is_not_shown(tmp_path: Path) -> None:
    traces = Traces(tmp_path)
    identity = traces.add("cases", "<p>said</p>", ["a"])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace(b"<!--cases W", b"<!--cases +"))
    assert traces.get("cases", identity, "a".__eq__) is None
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueryError, match="cannot be made"):
        Traces(tmp_path / "file" / "traces")
