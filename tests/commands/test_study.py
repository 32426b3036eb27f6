"""The line that measures a section again is what was typed, less where it was shown."""

from __future__ import annotations

import shlex

import pytest

from mmedrag.cli import parser
from mmedrag.commands.study import measured_by


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        ("eval definitions --json", "mmedrag eval definitions"),
        (
            "eval rerank --data 'a b.jsonl' c.jsonl --report r --split '' --model heads=h",
            "mmedrag eval rerank --data 'a b.jsonl' c.jsonl --split '' --model heads=h",
        ),
        (
            "eval paper --only fusion reward --data r.toml --report=r --json",
            "mmedrag eval paper --data r.toml --only x",
        ),
    ],
)
def test_the_command_is_what_was_typed(typed: str, again: str) -> None:
    words = shlex.split(typed)
    options = parser().parse_args(words)
    options.words = words
    assert measured_by(options, "x") == again
    parser().parse_args(shlex.split(again)[1:])
