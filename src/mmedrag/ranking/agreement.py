"""Section 3.5 with edges of findings: a case rises where the cases most like the image agree.

Cosines say how alike two pictures are, not whether they show the same. Reports, diagnoses and
labels say that. So one step of eq. 4 is taken on the graph whose edges are shared findings: every
case gets the votes of the others, weighted by their nearness to the query (k nearest neighbours,
Cover and Hart 1967, weighted as by Dudani 1976). It is for queries with an image. What a text asks
for is in its words already, and there votes only draw the list to what is common
(docs/notes/order.md).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmedrag.errors import QueryError
from mmedrag.rounding import falling, rounded
from mmedrag.types import Assertion, Case, Evidence, Kind, Question

Numbers = NDArray[np.float64]

WEIGHT, WIDTH = 1.0, 0.3
"""How much a standard deviation of agreement counts beside one of relevance, and how far below the
best, in standard deviations, a case still votes; chosen on patients who are not reported on."""

_FLAT = 1e-6  # a smaller standard deviation is float32's rounding: all are equal
_FINDINGS = (Kind.FINDING, Kind.DISEASE)
_SEPARATOR = re.compile(r"[;,]")


@dataclass(frozen=True, slots=True)
class FindingAgreement:
    """Sorts cases by relevance and agreement, where the query has an image.

    Fills :attr:`Evidence.centrality` with the agreement, from 0 to 1: the weighted mean share of
    findings that the other cases have in common with it. Cases of its own patient have no vote.
    Definitions stay where they are.

    Raises:
        QueryError: if ``weight`` is negative or ``width`` is not above 0.
    """

    weight: float = WEIGHT
    width: float = WIDTH

    def __post_init__(self) -> None:
        if self.weight < 0.0 or self.width <= 0.0:
            raise QueryError(
                f"The agreement has weight {self.weight} and width {self.width}",
                "Give a weight from 0 up and a width above 0.",
            )

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence by falling relevance and agreement; ties keep the order they came in."""
        cases = [(e, e.item) for e in evidence if isinstance(e.item, Case)]
        if question.query.image is None or not cases:
            return list(evidence)
        nearness = below_best([e.relevance for e, _ in cases])
        votes = rounded(_agreement(cases, np.exp(nearness / self.width)))
        order = falling(rounded(nearness + self.weight * below_best(votes)))
        ranked = iter([replace(cases[i][0], centrality=float(votes[i])) for i in order])
        return [next(ranked) if isinstance(e.item, Case) else e for e in evidence]


def findings(e: Evidence, case: Case) -> set[Hashable]:
    """What a case shows: the concepts that its report affirms, its diagnoses, its labels.

    A report that affirms normality shows that; one that affirms findings shows, beside them, that
    it is not normal.
    """
    affirmed = [m for m in e.mentions if m.assertion is Assertion.AFFIRMED]
    shown: set[Hashable] = {m.concept for m in affirmed if m.kind in _FINDINGS}
    shown |= {Kind.FINDING} if shown else {m.kind for m in affirmed if m.kind is Kind.NORMAL}
    named = (*_SEPARATOR.split(case.diagnosis), *case.labels)
    return shown | {text for name in named if (text := name.strip().casefold())}


def shared_findings(cases: Sequence[tuple[Evidence, Case]]) -> Numbers:
    """Findings that two cases have in common, as a share of those of either (Jaccard), ``(n, n)``.

    Args:
        cases: as evidence, with their mentions, and as they are.
    """
    shown = [findings(e, case) for e, case in cases]
    columns = {name: i for i, name in enumerate(dict.fromkeys(f for some in shown for f in some))}
    incidence = np.zeros((len(cases), len(columns)))
    for row, some in zip(incidence, shown, strict=True):
        row[[columns[name] for name in some]] = 1.0
    shared = incidence @ incidence.T
    sizes = incidence.sum(axis=1)
    return np.asarray(shared / np.maximum(sizes[:, np.newaxis] + sizes - shared, 1.0))


def owners(cases: Sequence[Case]) -> NDArray[np.int64]:
    """A number for each patient, ``(n,)``; a case of an unknown one stands for itself."""
    patients = [(case.source, case.patient_id or case.id) for case in cases]
    return np.array([patients.index(patient) for patient in patients], np.int64)


def _agreement(cases: Sequence[tuple[Evidence, Case]], weights: Numbers) -> Numbers:
    """Of each case, the weighted mean of the others' shared findings, ``(n,)``."""
    codes = owners([case for _, case in cases])
    votes = np.where(codes[:, np.newaxis] == codes, 0.0, weights)
    jaccard = shared_findings(cases)
    return np.asarray((votes * jaccard).sum(axis=1) / np.maximum(votes.sum(axis=1), _FLAT))


def below_best(values: Sequence[float] | Numbers) -> Numbers:
    """How far below the best, in standard deviations, ``(n,)``.

    Args:
        values: float64 ``(n,)``, at least one.
    """
    v = np.asarray(values, np.float64)
    return np.asarray((v - v.max()) / max(float(v.std()), _FLAT))
