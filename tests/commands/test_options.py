"""Numbers that an option takes, and those that it refuses before anything is done."""

from __future__ import annotations

import pytest

from mmedrag.cli import main


@pytest.mark.parametrize(
    "words",
    [
        "graph show effusion -n -2",
        "graph show effusion -n 0",
        "graph show effusion -n 1.5",
        "course x.casebase P1 --like -1",
        "info x.casebase --concepts -1",
        "eval rerank --data x.jsonl --queries -1",
        "eval rerank --data x.jsonl --gallery 0",
        "eval answers --questions -3",
        "eval answers --tasks -2",
        "eval agreement --data x.jsonl --casebase x --tasks 0",
        "eval sensitivity --seeds 0",
        "train fusion --data x.jsonl --into x --epochs 0",
        "train fusion --data x.jsonl --into x --output-dim 0",
        "train preference --data x.jsonl --into x --seed -1",
        "train contrastive --data x.jsonl --into x --batch -4",
        "train pooling --into x --steps 0",
        "train pairs x.casebase --into x --samples 0",
        "adapt x.casebase --into x --seed -1",
        "serve x.casebase --queue -1",
    ],
)
def test_numbers_that_mean_nothing_are_refused_by_name(words: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words.split())
    assert "is no whole number from" in capsys.readouterr().err
