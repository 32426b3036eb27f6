"""The file that says which record files the studies of a report read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.errors import CorpusError
from mmedrag.paper import roles as module
from mmedrag.paper.report import studies_of
from mmedrag.paper.roles import ROLES, RetrievalSet, draw_phantoms, read_roles, synthetic_roles


def written(folder: Path, text: str) -> Path:
    file = folder / "roles.toml"
    file.write_text(text, "utf-8")
    return file


def test_paths_are_relative_to_the_file_and_patterns_are_what_is_there(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "records.jsonl").touch()
    roles = read_roles(
        written(
            tmp_path,
            """
            [roles]
            fusion = ["a/records.jsonl"]
            modality = ["*/records.jsonl"]

            [[retrieval]]
            name = "a"
            records = ["a/records.jsonl"]
            split = "val"
            seen = true
            """,
        )
    )
    a, b = (tmp_path / name / "records.jsonl" for name in "ab")
    assert roles["fusion"] == [a]
    assert roles["modality"] == [a, b]
    assert roles.retrieval == (RetrievalSet("a", (a,), "val", seen=True),)
    assert roles.optional("answers") == []
    with pytest.raises(CorpusError, match="No records have the role reward"):
        roles["reward"]


def test_an_absent_set_is_named(tmp_path: Path) -> None:
    roles = read_roles(written(tmp_path, "roles.reward = ['a/records.jsonl']"))
    with pytest.raises(CorpusError, match=r"a/records\.jsonl does not exist"):
        roles["reward"]
    with pytest.raises(CorpusError, match=r"a/records\.jsonl does not exist"):
        roles.optional("reward")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("roles.rewards = []", "speaks of rewards"),
        ("role.reward = []", "speaks of role"),
        ("roles.reward = 'a'", "gives no roles"),
        ("roles = 1", "gives no roles"),
        ("retrieval = [{name = 'a'}]", "gives no roles"),
        ("retrieval = [{name = 'a', records = [], by = 'x'}]", "gives no roles"),
        ("not toml", "gives no roles"),
    ],
)
def test_what_is_not_understood_is_an_error(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=words):
        read_roles(written(tmp_path, text))


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        read_roles(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(CorpusError, match="gives no roles"):
        read_roles(tmp_path / "binary")


def test_without_a_file_phantoms_play_every_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PHANTOMS", 3)
    roles = synthetic_roles(tmp_path)
    draw_phantoms(tmp_path)
    assert roles["rerank"] == roles["gallery"] == [tmp_path / "records.jsonl"]
    assert roles["rerank"][0].read_text("utf-8").count("\n") == 3
    assert [study.name for study in studies_of(roles, ["retrieval"])] == ["retrieval-phantoms"]


def test_every_role_is_documented() -> None:
    words = (Path(__file__).parents[2] / "docs" / "guide" / "evaluation.md").read_text("utf-8")
    assert all(f"`{role}`" in words for role in ROLES)
