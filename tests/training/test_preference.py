"""The recipe of the reward model: preference pairs as a file, and what the command writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedrag.cli import main
from mmedrag.errors import CorpusError
from mmedrag.reward.checkpoint import load_reward
from mmedrag.reward.scorers import ContextScorer, PairScorer
from mmedrag.training import preference
from mmedrag.training.contexts import (
    CHOSEN,
)
from mmedrag.training.preference import export


def test_export_is_in_the_dpo_format(examples, tmp_path):
    path = tmp_path / "out" / "pairs.jsonl"
    count = export(examples, path)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == count > 100
    for row in rows:
        assert {"prompt", "chosen", "rejected"} <= row.keys()
        texts = [row[name] for name in ("prompt", "chosen", "rejected")]
        assert all(isinstance(text, str) and text for text in texts)
        assert row["chosen"] != row["rejected"]
        assert row["chosen_kind"] in CHOSEN
        assert row["rejected_kind"] not in CHOSEN
        assert "images" not in row or Path(row["images"][0]).exists()
    assert {len(row.get("images", [])) for row in rows} == {0, 1}


def test_export_that_cannot_be_written_is_told(examples, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="cannot be written"):
        export(examples, tmp_path / "file" / "pairs.jsonl")


@pytest.mark.parametrize("mode", ["pair", "context"])
def test_the_command_writes_a_model_that_can_be_loaded(
    mode, corpus, stages, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(preference, "build", lambda preset, models: stages)
    told = ["--data", str(corpus), "--into", str(tmp_path / "reward"), "--mode", mode]
    told += ["--epochs", "20", "--export", str(tmp_path / "pairs.jsonl")]
    assert main(["train", "preference", *told]) == 0
    assert "AUROC" in capsys.readouterr().out
    assert (tmp_path / "pairs.jsonl").stat().st_size > 0
    loaded = load_reward(
        tmp_path / "reward", encode=stages.texts.encode, encoder=stages.embedder.fingerprint
    )
    assert isinstance(loaded.scorer, PairScorer if mode == "pair" else ContextScorer)
    config = json.loads((tmp_path / "reward" / "config.json").read_text())
    assert config["training_data"] == ["phantoms"]
    assert {"AUROC", "ECE", "pairwise accuracy"} <= config["settings"]["metrics"].keys()
