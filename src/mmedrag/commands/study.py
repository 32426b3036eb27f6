"""What every ``mmedrag eval`` command shares: its options, and how its sections are shown."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmedrag.commands.options import Commands, Run, add_models, json_document, pairs
from mmedrag.views.terminal import notify, progress_bar, show

if TYPE_CHECKING:
    from mmedrag.views.section import Section


def add_study(
    studies: Commands, name: str, summary: str, run: Run, *, data: bool = True
) -> argparse.ArgumentParser:
    """A command with the options that every study has.

    Args:
        studies: the sub-commands of ``eval``.
        name: of the study.
        summary: what it measures, for the list of commands.
        run: called with the options; shows its sections by :func:`show_sections`.
        data: whether it needs records; then it takes ``--data``, ``--preset`` and ``--model``.
    """
    command = studies.add_parser(name, help=summary)
    if data:
        add_records(command)
        add_preset(command)
    command.add_argument("--json", action="store_true", help="print the figures alone, as JSON")
    command.add_argument(
        "--report", type=Path, metavar="DIR", help="write report.html, results.md, results.json"
    )
    command.set_defaults(run=run)
    return command


def add_records(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Let a command take records of cases."""
    command.add_argument(
        "--data", type=Path, nargs="+", required=required, default=[], metavar="RECORDS.jsonl",
        help="files of cases in the native format",
    )  # fmt: skip


def add_preset(command: argparse.ArgumentParser) -> None:
    """Let a command choose the models that it works with."""
    command.add_argument(
        "--preset", default="offline", help="see 'mmedrag presets' (default: offline)"
    )
    add_models(command)


def run_study(
    options: argparse.Namespace,
    unit: str,
    doing: str,
    evaluate: Callable[..., Section],
    **settings: object,
) -> int:
    """Measure the records with the preset under a progress bar, and show the section.

    ``settings`` are those arguments of ``evaluate`` that only this study has.
    """
    with progress_bar(unit, doing) as bar:
        section = evaluate(
            options.data,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            progress=bar.update,
            **settings,
        )
    return show_sections(options, section)


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


def with_commands(options: argparse.Namespace, sections: Sequence[Section]) -> tuple[Section, ...]:
    """Sections that say by which line each is measured again."""
    return tuple(replace(s, command=measured_by(options, s.name)) for s in sections)


def show_sections(options: argparse.Namespace, *sections: Section) -> int:
    """Print a section as text or JSON (of several: what each found), and write the report."""
    from mmedrag.views.report import finite, glance_text, section_text, write_report

    sections = with_commands(options, sections)
    if options.report is not None:
        notify(f"wrote {write_report(sections, options.report)}")
    if options.json:
        figures = {section.name: finite(section.data) for section in sections}
        show(json_document(figures if len(figures) > 1 else figures[sections[0].name]))
    else:
        show(glance_text(sections) if len(sections) > 1 else section_text(sections[0]))
    return 0
