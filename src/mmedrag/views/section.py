"""What a study gives: one section of the report, with its tables, figures and JSON.

Every ``mmedrag eval`` command makes sections and every form of the report (console, Markdown, HTML,
JSON) is made of them alone (:mod:`mmedrag.views.report`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    measured, ``verdict`` is the finding in a sentence or two, ``command`` prints it
    again (whoever ran the study says how), ``data`` are the figures as JSON.
    """

    name: str
    title: str
    paper: str = ""
    protocol: str
    verdict: str
    command: str = ""
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
