"""What every ``mmedrag eval`` command shares: its options, and how its sections are shown."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmedrag.commands.options import Commands, Run, add_models, dumped

if TYPE_CHECKING:
    from mmedrag.views.section import Section


def study(
    what: Commands, name: str, words: str, run: Run, *, data: bool = True
) -> argparse.ArgumentParser:
    """A command with the options that every study has.

    Args:
        what: the sub-commands of ``eval``.
        name: of the study.
        words: what it measures, for the list of commands.
        run: called with the options; shows its sections by :func:`show`.
        data: whether it reads records; then ``--data``, ``--preset``, ``--model``.
    """
    command = what.add_parser(name, help=words)
    if data:
        command.add_argument("--data", type=Path, nargs="+", required=True, metavar="RECORDS.jsonl")
        command.add_argument("--preset", default="offline", help="see 'mmedrag presets'")
        add_models(command)
    command.add_argument("--json", action="store_true", help="the figures alone, as JSON")
    command.add_argument(
        "--report", type=Path, metavar="DIR", help="write report.html, results.md, results.json"
    )
    command.set_defaults(run=run)
    return command


def measured_by(options: argparse.Namespace, name: str) -> str:
    """The line that measures a section again: as it was typed, less where it was shown."""
    kept: list[str] = []
    dropped = False
    for word in options.words:
        if word.startswith("--"):
            dropped = word.partition("=")[0] in ("--json", "--report", "--only")
        if not dropped:
            kept.append(word)
    only = ["--only", name] if "only" in options else []
    return shlex.join(["mmedrag", *kept, *only])


def show(options: argparse.Namespace, *sections: Section) -> int:
    """Print a section as text or JSON (of several: what each found), and write the report."""
    from mmedrag.views.report import finite, glance_text, section_text, write_report

    sections = tuple(replace(s, command=measured_by(options, s.name)) for s in sections)
    if options.report is not None:
        written = write_report(sections, options.report)
        print(f"mmedrag: wrote {written}", file=sys.stderr)
    if options.json:
        found = {section.name: finite(section.data) for section in sections}
        print(dumped(found if len(found) > 1 else found[sections[0].name]))
    else:
        print(glance_text(sections) if len(sections) > 1 else section_text(sections[0]))
    return 0
