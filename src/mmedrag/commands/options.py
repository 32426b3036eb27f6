"""What the commands share: options of models, dictionaries and pictures, NAME=VALUE pairs, JSON."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mmedrag.dates import time_of
from mmedrag.errors import QueryError
from mmedrag.views.terminal import json_escaped

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands: TypeAlias = argparse._SubParsersAction

Run: TypeAlias = Callable[[argparse.Namespace], int]
"""A command: what it does with its options, and its exit code."""

FRAME = "of a multi-frame DICOM (default: the middle one) or page of a TIFF (the first), from 0"
"""What ``--frame`` is."""


def add_pictures(command: argparse.ArgumentParser) -> None:
    """The option of commands that want pictures which are not medical."""
    command.add_argument(
        "--pictures", type=Path, nargs="+", default=[], metavar="DIR",
        help="folders of photographs and drawings that are not medical",
    )  # fmt: skip


def add_dictionaries(command: argparse.ArgumentParser) -> None:
    """Let a command take ``--dictionary FILE``."""
    command.add_argument(
        "--dictionary", type=Path, action="append", default=[], metavar="FILE",
        help="a dictionary made by 'mmedrag dictionary', beside the built-in glossary; repeatable",
    )  # fmt: skip


def add_time(command: argparse.ArgumentParser) -> None:
    """Let a command take ``--at``, a date or a day of ``offset_days``."""
    command.add_argument(
        "--at", type=time_of, metavar="TIME",
        help="time of the question: a date such as 2020-02-10, or a day of offset_days; later and "
        "undated records of the patient are not read",
    )  # fmt: skip


def add_models(command: argparse.ArgumentParser) -> None:
    """Let a command take ``--model ROLE=MODEL``."""
    command.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="ROLE=MODEL",
        help="a hub id or folder in place of the preset's own model; repeatable "
        "('mmedrag presets' lists the roles)",
    )


def add_new_domains(command: argparse.ArgumentParser) -> None:
    """Let a command take ``--new-domain``; :func:`register_domains` makes them known."""
    command.add_argument(
        "--new-domain", action="append", default=[], metavar="NAME[=PROMPT]",
        help="a domain beside the built-in ones, and a caption of its images for zero-shot "
        "routing, such as 'dermatology=a dermoscopy image'; repeatable, also for more captions",
    )  # fmt: skip


def register_domains(items: Sequence[str]) -> None:
    """Make the domains known that were given by ``--new-domain``.

    Raises:
        QueryError: for a name that no domain can have.
    """
    from mmedrag.domains import register

    prompts: dict[str, list[str]] = {}
    for item in items:
        name, _, prompt = item.partition("=")
        prompts.setdefault(name, []).extend([prompt] if prompt else [])
    for name, captions in prompts.items():
        register(name, captions)


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number, not below ``least``."""

    def number(text: str) -> int:
        if re.fullmatch(r"\+?\d{1,18}", text) is None or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least}")
        return int(text)

    return number


def pairs(items: Sequence[str], option: str) -> dict[str, str]:
    """The NAME=VALUE pairs that were given by a repeatable option.

    Raises:
        QueryError: for one without a name or a value.
    """
    values = dict(item.partition("=")[::2] for item in items)
    if bad := [name for name, value in values.items() if not name or not value]:
        raise QueryError(f"{option} {bad[0]!r} is not NAME=VALUE", "Write it as NAME=VALUE.")
    return values


def json_document(value: Any) -> str:  # noqa: ANN401
    """JSON as the commands print it."""
    return json_escaped(json.dumps(value, ensure_ascii=False, indent=2, default=str))
