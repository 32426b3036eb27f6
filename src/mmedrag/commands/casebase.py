"""A casebase over time: ``mmedrag info``, ``verify``, ``rebuild``, ``export`` and ``copy``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mmedrag.commands.options import Commands, add_dictionaries, at_least, json_document
from mmedrag.locations import location_of, shown
from mmedrag.views.terminal import one_line, progress_bar, show

if TYPE_CHECKING:
    from mmedrag.stores import CaseDatabase
    from mmedrag.types import Facet

SOUND = "sound: every file, digest and record was checked"
"""What ``verify`` prints where it found nothing."""


def add(commands: Commands) -> None:
    """info, verify, rebuild, rekey, export, copy."""
    for name, words, run in (
        ("info", "what a casebase holds", _info),
        ("verify", "check every file and record", _verify),
        ("rebuild", "derive index, terms and words again; encodes no case", _rebuild),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("casebase", type=location_of)
        if name == "rebuild":
            add_dictionaries(command)
            command.add_argument(
                "--neighbours", action=argparse.BooleanOptionalAction,
                help="keep the nearest of each case beside it from now on, for --expansion "
                "(default: as before; a new casebase keeps none)",
            )  # fmt: skip
        else:
            command.add_argument("--json", action="store_true", help="print it as JSON")
        if name == "info":
            command.add_argument(
                "--concepts", type=at_least(0), default=10, metavar="N",
                help="the commonest findings of each domain (default: 10; 0 counts none)",
            )  # fmt: skip
        command.set_defaults(run=run)
    rekey = commands.add_parser("rekey", help="make a new key of DICOM pseudonyms")
    rekey.add_argument("casebase", type=location_of)
    rekey.add_argument(
        "--pseudonym-key", type=Path, metavar="FILE", help="where it is kept from now on"
    )
    rekey.set_defaults(run=_rekey)
    export = commands.add_parser("export", help="cases and thumbnails as a corpus")
    export.add_argument("casebase", type=location_of)
    export.add_argument(
        "--into", type=Path, required=True, metavar="FOLDER", help="an empty or absent folder"
    )
    export.set_defaults(run=_export)
    copy = commands.add_parser("copy", help="move a casebase to a database on a server, or back")
    copy.add_argument("source", type=location_of, help="stays as it is")
    copy.add_argument("target", type=location_of, help="folder or URL; made where it is not there")
    copy.set_defaults(run=_copy)


def _info(options: argparse.Namespace) -> int:
    from mmedrag.stores import open_store

    with open_store(options.casebase, readonly=True) as casebase:
        values = casebase.info() | {"notices": [*casebase.notices, *_outdated(casebase)]}
        facets_of = _facets(casebase, options.concepts)
    if options.json:
        listed = {
            domain: [asdict(facet) for facet in facets] for domain, facets in facets_of.items()
        }
        show(json_document(values | {"concepts": listed}))
    else:
        lines = [f"{name:<14} {one_line(str(value))}" for name, value in values.items()]
        show("\n\n".join(["\n".join(lines), *(_facets_text(*item) for item in facets_of.items())]))
    return 0


def _facets(casebase: CaseDatabase, limit: int) -> dict[str, list[Facet]]:
    """By domain, what the most reports affirm; nothing where some are not read yet."""
    if limit <= 0 or sum(casebase.recognisers().values()) < casebase.count():
        return {}
    return {str(d): casebase.facets(domain=d, limit=limit) for d in casebase.domains()}


def _facets_text(domain: str, facets: Sequence[Facet]) -> str:
    from mmedrag.views.console import table

    rows = [(f.term, f.kind, f.affirmed, f.negated, f.uncertain) for f in facets]
    header = (domain, "kind", "affirmed", "ruled out", "uncertain")
    return table(header, rows)


def _verify(options: argparse.Namespace) -> int:
    from mmedrag.errors import CasebaseDamaged, CasebaseError
    from mmedrag.stores import open_store

    with open_store(options.casebase, readonly=True) as casebase:
        problems = [*casebase.notices, *casebase.verify()]
        try:
            problems += _outdated(casebase)
        except CasebaseDamaged:  # it is asked for no terms
            if not problems:
                raise
    if options.json:
        show(json_document({"sound": not problems, "problems": problems}))
    else:
        show("\n".join(map(one_line, problems)) or SOUND)
    return CasebaseError.exit_code if problems else 0


def _outdated(casebase: CaseDatabase) -> list[str]:
    """What is to say of the terms that are stored with the cases."""
    from mmedrag.assembly import definitions_of, outdated
    from mmedrag.errors import CorpusError

    try:
        return outdated(casebase, definitions_of(casebase))
    except CorpusError as error:
        return [f"The casebase's own dictionary is missing: {error}"]


def _rebuild(options: argparse.Namespace) -> int:
    from mmedrag.filling import rebuild

    with rebuild(options.casebase, options.dictionary, neighbours=options.neighbours) as casebase:
        show(f"index, terms and vectors of definitions derived again for {casebase.count()} cases")
    return 0


def _rekey(options: argparse.Namespace) -> int:
    from mmedrag.pseudonym_key import new_key
    from mmedrag.stores import open_store

    with open_store(options.casebase) as casebase:
        show(f"new key in {new_key(casebase, options.pseudonym_key)}")
    show(
        "patients get other pseudonyms from now on; those that are stored stay as they are: "
        "delete the cases of DICOM files and add them again to renew theirs"
    )
    return 0


def _export(options: argparse.Namespace) -> int:
    from mmedrag.stores import open_store

    with open_store(options.casebase, readonly=True) as casebase:
        show(f"{casebase.export(options.into)} cases exported to {options.into}")
    return 0


def _copy(options: argparse.Namespace) -> int:
    from mmedrag.copying import copy

    with progress_bar("case", "copy") as bar:
        report = copy(options.source, options.target, bar.update)
    there = f", {report.unchanged} were there already" if report.unchanged else ""
    show(
        f"{report.copied} cases copied to {shown(options.target)}{there}; each was read back and "
        "has the same digest"
    )
    return 0
