"""The learned parts: ``mmedrag train``.

Every recipe is a function of :mod:`mmedrag.training`; here are its options.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from mmedrag.commands.options import Commands

Run = Callable[[argparse.Namespace], int]


def add(commands: Commands) -> None:
    """train, with one command a learned part."""
    trained = commands.add_parser("train", help="learn a part of the system from your own records")
    what = trained.add_subparsers(metavar="WHAT", required=True)  # noqa: F841


def recipe(
    what: Commands, name: str, words: str, run: Run, *, epochs: int
) -> argparse.ArgumentParser:
    """A command with the options that every recipe has.

    Args:
        what: the sub-commands of ``train``.
        name: of the part that is learned.
        words: what it learns, for the list of commands.
        run: called with the options.
        epochs: unless told otherwise.
    """
    command = what.add_parser(name, help=words)
    command.add_argument("--data", type=Path, nargs="+", required=True, metavar="RECORDS.jsonl")
    command.add_argument("--into", type=Path, required=True, metavar="DIR")
    command.add_argument("--preset", default="offline", help="see 'mmedrag presets'")
    command.add_argument("--epochs", type=int, default=epochs, help=f"({epochs})")
    command.add_argument("--seed", type=int, default=0, help="of every draw (0)")
    command.set_defaults(run=run)
    return command
