"""What keeps the tables in order: the vector index, erasure, checks, and what is derived again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from psycopg import sql

from mmedrag.backends.postgres import cases, mentions, writing
from mmedrag.backends.postgres.description import Stems
from mmedrag.backends.postgres.occurrences import Read
from mmedrag.backends.postgres.rows import attributes_of, length_of, tsvector, words_to_stem
from mmedrag.backends.postgres.schema import partition_of
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.folder import KNOWLEDGE, NAMES
from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.thumbnails import digest_of
from mmedrag.protocols import DefinitionSource

_TABLES = ("cases", "vectors", "attributes", "mentions", "recognised", "terms", "lexicon",
           "previews")  # fmt: skip
_MEMORY = "512MB"
"""Of the server, for making an index; a graph that does not fit is made far more slowly."""

_REPORTS = 512  # read together, and written in one transaction

Write = Callable[[Callable[[Connection], int], str], int]
"""Does something in one transaction; gives what it returned."""


def publish(connection: Connection, dim: int, scan: int) -> None:
    """Make an HNSW index of each partition that has many cases, while searches go on.

    An index that was interrupted is made again.
    """
    connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", [_MEMORY])
    many = connection.execute("SELECT domain FROM counts WHERE cases > %s", [scan]).fetchall()
    for (domain,) in many:
        table = partition_of(domain)
        index = f"{table}_hnsw"
        index_row = connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)",
            [index],
        ).fetchone()
        if index_row is not None and index_row[0]:
            continue
        name = sql.Identifier(index)
        connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name))
        connection.execute(
            sql.SQL(
                "CREATE INDEX CONCURRENTLY {} ON {} USING hnsw "
                "((embedding::halfvec({})) halfvec_ip_ops)"
            ).format(name, sql.Identifier(table), sql.Literal(dim))
        )
    analyse(connection)


def analyse(connection: Connection) -> None:
    """Let the planner know what the tables hold."""
    connection.execute(f"ANALYZE {', '.join(_TABLES)}")


def rewrite(connection: Connection) -> None:
    """Write the tables and their indexes anew, without what deleted rows have left."""
    for table in _TABLES:
        connection.execute(f"VACUUM FULL {table}")


def reindex(connection: Connection) -> None:
    """Make the indexes anew."""
    for table in _TABLES:
        connection.execute(f"REINDEX TABLE CONCURRENTLY {table}")


def derive(connection: Connection, stems: Stems) -> int:
    """Derive words, values and counts again from the cases; gives how many there are."""
    connection.execute("TRUNCATE attributes, lexicon, counts")
    total = words = 0
    for page in cases.pages(connection, _REPORTS):
        stem_counts = {stored.row: _counted(stems, stored.case.text) for stored in page}
        lengths = {stored.row: length_of(stored.case.text) for stored in page}
        connection.execute(
            "UPDATE cases SET length = new.length, stems = new.stems::tsvector FROM "
            "unnest(%s::bigint[], %s::bigint[], %s::text[]) AS new (row, length, stems) "
            "WHERE cases.row = new.row",
            [list(stem_counts), list(lengths.values()), list(map(tsvector, stem_counts.values()))],
        )
        writing.keep_words(connection, stem_counts.values())
        values = {stored.row: list(attributes_of(stored.case)) for stored in page}
        writing.keep_attributes(connection, values)
        total += len(page)
        words += sum(lengths.values())
    connection.execute(
        "INSERT INTO counts SELECT COALESCE(domain, ''), count(*) FROM cases GROUP BY 1",
    )
    connection.execute("UPDATE state SET cases = %s, words = %s", [total, words])
    return total


def forget_mentions(connection: Connection) -> int:
    """Keep nothing of what was recognised."""
    return connection.execute("TRUNCATE mentions, recognised").rowcount


def recognise(read: Read, write: Write, definitions: DefinitionSource) -> int:
    """Read the reports that a source has not read, and keep what it recognises.

    Returns:
        How many reports were read.
    """
    total, row = 0, 0
    source = definitions.fingerprint
    while batch := read(partial(_next, source, row)):
        by_row = dict(zip(batch, definitions.recognise(list(batch.values())), strict=True))
        kept = {number: Recognition(source, terms) for number, terms in by_row.items()}
        total += write(partial(_keep, kept), "recognise the terms of")
        row = max(batch)

    def settle(connection: Connection) -> int:
        mentions.forget_unused(connection)
        return 0

    write(settle, "recognise the terms of")
    return total


def _next(source: str, after: int, connection: Connection) -> dict[int, str]:
    return mentions.unread_by(connection, source, after, _REPORTS)


def _keep(kept: dict[int, Recognition], connection: Connection) -> int:
    mentions.forget(connection, list(kept))
    mentions.write(connection, kept)
    return len(kept)


def forget_knowledge(folder: Path) -> None:
    """Erase what was learned from cases for the knowledge graph, and how diagnoses were read.

    Both are learned again when they are asked for.
    """
    for derived in (KNOWLEDGE, NAMES):
        with suppress(OSError):
            (folder / derived).unlink(missing_ok=True)


def problems(connection: Connection, stems: Stems) -> Iterator[str]:
    """What is wrong, one line each; nothing when sound."""
    damaged = list(cases.problems(connection))
    yield from damaged
    yield from mentions.problems(connection)
    yield from _counts(connection)
    yield from _previews(connection)
    yield from _writes(connection)
    if not damaged:
        yield from _derived(connection, stems)
    for (index,) in connection.execute(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
        "WHERE relnamespace = current_schema()::regnamespace AND NOT indisvalid",
    ):
        yield f"the index {index} is not whole; 'mmedrag rebuild' makes it again"


def _counts(connection: Connection) -> Iterator[str]:
    """What was counted with every write is what is there."""
    same = connection.execute(
        "SELECT state.cases = (SELECT count(*) FROM cases) "
        "AND state.words = (SELECT COALESCE(sum(length), 0) FROM cases) "
        "AND state.cases = (SELECT count(*) FROM vectors) "
        "AND NOT EXISTS (SELECT 1 FROM counts FULL JOIN (SELECT COALESCE(domain, '') AS domain, "
        "count(*) AS cases FROM cases GROUP BY 1) AS there USING (domain) "
        "WHERE counts.cases IS DISTINCT FROM there.cases) FROM state",
    ).fetchone()
    if same != (True,):
        yield "the table state does not say how many cases, words and vectors there are"


def _previews(connection: Connection) -> Iterator[str]:
    """Every preview is there and whole, and belongs to a case."""
    missing = connection.execute(
        "SELECT id FROM cases WHERE thumbnail IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM previews WHERE digest = thumbnail)",
    ).fetchall()
    yield from (f"the preview of case {case_id!r} is missing" for (case_id,) in missing)
    with connection.cursor("previews") as cursor:
        for digest, jpeg in cursor.execute("SELECT digest, jpeg FROM previews"):
            if digest_of(jpeg) != digest:
                yield f"the preview {digest} is damaged; adding its case again mends it"


def _writes(connection: Connection) -> Iterator[str]:
    """The audit has every write from the first to the last."""
    complete = connection.execute(
        "SELECT count(*) = max(epoch) AND max(epoch) = (SELECT epoch FROM state) FROM writes "
        "HAVING count(*) > 0",
    ).fetchone()
    if complete not in (None, (True,)):
        yield "the table writes does not have every write"


def _derived(connection: Connection, stems: Stems) -> Iterator[str]:
    """Words and values are what the cases make today."""
    held: dict[str, int] = {}
    for page in cases.pages(connection, _REPORTS):
        rows = [stored.row for stored in page]
        values: dict[int, set[object]] = {row: set() for row in rows}
        text = "SELECT row, field, value, number FROM attributes WHERE row = ANY(%s)"
        for row, *value in connection.execute(text, [rows]):
            values[row].add(tuple(value))
        text = "SELECT row, stems = %s::tsvector AND length = %s FROM cases WHERE row = %s"
        for stored in page:
            counted = _counted(stems, stored.case.text)
            for stem in counted:
                held[stem] = held.get(stem, 0) + 1
            line = [tsvector(counted), length_of(stored.case.text), stored.row]
            if connection.execute(text, line).fetchall() != [(stored.row, True)]:
                yield f"the words of case {stored.case.id!r} are not those of its report"
            if values[stored.row] != set(attributes_of(stored.case)):
                yield f"the values of case {stored.case.id!r} for filters are not its own"
    if held != dict(connection.execute("SELECT stem, cases FROM lexicon").fetchall()):
        yield "the table lexicon does not count the words of the reports"


def _counted(stems: Stems, text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for stem in stems(words_to_stem(text)):
        counts[stem] = counts.get(stem, 0) + 1
    return counts
