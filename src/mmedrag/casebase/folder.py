"""The folder of a casebase: laying it out, connecting to it, walking and exporting its cases."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from mmedrag.casebase.database import Database
from mmedrag.casebase.derivation import UNASSIGNED
from mmedrag.casebase.faults import storage_faults
from mmedrag.casebase.generations import Generations, Summary, Written
from mmedrag.casebase.queries import RECOGNISED
from mmedrag.casebase.records import line_of
from mmedrag.casebase.row_sums import SETTING
from mmedrag.casebase.schema import check_format
from mmedrag.casebase.snapshot import Snapshot
from mmedrag.casebase.thumbnails import Thumbnails
from mmedrag.durability import durable_file, sync_folder
from mmedrag.errors import CasebaseDamaged, CasebaseError
from mmedrag.types import Case, Entry, Mention

KNOWLEDGE = "knowledge.jsonl"
"""What the knowledge graph keeps of the cases (:mod:`mmedrag.knowledge.facts`)."""

GRAPH = "kept_neighbours"
"""The setting of a casebase that keeps the neighbours of its cases: how many of each."""

NAMES = "names.jsonl"
"""How diagnoses and labels were read (:mod:`mmedrag.knowledge.names`)."""

RESERVED = ("format", "preset", "fingerprint", "dim", "index_key", GRAPH, SETTING, RECOGNISED)
"""Settings that the casebase keeps for itself."""

_SECRET = ("salt",)
"""Settings of format 1 that nobody is shown; a writer moves them into a file of their own."""

_PAGE = 500


def lay_out(path: Path, settings: Mapping[str, str]) -> None:
    """Make a whole empty casebase under a temporary name, then rename it.

    Raises:
        CasebaseError: something is there.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CasebaseError(f"{path} is there already", "Add to it, or choose another path.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process that had this number
    try:
        for folder in ("generations", "models", "thumbnails"):
            (temporary / folder).mkdir(parents=True)
        database = Database(temporary / "casebase.db", "rwc")
        try:
            database.create(settings)
        finally:
            database.close()
        sync_folder(temporary)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


def connect(path: Path, *, readonly: bool) -> Database:
    """A connection; a folder that may not be written is opened for reading.

    Raises:
        CasebaseError: it is no casebase, or of a later version.
        sqlite3.Error: it cannot be read.
    """
    writable = os.access(path, os.W_OK) and os.access(path / "casebase.db", os.W_OK)
    database = Database(path / "casebase.db", "ro" if readonly or not writable else "rw")
    try:
        check_format(database.connection, path)
    except BaseException:
        database.close()
        raise
    return database


def walk(path: Path, *, readonly: bool) -> Iterator[tuple[Case, str | None]]:
    """Cases and thumbnail digests of one committed state, on a connection of its own."""
    with storage_faults(path, "read"):
        database = connect(path, readonly=readonly)
        try:
            with database.reading():
                row = 0
                while page := database.page(row, _PAGE):
                    for _, case, digest in page:
                        yield case, digest
                    row = page[-1][0]
        finally:
            database.close()


def walk_recognised(
    path: Path, recogniser: str, *, readonly: bool
) -> Iterator[tuple[Case, tuple[Mention, ...] | None]]:
    """Cases with the terms that this recogniser has found in their reports, where it read them."""
    with (
        storage_faults(path, "read"),
        closing(connect(path, readonly=readonly)) as database,
        database.reading(),
    ):
        row = 0
        while page := database.page(row, _PAGE):
            stored = database.recognised({number: case.text for number, case, _ in page})
            for number, case, _ in page:
                recognition = stored.get(number)
                same = recognition is not None and recognition.recogniser == recogniser
                yield case, recognition.mentions if recognition is not None and same else None
            row = page[-1][0]


def walk_entries(path: Path, thumbnails: Thumbnails, ids: Sequence[str] | None) -> Iterator[Entry]:
    """Entries of one committed state, on a connection of its own.

    Raises:
        CasebaseDamaged: a preview is missing or damaged.
    """
    with (
        storage_faults(path, "read"),
        closing(connect(path, readonly=True)) as database,
        database.reading(),
    ):
        for page in database.pages(_PAGE, ids):
            stored = database.recognised({row.number: row.case.text for row in page})
            for row in page:
                preview = None if row.thumbnail is None else thumbnails.read(row.thumbnail)
                if row.thumbnail is not None and preview is None:
                    raise CasebaseDamaged(
                        f"The preview of case {row.case.id!r} is missing or damaged",
                        "Add the case again, or restore a backup.",
                    )
                recognition = stored.get(row.number)
                terms = (
                    (None, "")
                    if recognition is None
                    else (recognition.mentions, recognition.recogniser)
                )
                yield Entry(row.case, row.vector, row.content, preview, *terms)


def export(cases: Iterator[tuple[Case, str | None]], thumbnails: Thumbnails, into: Path) -> int:
    """Write ``records.jsonl`` in the native format, with thumbnails, into a folder.

    Returns:
        The number of cases.

    Raises:
        CasebaseError: the folder has records already, or is within a casebase.
    """
    file = into / "records.jsonl"
    if file.exists():
        raise CasebaseError(f"{file} is there already", "Choose another folder.")
    whole = into.resolve()
    if any((folder / "casebase.db").exists() for folder in (whole, *whole.parents)):
        raise CasebaseError(f"{into} is within a casebase", "Choose another folder.")
    into.mkdir(parents=True, exist_ok=True)
    copies = Thumbnails(into / "thumbnails")
    written = 0
    with durable_file(file) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for case, digest in cases:
            preview = None if digest is None else thumbnails.read(digest)
            copy = None if preview is None else copies.write([preview])[0]
            stream.write(line_of(case, copy) + "\n")
            written += 1
    return written


def describe(path: Path, database: Database, snapshot: Snapshot) -> dict[str, object]:
    """Counts, sizes and settings of one committed state, for people to read."""
    counts = database.counts()
    settings = database.settings()
    summary = snapshot.generation
    return {
        "path": str(path),
        **{key: settings[key] for key in ("format", "preset", "fingerprint")},
        "dim": int(settings["dim"]),
        "cases": sum(counts.values()),
        "domains": {domain or UNASSIGNED: count for domain, count in counts.items()},
        "generation": None if summary is None else summary.number,
        "index": snapshot.members.keys,
        "neighbours": int(settings.get(GRAPH, "0")),
        "rows_outside_index": snapshot.members.fresh(),
        "deleted_rows_in_index": snapshot.members.masked(),
        "epoch": snapshot.epoch,
        "bytes": sum(size_of(file) for file in path.rglob("*")),
        "settings": caller_settings(database),
    }


def essentials(database: Database, path: Path) -> tuple[int, str, str]:
    """Length of the vectors, fingerprint of the encoder, name of the preset.

    Raises:
        CasebaseDamaged: one of them is not there.
    """
    settings = database.settings()
    try:
        return int(settings["dim"]), settings["fingerprint"], settings["preset"]
    except (KeyError, ValueError) as fault:
        raise CasebaseDamaged(
            f"The settings of {path} are damaged ({fault})", "Restore casebase.db from a backup."
        ) from fault


def caller_settings(database: Database) -> dict[str, str]:
    """Settings by the caller's keys, without secrets."""
    hidden = {*RESERVED, *_SECRET}
    return {key: value for key, value in database.settings().items() if key not in hidden}


def size_of(file: Path) -> int:
    """Bytes of a file; 0 for a folder, and for what a writer has just removed."""
    try:
        return file.stat().st_size if file.is_file() else 0
    except FileNotFoundError:
        return 0


def write_generation(
    path: Path, generations: Generations, key: str | None, *, neighbours: bool, anew: bool
) -> Written:
    """Write a generation from one state, on a connection of its own: searches go on meanwhile.

    Arguments as :meth:`~mmedrag.casebase.generations.Generations.write` has them.
    """
    database = connect(path, readonly=True)
    try:
        with database.reading():
            settings = database.settings()
            summary = Summary(
                generations.next_number(database),
                database.state().epoch,
                database.last_row(),
                settings["fingerprint"],
                int(settings["dim"]),
            )
            return generations.write(database, summary, key, neighbours=neighbours, anew=anew)
    finally:
        database.close()
