"""``mmedrag train pairs`` and ``train generator`` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')

from mmedrag.cli import main
from mmedrag.pipeline import MMedRAG
from tiny_language_model import write_tiny_model


@pytest.mark.long
def test_from_a_casebase_to_a_model_that_answers(rag: MMedRAG, tmp_path: Path, capsys) -> None:
    pytest.importorskip("trl", reason='pip install "mmedrag[tune]"')
    pairs, into = tmp_path / "pairs.jsonl", tmp_path / "tuned"
    assert main(["train", "pairs", str(rag.cases.path), "--into", str(pairs),
                 "--questions", "18"]) == 0  # fmt: skip
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    assert f"{len(rows)} pairs of answers" in capsys.readouterr().out
    texts = [row["prompt"][1]["content"] for row in rows]
    start = write_tiny_model(tmp_path / "start", texts)
    assert main(["train", "generator", "--model", str(start), "--data", str(pairs),
                 "--into", str(into), "--answers", "1"]) == 0  # fmt: skip
    assert "KL to the start" in capsys.readouterr().out
    ask = ["ask", str(rag.cases.path), "--text", "Is there a pleural effusion?"]
    assert main([*ask, "--generator", str(into)]) == 0
    assert "Not a medical device" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("pairs", "none.casebase", "--into", "x"), 3, "none.casebase"),
        (("generator", "--model", "m", "--data", "none.jsonl", "--into", "x"), 2, "cannot be read"),
        (("generator", "--model", "m", "--data", "x", "--into", "x", "--rank", "0"), 2, "above 0"),
    ],
)
def test_errors_are_one_line(words: tuple[str, ...], code: int, message: str, capsys) -> None:
    pytest.importorskip("trl", reason='pip install "mmedrag[tune]"')
    assert main(["train", *words]) == code
    assert message in capsys.readouterr().err
