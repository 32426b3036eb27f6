"""Cases written and deleted, with all that is derived of them, inside one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mmedrag.backends.postgres import mentions
from mmedrag.backends.postgres.rows import CASE_COLUMNS, Attribute, CaseRows
from mmedrag.backends.postgres.schema import make_partition
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.thumbnails import digest_of

_DERIVED = ("attributes", "mentions", "recognised", "cases")


def insert(connection: Connection, entries: Sequence[CaseRows]) -> None:
    """Write entries; cases of the same ids are deleted first.

    The caller's transaction holds the only row of the table ``state``, so nobody else writes.
    """
    delete(connection, [entry.record.id for entry in entries])
    last = connection.execute(
        "UPDATE state SET last_row = last_row + %s RETURNING last_row",
        [len(entries)],
    ).fetchone()
    assert last is not None
    numbered = dict(enumerate(entries, last[0] - len(entries) + 1))
    for domain in {entry.domain for entry in entries}:
        make_partition(connection, domain)
    _copy(connection, "cases", CASE_COLUMNS, ((n, *e.columns) for n, e in numbered.items()))
    vectors = ((n, e.domain, e.vector) for n, e in numbered.items())
    _copy(connection, "vectors", ("row", "domain", "embedding"), vectors)
    keep_attributes(connection, {n: e.attributes for n, e in numbered.items()})
    previews = {digest_of(e.preview): e.preview for e in entries if e.preview is not None}
    connection.cursor().executemany(
        "INSERT INTO previews VALUES (%s, %s) ON CONFLICT DO NOTHING", list(previews.items())
    )
    recognitions = {n: e.recognition for n, e in numbered.items() if e.recognition is not None}
    mentions.write(connection, recognitions)
    _count(connection, Counter(entry.domain for entry in entries))
    keep_words(connection, [entry.stems for entry in entries])
    words = sum(entry.length for entry in entries)
    connection.execute("UPDATE state SET cases = cases + %s, words = words + %s",
        [len(entries), words])  # fmt: skip


def delete(connection: Connection, ids: Sequence[str]) -> int:
    """Erase cases, and what no other case has: previews, words, terms.

    Returns:
        How many there were.
    """
    gone = connection.execute(
        "SELECT row, COALESCE(domain, ''), thumbnail, length, tsvector_to_array(stems) FROM cases "
        "WHERE id = ANY(%s)",
        [list(ids)],
    ).fetchall()
    if not gone:
        return 0
    rows = [row for row, *_ in gone]
    domains = Counter(domain for _, domain, *_ in gone)
    connection.execute("DELETE FROM vectors WHERE domain = ANY(%s) AND row = ANY(%s)",
        [list(domains), rows])  # fmt: skip
    for table in _DERIVED:
        connection.execute(f"DELETE FROM {table} WHERE row = ANY(%s)", [rows])  # noqa: S608
    connection.execute(
        "DELETE FROM previews WHERE digest = ANY(%s) "
        "AND NOT EXISTS (SELECT 1 FROM cases WHERE thumbnail = digest)",
        [[thumbnail for *_, thumbnail, _, _ in gone if thumbnail is not None]],
    )
    mentions.forget_unused(connection)
    domains.subtract({domain: 2 * n for domain, n in domains.items()})
    _count(connection, domains)
    forget_words(connection, Counter(stem for *_, stems in gone for stem in stems))
    connection.execute(
        "UPDATE state SET cases = cases - %s, words = words - %s, deleted = deleted + %s",
        [len(gone), sum(length for *_, length, _ in gone), len(gone)],
    )
    return len(gone)


def keep_attributes(connection: Connection, attributes: Mapping[int, Iterable[Attribute]]) -> None:
    """Write the values of rows that filters ask for."""
    rows = ((number, *value) for number, values in attributes.items() for value in values)
    _copy(connection, "attributes", ("row", "field", "value", "number"), rows)


def keep_words(connection: Connection, stems: Iterable[Iterable[str]]) -> None:
    """Count the reports that hold each stem."""
    counted = Counter(stem for words in stems for stem in words)
    connection.execute(
        "INSERT INTO lexicon SELECT * FROM unnest(%s::text[], %s::bigint[]) "
        "ON CONFLICT (stem) DO UPDATE SET cases = lexicon.cases + excluded.cases",
        [list(counted), list(counted.values())],
    )


def forget_words(connection: Connection, counted: Mapping[str, int]) -> None:
    """Count fewer reports; a stem that no report holds any more is erased."""
    stems = list(counted)
    connection.execute(
        "UPDATE lexicon SET cases = cases - fewer "
        "FROM unnest(%s::text[], %s::bigint[]) AS gone (held, fewer) WHERE stem = held",
        [stems, list(counted.values())],
    )
    connection.execute("DELETE FROM lexicon WHERE stem = ANY(%s) AND cases < 1", [stems])


def _count(connection: Connection, domains: Mapping[str, int]) -> None:
    connection.execute(
        "INSERT INTO counts SELECT * FROM unnest(%s::text[], %s::bigint[]) "
        "ON CONFLICT (domain) DO UPDATE SET cases = counts.cases + excluded.cases",
        [list(domains), list(domains.values())],
    )
    connection.execute("DELETE FROM counts WHERE cases = 0")


def _copy(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[tuple[object, ...]],
) -> None:
    with connection.cursor() as cursor:
        text = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with cursor.copy(text) as copy:
            for row in rows:
                copy.write_row(row)
