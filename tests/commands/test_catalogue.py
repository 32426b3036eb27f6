"""What MMedRAG brings along is listed, and every command says what it does."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from mmedrag import __version__
from mmedrag.cli import main, parser
from mmedrag.datasets import FORMATS
from mmedrag.presets import PRESETS


def commands(place: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield place
    for action in place._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from commands(command)


ALL = list(commands(parser()))


def test_formats_and_presets_are_listed(capsys) -> None:
    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n{f.name} " in shown for f in FORMATS)
    assert main(["presets"]) == 0
    shown = capsys.readouterr().out
    assert all(f"{preset.name}\n" in shown for preset in PRESETS)


def test_the_version_is_told(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"mmedrag {__version__}\n"


@pytest.mark.parametrize("command", ALL, ids=lambda c: c.prog)
def test_every_option_has_a_help_in_plain_words(command: argparse.ArgumentParser) -> None:
    plain = {"help", "casebase", "text"}
    silent = [
        action.dest
        for action in command._actions
        if not action.help and action.dest not in plain
        and not isinstance(action, argparse._SubParsersAction)
    ]  # fmt: skip
    assert silent == []
    assert "usage: " in command.format_help()
