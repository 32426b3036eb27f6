"""The study of negation on annotated sentences that somebody hands in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedrag.errors import CorpusError
from mmedrag.evaluation.negation import evaluate_negation


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def row(number: int, sentence: str, concept: str, label: str) -> dict[str, str]:
    return {"id": str(number), "sentence": sentence, "concept": concept, "label": label}


def test_scores_by_hand(tmp_path: Path) -> None:
    rows = [
        row(1, "No FEVER or fever blisters.", "fever", "Negated"),
        row(2, "There is   PLEURAL   EFFUSION.", "pleural effusion", "Affirmed"),
        row(3, "Cough resolved.", '"Cough"', "Negated"),
        row(4, "Possible PNEUMONIA.", "pneumonia", "Negated"),
        row(5, "No RASH.", "rash", "Affirmed"),
        row(6, "Nothing of the kind.", "ascites", "Negated"),
    ]
    section = evaluate_negation(written(tmp_path / "rows.jsonl", rows))
    both = section.data["both"]
    assert both["gold"] == 3
    assert both["precision"] == pytest.approx(2 / 3)
    assert both["recall"] == pytest.approx(2 / 3)
    assert "1 whose words are not in their sentence" in section.protocol
    errors = {tuple(line[1:]) for line in section.tables[1].rows}
    assert errors == {("negated", "uncertain", "1"), ("affirmed", "negated", "1")}


@pytest.mark.parametrize("content", ["", "nonsense", '{"id": 1}', '["a"]'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(CorpusError, match="sentence"):
        evaluate_negation(path)
    with pytest.raises(CorpusError):
        evaluate_negation(tmp_path / "absent.jsonl")


def test_the_published_sentences(shared_data: Path) -> None:
    """The half that no rule was written on reaches the bar."""
    path = shared_data / "negex_annotations" / "sentences.jsonl"
    if not path.exists():
        pytest.skip("../shared/data/negex_annotations is not here")
    assert evaluate_negation(path).data["test"]["f1"] >= 0.98
