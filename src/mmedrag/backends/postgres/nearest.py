"""The most similar cases by their vectors: counted first, so that filters lose nothing.

An HNSW index with a filter goes on only until enough cases came by, and misses near ones that the
filter lets in (Malkov and Yashunin 2018 know no filters). So the cases that are let in are counted:
few are compared one by one, exactly; the index is asked where there are many, and where it gives
less than there is, they are compared after all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mmedrag.backends.postgres.conditions import Sql
from mmedrag.backends.postgres.rows import vector_literal
from mmedrag.backends.postgres.schema import UNASSIGNED
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.exact import TIE, Rows
from mmedrag.types import Domain, Vector

SCAN = 20_000
"""Cases that are compared one by one rather than through the index."""

_SPARE = 16  # fetched beyond k, so that ties at the cut are seen at once
_CAP = 1_024  # ties at the cut that are looked at beyond k
_TRIED = 1_000  # the most candidates that pgvector keeps in a search of its graph
_PART = 200  # cases, or as many as are wanted, that a search of the graph gives at first
_SHARE, _MOST = 0.25, 10
"""The index is asked where a filter lets in more than this share of a domain's cases, or more than
so many times :data:`SCAN`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be found: a condition on the table ``cases``, and a domain."""

    domain: Domain | None
    filtered: Sql | None = None

    def condition(self, more: str = "true", values: tuple[Any, ...] = ()) -> Sql:
        """The scope and another condition as one on the table ``cases``."""
        text, given = self.filtered or ("true", [])
        if self.domain is not None:
            return f"cases.domain = %s AND {text} AND {more}", [str(self.domain), *given, *values]
        return f"{text} AND {more}", [*given, *values]


class Index(Protocol):
    """Gives candidates out of many cases."""

    def __call__(
        self, connection: Connection, vector: Vector, wanted: int, scope: Scope, thinning: float
    ) -> Rows:
        """Rows of about ``wanted`` near cases of a scope, in no particular order.

        ``thinning`` is how many cases there are to each that the scope lets in.
        """
        ...


def nearest(
    connection: Connection,
    vector: Vector,
    k: int,
    scope: Scope,
    scan: int = SCAN,
    index: Index | None = None,
) -> Rows:
    """Rows among which the ``k`` most similar cases of a scope are.

    Args:
        connection: in a transaction.
        vector: the query, ``(dim,)``.
        k: how many are wanted.
        scope: what may be found.
        scan: cases that are compared one by one at most.
        index: gives candidates out of more; HNSW of pgvector by default.
    """
    total = _total(connection, scope.domain)
    count = total if scope.filtered is None else _count(connection, scope, scan, total)
    if not count or not k:
        return np.empty(0, np.int64)
    if count > _few(scan, total):
        wanted = min(2 * k + _SPARE, count)
        rows = (index or by_hnsw)(connection, vector, wanted, scope, total / count)
        if len(rows) >= min(k, count):
            return rows
    return exactly(connection, vector, k, scope)


def exactly(connection: Connection, vector: Vector, k: int, scope: Scope) -> Rows:
    """Rows of the ``k`` most similar cases and of those that tie with the last, compared all."""
    source, values = _compared(scope, vector)
    wanted = k + _SPARE
    while True:
        compared = connection.execute(
            f"{source} ORDER BY distance, vectors.row LIMIT %s", [*values, wanted]
        ).fetchall()
        distances = [float(row[1]) for row in compared]
        ceiling = distances[min(k, len(compared)) - 1] + TIE if compared else 0.0
        if len(compared) < wanted or wanted >= k + _CAP or distances[-1] > ceiling:
            rows = [int(row[0]) for row in compared if float(row[1]) <= ceiling]
            return np.array(rows, np.int64)
        wanted = min(4 * wanted, k + _CAP)


def _compared(scope: Scope, vector: Vector) -> Sql:
    """Every row of a scope with its distance."""
    distance = "SELECT vectors.row, vectors.embedding <#> %s::vector AS distance FROM "
    query = vector_literal(vector)
    if scope.filtered is None:
        if scope.domain is None:
            return f"{distance} vectors", [query]
        return f"{distance} vectors WHERE domain = %s", [query, str(scope.domain)]
    text, values = scope.condition()
    allowed = f"SELECT row, COALESCE(domain, '') AS domain FROM cases WHERE {text}"  # noqa: S608
    joined = "ON vectors.row = allowed.row AND vectors.domain = allowed.domain"
    return (
        f"WITH allowed AS MATERIALIZED ({allowed}) {distance} allowed JOIN vectors {joined}",
        [*values, query],
    )


def by_hnsw(
    connection: Connection, vector: Vector, wanted: int, scope: Scope, thinning: float
) -> Rows:
    """Candidates from the HNSW index of each partition, in no particular order.

    How far the graph must be searched depends on the question: farther for one that has only an
    image or only words than for a case, because it lies farther from cases than these from one
    another. So part after part is searched, each at least half as large as all before, until one
    brings nothing that is nearer than three quarters of what is wanted.
    """
    part, sure = max(_PART, wanted), 3 * wanted // 4
    for setting, value in (
        ("hnsw.ef_search", min(_TRIED, round(part * thinning))),
        ("hnsw.iterative_scan", "relaxed_order"),
        ("hnsw.max_scan_tuples", 200_000),
        ("hnsw.scan_mem_multiplier", 16),  # so that not work_mem ends a search before that
        ("enable_seqscan", "off"),
        ("cursor_tuple_fraction", 0.001),  # of all rows, no more are fetched
    ):
        connection.execute("SELECT set_config(%s, %s, true)", [setting, str(value)])
    text, values = scope.condition()
    half = f"halfvec({len(vector)})"
    joined = "" if scope.filtered is None else "JOIN cases ON cases.row = vectors.row "
    where = text if scope.filtered is not None else "true"
    kept = values if scope.filtered is not None else []
    if scope.domain is not None:
        where, kept = f"vectors.domain = %s AND {where}", [str(scope.domain), *kept]
    with connection.cursor("near") as cursor:
        cursor.execute(
            f"SELECT vectors.embedding::{half} <#> %s::{half} AS distance, vectors.row "  # noqa: S608
            f"FROM vectors {joined}WHERE {where} ORDER BY distance",
            [vector_literal(vector), *kept],
        )
        best: list[tuple[float, int]] = []
        seen = 0
        while found := cursor.fetchmany(max(part, seen // 2)):
            settled = bool(best) and min(found)[0] >= best[sure][0]
            best, seen = sorted(best + found)[:wanted], seen + len(found)
            if settled:
                break
    return np.array([row for _, row in best], np.int64)


def _total(connection: Connection, domain: Domain | None) -> int:
    if domain is None:
        row = connection.execute("SELECT cases FROM state").fetchone()
    else:
        text = "SELECT cases FROM counts WHERE domain = %s"
        row = connection.execute(text, [str(domain) or UNASSIGNED]).fetchone()
    return 0 if row is None else int(row[0])


def _few(scan: int, total: int) -> int:
    """How many cases are compared one by one, of a domain of ``total``."""
    return max(scan, min(round(_SHARE * total), _MOST * scan))


def _count(connection: Connection, scope: Scope, scan: int, total: int) -> int:
    """How many cases a scope has, counted no further than it takes to choose."""
    text, values = scope.condition()
    row = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM cases WHERE {text} LIMIT %s) AS allowed",  # noqa: S608
        [*values, _few(scan, total) + 1],
    ).fetchone()
    return 0 if row is None else int(row[0])
