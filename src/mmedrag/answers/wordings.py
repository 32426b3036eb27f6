"""What the cases of a store are called: their diagnoses and labels, and what each of them says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mmedrag.answers.differential import FROM_DIAGNOSIS, UNNAMED, diagnoses_of
from mmedrag.answers.statements import CaseReading, calls_normal, named_mentions, read_cases
from mmedrag.measures.row_sets import Rows, union, without
from mmedrag.protocols import DefinitionSource, Ontology
from mmedrag.types import Assertion, Case, Evidence, Kind

Name: TypeAlias = tuple[str, str]
"""A field, ``diagnosis`` or ``labels``, and its value."""

_NONE = np.empty(0, np.int64)
_NOWHERE = np.zeros(0, np.float32)
_ABNORMAL = (Kind.FINDING, Kind.DISEASE)


@dataclass(frozen=True, slots=True)
class Said:
    """What a diagnosis or a label says, whatever stands beside it.

    ``codes`` are the diagnoses that it gives a case for sure, ``stands_for`` all that it may stand
    for. ``is_normal`` where it calls a case normal, ``is_abnormal`` where it affirms a finding.
    """

    stated: frozenset[tuple[str, Assertion]]
    kinds: frozenset[tuple[str, Kind]]
    codes: frozenset[str]
    stands_for: frozenset[str]
    is_normal: bool
    is_abnormal: bool

    @property
    def concepts(self) -> frozenset[str]:
        """All that it speaks of."""
        return self.stands_for | {concept for concept, _ in self.stated}


class Wordings:
    """The distinct diagnoses and labels, each read once, with the rows of the cases that have it.

    Args:
        source: reads them.
        ontology: its relations.
    """

    def __init__(self, source: DefinitionSource, ontology: Ontology) -> None:
        self._source = source
        self._ontology = ontology
        self._rows: dict[Name, Rows] = {}
        self._said: dict[Name, Said] = {}
        self._of: dict[str, set[Name]] = {}  # by concept
        self._top: dict[str, int] = {}  # no case that is called so has a higher row

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, named: Iterable[tuple[str, str, Rows]]) -> None:
        """Take in what cases are called whose rows are above all that are known."""
        new = {(field, value): rows for field, value, rows in named if len(rows)}
        for name, said in self._read([name for name in new if name not in self._said]):
            self._said[name] = said
            for concept in said.concepts:
                self._of.setdefault(concept, set()).add(name)
        for name, rows in new.items():
            self._rows[name] = np.concatenate([self._rows.get(name, _NONE), rows])
            for concept in self._said[name].concepts:
                self._top[concept] = max(self._top.get(concept, 0), int(rows[-1]))

    def remove(self, gone: Rows) -> None:
        """Forget cases that were deleted, and what none but they were called."""
        if not len(gone) or not self._rows:
            return
        names, rows = list(self._rows), [*self._rows.values()]
        every, ends = np.concatenate(rows), np.cumsum([len(held) for held in rows])
        is_gone = np.zeros(1 + max(int(every.max()), int(gone[-1])), np.bool_)
        is_gone[gone] = True
        hits = np.flatnonzero(is_gone[every])
        for owner in np.unique(np.searchsorted(ends, hits, "right")).tolist():
            name = names[owner]
            self._rows[name] = without(self._rows[name], gone)
            if not len(self._rows[name]):
                self._forget(name)

    def _forget(self, name: Name) -> None:
        del self._rows[name]
        for concept in self._said.pop(name).concepts:
            self._of[concept].discard(name)
            if not self._of[concept]:
                del self._of[concept], self._top[concept]

    def _read(self, names: Sequence[Name]) -> Iterator[tuple[Name, Said]]:
        cases = [
            Case(id="", diagnosis=value) if field == "diagnosis" else Case(id="", labels=(value,))
            for field, value in names
        ]
        evidence = [Evidence("", case, _NOWHERE, 0.0, 0.0) for case in cases]
        readings = read_cases(evidence, self._source)
        for name, reading in zip(names, readings, strict=True):
            yield name, _said(reading, self._ontology)

    def standing_for(self, concept: str) -> list[Name]:
        """The diagnoses and labels that stand for a concept, in alphabetical order."""
        names = self._of.get(concept, ())
        return sorted(name for name in names if concept in self._said[name].stands_for)

    def speaks_of(self, concept: str, above: int = 0) -> bool:
        """Whether a case above a row may be called something that speaks of a concept."""
        return self._top.get(concept, 0) > above

    def of_kinds(self, kinds: Sequence[Kind]) -> frozenset[str]:
        """The concepts of these kinds that are named."""
        return frozenset(
            concept for said in self._said.values() for concept, kind in said.kinds if kind in kinds
        )

    def stating(
        self, concept: str, assertion: Assertion, field: str | None = None, above: int = 0
    ) -> Rows:
        """Cases above a row whose diagnosis or labels, or one of them, say so of a concept."""
        return self._rows_of(
            (
                name
                for name in self._of.get(concept, ())
                if field in (None, name[0]) and (concept, assertion) in self._said[name].stated
            ),
            above,
        )

    def coded(self, concept: str, above: int = 0) -> Rows:
        """Cases above a row that have a diagnosis for sure."""
        names = self._of.get(concept, ())
        return self._rows_of((n for n in names if concept in self._said[n].codes), above)

    def normal(self, above: int = 0) -> Rows:
        """Cases above a row that are called normal, and nothing abnormal."""
        normal, abnormal = (
            self._rows_of((n for n, said in self._said.items() if getattr(said, what)), above)
            for what in ("is_normal", "is_abnormal")
        )
        return without(normal, abnormal)

    def _rows_of(self, names: Iterable[Name], above: int) -> Rows:
        held = (self._rows[name] for name in names)
        return union([rows[np.searchsorted(rows, above, "right") :] for rows in held])


def _said(reading: CaseReading, ontology: Ontology) -> Said:
    mentions = list(named_mentions(reading))
    diagnoses = list(diagnoses_of(reading, ontology))
    return Said(
        stated=frozenset((m.concept, m.assertion) for m in mentions),
        kinds=frozenset((m.concept, m.kind) for m in mentions),
        codes=frozenset(
            code
            for code, _, weight in diagnoses
            if weight == FROM_DIAGNOSIS or code.startswith(UNNAMED)
        ),
        stands_for=frozenset(code for code, _, _ in diagnoses),
        is_normal=any(calls_normal(n.text) for n in (*reading.diagnosis, *reading.labels)),
        is_abnormal=any(
            m.kind in _ABNORMAL and m.assertion is Assertion.AFFIRMED for m in mentions
        ),
    )
