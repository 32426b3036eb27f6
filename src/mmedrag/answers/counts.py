"""Base rates: how many cases of the searched corpus affirm a finding, and rule it out.

Reports are not read here: what they say was stored when they were recognised, and is counted by its
rows. Diagnoses and labels are read once for each distinct wording. Counts are kept until the store
changes.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.answers.differential import FROM_DIAGNOSIS, UNNAMED, diagnoses_of
from mmedrag.answers.statements import (
    CaseReading,
    named_normal,
    read_cases,
)
from mmedrag.answers.verification import NORMAL
from mmedrag.protocols import DefinitionSource, OccurrenceStore, Ontology
from mmedrag.types import Assertion, Case, Domain, Evidence, Kind, Prevalence, Question

Rows: TypeAlias = NDArray[np.int64]
Wording: TypeAlias = tuple[str, tuple[str, ...]]
"""A diagnosis and labels."""

Scope: TypeAlias = tuple[Domain | None, str | None]
"""A domain and a filter."""

SCOPES, GROUPS = 64, 1000
"""Scopes and groups of concepts that are remembered before all are forgotten."""

LARGE, RECENT = 50_000, 60.0
"""Named cases from which counting anew after each write takes longer than a search, and seconds for
which what only guides a search is then good enough."""

_NONE = np.empty(0, np.int64)
_NOWHERE = np.zeros(0, np.float32)
_SURE = (Assertion.AFFIRMED, Assertion.NEGATED, Assertion.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class _Names:
    """What diagnoses and labels say, by concept: rows that affirm, negate and doubt it.

    ``labelled`` are rows of labels that affirm it, which count where the report does not doubt it.
    ``codes`` are the rows of each diagnosis, ``normal`` those that are called normal; ``kinds`` are
    the kinds of all concepts that diagnoses and labels name, ``wordings`` these themselves, of so
    many ``cases``.
    """

    stated: Mapping[Assertion, Mapping[str, Rows]]
    labelled: Mapping[str, Rows]
    codes: Mapping[str, Rows]
    normal: Rows
    kinds: Mapping[str, Kind]
    wordings: Collection[Wording]
    cases: int


@dataclass(slots=True)
class _Counted:
    """What was counted at one state of the store."""

    state: Hashable
    names: _Names
    searched: dict[Scope, Rows] = field(default_factory=dict)
    counts: dict[tuple[Scope, str, frozenset[str]], Prevalence] = field(default_factory=dict)
    affirmed: dict[frozenset[str], Rows] = field(default_factory=dict)
    negated: dict[str, Rows] = field(default_factory=dict)
    called: dict[str, list[tuple[str, str]]] | None = None
    since: float = field(default_factory=monotonic)


class CorpusCounts:
    """:class:`~mmedrag.protocols.CorpusStatistics` over what a store keeps of its reports.

    Cases whose reports ``source`` has not read are not counted.

    Args:
        store: knows where concepts occur.
        source: recognised the reports; reads diagnoses and labels.
        ontology: its relations.
    """

    def __init__(
        self, store: OccurrenceStore, source: DefinitionSource, ontology: Ontology
    ) -> None:
        self._store = store
        self._source = source
        self._ontology = ontology
        self._readings: dict[Wording, CaseReading] = {}
        self._counted: _Counted | None = None
        self._lock = threading.Lock()

    def prevalence(
        self, question: Question, groups: Mapping[str, Collection[str]]
    ) -> Mapping[str, Prevalence]:
        """Counts by group over the cases that a search for the question could find.

        Raises:
            FilterError: ``question.query.where`` does not parse.
        """
        with self._lock:
            return self._prevalence(self._now(), question, groups)

    def held(
        self, question: Question, groups: Mapping[str, Collection[str]]
    ) -> Mapping[str, Prevalence]:
        """As :meth:`prevalence`, of a state that may be :data:`RECENT` old in a large store.

        Raises:
            FilterError: ``question.query.where`` does not parse.
        """
        with self._lock:
            return self._prevalence(self._recent(), question, groups)

    def _prevalence(
        self, now: _Counted, question: Question, groups: Mapping[str, Collection[str]]
    ) -> Mapping[str, Prevalence]:
        scope = question.routing.decision, question.query.where
        wanted = {name: (scope, name, frozenset(codes)) for name, codes in groups.items()}
        for key in wanted.values():
            if key not in now.counts:
                now.counts[key] = self._of_group(now, self._searched(now, *scope), *key[1:])
        return {name: now.counts[key] for name, key in wanted.items()}

    def called(self, concepts: Collection[str]) -> list[tuple[str, str]]:
        """The diagnoses and labels that stand for a concept, as fields and values of a filter.

        In a large store they may be :data:`RECENT` old.
        """
        with self._lock:
            now = self._recent()
            if now.called is None:
                now.called = self._called(now.names)
            return list(dict.fromkeys(n for c in concepts for n in now.called.get(c, ())))

    def _called(self, names: _Names) -> dict[str, list[tuple[str, str]]]:
        """By concept; a label is read by itself, whatever stands beside it."""
        diagnoses = dict.fromkeys(d for d, _ in names.wordings if d)
        labels = dict.fromkeys(label for _, labels in names.wordings for label in labels)
        alone: list[tuple[str, str, Wording]] = [("diagnosis", d, (d, ())) for d in diagnoses]
        alone += [("labels", label, ("", (label,))) for label in labels]
        self._read([wording for _, _, wording in alone])
        called: dict[str, list[tuple[str, str]]] = {}
        for name, value, wording in alone:
            for code, _, _ in diagnoses_of(self._readings[wording], self._ontology):
                called.setdefault(code, []).append((name, value))
        return called

    def _recent(self) -> _Counted:
        """What was counted last; counted anew where that is soon done, or a while ago."""
        last = self._counted
        if last is None or last.names.cases < LARGE or monotonic() - last.since > RECENT:
            return self._now()
        return last

    def _now(self) -> _Counted:
        state = self._store.state()
        if self._counted is None or self._counted.state != state:
            self._counted = _Counted(state, self._read_names())
        return self._counted

    def _searched(self, now: _Counted, domain: Domain | None, where: str | None) -> Rows:
        key = domain, where
        if key not in now.searched:
            if len(now.searched) >= SCOPES:
                now.searched.clear()
                now.counts.clear()
            now.searched[key] = self._store.read_by(self._source.fingerprint, domain, where)
        return now.searched[key]

    def _of_group(
        self, now: _Counted, searched: Rows, name: str, concepts: frozenset[str]
    ) -> Prevalence:
        if len(now.affirmed) >= GROUPS:
            now.affirmed.clear()
            now.negated.clear()
        if concepts not in now.affirmed:
            now.affirmed[concepts] = self._affirmed(now.names, concepts)
        if name not in now.negated:
            now.negated[name] = self._negated(now.names, name)
        affirmed = np.intersect1d(searched, now.affirmed[concepts], assume_unique=True)
        negated = np.intersect1d(searched, now.negated[name], assume_unique=True)
        ruled_out = np.setdiff1d(negated, affirmed, assume_unique=True)
        return Prevalence(len(affirmed), len(ruled_out), len(searched))

    def _affirmed(self, names: _Names, concepts: frozenset[str]) -> Rows:
        """Cases that affirm one of the concepts, have one of the diagnoses, or are normal."""
        rows = [self._stating(names, concepts)]
        rows += [names.codes[c] for c in concepts if c in names.codes]
        return _union([*rows, self._normal(names)] if NORMAL in concepts else rows)

    def _stating(self, names: _Names, concepts: frozenset[str]) -> Rows:
        """Cases whose report, diagnosis or labels affirm one of the concepts and never deny it."""
        rows = [self._store.undisputed(concepts - names.kinds.keys())]
        for concept in concepts & names.kinds.keys():
            yes, no, _ = self._stated(names, concept)
            rows.append(np.setdiff1d(yes, no, assume_unique=True))
        return _union(rows)

    def _negated(self, names: _Names, concept: str) -> Rows:
        """Cases that say of the very concept that it is not there, and nothing stronger."""
        if concept == NORMAL:
            return np.setdiff1d(self._abnormal(names), names.normal, assume_unique=True)
        yes, no, unsure = self._stated(names, concept)
        return np.setdiff1d(np.setdiff1d(no, yes), unsure)

    def _stated(self, names: _Names, concept: str) -> tuple[Rows, Rows, Rows]:
        """Cases whose report, diagnosis or labels affirm, negate and doubt one concept."""
        yes, no, unsure = (
            _union([self._store.occurring([concept], a), names.stated[a].get(concept, _NONE)])
            for a in _SURE
        )
        labelled = np.setdiff1d(names.labelled.get(concept, _NONE), np.setdiff1d(unsure, yes))
        return _union([yes, labelled]), no, unsure

    def _normal(self, names: _Names) -> Rows:
        """Normal studies, as :func:`mmedrag.answers.statements.is_normal` tells them."""
        stated = np.setdiff1d(self._of_kinds(names, (Kind.NORMAL,)), self._abnormal(names))
        return _union([stated, names.normal])

    def _abnormal(self, names: _Names) -> Rows:
        return self._of_kinds(names, (Kind.FINDING, Kind.DISEASE))

    def _of_kinds(self, names: _Names, kinds: Sequence[Kind]) -> Rows:
        named = frozenset(c for c, kind in names.kinds.items() if kind in kinds)
        return self._stating(names, self._store.concepts_of(kinds) | named)

    def _read_names(self) -> _Names:
        """Every distinct wording is read once; what a deleted case was called is forgotten."""
        rows = {(diagnosis, labels): rows for diagnosis, labels, rows in self._store.names()}
        named = {
            *rows,
            *((d, ()) for d, _ in rows),
            *(("", (name,)) for _, ls in rows for name in ls),
        }
        self._readings = {w: r for w, r in self._readings.items() if w in named}
        self._read(rows)
        return _names({w: (self._readings[w], r) for w, r in rows.items()}, self._ontology)

    def _read(self, wordings: Iterable[Wording]) -> None:
        fresh = [w for w in wordings if w not in self._readings]
        evidence = [
            Evidence("", Case(id="", diagnosis=d, labels=labels), _NOWHERE, 0.0, 0.0)
            for d, labels in fresh
        ]
        self._readings |= zip(fresh, read_cases(evidence, self._source), strict=True)


def _names(wordings: Mapping[Wording, tuple[CaseReading, Rows]], ontology: Ontology) -> _Names:
    stated: dict[Assertion, dict[str, list[Rows]]] = {a: {} for a in _SURE}
    labelled: dict[str, list[Rows]] = {}
    codes: dict[str, list[Rows]] = {}
    kinds: dict[str, Kind] = {}
    normal = [_NONE]
    for reading, rows in wordings.values():
        for names, affirmed in ((reading.diagnosis, stated[Assertion.AFFIRMED]),
                                (reading.labels, labelled)):  # fmt: skip
            by = {**stated, Assertion.AFFIRMED: affirmed}
            for mention in (m for named in names for m in named.mentions):
                kinds[mention.concept] = mention.kind
                by.get(mention.assertion, {}).setdefault(mention.concept, []).append(rows)
        for code, _, weight in diagnoses_of(reading, ontology):
            if weight == FROM_DIAGNOSIS or code.startswith(UNNAMED):
                codes.setdefault(code, []).append(rows)
        if named_normal(reading):
            normal.append(rows)
    return _Names(
        {a: _joined(rows) for a, rows in stated.items()},
        _joined(labelled), _joined(codes), _union(normal), kinds, tuple(wordings),
        sum(len(rows) for _, rows in wordings.values()),
    )  # fmt: skip


def _joined(rows_by_name: Mapping[str, Sequence[Rows]]) -> dict[str, Rows]:
    return {name: _union(rows) for name, rows in rows_by_name.items()}


def _union(arrays: Sequence[Rows]) -> Rows:
    return np.unique(np.concatenate([_NONE, *arrays]))
