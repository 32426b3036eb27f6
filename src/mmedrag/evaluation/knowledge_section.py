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
            f"without the diagnosis; {results['named']} more whose findings name it are left out. "
            "The patient asked about is taken out of search, counts and "
            "walk. Search gives the diagnoses of the cases that it finds, by first appearance. "
            f"The graph of {', '.join(results['sources'])} has {results['concepts']} concepts and "
            f"these edges: {edges}. "
            "Hops: a question of two findings, the rarest that only the one and only the other of "
            "two patients of a diagnosis has; no case has both; the patients stay. Intervals of "
            "95 % by bootstrap over patients, of hops over diagnoses. Nothing was tuned on these "
            "records; the shipped encoders have learned from the training part of MedPix, which "
            "favours the hybrid."
        ),
        verdict=_verdict(diagnosis, hops),
        tables=(
            _arms("Diagnosis from history and findings, patients unseen", diagnosis),
            *((_arms("Questions of two hops", hops),) if hops["questions"] else ()),
        ),
        notes=(
            "Questions of two hops are made so that findings must be joined, from patients whom "
            "the counts know: they show that the graph joins, not that it diagnoses.",
            f"A question costs the graph {median:.1f} ms of CPU (median) and {p95:.1f} ms (95th "
            "percentile), both rankings together.",
        ),
        data=dict(results),
    )


def _verdict(diagnosis: Mapping[str, Any], hops: Mapping[str, Any]) -> str:
    joined = diagnosis["mrr_tests"]["hybrid"]["hybrid + PageRank"]
    alone = diagnosis["mrr_tests"]["concepts alone"]["PageRank"]
    verdict = (
        f"Joined to the hybrid, PageRank {_word(joined)} (MRR {_difference(joined)}, n = "
        f"{diagnosis['questions']}); by itself it {_word(alone)} against the concept channel alone "
        f"({_difference(alone)})."
    )
    if hops["questions"]:
        walk = hops["mrr_tests"]["BM25"]["PageRank"]
        verdict += (
            f" On {hops['questions']} questions of two hops it {_word(walk)} against BM25 "
            f"({_difference(walk)})."
        )
    return verdict


def _word(test: Mapping[str, Any]) -> str:
    low, high = test["ci95"]
    return "gains" if low > 0 else "loses" if high < 0 else "changes nothing that is sure"


def _difference(test: Mapping[str, Any]) -> str:
    low, high = test["ci95"]
    return f"{test['difference']:+.3f}, 95 % {low:+.3f} to {high:+.3f}"


def _arms(title: str, figures: Mapping[str, Any]) -> Table:
    bases = tuple(figures["mrr_tests"])
    rows = []
    for name, arm in figures["arms"].items():
        (low, high), (lower, upper) = arm["ci95"]
        recall = f"{arm['recall@10']:.3f} ({low:.3f} to {high:.3f})"
        mrr = f"{arm['mrr']:.3f} ({lower:.3f} to {upper:.3f})"
        tests = (figures["mrr_tests"][base].get(name) for base in bases)
        rows.append((name, recall, mrr, *(_difference(t) if t else "" for t in tests)))
    header = ("ranker", "recall@10 (95 %)", "MRR (95 %)", *(f"MRR against {b}" for b in bases))
    return Table(title, header, tuple(rows))
