"""The differential re-scored: prior and likelihood of the findings, from counts of a corpus.

Naive Bayes over findings that the question affirms and rules out. The rate of a finding among the
patients of a diagnosis is drawn towards its rate among all, the more the fewer patients there are,
and what is written of a disease counts as one patient who has the finding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import log

from mmedrag.knowledge.counts import NONE, Counts
from mmedrag.knowledge.relations import Edge

SHRINKAGE = 2.0
"""Patients' worth of the overall rate in every rate."""
EXPECTED = 0.3
"""Share of a diagnosis's patients from which on a finding is missed where nobody mentions it."""
_LEAST = 3
_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Scored:
    """A diagnosis with its score (log posterior up to a constant) and what speaks for it.

    ``supports`` are the edges from findings of the question. ``missing`` are findings that its
    patients often have and the question does not mention.
    """

    diagnosis: str
    name: str
    score: float
    supports: tuple[Edge, ...]
    missing: tuple[str, ...]


class Differential:
    """Scores diagnoses by what a question affirms and rules out.

    Args:
        counts: of the corpus.
        written: relations from findings to diseases that no corpus taught.
    """

    def __init__(self, counts: Counts, written: Sequence[Edge] = ()) -> None:
        self._counts = counts
        self._written: dict[str, dict[str, Edge]] = {}
        for edge in written:
            self._written.setdefault(edge.target, {}).setdefault(edge.source, edge)
        self._by_finding: dict[str, set[str]] = {}
        for edge in written:
            self._by_finding.setdefault(edge.source, set()).add(edge.target)
        for diagnosis, findings in counts.both.items():
            for finding in findings:
                self._by_finding.setdefault(finding, set()).add(diagnosis)

    def score(
        self, affirmed: Collection[str], negated: Collection[str], limit: int = 50
    ) -> list[Scored]:
        """The diagnoses that have any of the affirmed findings, the likeliest first."""
        reached = {
            d for f in affirmed for d in self._by_finding.get(f, ()) if self._knows(f, d)
        } - set(affirmed)  # fmt: skip
        scored = [(self._posterior(d, affirmed, negated), d) for d in reached]
        best = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:limit]
        return [self._scored(d, score, affirmed, negated) for score, d in best]

    def supports(self, diagnosis: str, affirmed: Collection[str]) -> tuple[Edge, ...]:
        """The edges from findings to a diagnosis, learned ones first, the strongest first."""
        edges = [self._edge(f, diagnosis) for f in affirmed]
        supporting = [e for e in edges if e is not None]
        return tuple(sorted(supporting, key=lambda e: (e.origin != "corpus", -e.weight, e.source)))

    def missing(self, diagnosis: str, mentioned: Collection[str]) -> tuple[str, ...]:
        """Findings that the patients of a diagnosis often have and nobody mentions."""
        of = self._counts.diagnosed[diagnosis]
        if of < _LEAST:
            return ()
        both = self._counts.both.get(diagnosis, NONE)
        often = [(n, f) for f, n in both.items()
                 if f not in mentioned and f != diagnosis and n >= _LEAST and n >= EXPECTED * of
                 and self._counts.edge(f, diagnosis) is not None]  # fmt: skip
        return tuple(f for _, f in sorted(often, key=lambda pair: (-pair[0], pair[1])))

    def _knows(self, finding: str, diagnosis: str) -> bool:
        """Whether anything says so now: a patient may have been taken out of the counts."""
        counted = self._counts.both.get(diagnosis, NONE).get(finding, 0) > 0
        return counted or finding in self._written.get(diagnosis, {})

    def _edge(self, finding: str, diagnosis: str) -> Edge | None:
        return self._counts.edge(finding, diagnosis) or self._written.get(diagnosis, {}).get(
            finding
        )

    def _posterior(
        self, diagnosis: str, affirmed: Collection[str], negated: Collection[str]
    ) -> float:
        counts = self._counts
        classes = max(1, len(counts.diagnosed))
        score = log((counts.diagnosed[diagnosis] + 1.0) / (counts.patients + classes))
        for finding in affirmed:
            score += log(self._rate(finding, diagnosis) / self._overall(finding))
        for finding in negated:
            score += log((1.0 - self._rate(finding, diagnosis)) / (1.0 - self._overall(finding)))
        return score

    def _overall(self, finding: str) -> float:
        rate = self._counts.affirmed[finding] / max(1, self._counts.patients)
        return min(max(rate, _FLOOR), 1.0 - _FLOOR)

    def _rate(self, finding: str, diagnosis: str) -> float:
        """P(finding | diagnosis); those who rule it out are in the denominator once more."""
        both = self._counts.both.get(diagnosis, NONE).get(finding, 0)
        against = self._counts.against.get(diagnosis, NONE).get(finding, 0)
        written = 1.0 if finding in self._written.get(diagnosis, {}) else 0.0
        of = self._counts.diagnosed[diagnosis] + against + written
        rate = (both + written + SHRINKAGE * self._overall(finding)) / (of + SHRINKAGE)
        return min(max(rate, _FLOOR), 1.0 - _FLOOR)

    def _scored(
        self, diagnosis: str, score: float, affirmed: Collection[str], negated: Collection[str]
    ) -> Scored:
        name = self._counts.names.get(diagnosis, "")
        mentioned: Mapping[str, None] = dict.fromkeys((*affirmed, *negated))
        return Scored(diagnosis, name, score, self.supports(diagnosis, affirmed),
                      self.missing(diagnosis, mentioned))  # fmt: skip
