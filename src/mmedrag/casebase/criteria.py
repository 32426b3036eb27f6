"""Cases by what their reports affirm and rule out: the concept channel (section 3.4, stage 1).

:mod:`mmedrag.entailment` says for one report what this says for all of them at once.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.exact import Rows
from mmedrag.casebase.hybrid import affirmed_by, evidence, together
from mmedrag.casebase.kept import KeptRows
from mmedrag.entailment import ELSEWHERE, KIND_ALONE, site_sets
from mmedrag.measures.row_sets import distinct, without
from mmedrag.protocols import Ontology
from mmedrag.types import Assertion, Criterion

_NO_ROWS: Rows = np.empty(0, np.int64)
_REMEMBERED = 12_000_000  # rows in memory, 96 MB; a finding of a million reports stands in 100,000


class Statements(ABC):
    """Which reports affirm and which rule out a concept; engines say how their tables are asked.

    Args:
        ontology: that knows what is a kind of what; without one, no concept is.
    """

    def __init__(self, ontology: Ontology | None = None) -> None:
        self._ontology = ontology

    @abstractmethod
    def count(self) -> int:
        """How many reports there are."""

    @abstractmethod
    def named(self, test: str, values: Sequence[object]) -> dict[str, list[int]]:
        """Stored terms of which a condition on the table ``terms`` holds, by concept."""

    @abstractmethod
    def terms(self, concepts: Sequence[str]) -> list[int]:
        """The numbers of the stored terms of some concepts."""

    @abstractmethod
    def stating(
        self, assertion: Assertion, terms: Sequence[int], sites: Iterable[str] = ()
    ) -> Rows:
        """Rows with a mention of any of the terms, with this assertion, at all of these sites.

        Returns:
            Row numbers, ascending.
        """

    def find(self, name: str) -> str:
        """The concept of that name, where the ontology has one; else nothing."""
        return "" if self._ontology is None else self._ontology.find(name)

    def kinds(self, concept: str) -> list[int]:
        """The stored terms of a concept and its kinds."""
        if self._ontology is None:
            return self.terms([concept])
        below = self._ontology.descendants(concept)
        return self.terms([concept, *self._ontology.same(concept), *below])

    def wider(self, concept: str) -> dict[str, list[int]]:
        """Stored terms of the concept and of all that it is a kind of, by concept."""
        codes = [concept]
        if self._ontology is not None:
            codes += [*self._ontology.same(concept), *self._ontology.ancestors(concept)]
        terms_of = {code: self.terms([code]) for code in dict.fromkeys(codes)}
        return {code: terms for code, terms in terms_of.items() if terms}

    def affirming(self, concept: str, sites: Sequence[str] = ()) -> Rows:
        """Rows that affirm a kind of the concept, at these sites; ascending."""
        kinds = self.kinds(concept)
        rows = [self.stating(Assertion.AFFIRMED, kinds, required) for required in site_sets(sites)]
        return reduce(np.intersect1d, rows)

    def denying(self, concept: str) -> Rows:
        """Rows that negate a kind of the concept, whatever else they say; ascending."""
        return self.stating(Assertion.NEGATED, self.kinds(concept))

    def ruling_out(self, concept: str) -> Rows:
        """Rows that rule the concept out; see :func:`mmedrag.entailment.rules_out`."""
        rows = [_NO_ROWS]
        rows += [self.stated(False, *wider) for wider in self.wider(concept).items()]
        return distinct(np.concatenate(rows))

    def stated(self, affirmed: bool, concept: str, terms: Sequence[int]) -> Rows:
        """Rows that affirm these terms of a concept, or negate them and affirm no kind of it."""
        if affirmed:
            return self.stating(Assertion.AFFIRMED, terms)
        denying = self.stating(Assertion.NEGATED, terms)
        if not len(denying):
            return denying
        return without(denying, self.affirming(concept))


class TableStatements(Statements):
    """Statements by the tables of ``casebase.db``.

    What was asked is remembered, and follows what is written.

    Args:
        connection: to the database.
        ontology: see :class:`Statements`.
    """

    def __init__(self, connection: sqlite3.Connection, ontology: Ontology | None = None) -> None:
        super().__init__(ontology)
        self._connection = connection
        self._kept = KeptRows(_REMEMBERED)
        self._cases = 0
        self._last = 0

    def follow(self, last: int, gone: Rows | None) -> None:
        """Be at a later state of the database; see :meth:`KeptRows.follow`."""
        above = 0 if gone is None else self._last
        before = 0 if gone is None else self._cases - int(np.searchsorted(gone, above, "right"))
        # what was added and deleted since was never counted
        self._cases, self._last = before + self._counted("cases", above), last
        self._kept.follow(last, gone)

    def count(self) -> int:
        """How many reports there are."""
        return self._cases

    def unread(self) -> int:
        """How many reports were stored without their terms."""
        return len(self._kept.rows("unread", self._unread))

    def named(self, test: str, values: Sequence[object]) -> dict[str, list[int]]:
        """Stored terms of which a condition on the table ``terms`` holds, by concept."""
        terms_of: dict[str, list[int]] = {}
        sql = f"SELECT concept, number FROM terms WHERE {test}"  # noqa: S608
        for concept, number in self._connection.execute(sql, values):
            terms_of.setdefault(concept, []).append(number)
        return terms_of

    def stating(
        self, assertion: Assertion, terms: Sequence[int], sites: Iterable[str] = ()
    ) -> Rows:
        """See :meth:`Statements.stating`."""
        wanted = sorted(sites)
        condition = (
            f"assertion = ? AND term IN ({', '.join(map(str, terms))})"
            f"{' AND instr(sites, ?)' * len(wanted)} AND row > ?"
        )

        def read(above: int) -> Rows:
            values = [assertion.value, *wanted, above]
            return listed(self._connection, "mentions", condition, values)

        return self._kept.rows((assertion, *terms, *wanted), read)

    def terms(self, concepts: Sequence[str]) -> list[int]:
        """See :meth:`Statements.terms`."""
        placeholders = ", ".join("?" * len(concepts))
        sql = f"SELECT number FROM terms WHERE concept IN ({placeholders})"  # noqa: S608
        return [number for (number,) in self._connection.execute(sql, concepts)]

    def _unread(self, above: int) -> Rows:
        if self._counted("cases", above) == self._counted("recognised", above):
            return _NO_ROWS
        unread = "row > ? AND row NOT IN (SELECT row FROM recognised)"
        return listed(self._connection, "cases", unread, [above])

    def _counted(self, table: str, above: int) -> int:
        """Rows of a table above one; of all of them SQLite finds the smallest index."""
        sql = f"SELECT count(*) FROM {table}"  # noqa: S608
        if above:
            sql += f" WHERE row > {above}"
        return int(self._connection.execute(sql).fetchone()[0])


def listed(
    connection: sqlite3.Connection, table: str, condition: str, values: Sequence[object]
) -> Rows:
    """The ``row`` of each row of a table that meets a condition, each once, ascending.

    SQLite joins them to one text, which is read faster than a row at a time.
    """
    sql = f"SELECT group_concat({table}.row, ' ') FROM {table} WHERE {condition}"  # noqa: S608
    (text,) = connection.execute(sql, values).fetchone()
    return distinct(np.fromstring(text, np.int64, sep=" ")) if text else _NO_ROWS


def match(
    statements: Statements, criteria: Sequence[Criterion]
) -> tuple[Rows, NDArray[np.float64]]:
    """Rows that speak to any criterion, ascending, and how far they meet all of them.

    Returns:
        Rows ``(n,)`` and scores ``(n,)`` in [-1, 1]: :func:`~mmedrag.casebase.hybrid.together` of
        criteria that are required, else :func:`~mmedrag.casebase.hybrid.evidence`.
    """
    met = [_fulfilment(statements, criterion) for criterion in criteria]
    rows = distinct(np.concatenate([_NO_ROWS, *(group for groups in met for group, _ in groups)]))
    values = np.zeros((len(met), len(rows)))
    for row_values, groups in zip(values, met, strict=True):
        for group, value in reversed(groups):  # the first that applies decides
            row_values[np.searchsorted(rows, group)] = value
    if all(criterion.required for criterion in criteria):
        return rows, together(values, affirmed_by(criteria))
    frequencies = np.array([len(groups[0][0]) for groups in met])
    return rows, evidence(values, frequencies, statements.count())


def _fulfilment(statements: Statements, criterion: Criterion) -> list[tuple[Rows, float]]:
    """Groups of rows and their :func:`~mmedrag.entailment.fulfilment`; the first applies.

    Of a criterion that is not required, only what meets it.
    """
    concept, sites = criterion.concept, criterion.sites
    affirming = statements.affirming(concept)
    there = statements.affirming(concept, sites) if sites else affirming
    elsewhere = [(affirming, ELSEWHERE)] if sites else []
    if not criterion.required:
        return [(there, 1.0), *elsewhere]
    denied = statements.ruling_out(concept)
    if criterion.assertion is Assertion.AFFIRMED:
        return [(there, 1.0), *elsewhere, (denied, -1.0)]
    kinds = statements.denying(concept)
    return [(there, -1.0), *elsewhere, (denied, 1.0), (kinds, KIND_ALONE)]
