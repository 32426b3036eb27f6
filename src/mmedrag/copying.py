"""A database of cases moved to another engine, each case verified by its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from mmedrag.casebase.feedback import copy_feedback
from mmedrag.casebase.mentions import stored_mention
from mmedrag.casebase.records import record_of
from mmedrag.encoders.definition_vectors import definition_digest
from mmedrag.errors import CasebaseDamaged, CasebaseError, CorpusError, QueryError
from mmedrag.locations import Location, shown
from mmedrag.progress import Progress, silent
from mmedrag.provenance import definitions_of
from mmedrag.pseudonym_key import SETTING as PLACE_OF_KEY
from mmedrag.pseudonym_key import copy_key
from mmedrag.stores import CaseDatabase, create_store, identity_of, open_store, store_exists
from mmedrag.types import Entry

BATCH = 256
"""Cases that are written in one transaction, then read back."""


@dataclass(frozen=True, slots=True)
class CopyReport:
    """How many cases were copied, and how many were there already, as they are."""

    copied: int
    unchanged: int


def copy(source: Location, target: Location, progress: Progress = silent) -> CopyReport:
    """Copy all cases, with vectors, previews, terms, settings and feedback; nothing is encoded.

    Every case is read back and compared with what was read. A copy that was interrupted goes on
    where it stopped; one that is made again takes over what was set since.

    Args:
        source: stays as it is.
        target: is made, or holds a part of the source already.
        progress: told of copied cases.

    Raises:
        QueryError: both are the same, or the target holds other cases.
        CasebaseDamaged: a case is not what was read.
        CasebaseError: one of them cannot be read or written.
    """
    if store_exists(target) and identity_of(source) == identity_of(target):
        raise QueryError(f"{shown(source)} is source and target", "Name another target.")
    with open_store(source, readonly=True) as cases, _target(cases, target) as copied:
        copy_key(cases, copied)
        written = unchanged = 0
        entries = cases.entries()
        while batch := list(islice(entries, BATCH)):
            changed = _changed(copied, batch)
            copied.add(changed)
            _compare(copied, changed)
            written += len(changed)
            unchanged += len(batch) - len(changed)
            progress(len(batch))
        if copied.count() != cases.count():
            raise QueryError(
                f"{copied.name} holds {copied.count()} cases, {cases.name} holds {cases.count()}",
                "Copy into a database of its own, or delete the others from it.",
            )
        _copy_definitions(cases, copied)
        _copy_settings(cases, copied)
        copy_feedback(cases.folder, copied.folder)
        copied.publish()
        return CopyReport(written, unchanged)


def entry_digest(entry: Entry) -> str:
    """Changes when anything of an entry changes: texts, vector, preview, terms."""
    record = record_of(entry, len(entry.vector))
    mentions = None if entry.mentions is None else sorted(map(stored_mention, entry.mentions))
    content = json.dumps([*record.values, record.text, entry.recogniser, mentions])
    return hashlib.blake2b(content.encode() + b"\0" + record.vector, digest_size=16).hexdigest()


def _target(source: CaseDatabase, location: Location) -> CaseDatabase:
    """The database that is copied to, made where it is not there."""
    if store_exists(location):
        target = open_store(location)
        if (target.fingerprint, target.dim) != (source.fingerprint, source.dim):
            target.close()
            raise CasebaseError(
                f"{target.name} was made with other encoders than {source.name}",
                "Copy into a database of its own.",
            )
        return target
    return create_store(
        location,
        dim=source.dim,
        fingerprint=source.fingerprint,
        preset=source.preset,
        settings=source.settings,
    )


def _changed(target: CaseDatabase, batch: Sequence[Entry]) -> list[Entry]:
    """The entries that the target has not, or has otherwise."""
    there = dict(_digests(target.entries([entry.case.id for entry in batch])))
    return [entry for entry in batch if there.get(entry.case.id) != entry_digest(entry)]


def _compare(target: CaseDatabase, written: Sequence[Entry]) -> None:
    there = dict(_digests(target.entries([entry.case.id for entry in written])))
    for entry in written:
        if there.get(entry.case.id) != entry_digest(entry):
            raise CasebaseDamaged(
                f"Case {entry.case.id!r} is not in {target.name} as it was copied",
                "Check the disk of the target, and copy again.",
            )


def _digests(entries: Iterator[Entry]) -> Iterator[tuple[str, str]]:
    return ((entry.case.id, entry_digest(entry)) for entry in entries)


def _copy_settings(source: CaseDatabase, target: CaseDatabase) -> None:
    """What was set since the target was made, as a new domain; where its key is stays its own."""
    for name, value in source.settings.items():
        if name != PLACE_OF_KEY and target.settings.get(name) != value:
            target.set(name, value)


def _copy_definitions(source: CaseDatabase, target: CaseDatabase) -> None:
    """Vectors of the definitions that searches fetch; without them they are embedded again."""
    with suppress(CorpusError):  # a dictionary is not where it was
        affirmed = source.affirmed()
        definitions = definitions_of(source).define([affirmed], len(affirmed))
        digests = [definition_digest(source.fingerprint, definition) for definition in definitions]
        target.keep_definition_vectors(source.definition_vectors(digests))
