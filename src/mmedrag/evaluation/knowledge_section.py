"""The study of the knowledge graph as a section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmedrag.views.section import Section, Table


def as_section(results: Mapping[str, Any]) -> Section:
    """The section of :func:`mmedrag.evaluation.knowledge.evaluate_knowledge`."""
    diagnosis, hops = results["diagnosis"], results["hops"]
    median, p95 = results["milliseconds"]
    edges = ", ".join(f"{count} {name}" for name, count in results["edges"].items())
    return Section(
        name="knowledge",
        title="The knowledge graph",
        paper="section 7, knowledge-graph-augmented retrieval (a promise without figures)",
        protocol=(
            f"{results['asked']} of {results['patients']} patients share a diagnosis with another "
            "and are asked about by history and findings (and their image, for the hybrid), "
            "without the diagnosis. The patient asked about is taken out of search, counts and "
            "walk. Search gives the diagnoses of the cases that it finds, by first appearance. "
            f"The graph has {results['concepts']} concepts and these edges: {edges}. "
            "Hops: a question of two findings, the rarest that only the one and only the other of "
            "two patients of a diagnosis has; no case has both; the patients stay. Intervals of "
            "95 % by bootstrap over patients, of hops over diagnoses. Nothing was tuned on these "
            "records; the shipped encoders have learned from the training part of MedPix, which "
            "favours the hybrid."
        ),
        verdict=_verdict(diagnosis, hops, median),
        tables=(
            _arms("Diagnosis from history and findings, patients unseen", diagnosis),
            *((_arms("Questions of two hops", hops),) if hops["questions"] else ()),
        ),
        notes=(
            "Questions of two hops are made so that findings must be joined, from patients whom "
            "the counts know: they show that the graph joins, not that it diagnoses.",
            f"A question costs the graph {median:.1f} ms (median) and {p95:.1f} ms (95th "
            "percentile), both rankings together.",
        ),
        data=dict(results),
    )


def _verdict(diagnosis: Mapping[str, Any], hops: Mapping[str, Any], median: float) -> str:
    test = diagnosis["mrr_tests"]["hybrid + prior × likelihood"]
    low, high = test["ci95"]
    word = "gains" if low > 0 else "loses" if high < 0 else "changes nothing that is sure"
    told = (
        f"Joined to the hybrid, prior × likelihood {word} (MRR {test['difference']:+.3f}, 95 % "
        f"{low:+.3f} to {high:+.3f}, n = {diagnosis['questions']})."
    )
    if hops["questions"]:
        walk = hops["mrr_tests"]["PageRank"]
        low, high = walk["ci95"]
        told += (
            f" On {hops['questions']} questions of two hops PageRank stands at MRR "
            f"{walk['difference']:+.3f} against {hops['baseline']} (95 % {low:+.3f} to "
            f"{high:+.3f})."
        )
    return told


def _arms(title: str, figures: Mapping[str, Any]) -> Table:
    rows = []
    for name, arm in figures["arms"].items():
        (low, high), (lower, upper) = arm["ci95"]
        against = ""
        if test := figures["mrr_tests"].get(name):
            least, most = test["ci95"]
            against = f"{test['difference']:+.3f} ({least:+.3f} to {most:+.3f})"
        recall = f"{arm['recall@10']:.3f} ({low:.3f} to {high:.3f})"
        rows.append((name, recall, f"{arm['mrr']:.3f} ({lower:.3f} to {upper:.3f})", against))
    header = ("ranker", "recall@10 (95 %)", "MRR (95 %)", f"MRR against {figures['baseline']}")
    return Table(title, header, tuple(rows))
