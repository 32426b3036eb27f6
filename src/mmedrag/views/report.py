"""Sections in every form: console text, JSON, Markdown, and one self-contained HTML page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from mmedrag import __version__
from mmedrag.citations import DISCLAIMER
from mmedrag.durability import write_durably
from mmedrag.errors import QueryError
from mmedrag.views.console import table, wrapped
from mmedrag.views.markdown import markdown
from mmedrag.views.section import Section, Table

SCHEMA = "mmedrag-results/1"
LONG = 14
"""Rows that a table may have before the page folds it."""

_NUMBER = re.compile(r"[-+−±<>≤≥~]?\s?\d[\d.,]*\s?(%|ms|s|×)?(\s?[(\[±].*)?|[-–—]?|yes|no")


def section_text(section: Section) -> str:
    """A section for the console: verdict first, then the tables, then how it was measured."""
    heading = section.title + (f"  (paper: {section.paper})" if section.paper else "")
    paragraphs = [f"{heading}\n{'=' * len(heading)}", wrapped(section.verdict, "")]
    paragraphs += [f"{t.title}\n{table(t.header, t.rows, _whole(t))}" for t in section.tables]
    paragraphs += [
        wrapped(f"Paper: {d.what}: {d.paper}; measured {d.measured}. {d.why}", "", "  ")
        for d in section.disagreements
    ]
    paragraphs += [wrapped(f"Note: {note}", "", "  ") for note in section.notes]
    paragraphs.append(wrapped(f"Protocol: {section.protocol}", "", "  "))
    return "\n\n".join(paragraphs)


def glance_text(sections: Sequence[Section]) -> str:
    """The verdict of each section for the console."""
    return "\n".join(f"{s.title}\n{wrapped(s.verdict, '  ')}" for s in sections)


def results(sections: Sequence[Section]) -> dict[str, Any]:
    """results.json: every study's text and figures by its name (docs/guide/evaluation.md)."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "studies": [_as_json(section) for section in sections],
    }


def finite(value: Any) -> Any:  # noqa: ANN401
    """Figures as JSON can hold them: what is not a number becomes ``null``."""
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_report(sections: Sequence[Section], into: Path) -> Path:
    """Write report.html, results.md and results.json, each whole or not at all.

    Returns:
        The path of report.html.

    Raises:
        QueryError: where the folder cannot be written.
        MissingExtra: where the plotting library is not installed.
    """
    forms = {
        "results.md": markdown(sections),
        "results.json": json.dumps(results(sections), ensure_ascii=False, indent=2, default=str),
        "report.html": html(sections),
    }
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name, text in forms.items():
            write_durably(into / name, text)
    except OSError as error:
        raise QueryError(
            f"{into} cannot be written ({error.strerror})", "Name another folder with --report."
        ) from None
    return into / "report.html"


def html(sections: Sequence[Section]) -> str:
    """The report as one page; it loads nothing from anywhere."""
    return _template().render(
        sections=sections,
        svgs=[[Markup(figure.draw()) for figure in s.figures] for s in sections],  # noqa: S704
        disagreements=[(s, d) for s in sections for d in s.disagreements],
        numeric=_numeric_columns,
        long=LONG,
        version=__version__,
        disclaimer=DISCLAIMER,
    )


def _template() -> Template:
    source = (files("mmedrag") / "templates" / "report.html").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


def _numeric_columns(shown: Table) -> list[bool]:
    """Which columns hold numbers; those are aligned at the right."""
    return [
        all(_NUMBER.fullmatch(row[i].strip()) for row in shown.rows)
        for i in range(len(shown.header))
    ]


def _as_json(section: Section) -> Mapping[str, Any]:
    return {
        "name": section.name,
        "title": section.title,
        "paper": section.paper,
        "protocol": section.protocol,
        "verdict": section.verdict,
        "command": section.command,
        "disagreements": [
            {"what": d.what, "paper": d.paper, "measured": d.measured, "why": d.why}
            for d in section.disagreements
        ],
        "notes": list(section.notes),
        "data": finite(section.data),
    }


def _whole(shown: Table) -> int:
    """Wide enough that nothing is cut: figures are never shortened."""
    columns = zip(shown.header, *shown.rows, strict=True)
    return sum(max(map(len, column)) + 2 for column in columns)
