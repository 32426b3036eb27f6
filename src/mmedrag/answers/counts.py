"""Base rates: how many cases of the searched corpus affirm a finding, and rule it out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmedrag.answers.differential import diagnoses_of
from mmedrag.answers.statements import CaseReading, is_normal, read_cases
from mmedrag.answers.verification import NORMAL
from mmedrag.filters import parse
from mmedrag.protocols import DefinitionSource, Ontology
from mmedrag.types import Assertion, Case, Evidence, Mention, Prevalence, Question

_NOWHERE = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class _Row:
    """A case, and the codes that it affirms and rules out."""

    case: Case
    mentions: tuple[Mention, ...]
    affirmed: frozenset[str]
    negated: frozenset[str]


class CorpusCounts:
    """:class:`~mmedrag.protocols.CorpusStatistics` over cases that are read once.

    Args:
        cases: gives all cases of the corpus, with the mentions of their reports where these are
            stored.
        version: changes when they do; they are read again then.
        source: recognises the terms of reports, diagnoses and labels.
        ontology: its relations.
    """

    def __init__(
        self,
        cases: Callable[[], Iterable[tuple[Case, Sequence[Mention] | None]]],
        source: DefinitionSource,
        ontology: Ontology,
        version: Callable[[], object] = lambda: None,
    ) -> None:
        self._cases = cases
        self._version = version
        self._source = source
        self._ontology = ontology
        self._rows: list[_Row] | None = None
        self._read_at: object = None

    def prevalence(
        self, question: Question, groups: Mapping[str, Collection[str]]
    ) -> Mapping[str, Prevalence]:
        """Counts by group over the cases that a search for the question could find.

        Raises:
            FilterError: ``question.query.where`` does not parse.
        """
        rows = self._searched(question)
        found = {}
        for name, concepts in groups.items():
            codes = frozenset(concepts)
            affirmed = [not codes.isdisjoint(row.affirmed) for row in rows]
            negated = [name in row.negated and not a for row, a in zip(rows, affirmed, strict=True)]
            found[name] = Prevalence(sum(affirmed), sum(negated), len(rows))
        return found

    def _searched(self, question: Question) -> list[_Row]:
        version = self._version()
        if self._rows is None or version != self._read_at:
            self._rows, self._read_at = self._read(), version
        where, domain = question.query.where, question.routing.decision
        condition = parse(where) if where is not None else None
        return [
            row
            for row in self._rows
            if domain in (None, row.case.domain)
            and (condition is None or condition.matches(row.case, row.mentions, self._ontology))
        ]

    def _read(self) -> list[_Row]:
        pairs = list(self._cases())
        unread = [case.text for case, mentions in pairs if mentions is None]
        read = iter(self._source.recognise(unread) if unread else ())
        evidence = [
            Evidence(str(i), case, _NOWHERE, 0.0, 0.0, tuple(next(read) if m is None else m))
            for i, (case, m) in enumerate(pairs)
        ]
        return [self._row(reading) for reading in read_cases(evidence, self._source)]

    def _row(self, reading: CaseReading) -> _Row:
        affirmed = {c for c, s in reading.stated.items() if s.assertion is Assertion.AFFIRMED}
        negated = {c for c, s in reading.stated.items() if s.assertion is Assertion.NEGATED}
        affirmed.update(code for code, _, _ in diagnoses_of(reading, self._ontology))
        state = is_normal(reading)
        (affirmed if state else negated).update([NORMAL] if state is not None else [])
        return _Row(
            reading.case, reading.evidence.mentions, frozenset(affirmed), frozenset(negated)
        )
