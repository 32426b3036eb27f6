"""What reports say, by the tables of PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.criteria import Statements
from mmedrag.casebase.exact import Rows
from mmedrag.protocols import Ontology
from mmedrag.types import Assertion, Kind


class ServerStatements(Statements):
    """:class:`~mmedrag.casebase.criteria.Statements` of one transaction."""

    def __init__(self, connection: Connection, ontology: Ontology | None) -> None:
        super().__init__(ontology)
        self._connection = connection

    def count(self) -> int:
        """How many reports there are."""
        row = self._connection.execute("SELECT cases FROM state").fetchone()
        return 0 if row is None else int(row[0])

    def named(self, test: str, values: Sequence[object]) -> dict[str, list[int]]:
        """Stored terms of which a condition on the table ``terms`` holds, by concept."""
        terms_of: dict[str, list[int]] = {}
        text = f"SELECT concept, number FROM terms WHERE {test}"  # noqa: S608
        for concept, number in self._connection.execute(text, list(values)):
            terms_of.setdefault(concept, []).append(number)
        return terms_of

    def terms(self, concepts: Collection[str]) -> list[int]:
        """The numbers of the stored terms of some concepts."""
        text = "SELECT number FROM terms WHERE concept = ANY(%s)"
        return [int(row[0]) for row in self._connection.execute(text, [list(concepts)])]

    def of_kinds(self, kinds: Collection[Kind]) -> list[int]:
        """The numbers of the stored terms of some kinds."""
        text = "SELECT number FROM terms WHERE kind = ANY(%s)"
        values = [[kind.value for kind in kinds]]
        return [int(row[0]) for row in self._connection.execute(text, values)]

    def stating(
        self, assertion: Assertion, terms: Sequence[int], sites: Iterable[str] = ()
    ) -> Rows:
        """Rows with a mention of any of the terms, with this assertion, at all of these sites."""
        wanted = sorted(sites)
        text = "SELECT DISTINCT row FROM mentions WHERE assertion = %s AND term = ANY(%s)"
        text += " AND strpos(sites, %s) > 0" * len(wanted) + " ORDER BY row"
        values = [assertion.value, list(terms), *wanted]
        return numbers(self._connection, text, values)


def numbers(connection: Connection, text: str, values: Sequence[object] = ()) -> Rows:
    """The first column of a query, as row numbers."""
    rows = connection.execute(text, list(values))
    return np.fromiter((row[0] for row in rows), np.int64)
