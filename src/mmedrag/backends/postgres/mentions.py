"""Medical terms recognised in the reports, kept as rows (section 3.4, stage 2: entity set E)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.mentions import (
    Recognition,
    StoredMention,
    checksum_of,
    mentions_of,
    stored_mention,
)
from mmedrag.errors import CasebaseDamaged
from mmedrag.types import Assertion, Kind, Mention

_KINDS = {kind.value: kind for kind in Kind}


def write(connection: Connection, recognitions: Mapping[int, Recognition]) -> None:
    """Keep what was found in the texts of some rows, of which nothing is kept."""
    kept = {row: sorted(map(stored_mention, r.mentions)) for row, r in recognitions.items()}
    recognisers = _recognisers(connection, {r.recogniser for r in recognitions.values()})
    terms = _terms(connection, {m[2:5] for mentions in kept.values() for m in mentions})
    with connection.cursor() as cursor:
        with cursor.copy("COPY recognised FROM STDIN") as copy:
            for row, r in recognitions.items():
                copy.write_row((row, recognisers[r.recogniser], checksum_of(kept[row])))
        columns = 'row, start, "end", term, assertion, sites'
        with cursor.copy(f"COPY mentions ({columns}) FROM STDIN") as copy:
            for row, mentions in kept.items():
                for m in mentions:
                    copy.write_row((row, m[0], m[1], terms[m[2:5]], m[5], m[6]))


def forget(connection: Connection, rows: Sequence[int]) -> None:
    """Erase the mentions of some rows."""
    connection.execute("DELETE FROM mentions WHERE row = ANY(%s)", [list(rows)])
    connection.execute("DELETE FROM recognised WHERE row = ANY(%s)", [list(rows)])


def forget_unused(connection: Connection) -> None:
    """Erase terms and recognisers that no case refers to any more."""
    connection.execute(
        "DELETE FROM terms WHERE NOT EXISTS "
        "(SELECT 1 FROM mentions WHERE mentions.term = terms.number)",
    )
    connection.execute(
        "DELETE FROM recognisers WHERE NOT EXISTS "
        "(SELECT 1 FROM recognised WHERE recogniser = recognisers.number)",
    )


def recognised(connection: Connection, texts: Mapping[int, str]) -> dict[int, Recognition]:
    """What is kept of each row, given its text; rows that nobody has recognised are absent.

    Raises:
        CasebaseDamaged: the mentions of a row fail their checksum.
    """
    rows = list(texts)
    kept = connection.execute(
        "SELECT row, fingerprint, checksum FROM recognised "
        "JOIN recognisers ON number = recogniser WHERE row = ANY(%s)",
        [rows],
    ).fetchall()
    stored: dict[object, list[StoredMention]] = {row: [] for row, _, _ in kept}
    for row, *mention in connection.execute(
        'SELECT row, start, "end", concept, terms.term, kind, assertion, sites FROM mentions '
        "JOIN terms ON number = mentions.term WHERE row = ANY(%s)",
        [rows],
    ):
        stored.setdefault(row, []).append(tuple(mention))
    by_row = {}
    for row, recogniser, checksum in kept:
        mentions = sorted(stored[row])
        if checksum_of(mentions) != checksum:
            raise CasebaseDamaged(
                f"The mentions of row {row} fail their checksum",
                "Derive them again: mmedrag rebuild.",
            )
        number = int(row)
        by_row[number] = Recognition(recogniser, mentions_of(texts[number], mentions))
    return by_row


def recognised_terms(recognition: Recognition | None) -> tuple[tuple[Mention, ...] | None, str]:
    """Mentions and recogniser as an entry and a hit have them."""
    return (None, "") if recognition is None else (recognition.mentions, recognition.recogniser)


def counts(connection: Connection) -> dict[str, int]:
    """How many cases each recogniser has read, by fingerprint."""
    rows = connection.execute(
        "SELECT fingerprint, count(*) FROM recognised JOIN recognisers ON number = recogniser "
        "GROUP BY fingerprint",
    )
    return {fingerprint: int(cases) for fingerprint, cases in rows}


def unread(connection: Connection) -> int:
    """How many cases nobody has read."""
    row = connection.execute(
        "SELECT (SELECT cases FROM state) - (SELECT count(*) FROM recognised)"
    ).fetchone()
    return 0 if row is None else int(row[0])


def unread_by(connection: Connection, recogniser: str, after: int, size: int) -> dict[int, str]:
    """The next rows above ``after`` that this recogniser has not read, with their texts."""
    rows = connection.execute(
        "SELECT row, text FROM cases WHERE row > %s AND NOT EXISTS (SELECT 1 FROM recognised "
        "JOIN recognisers ON number = recogniser "
        "WHERE recognised.row = cases.row AND fingerprint = %s) ORDER BY row LIMIT %s",
        [after, recogniser, size],
    )
    return {int(row): text for row, text in rows}


def affirmed(connection: Connection) -> list[Mention]:
    """One mention for each concept and term that some report affirms."""
    rows = connection.execute(
        "SELECT concept, term, kind FROM terms WHERE EXISTS (SELECT 1 FROM mentions "
        "WHERE mentions.term = terms.number AND assertion = %s) ORDER BY concept, term",
        [Assertion.AFFIRMED.value],
    )
    return [
        Mention(term, 0, 0, concept, term, Assertion.AFFIRMED, _KINDS[str(kind)])
        for concept, term, kind in rows
    ]


def problems(connection: Connection) -> Iterator[str]:
    """Rows whose mentions fail their checksum, one line each."""
    row = 0
    text = (
        "SELECT cases.row, cases.text FROM recognised JOIN cases USING (row) WHERE row > %s "
        "ORDER BY row LIMIT 500"
    )
    while page := connection.execute(text, [row]).fetchall():
        for number, report in page:
            row = int(number)
            try:
                recognised(connection, {row: str(report)})
            except CasebaseDamaged as damage:
                yield damage.what


def _recognisers(connection: Connection, fingerprints: set[str]) -> dict[str, int]:
    wanted = sorted(fingerprints)
    connection.execute(
        "INSERT INTO recognisers (fingerprint) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
        [wanted],
    )
    rows = connection.execute(
        "SELECT fingerprint, number FROM recognisers WHERE fingerprint = ANY(%s)",
        [wanted],
    )
    return {fingerprint: int(number) for fingerprint, number in rows}


def _terms(
    connection: Connection, keys: set[tuple[str, str, str]]
) -> dict[tuple[str, str, str], int]:
    columns = [list(column) for column in zip(*sorted(keys), strict=True)] or [[], [], []]
    listed = "unnest(%s::text[], %s::text[], %s::text[]) AS new (concept, term, kind)"
    connection.execute(
        f"INSERT INTO terms (concept, term, kind) SELECT * FROM {listed} ON CONFLICT DO NOTHING",  # noqa: S608
        columns,
    )
    rows = connection.execute(
        f"SELECT concept, term, kind, number FROM terms JOIN {listed} USING (concept, term, kind)",  # noqa: S608
        columns,
    )
    return {(c, t, k): int(number) for c, t, k, number in rows}
