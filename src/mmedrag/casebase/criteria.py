"""Cases by what their reports affirm and rule out: the concept channel (section 3.4, stage 1).

:mod:`mmedrag.entailment` says for one report what this says for all of them at once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial, reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.exact import Rows
from mmedrag.casebase.hybrid import affirmed_by, evidence, together
from mmedrag.entailment import (
    ELSEWHERE,
    KIND_ALONE,
    NORMAL,
    OF_THE_ABNORMAL,
    OF_THE_NORMAL,
    site_sets,
)
from mmedrag.measures.row_sets import distinct, places_in, union, without
from mmedrag.protocols import Ontology
from mmedrag.types import Assertion, Criterion, Kind

_NO_ROWS: Rows = np.empty(0, np.int64)

Groups: TypeAlias = list[tuple[Rows, float]]
"""Rows and how far they meet a criterion; of a row, the first group applies."""


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
    def terms(self, concepts: Collection[str]) -> list[int]:
        """The numbers of the stored terms of some concepts."""

    @abstractmethod
    def of_kinds(self, kinds: Collection[Kind]) -> list[int]:
        """The numbers of the stored terms of some kinds."""

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

    def abnormal(self) -> Rows:
        """Rows that affirm a finding or a disease; see :func:`mmedrag.entailment.normality`."""
        return self.stating(Assertion.AFFIRMED, self.of_kinds(OF_THE_ABNORMAL))

    def normal(self) -> Rows:
        """Rows that affirm that something is normal, and no finding or disease."""
        said = self.stating(Assertion.AFFIRMED, self.of_kinds(OF_THE_NORMAL))
        return without(said, self.abnormal())

    def stated(self, affirmed: bool, concept: str, terms: Sequence[int]) -> Rows:
        """Rows that affirm these terms of a concept, or negate them and affirm no kind of it."""
        if affirmed:
            return self.stating(Assertion.AFFIRMED, terms)
        denying = self.stating(Assertion.NEGATED, terms)
        if not len(denying):
            return denying
        return without(denying, self.affirming(concept))


def match(
    statements: Statements, criteria: Sequence[Criterion]
) -> tuple[Rows, NDArray[np.float64]]:
    """Rows that speak to any criterion, ascending, and how far they meet all of them.

    Returns:
        Rows ``(n,)`` and scores ``(n,)`` in [-1, 1]: :func:`~mmedrag.casebase.hybrid.together` of
        criteria that are required, else :func:`~mmedrag.casebase.hybrid.evidence`.
    """
    met = [_fulfilment(statements, criterion) for criterion in criteria]
    rows = union([group for groups in met for group, _ in groups])
    if all(criterion.required for criterion in criteria):
        met_by = partial(together, affirmed=affirmed_by(criteria))
    else:
        frequencies = np.array([len(groups[0][0]) for groups in met])
        met_by = partial(evidence, frequencies=frequencies, total=statements.count())
    return rows, _scored(rows, met, met_by)


def _scored(
    rows: Rows, met: Sequence[Groups], met_by: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The scores of rows, ``(n,)``, from how far they meet each criterion.

    A criterion is met in few ways, so that mostly the rows meet all of them in fewer ways than
    there are rows, and only these ways are scored. One criterion is mostly met in one way.
    """
    if len(met) == len(met[0]) == 1:
        return np.repeat(met_by(np.array([[met[0][0][1]]])), len(rows))
    places, ways, levels = places_in(rows), [], []
    for groups in met:
        way = np.zeros(len(rows), np.uint8)
        for number, (group, _) in reversed([*enumerate(groups, 1)]):  # the first that applies
            way[places(group)] = number
        ways.append(way)
        levels.append(np.array([0.0, *(value for _, value in groups)]))
    if math.prod(map(len, levels)) > len(rows):
        return met_by(np.array([level[way] for level, way in zip(levels, ways, strict=True)]))
    numbers = np.zeros(len(rows), np.int32)
    for level, way in zip(levels, ways, strict=True):
        numbers *= len(level)
        numbers += way
    every = np.stack(np.meshgrid(*levels, indexing="ij")).reshape(len(levels), -1)
    return met_by(every)[numbers]


def _fulfilment(statements: Statements, criterion: Criterion) -> Groups:
    """Rows by their :func:`~mmedrag.entailment.fulfilment`.

    Of a criterion that is not required, only what meets it.
    """
    concept, sites = criterion.concept, criterion.sites
    if concept == NORMAL:
        sign = 1.0 if criterion.assertion is Assertion.AFFIRMED else -1.0
        return [(statements.normal(), sign), (statements.abnormal(), -sign)]
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
