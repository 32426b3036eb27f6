"""Paths through the graph in words: why a diagnosis is named, and what is missing for it."""

from __future__ import annotations

from mmedrag.knowledge.differential import Scored
from mmedrag.knowledge.knowledge import Knowledge
from mmedrag.knowledge.relations import Edge

MOST = 3
"""Findings that an explanation names, and findings that are missing."""


def explained(scored: Scored, knowledge: Knowledge) -> str:
    """As "ring enhancement (12 of 40 patients) and fever (written) → abscess; not mentioned: …"."""
    clauses = []
    if scored.supports:
        supports = [f"{knowledge.name(e.source)} ({_evidence(e)})" for e in scored.supports[:MOST]]
        clauses.append(f"{_joined(supports)} → {knowledge.name(scored.diagnosis)}")
    if scored.missing:
        names = ", ".join(knowledge.name(f) for f in scored.missing[:MOST])
        clauses.append(f"not mentioned: {names}")
    return "; ".join(clauses)


def edge_text(edge: Edge, knowledge: Knowledge) -> str:
    """An edge as it is shown: source, relation, target and evidence."""
    return (
        f"{knowledge.name(edge.source)} {edge.relation} {knowledge.name(edge.target)} "
        f"({_evidence(edge)})"
    )


def _evidence(edge: Edge) -> str:
    """Where an edge is from; of a learned one, its counts."""
    if edge.origin != "corpus":
        return {"MMedRAG": "written"}.get(edge.origin, edge.origin)
    against = f", {edge.against} rule it out" if edge.against else ""
    return f"{edge.both} of {edge.of} patients, lift {edge.lift:.1f}{against}"


def _joined(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
