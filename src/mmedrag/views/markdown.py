"""Sections as Markdown: docs/notes/results.md, and results.md beside every HTML report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmedrag.views.section import Disagreement, Section, Table

_SPECIAL = re.compile(r"[\\`*\[\]<>|~$&]|(?<!\w)_|_(?!\w)")
_AT_START = re.compile(r"^([#+\-=:]|\d+(?=[.)](\s|$)))")


def markdown(sections: Sequence[Section]) -> str:
    """One document: what was found, every study, and where the paper disagrees.

    Texts of the sections are plain text; whatever would be markup in them is escaped.
    """
    blocks = ["# Results", "Written by `mmedrag eval`; do not edit."]
    if len(sections) > 1:
        blocks += ["## At a glance", _glance(sections)]
    blocks += [block for section in sections for block in _section(section)]
    if rows := [(s, d) for s in sections for d in s.disagreements]:
        blocks += ["## Where the paper and our measurement disagree", _disagreements(rows)]
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Plain text on one line, as Markdown that shows just that."""
    line = _SPECIAL.sub(lambda match: "\\" + match[0], " ".join(text.split()))
    return _AT_START.sub(_escape_start, line)


def _escape_start(match: re.Match[str]) -> str:
    return f"{match[0]}\\" if match[0][0].isdigit() else "\\" + match[0]


def _glance(sections: Sequence[Section]) -> str:
    rows = tuple((s.title, s.paper or "–", s.verdict) for s in sections)
    return _rows(("study", "paper", "finding"), rows)


def _section(section: Section) -> list[str]:
    beside = f" (beside {escaped(section.paper)} of the paper)" if section.paper else ""
    blocks = [
        f"## {escaped(section.title)}",
        f"**{escaped(section.verdict)}**",
        f"Protocol{beside}: {escaped(section.protocol)}",
        *(block for table in section.tables for block in _table(table)),
    ]
    if section.notes:
        blocks.append("\n".join(f"- {escaped(note)}" for note in section.notes))
    return [*blocks, f"```console\n$ {' '.join(section.command.split())}\n```"]


def _table(table: Table) -> list[str]:
    return [f"### {escaped(table.title)}", _rows(table.header, table.rows)]


def _disagreements(disagreements: Sequence[tuple[Section, Disagreement]]) -> str:
    rows = tuple((s.title, d.what, d.paper, d.measured, d.why) for s, d in disagreements)
    return _rows(("study", "what", "paper", "measured here", "why"), rows)


def _rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_row(header), "|" + "---|" * len(header), *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"
