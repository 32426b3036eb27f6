"""What a study gives: one section of the report, with its tables, figures and JSON.

Every ``mmedrag eval`` command makes sections and every form of the report (console, Markdown, HTML,
JSON) is made of them alone (:mod:`mmedrag.views.report`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; numbers are formatted by whoever measured them."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot.

    ``draw`` gives an SVG element (:mod:`mmedrag.views.plots`); it is called only for reports,
    so that a study runs without the plotting library.
    """

    title: str
    caption: str
    draw: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where the paper and our measurement differ, and what explains it."""

    what: str
    paper: str
    measured: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One study.

    ``name`` is that of the command (``"rerank"``), ``paper`` the section or table of the paper that
    it stands beside (empty where the paper has none), ``protocol`` says on what and how it was
    measured, ``verdict`` is the finding in a sentence or two, ``command`` prints it again, ``data``
    are the figures as JSON.
    """

    name: str
    title: str
    paper: str = ""
    protocol: str
    verdict: str
    command: str
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def eval_command(
    study: str,
    data: Sequence[Path],
    *options: str,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
) -> str:
    """The line that measures a study again: ``mmedrag eval …``.

    Args:
        study: the command's name.
        data: record files.
        options: of the study, words as on the command line.
        preset: whose stages were measured.
        models: by role, in place of the preset's own.
    """
    words = ["--data", *map(str, data)] if data else []
    words += ["--preset", preset] if preset != "offline" else []
    words += [w for role, name in (models or {}).items() for w in ("--model", f"{role}={name}")]
    return shlex.join(["mmedrag", "eval", study, *words, *options])
