"""Out of an archive into a casebase: ``mmedrag pull``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime
from time import perf_counter
from typing import TYPE_CHECKING

from mmedrag.commands.options import Commands, add_models, pairs
from mmedrag.errors import CorpusError, QueryError
from mmedrag.locations import location_of
from mmedrag.views.terminal import notify, progress_bar, show

if TYPE_CHECKING:
    from mmedrag.dicomweb.client import Archive
    from mmedrag.dicomweb.pull import Pull, Statistics
    from mmedrag.presets import Stages
    from mmedrag.stores import CaseDatabase

_KEYS = (
    "Modality", "ModalitiesInStudy", "StudyDate", "StudyTime", "AccessionNumber",
    "StudyInstanceUID", "StudyID", "StudyDescription", "PatientID", "PatientName", "PatientSex",
    "PatientBirthDate", "ReferringPhysicianName",
)  # fmt: skip
_DATES = re.compile(r"(\d{8})?-?(\d{8})?")


def add(commands: Commands) -> None:
    """The command ``pull``."""
    pull = commands.add_parser(
        "pull",
        help="fill a casebase with de-identified studies of a DICOMweb archive; a later run "
        "adds new ones",
        epilog="Credentials come from the environment: MMEDRAG_PACS_USER and _PASSWORD, or _TOKEN; "
        "certificates in files named by MMEDRAG_PACS_CA, _CERT, _KEY.",
    )
    pull.add_argument(
        "--from", dest="archive", required=True, metavar="URL",
        help="address of the DICOMweb service, such as https://pacs.example.org/dicom-web",
    )  # fmt: skip
    pull.add_argument(
        "--into", type=location_of, required=True, metavar="CASEBASE",
        help="folder of the casebase, or the URL of a database",
    )  # fmt: skip
    pull.add_argument(
        "--where", nargs="+", default=[], metavar="KEY=VALUE",
        help="only studies that match, such as StudyDate=20260101-20260131 Modality=CT",
    )  # fmt: skip
    pull.add_argument("--since", metavar="DATE", help="only studies of this day and later")
    pull.add_argument(
        "--images", choices=("key", "all"), default="key",
        help="the key images of each series (default), or all images",
    )  # fmt: skip
    pull.add_argument(
        "--rate", type=float, default=0.0, metavar="N", help="at most N requests a second"
    )
    pull.add_argument(
        "--recheck", action="store_true",
        help="look at all studies again, not only at what is new since the last pull",
    )  # fmt: skip
    pull.add_argument("--preset", help="of a new casebase (default: offline)")
    add_models(pull)
    pull.set_defaults(run=_pull)


def _pull(options: argparse.Namespace) -> int:
    from mmedrag.dicomweb.pull import SPOOL, Pull
    from mmedrag.dicomweb.state import State
    from mmedrag.filling import filling
    from mmedrag.pseudonym_key import key_of

    where = conditions(options.where, options.since)
    models = pairs(options.model, "--model")
    started = perf_counter()
    with (
        _connected(options.archive, options.rate) as archive,
        filling(options.into, preset=options.preset, models=models) as (casebase, stages),
        closing(State(casebase.folder)) as state,
    ):
        pull = Pull(
            archive,
            state,
            casebase.folder / SPOOL,
            key_of(casebase),
            where,
            every=options.images == "all",
            recheck=options.recheck,
        )
        _index(pull, casebase, stages, started)
        stored = casebase.count()
    _show(pull.statistics, archive.requests)
    if stored:
        return 0
    notify("no case was stored; check --where, and see above for what was skipped")
    return CorpusError.exit_code


def _index(pull: Pull, casebase: CaseDatabase, stages: Stages, started: float) -> None:
    """Add what is pulled to the casebase, report it, and mark the pull as finished."""
    from mmedrag.indexing import index
    from mmedrag.provenance import definitions_of
    from mmedrag.views.console import report_text

    with progress_bar("case", "pull") as bar:

        def finished(rows: int, /) -> None:
            pull.written(rows)
            bar.update(rows)

        report = index(
            pull,
            casebase,
            stages.embedder,
            stages.classifier,
            definitions=definitions_of(casebase),
            progress=finished,
        )
        if report.written or report.unchanged or report.problems:
            show(report_text(report, perf_counter() - started))
        pull.finish()


def _show(counts: Statistics, requests: int) -> None:
    show(
        f"{counts.studies} studies seen, {counts.unchanged} as they were; {counts.retrieved} "
        f"instances retrieved, {counts.resumed} waiting from an interrupted pull; "
        f"{requests} requests"
    )
    if counts.failed:
        notify(f"{counts.failed} studies lack an instance; the next pull tries them again")


@contextmanager
def _connected(url: str, rate: float) -> Iterator[Archive]:
    from mmedrag.dicomweb.client import Archive

    if not 0 <= rate < float("inf"):
        raise QueryError(f"--rate {rate} is no number of requests", "Give one such as 5.")
    archive = Archive(url, rate)
    if archive.sends_credentials() and not archive.is_confidential():
        notify(f"credentials go to {archive.url} unencrypted; use https where the server has it")
    with closing(archive):
        yield archive


def conditions(items: list[str], since: str | None) -> Mapping[str, str]:
    """The keys of a search for studies.

    Raises:
        QueryError: for a key that is none of studies, or a date that is none.
    """
    where = pairs(items, "--where")
    if unknown := [key for key in where if key not in _KEYS]:
        raise QueryError(
            f"Studies cannot be searched by {unknown[0]}", f"Keys are {', '.join(_KEYS)}."
        )
    if since is not None and "StudyDate" in where:
        raise QueryError("--since and StudyDate both say when", "Give one of them.")
    days = where.get("StudyDate", "") if since is None else f"{since.replace('-', '')}-"
    days = re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\1\2\3", days)
    if (since is not None and not days[:-1]) or not _is_range(days):
        given = where.get("StudyDate", since)
        raise QueryError(f"{given!r} is no date", "Write 20260131 or 20260101-20260131.")
    return {**where, **({"StudyDate": days} if days else {})}


def _is_range(days: str) -> bool:
    """Whether this is nothing, a day, or two days with a hyphen between, one of which may lack."""
    match = _DATES.fullmatch(days)
    try:
        return match is not None and days != "-" and all(map(_day, filter(None, match.groups())))
    except ValueError:
        return False


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()
