"""Every check there is: the database, its lexical index, the live generation, the thumbnails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np

from mmedrag.casebase.comparison import differences
from mmedrag.casebase.database import Database
from mmedrag.casebase.derivation import UNASSIGNED
from mmedrag.casebase.generations import Generation, GenerationOutdated, Generations
from mmedrag.casebase.thumbnails import Thumbnails
from mmedrag.errors import CasebaseDamaged


def problems(database: Database, generations: Generations, thumbnails: Thumbnails) -> Iterator[str]:
    """What is wrong, one line each; nothing when sound.

    Args:
        database: a connection of its own, outside transactions. Nothing is written to it.
        generations: the folder of generations.
        thumbnails: the folder of previews.
    """
    acknowledged = database.ledger.acknowledged()
    try:
        with database.reading():
            yield from _ledger(database, acknowledged)
            damaged = list(database.problems())
            yield from damaged
        name = generations.current()
        with database.reading():
            yield from _generation(database, generations, name, sound=not damaged)
        yield from _thumbnails(database, thumbnails)
    except (sqlite3.Error, ValueError, TypeError, LookupError, ArithmeticError) as fault:
        yield f"casebase.db: {fault}"


def _ledger(database: Database, acknowledged: int | None) -> Iterator[str]:
    epoch = database.state().epoch
    if acknowledged is None:
        if database.row_sum.is_kept and database.ledger.acknowledged() is None:
            yield "the note of acknowledged writes is damaged or missing"
    elif epoch < acknowledged:
        yield f"{acknowledged - epoch} acknowledged writes are lost"
    if database.ledger.broken(epoch):
        yield "casebase.db has changed since it was closed"
    if database.row_sum.is_broken(epoch):
        yield "casebase.db: the table of cases is not what was written"


def _generation(
    database: Database, generations: Generations, name: str | None, *, sound: bool
) -> Iterator[str]:
    """What is wrong with the live generation; beside the cases only where those are sound."""
    if name is None:
        if database.state().pruned:
            yield "CURRENT is missing"
        return
    settings = database.settings()
    try:
        loaded = generations.load(name, database, settings["fingerprint"], int(settings["dim"]))
        loaded.check()
    except GenerationOutdated:
        return
    except CasebaseDamaged as damage:
        yield damage.what
        return
    wrong = list(_rows(database, loaded))
    yield from wrong
    if sound and not wrong:
        yield from differences(database, loaded)


def _rows(database: Database, generation: Generation) -> Iterator[str]:
    """The generation's rows, less the deletions since, are the database's rows."""
    deleted = database.deleted_since(generation.summary.epoch)
    last = generation.summary.row
    domains = {domain or UNASSIGNED: domain for domain in database.counts()}
    for name in sorted({*domains, *generation.shards}):
        shard = generation.shards.get(name)
        held = generation.rows[shard.start : shard.stop] if shard else deleted[:0]
        expected = database.rows_of(domains.get(name, name), last)
        if not np.array_equal(np.setdiff1d(held, deleted), expected):
            yield f"the index of {name} does not hold the rows of the database"


def _thumbnails(database: Database, thumbnails: Thumbnails) -> Iterator[str]:
    stored = database.thumbnails()
    for digest in sorted(stored):
        if thumbnails.read(digest) is None:
            yield f"thumbnail {digest} is missing or damaged; adding its case again mends it"
    for path in thumbnails.unwanted({*stored, *database.erasures()}):
        yield f"{path} belongs to no case; the next writer or 'mmedrag rebuild' removes it"
