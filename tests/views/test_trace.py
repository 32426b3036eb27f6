"""A trace as JSON: complete, plain values, stable names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmedrag.citations import attribute, resolve
from mmedrag.testing.generator import ASKED, CLEAR, EFFUSION, MEANING, context_of
from mmedrag.types import Query
from mmedrag.views.trace import SCHEMA, answer_json, context_json, ruled_out

EVIDENCE = [EFFUSION, CLEAR, MEANING]


def test_a_context_becomes_plain_json() -> None:
    told = context_json(context_of(ASKED, EVIDENCE))
    assert json.loads(json.dumps(told)) == told
    assert told["schema"] == SCHEMA
    assert told["answer"] is None
    assert [e["key"] for e in told["kept"]] == ["C1", "C2", "D1"]
    assert [e["kind"] for e in told["kept"]] == ["case", "case", "definition"]
    assert told["ruled_out"] == ruled_out(ASKED) == ["pneumothorax"]


def test_scores_are_numbers_or_null() -> None:
    scored = replace(EFFUSION, centrality=np.float64(0.123456789), reward=None)
    (told, *_) = context_json(context_of(ASKED, [scored]))["kept"]
    assert told["centrality"] == 0.123457
    assert told["reward"] is None
    assert type(told["similarity"]) is float


def test_an_answer_says_what_it_cites_and_what_was_removed() -> None:
    pieces = list(resolve(["Water [C1, C99]."], EVIDENCE))
    told = answer_json(attribute(pieces, context_of(ASKED, EVIDENCE), {"generation": 1.23456}))
    assert told["answer"]["text"] == "Water [C1]."
    assert told["answer"]["cited"] == ["C1"]
    assert told["answer"]["removed"] == ["C99"]
    assert told["answer"]["abstained"] is False
    assert told["answer"]["disclaimer"].startswith("Not a medical device")
    assert told["timings_ms"] == {"generation": 1.235}


def test_pixels_are_not_part_of_a_trace() -> None:
    for image in (b"x" * 5000, Path("a.png")):
        asked = replace(ASKED, query=Query("x", image))
        told = context_json(context_of(asked, EVIDENCE))
        assert len(json.dumps(told["query"])) < 300
