"""The line that measures a study again is one that the command line understands."""

from __future__ import annotations

import shlex
from pathlib import Path

from mmedrag.cli import parser
from mmedrag.views.section import eval_command


def test_what_is_default_is_left_out() -> None:
    assert eval_command("definitions", ()) == "mmedrag eval definitions"


def test_every_model_has_an_option_of_its_own() -> None:
    data, models = [Path("a b/records.jsonl"), Path("c.jsonl")], {"heads": "h", "reward": "r"}
    command = eval_command("rerank", data, "--split", "", preset="paper", models=models)
    program, *words = shlex.split(command)
    told = parser().parse_args(words)
    assert (program, told.data, told.preset, told.split) == ("mmedrag", data, "paper", "")
    assert told.model == ["heads=h", "reward=r"]
