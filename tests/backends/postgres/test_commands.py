"""Every command works on a database, as it does on a folder."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from mmedrag.cli import main, parser
from mmedrag.commands.casebase import SOUND
from mmedrag.commands.serve import application
from mmedrag.copying import entry_digest
from mmedrag.datasets.records import write_records
from mmedrag.stores import folder_of, open_store
from mmedrag.types import Case
from postgres_server import PASSWORD, QUOTED


@pytest.fixture
def corpus(phantoms: list[Case], tmp_path: Path) -> Path:
    write_records(phantoms[:9], tmp_path / "records.jsonl")
    return tmp_path / "records.jsonl"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Run a command; gives what it printed. No password is in it."""

    def command(*words: object, code: int = 0) -> str:
        assert main([str(word) for word in words]) == code
        printed = capsys.readouterr()
        text = printed.out + printed.err
        assert PASSWORD not in text
        assert QUOTED not in text
        return text

    return command


def test_a_database_is_filled_asked_and_emptied(url, corpus, run) -> None:
    assert "9 cases written" in run("index", corpus, "--into", url)
    assert "9 unchanged" in run("index", corpus, "--into", url)
    info = json.loads(run("info", url, "--json"))
    assert info["cases"] == 9
    assert info["concepts"]
    assert SOUND in run("verify", url)
    found = json.loads(run("search", url, "pleural effusion", "--json", "-k", 3))
    assert len(found["gathered"]) >= 3
    assert "Not a medical device" in run("ask", url, "Is there a pleural effusion?")
    assert "mmedrag copy" in run("rebuild", url, "--neighbours", code=3)
    assert "mmedrag copy" in run("search", url, "effusion", "--expansion", "neighbours", code=2)
    case_id = found["gathered"][0]["id"]
    assert "1 cases deleted" in run("delete", url, case_id, "--now")
    run("delete", url, case_id, code=2)
    assert json.loads(run("info", url, "--json"))["unerased"] == {}


@pytest.mark.long
def test_the_other_commands(url, corpus, run, tmp_path) -> None:
    run("index", corpus, "--into", url)
    assert "was made with the preset" in run(
        "index", corpus, "--into", url, "--preset", "other", code=2
    )
    assert "Not a medical device" in run("ask", url, "Is there a pleural effusion?", "--knowledge")
    assert (folder_of(url) / "knowledge.jsonl").exists()
    run("add", url, "--id", "one", "--text", "Large left pleural effusion.", "--domain",
        "radiology", "--patient-id", "P")  # fmt: skip
    run("update", url, "--id", "one", "--text", "Small left pleural effusion.")
    run("graph", "build", url)
    run("course", url, "P")
    run("rekey", url)
    key = folder_of(url) / "pseudonym.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    run("export", url, "--into", tmp_path / "out")
    assert len((tmp_path / "out" / "records.jsonl").read_text("utf-8").splitlines()) == 10
    assert "1 cases deleted" in run("delete", url, "one")
    assert not (folder_of(url) / "knowledge.jsonl").exists()
    run("delete", url, "--now")
    run("rebuild", url)
    assert SOUND in run("verify", url)


def test_what_fails_before_the_first_case_leaves_nothing(url, tmp_path, run) -> None:
    run("index", tmp_path / "absent", "--into", url, code=2)
    assert "No casebase at" in run("info", url, code=3)
    run("index", tmp_path, "--into", url, "--index-key", "Flat", code=2)


def test_a_casebase_is_copied_and_comes_back_the_same(url, corpus, run, tmp_path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run("index", corpus, "--into", first)
    assert "9 cases copied" in run("copy", first, url)
    assert "9 cases copied" in run("copy", url, second)
    assert "0 cases copied" in run("copy", first, url)
    with open_store(first) as one, open_store(second) as two, open_store(url) as between:
        digests = list(map(entry_digest, one.entries()))
        assert digests == list(map(entry_digest, between.entries()))
        assert digests == list(map(entry_digest, two.entries()))
        assert one.settings == two.settings == between.settings
        assert one.affirmed() == two.affirmed()
        keys = {(store.folder / "pseudonym.key").read_text() for store in (one, two, between)}
        assert len(keys) == 1
    assert SOUND in run("verify", second)
    assert SOUND in run("verify", url)
    gathered = [json.loads(run("search", s, "drusen", "--json"))["gathered"] for s in (first, url)]
    assert gathered[0] == gathered[1] != []


@pytest.mark.long
def test_shards_are_added_to_a_database_without_encoding(url, corpus, run, tmp_path) -> None:
    shards, folder = tmp_path / "shards", tmp_path / "folder.casebase"
    assert "9 cases in 3 shards" in run(
        "encode", corpus, "--into", shards, "--rows", 4, "--workers", 2
    )
    for into in (url, folder):
        assert "9 cases written, 0 unchanged, 0 encoded" in run("index", shards, "--into", into)
    assert "9 unchanged, 0 encoded" in run("index", shards, "--into", url)
    with open_store(url) as database, open_store(folder) as casebase:
        entries = [entry_digest(entry) for entry in database.entries()]
        assert entries == [entry_digest(entry) for entry in casebase.entries()]
        assert database.settings == casebase.settings
    assert SOUND in run("verify", url)
    assert "Not a medical device" in run("ask", url, "Is there a pleural effusion?")


def test_a_database_is_served(url, corpus, run) -> None:
    from fastapi.testclient import TestClient

    run("index", corpus, "--into", url)
    app = application(parser().parse_args(["serve", f"chest={url}"]))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/readyz").status_code == 200
        answer = client.post("/v1/ask", json={"text": "Is there a pleural effusion?"})
        assert answer.status_code == 200
        assert PASSWORD not in answer.text
        verdict = {"question": "q", "case": "a", "verdict": "relevant"}
        assert client.post("/v1/feedback", json=verdict).status_code < 300
    assert (folder_of(url) / "feedback.jsonl").exists()
