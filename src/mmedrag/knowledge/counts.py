"""Which findings come with which diagnoses in a corpus, counted by patient and domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mmedrag.knowledge.facts import Facts
from mmedrag.knowledge.relations import Edge, Relation

NONE: Counter[str] = Counter()
LEAST = 2
"""Patients who must have both for an edge to be learned."""


@dataclass(frozen=True, slots=True)
class Patient:
    """All that the cases of one patient say; what one case affirms, no other rules out."""

    name: str
    domains: frozenset[str]
    affirmed: frozenset[str]
    negated: frozenset[str]
    diagnoses: Mapping[str, str]


def patients_of(facts: Iterable[Facts]) -> list[Patient]:
    """The cases joined by patient."""
    groups: dict[str, list[Facts]] = {}
    for fact in facts:
        groups.setdefault(fact.patient, []).append(fact)
    made = []
    for name, own in groups.items():
        affirmed = frozenset[str]().union(*(f.affirmed for f in own))
        negated = frozenset[str]().union(*(f.negated for f in own)) - affirmed
        diagnoses = {code: words for f in own for code, words in f.diagnoses.items()}
        made.append(Patient(name, frozenset(f.domain for f in own), affirmed, negated, diagnoses))
    return made


@dataclass(slots=True)
class Counts:
    """Counts of patients; :meth:`add` also takes one out again, as a held-out patient."""

    patients: int = 0
    affirmed: Counter[str] = field(default_factory=Counter)
    negated: Counter[str] = field(default_factory=Counter)
    diagnosed: Counter[str] = field(default_factory=Counter)
    both: dict[str, Counter[str]] = field(default_factory=dict)
    against: dict[str, Counter[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, patients: Iterable[Patient], domain: str = "") -> Counts:
        """The counts of all patients, or of those with a case in a domain."""
        counts = cls()
        for patient in patients:
            if not domain or domain in patient.domains:
                counts.add(patient)
        return counts

    def add(self, patient: Patient, times: int = 1) -> None:
        """Count a patient; ``times=-1`` takes one back."""
        self.patients += times
        for counter, codes in (
            (self.affirmed, patient.affirmed), (self.negated, patient.negated),
            (self.diagnosed, patient.diagnoses),
        ):  # fmt: skip
            for code in codes:
                counter[code] += times
        for diagnosis, words in patient.diagnoses.items():
            self.names.setdefault(diagnosis, words)
            both = self.both.setdefault(diagnosis, Counter())
            against = self.against.setdefault(diagnosis, Counter())
            for code in patient.affirmed:
                both[code] += times
            for code in patient.negated:
                against[code] += times

    def edge(self, finding: str, diagnosis: str) -> Edge | None:
        """The learned edge of a finding and a diagnosis, where there is one.

        Patients of the diagnosis who rule the finding out count against it: an edge has more who
        affirm it, and comes together more often than by chance (lift above 1).
        """
        both = self.both.get(diagnosis, NONE).get(finding, 0)
        against = self.against.get(diagnosis, NONE).get(finding, 0)
        of = self.diagnosed[diagnosis]
        if both < LEAST or both <= against or finding == diagnosis:
            return None
        lift = both * self.patients / (self.affirmed[finding] * of)
        if lift <= 1.0:
            return None
        weight = (both - against) / (of + LEAST)
        return Edge(finding, diagnosis, Relation.SEEN_WITH, weight, "corpus", both, of, against,
                    lift)  # fmt: skip

    def edges(self) -> Iterator[Edge]:
        """All learned edges."""
        for diagnosis, findings in self.both.items():
            for finding in findings:
                if (edge := self.edge(finding, diagnosis)) is not None:
                    yield edge
