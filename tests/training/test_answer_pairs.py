"""The file of pairs: what it must have, and that no patient is on both sides."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.errors import CorpusError, LeakError
from mmedrag.testing.generator import EFFUSION, MEANING
from mmedrag.training.answer_pairs import (
    AnswerPair,
    Origin,
    Subset,
    by_prompt,
    counted,
    read_pairs,
    write_pairs,
)

PAIR = AnswerPair(
    prompt=({"role": "user", "content": "Is there an effusion?"},),
    chosen="Yes [C1].",
    rejected="No [C1].",
    fault="contradicted",
    origin=Origin.TEMPLATE,
    subset=Subset.TRAIN,
    patients=("P1", "P2"),
    evidence=(EFFUSION, MEANING),
)
HELD_OUT = replace(PAIR, subset=Subset.HELD_OUT, patients=("P3",), origin=Origin.SAMPLED)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pairs.jsonl"
    write_pairs(path, [PAIR, HELD_OUT])
    read = read_pairs(path)
    assert [pair.row() for pair in read] == [PAIR.row(), HELD_OUT.row()]
    row = json.loads(path.read_text().splitlines()[0])
    assert row["chosen"] == [{"role": "assistant", "content": "Yes [C1]."}]
    assert row["kind"] == "contradicted"


def test_a_patient_on_both_sides_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [PAIR, replace(HELD_OUT, patients=("P9", "P2"))])
    with pytest.raises(LeakError, match=r"1 patients are in pairs to learn from.*P2"):
        read_pairs(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": []}, "1 is no pair"),
        ({"origin": "guessed"}, "1 is no pair"),
        ({"part": "both"}, "1 is no pair"),
        ({"evidence": [{"key": "C1"}]}, "1 is no pair"),
        ({"prompt": []}, "1 has no prompt"),
        ({"chosen": [{"role": "assistant", "content": "No [C1]."}]}, "two equal ones"),
        ({"part": "held-out"}, "no pairs whose part is train"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(PAIR.row() | change) + "\n")
    with pytest.raises(CorpusError, match=message):
        read_pairs(path)


def test_no_file_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        read_pairs(tmp_path / "none.jsonl")
    (tmp_path / "x.jsonl").write_text("[1]\n")
    with pytest.raises(CorpusError, match=r"x\.jsonl:1 is no pair"):
        read_pairs(tmp_path / "x.jsonl")


def test_pairs_by_prompt_and_kind() -> None:
    other = replace(HELD_OUT, prompt=({"role": "user", "content": "?"},))
    assert by_prompt([PAIR, HELD_OUT, other]) == [PAIR, other]
    assert list(counted([PAIR, HELD_OUT, other])) == [
        ("sampled", "contradicted", 0, 2),
        ("template", "contradicted", 1, 0),
    ]
