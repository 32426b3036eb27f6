"""What the families share: a command, options of models, NAME=VALUE pairs, JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mmedrag.errors import QueryError

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands: TypeAlias = argparse._SubParsersAction

Run: TypeAlias = Callable[[argparse.Namespace], int]
"""A command: what it does with its options, and its exit code."""


def add_pictures(command: argparse.ArgumentParser) -> None:
    """The option of commands that want pictures which are not medical."""
    command.add_argument(
        "--pictures", type=Path, nargs="+", default=[], metavar="DIR",
        help="photographs and drawings that are not medical (scripts/pictures.sh)",
    )  # fmt: skip


def add_models(command: argparse.ArgumentParser) -> None:
    """Let a command take ``--model ROLE=MODEL``."""
    command.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="ROLE=MODEL",
        help="a hub id or folder in place of the preset's own; repeatable",
    )


def pairs(told: Sequence[str], option: str) -> dict[str, str]:
    """The NAME=VALUE pairs that were given by a repeatable option.

    Raises:
        QueryError: for one without a name or a value.
    """
    found = dict(item.partition("=")[::2] for item in told)
    if bad := [key for key, value in found.items() if not key or not value]:
        raise QueryError(f"{option} {bad[0]!r} is not NAME=VALUE", "Write it as NAME=VALUE.")
    return found


def fields(item: Any) -> dict[str, Any]:  # noqa: ANN401
    """The fields of a slotted dataclass by name."""
    return {name: getattr(item, name) for name in item.__slots__}


def dumped(value: Any) -> str:  # noqa: ANN401
    """JSON as the commands print it."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
