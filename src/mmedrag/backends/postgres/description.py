"""What the tables hold besides what searches find: previews, entries, facets, words, sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from mmedrag.backends.postgres.address import Address
from mmedrag.backends.postgres.cases import StoredCase
from mmedrag.backends.postgres.mentions import recognised, unread
from mmedrag.backends.postgres.rows import vector_of
from mmedrag.backends.postgres.search import Search
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.faults import storage_faults
from mmedrag.casebase.lexical import words
from mmedrag.casebase.records import line_of
from mmedrag.casebase.thumbnails import Thumbnails, digest_of
from mmedrag.casebase.words import COMMON, MISTAKES, distance, written
from mmedrag.durability import durable_file
from mmedrag.errors import CasebaseDamaged, CasebaseError, FilterError
from mmedrag.types import Domain, Entry, Facet, Kind, Vector

Stems = Callable[[Sequence[str]], list[str]]

_WORD = re.compile(r"[^\W\d_]+")
_FACETS = """
WITH stated AS (
    SELECT mentions.row, terms.concept, min(terms.term) AS term, min(terms.kind) AS kind,
           bool_or(assertion = 'affirmed') AS affirmed,
           bool_or(assertion = 'negated') AS negated,
           bool_or(assertion = 'uncertain') AS uncertain
    FROM mentions JOIN terms ON terms.number = mentions.term
    WHERE terms.kind = ANY(%s) AND mentions.row IN (SELECT row FROM cases WHERE {condition})
    GROUP BY mentions.row, terms.concept)
SELECT concept, min(term), min(kind), count(*) FILTER (WHERE affirmed),
       count(*) FILTER (WHERE negated AND NOT affirmed),
       count(*) FILTER (WHERE uncertain AND NOT affirmed AND NOT negated)
FROM stated GROUP BY concept ORDER BY 4 DESC, count(*) DESC, min(term) LIMIT %s
"""


def preview(connection: Connection, case_id: str) -> bytes | None:
    """A case's preview, or ``None`` where it has none or it is damaged."""
    text = "SELECT digest, jpeg FROM previews JOIN cases ON thumbnail = digest WHERE id = %s"
    row = connection.execute(text, [case_id.replace("\0", "")]).fetchone()
    return row[1] if row is not None and digest_of(row[1]) == row[0] else None


def vectors_by_content(connection: Connection, contents: Sequence[str]) -> dict[str, Vector]:
    """Stored vectors by content hash, of one case each: many may be alike."""
    text = (
        "SELECT wanted.content, sent FROM unnest(%s::text[]) AS wanted (content) "
        "CROSS JOIN LATERAL (SELECT vector_send(embedding) AS sent FROM cases "
        "JOIN vectors ON vectors.row = cases.row "
        "AND vectors.domain = COALESCE(cases.domain, '') WHERE cases.content = wanted.content "
        "LIMIT 1) AS found"
    )
    return {c: vector_of(sent) for c, sent in connection.execute(text, [list(contents)])}


def entries(connection: Connection, page: Sequence[StoredCase]) -> Iterator[Entry]:
    """Stored cases with their previews and mentions.

    Raises:
        CasebaseDamaged: a preview is missing or damaged, or mentions fail their checksum.
    """
    recognitions = recognised(connection, {stored.row: stored.case.text for stored in page})
    digests = [stored.thumbnail for stored in page if stored.thumbnail is not None]
    text = "SELECT digest, jpeg FROM previews WHERE digest = ANY(%s)"
    previews = {d: jpeg for d, jpeg in connection.execute(text, [digests]) if digest_of(jpeg) == d}
    for stored in page:
        if stored.thumbnail is not None and stored.thumbnail not in previews:
            raise CasebaseDamaged(
                f"The preview of case {stored.case.id!r} is missing or damaged",
                "Add the case again, or restore a backup.",
            )
        jpeg = None if stored.thumbnail is None else previews[stored.thumbnail]
        recognition = recognitions.get(stored.row)
        terms = (
            (None, "") if recognition is None else (recognition.mentions, recognition.recogniser)
        )
        yield Entry(stored.case, stored.vector, stored.content, jpeg, *terms)


def facets(
    connection: Connection,
    search: Search,
    where: str | None,
    domain: Domain | None,
    kinds: Collection[Kind],
    limit: int,
) -> list[Facet]:
    """The concepts that the most reports affirm, of the cases that are let in.

    Raises:
        FilterError: ``where`` does not parse, or some reports are not read yet.
    """
    if number := unread(connection):
        raise FilterError(
            f"The question is what reports say, and {number} cases were stored without it",
            "'mmedrag rebuild' reads them again.",
        )
    condition, values = ("true", list[object]()) if where is None else search.filtered(where)
    if domain is not None:
        condition, values = f"{condition} AND cases.domain = %s", [*values, str(domain)]
    listed = [kind.value for kind in sorted(kinds)]
    text = _FACETS.format(condition=condition)
    return [
        Facet(concept, term, Kind(kind), *counts)
        for concept, term, kind, *counts in connection.execute(
            text, [listed, *values, max(0, limit)]
        )
    ]


def frequency(connection: Connection, stems: Stems, word: str) -> int:
    """The number of reports that use a word in any of its inflections."""
    stem = _stem(stems, word) if _WORD.fullmatch(word) else ""
    row = connection.execute("SELECT cases FROM lexicon WHERE stem = %s", [stem]).fetchone()
    return 0 if row is None else int(row[0])


def similar(connection: Connection, stems: Stems, word: str) -> dict[str, int]:
    """Words of several reports that differ from a word in few letters, and in how many."""
    stem = _stem(stems, word)
    if not stem or not stem[0].isalpha():
        return {}
    near = connection.execute(
        "SELECT stem FROM lexicon WHERE stem >= %s AND stem < %s AND cases >= %s "
        "AND abs(length(stem) - %s) <= %s ORDER BY stem",
        [stem[0], chr(ord(stem[0]) + 1), COMMON, len(stem), MISTAKES],
    ).fetchall()
    words: dict[str, int] = {}
    for (other,) in near:
        if distance(stem, other) >= 0:
            text = "SELECT text FROM cases WHERE stems @@ %s::tsquery ORDER BY row LIMIT 1"
            for (report,) in connection.execute(text, [f"'{other}'"]):
                words |= written(report, word)
    return words


def describe(connection: Connection, address: Address) -> dict[str, object]:
    """Counts, sizes and settings, for people to read."""
    settings: dict[str, str] = dict(
        connection.execute("SELECT key, value FROM settings").fetchall()
    )
    state = connection.execute("SELECT format, epoch, cases FROM state").fetchall()[0]
    domains = connection.execute("SELECT domain, cases FROM counts ORDER BY domain").fetchall()
    versions = connection.execute(
        "SELECT current_setting('server_version'), extversion, pg_is_in_recovery() "
        "FROM pg_extension WHERE extname = 'vector'",
    ).fetchall()[0]
    indexes = connection.execute(
        "SELECT tablename FROM pg_indexes WHERE schemaname = %s AND indexdef LIKE '%%hnsw%%'",
        [address.schema],
    ).fetchall()
    size = connection.execute(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
        "WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'm')",
        [address.schema],
    ).fetchall()[0][0]
    return {
        "server": f"PostgreSQL {versions[0]}, pgvector {versions[1]}",
        "role": "standby" if versions[2] else "primary",
        "format": str(state[0]),
        "preset": settings["preset"],
        "fingerprint": settings["fingerprint"],
        "dim": int(settings["dim"]),
        "cases": state[2],
        "domains": {domain or "unassigned": cases for domain, cases in domains},
        "vector_indexes": len(indexes),
        "epoch": state[1],
        "bytes": int(size or 0),
    }


def export(stored: Iterator[Entry], into: Path) -> int:
    """Write ``records.jsonl`` in the native format, with previews; gives the number of cases.

    Raises:
        CasebaseError: the folder has records already, or cannot be written.
    """
    file = Path(into) / "records.jsonl"
    if file.exists():
        raise CasebaseError(f"{file} is there already", "Choose another folder.")
    with storage_faults(into, "export to"):
        into.mkdir(parents=True, exist_ok=True)
        copies = Thumbnails(into / "thumbnails")
        count = 0
        with durable_file(file) as temporary, temporary.open("w", encoding="utf-8") as stream:
            for entry in stored:
                copy = None if entry.thumbnail is None else copies.write([entry.thumbnail])[0]
                stream.write(line_of(entry.case, copy) + "\n")
                count += 1
    return count


def _stem(stems: Stems, word: str) -> str:
    return next(iter(stems(words(word)[:1])), "")
