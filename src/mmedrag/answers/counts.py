"""Base rates: how many cases of the searched corpus affirm a finding, and rule it out.

Reports are not read here: what they say was stored when they were recognised, and is counted by its
rows. What was counted is kept: of a later state of the store only the cases are counted that were
added since, and those that were deleted are left out.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.answers.wordings import Name, Wordings
from mmedrag.entailment import NORMAL
from mmedrag.measures.row_sets import Rows, union, without
from mmedrag.protocols import DefinitionSource, OccurrenceStore, Ontology
from mmedrag.types import Assertion, Domain, Kind, Prevalence, Question

Scope: TypeAlias = tuple[Domain | None, str | None]
"""A domain and a filter."""

Group: TypeAlias = tuple[str, frozenset[str]]
"""The name and the concepts of a group; the name is that of the concept that it is of."""

SCOPES, HELD = 64, 10_000_000
"""Scopes, and rows of groups, that are remembered before all are forgotten."""

LARGE, RECENT = 50_000, 60.0
"""Cases from which it takes longer than a search to count anew, and seconds for which what only
guides a search is then good enough; of a store that cannot tell what has changed."""

_NONE = np.empty(0, np.int64)
_SURE = (Assertion.AFFIRMED, Assertion.NEGATED, Assertion.UNCERTAIN)


@dataclass(slots=True)
class _Searched:
    """Which rows up to ``upto`` a search in a scope could find, by number."""

    mask: NDArray[np.bool_]
    upto: int = 0


@dataclass(slots=True)
class _Said:
    """Rows up to ``upto`` that affirm a group, and that rule it out; deleted ones perhaps too."""

    affirmed: Rows
    ruled_out: Rows
    upto: int = 0


@dataclass(slots=True)
class _Kept:
    """What was counted, at a state of the store that has rows up to ``last``.

    ``counts``, ``fresh`` and ``abnormal`` are of this state alone: the concepts of reports above a
    row, and the rows above it of abnormal cases; ``stated`` is what was read for one group.
    """

    state: Hashable
    last: int
    wordings: Wordings
    searched: dict[Scope, _Searched] = field(default_factory=dict)
    said: dict[Group, _Said] = field(default_factory=dict)
    counts: dict[tuple[Scope, Group], Prevalence] = field(default_factory=dict)
    fresh: dict[int, frozenset[str]] = field(default_factory=dict)
    abnormal: dict[int, Rows] = field(default_factory=dict)
    stated: dict[tuple[str, int], tuple[Rows, Rows, Rows]] = field(default_factory=dict)
    since: float = field(default_factory=monotonic)

    def forget_state(self) -> None:
        """Keep nothing that is of one state alone."""
        for of_one in (self.counts, self.fresh, self.abnormal):
            of_one.clear()


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
        self._kept: _Kept | None = None
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
        """As :meth:`prevalence`; see :data:`RECENT`.

        Raises:
            FilterError: ``question.query.where`` does not parse.
        """
        with self._lock:
            return self._prevalence(self._now(RECENT), question, groups)

    def called(self, concepts: Collection[str]) -> list[Name]:
        """The diagnoses and labels that stand for a concept, as fields and values of a filter.

        See :data:`RECENT`.
        """
        with self._lock:
            wordings = self._now(RECENT).wordings
            return list(dict.fromkeys(n for c in concepts for n in wordings.standing_for(c)))

    def _now(self, recent: float = 0.0) -> _Kept:
        """What is kept, brought to the state of now; see :data:`RECENT`."""
        kept = self._kept
        changes = self._store.changes(None if kept is None else kept.state)
        if kept is None or changes.gone is None:
            if kept is not None and changes.last >= LARGE and monotonic() - kept.since < recent:
                return kept
            kept = _Kept(None, 0, Wordings(self._source, self._ontology))
        elif changes.state == kept.state:
            return kept
        else:
            kept.forget_state()
            kept.wordings.remove(changes.gone)
            for searched in kept.searched.values():
                searched.mask[changes.gone[changes.gone <= searched.upto]] = False
        self._kept = None  # half advanced if this fails
        above, kept.state, kept.last = kept.last, changes.state, changes.last
        if kept.last > above:
            named = self._store.names(above)
            kept.wordings.add((f, value, _upto(rows, kept.last)) for f, value, rows in named)
        self._kept = kept
        return kept

    def _prevalence(
        self, now: _Kept, question: Question, groups: Mapping[str, Collection[str]]
    ) -> Mapping[str, Prevalence]:
        scope = question.routing.decision, question.query.where
        wanted = {name: (scope, (name, frozenset(codes))) for name, codes in groups.items()}
        new = [key for key in wanted.values() if key not in now.counts]
        if new:
            searched = self._searched(now, scope)
            of = int(np.count_nonzero(searched))
            for _, group in new:
                said = self._said(now, group)
                affirmed, ruled_out = (
                    int(np.count_nonzero(searched[rows]))
                    for rows in (said.affirmed, said.ruled_out)
                )
                now.counts[scope, group] = Prevalence(affirmed, ruled_out, of)
        return {name: now.counts[key] for name, key in wanted.items()}

    def _searched(self, now: _Kept, scope: Scope) -> NDArray[np.bool_]:
        """Which rows a search in a scope could find, ``(last + 1,)``."""
        if scope not in now.searched and len(now.searched) >= SCOPES:
            now.searched.clear()
            now.counts.clear()
        searched = now.searched.get(scope, _Searched(np.zeros(1, np.bool_)))
        if scope not in now.searched or searched.upto < now.last:
            rows = self._store.read_by(self._source.fingerprint, *scope, searched.upto)
            searched.mask = np.pad(searched.mask, (0, now.last - searched.upto))
            searched.mask[_upto(rows, now.last)] = True
            searched.upto = now.last
        now.searched[scope] = searched
        return searched.mask

    def _said(self, now: _Kept, group: Group) -> _Said:
        """What cases say of a group; only those are asked that were not asked before."""
        said = now.said.get(group, _Said(_NONE, _NONE))
        if said.upto < now.last:
            name, concepts = group
            now.stated.clear()
            affirmed = self._affirmed(now, concepts, said.upto)
            ruled_out = without(self._negated(now, name, said.upto), affirmed)
            said.affirmed = _joined(said.affirmed, _upto(affirmed, now.last))
            said.ruled_out = _joined(said.ruled_out, _upto(ruled_out, now.last))
            said.upto = now.last
        if group not in now.said:
            held = sum(len(s.affirmed) + len(s.ruled_out) for s in now.said.values())
            if held > HELD:
                now.said.clear()
        now.said[group] = said
        return said

    def _affirmed(self, now: _Kept, concepts: frozenset[str], above: int) -> Rows:
        """Cases that affirm one of the concepts, have one of the diagnoses, or are normal."""
        rows = [self._stating(now, concepts, above)]
        rows += [now.wordings.coded(c, above) for c in concepts if now.wordings.speaks_of(c, above)]
        return union([*rows, self._normal(now, above)] if NORMAL in concepts else rows)

    def _stating(self, now: _Kept, concepts: frozenset[str], above: int) -> Rows:
        """Cases whose report, diagnosis or labels affirm one of the concepts and never deny it."""
        named = frozenset(c for c in concepts if now.wordings.speaks_of(c, above))
        reported = concepts - named
        if above:
            reported &= self._fresh(now, above)
        rows = [self._store.undisputed(reported, above)] if reported else []
        for concept in named:
            yes, no, _ = self._stated(now, concept, above)
            rows.append(without(yes, no))
        return union(rows)

    def _negated(self, now: _Kept, concept: str, above: int) -> Rows:
        """Cases that say of the very concept that it is not there, and nothing stronger."""
        if concept == NORMAL:
            return without(self._abnormal(now, above), now.wordings.normal(above))
        yes, no, unsure = self._stated(now, concept, above)
        return without(without(no, yes), unsure)

    def _stated(self, now: _Kept, concept: str, above: int) -> tuple[Rows, Rows, Rows]:
        """Cases whose report, diagnosis or labels affirm, negate and doubt one concept."""
        if (concept, above) not in now.stated:
            now.stated[concept, above] = self._read(now, concept, above)
        return now.stated[concept, above]

    def _read(self, now: _Kept, concept: str, above: int) -> tuple[Rows, Rows, Rows]:
        named = now.wordings
        is_reported = not above or concept in self._fresh(now, above)
        yes, no, unsure = (
            union(
                [
                    self._store.occurring([concept], said, above) if is_reported else _NONE,
                    named.stating(concept, said, field, above),
                ]
            )
            for said, field in zip(_SURE, ("diagnosis", None, None), strict=True)
        )
        # a label, often made of the report, is no surer than it
        labelled = named.stating(concept, Assertion.AFFIRMED, "labels", above)
        return union([yes, without(labelled, without(unsure, yes))]), no, unsure

    def _normal(self, now: _Kept, above: int) -> Rows:
        """Normal studies, as :func:`mmedrag.answers.statements.is_normal` tells them."""
        stated = self._of_kinds(now, (Kind.NORMAL,), above)
        return union([without(stated, self._abnormal(now, above)), now.wordings.normal(above)])

    def _abnormal(self, now: _Kept, above: int) -> Rows:
        if above not in now.abnormal:
            now.abnormal[above] = self._of_kinds(now, (Kind.FINDING, Kind.DISEASE), above)
        return now.abnormal[above]

    def _of_kinds(self, now: _Kept, kinds: Sequence[Kind], above: int) -> Rows:
        concepts = self._store.concepts_of(kinds, above) | now.wordings.of_kinds(kinds)
        return self._stating(now, concepts, above)

    def _fresh(self, now: _Kept, above: int) -> frozenset[str]:
        """The concepts that reports above a row mention."""
        if above not in now.fresh:
            now.fresh[above] = self._store.concepts_of([*Kind], above)
        return now.fresh[above]


def _joined(rows: Rows, higher: Rows) -> Rows:
    """Both; mostly there are no higher ones, and nothing is copied."""
    return np.concatenate([rows, higher]) if len(higher) else rows


def _upto(rows: Rows, last: int) -> Rows:
    """Ascending rows that are not above the last: the store may have gone on since."""
    return rows[: np.searchsorted(rows, last, "right")]
