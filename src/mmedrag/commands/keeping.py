"""A casebase over time: info, verify, rebuild, export."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmedrag.commands.options import Commands, dumped


def add(commands: Commands) -> None:
    """info, verify, rebuild, export."""
    for name, words, run in (
        ("info", "what a casebase holds", _info),
        ("verify", "check every file and record", _verify),
        ("rebuild", "derive the index again; encodes nothing", _rebuild),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("casebase", type=Path)
        if name != "rebuild":
            command.add_argument("--json", action="store_true")
        command.set_defaults(run=run)
    export = commands.add_parser("export", help="cases and thumbnails as a corpus")
    export.add_argument("casebase", type=Path)
    export.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    export.set_defaults(run=_export)


def _info(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(options.casebase, readonly=True) as casebase:
        told = casebase.info() | {"notices": casebase.notices}
    print(dumped(told) if options.json else "\n".join(f"{k:<14} {v}" for k, v in told.items()))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase
    from mmedrag.errors import CasebaseError

    with Casebase.open(options.casebase, readonly=True) as casebase:
        found = [*casebase.notices, *casebase.verify()]
    if options.json:
        print(dumped({"sound": not found, "problems": found}))
    else:
        print("\n".join(found) or "sound: every file, digest and record was checked")
    return CasebaseError.exit_code if found else 0


def _rebuild(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(options.casebase) as casebase:
        casebase.rebuild()
        print(f"index derived again for {len(casebase)} cases")
    return 0


def _export(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(options.casebase, readonly=True) as casebase:
        print(f"{casebase.export(options.into)} cases exported to {options.into}")
    return 0
