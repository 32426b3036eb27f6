"""Concepts and patients in one graph, walked from the concepts of a question.

Personalised PageRank (Page et al. 1999; over passages and concepts by HippoRAG, Gutiérrez et al.
2024, with our recogniser in the place of a language model): a walker starts at the question's
concepts, follows edges by their weight, and returns to the start with probability 1 - alpha. Where
it is often is near the question, over as many steps as the edges make.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmedrag.knowledge.counts import Patient
from mmedrag.knowledge.relations import Edge, Relation

ALPHA = 0.5
"""Probability of going on; half, as HippoRAG has it."""
STEPS = 12
"""After so many, what is left of the start's weight is below one part in four thousand."""

DECAY: Mapping[Relation, float] = {
    Relation.MAY_BE: 0.6, Relation.SEEN_WITH: 0.6, Relation.IS_A: 0.4, Relation.IN: 0.0,
    Relation.PART_OF: 0.2, Relation.RELATED: 0.4,
}  # fmt: skip
"""How much of a concept's weight an expansion carries over one edge of each kind."""

Floats = NDArray[np.float64]


class KnowledgeGraph:
    """Typed edges between concepts, and patients joined to the concepts that they affirm.

    Args:
        edges: between concepts.
        patients: who affirm concepts and have diagnoses.
    """

    def __init__(self, edges: Sequence[Edge], patients: Sequence[Patient] = ()) -> None:
        self._edges: dict[str, list[Edge]] = {}
        for edge in edges:
            self._edges.setdefault(edge.source, []).append(edge)
            self._edges.setdefault(edge.target, []).append(edge)
        codes = dict.fromkeys(self._edges)
        for patient in patients:
            codes |= dict.fromkeys([*sorted(patient.affirmed), *patient.diagnoses])
        self.codes = tuple(codes)
        self._row = {code: i for i, code in enumerate(self.codes)}
        self.patients = tuple(patients)
        self._patient_row = {p.name: len(codes) + i for i, p in enumerate(patients)}
        self._source, self._target, self._weight = self._links(edges)

    def edges(self) -> Iterator[Edge]:
        """Every edge once."""
        return (e for code, own in self._edges.items() for e in own if e.source == code)

    def edges_of(self, code: str) -> list[Edge]:
        """The edges at a concept, the strongest first."""
        edges = self._edges.get(code, [])
        return sorted(edges, key=lambda e: (-e.weight, e.relation, e.source, e.target))

    def expand(self, concepts: Collection[str], steps: int = 2) -> dict[str, float]:
        """Concepts that typed edges lead to, with a weight that decays from 1 with every step."""
        weights = dict.fromkeys(concepts, 1.0)
        border = dict(weights)
        for _ in range(steps):
            reached: dict[str, float] = {}
            for code, weight in border.items():
                for edge in self._edges.get(code, ()):
                    other = edge.target if edge.source == code else edge.source
                    carried = weight * edge.weight * DECAY[edge.relation]
                    reached[other] = max(reached.get(other, 0.0), carried)
            border = {c: w for c, w in reached.items() if w > weights.get(c, 0.0)}
            weights |= border
        return {c: w for c, w in weights.items() if w > 0.0}

    def walk(self, start: Mapping[str, float], without: str = "") -> Floats:
        """The share of time at each node: concepts in the order of ``codes``, then patients.

        Args:
            start: weights of the concepts where the walker starts; unknown ones are passed over.
            without: a patient through whom no walk leads, as one who is asked about.

        Returns:
            Shares, ``(concepts + patients,)``; zeros where no start is known.
        """
        size = len(self.codes) + len(self.patients)
        restart = np.zeros(size)
        for code, weight in start.items():
            if code in self._row:
                restart[self._row[code]] += weight
        if not restart.sum():
            return restart
        restart /= restart.sum()
        hidden = self._patient_row.get(without)
        share = restart
        for _ in range(STEPS):
            flow = np.bincount(self._target, self._weight * share[self._source], size)
            if hidden is not None:
                flow[hidden] = 0.0
            share = (1.0 - ALPHA) * restart + ALPHA * flow
        return share

    def shares(self, walked: Floats, codes: Collection[str]) -> dict[str, float]:
        """The shares of some concepts."""
        return {c: float(walked[self._row[c]]) for c in codes if c in self._row}

    def nearest_patients(self, walked: Floats, k: int) -> list[tuple[Patient, float]]:
        """The patients where the walker is most often."""
        shares = walked[len(self.codes) :]
        order = np.argsort(-shares, kind="stable")[:k]
        return [(self.patients[i], float(shares[i])) for i in order if shares[i] > 0.0]

    def _links(self, edges: Sequence[Edge]) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Both ways of every edge; the weights that leave a node sum to 1.

        A patient's link to a concept weighs by how rare the concept is. Learned edges are left out,
        for they say once more what the patients say, one who is left out of a walk included.
        """
        counts = np.zeros(len(self.codes))
        for patient in self.patients:
            for code in patient.affirmed | patient.diagnoses.keys():
                counts[self._row[code]] += 1
        rare = np.log((1.0 + len(self.patients)) / (1.0 + counts)) + 0.1
        links = [(self._row[e.source], self._row[e.target], e.weight) for e in edges
                 if DECAY[e.relation] > 0.0 and e.relation is not Relation.SEEN_WITH]  # fmt: skip
        for patient in self.patients:
            node = self._patient_row[patient.name]
            own = patient.affirmed | patient.diagnoses.keys()
            links += [(self._row[c], node, float(rare[self._row[c]])) for c in sorted(own)]
        if not links:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        one, other, weight = map(np.array, zip(*links, strict=True))
        source, target = np.concatenate([one, other]), np.concatenate([other, one])
        both = np.concatenate([weight, weight]).astype(np.float64)
        leaving = np.bincount(source, both, len(self.codes) + len(self.patients))
        return source.astype(np.int64), target.astype(np.int64), both / leaving[source]
