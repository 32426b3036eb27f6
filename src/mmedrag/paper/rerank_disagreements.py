"""Where section 4.4 and Fig. 2 differ from what was measured."""

from __future__ import annotations

from collections.abc import Mapping

from mmedrag.paper.coherence import OFF_TOPIC, Coherence, paper_spreads, spread
from mmedrag.paper.rerank import DEFAULT, PAPER, STANDARD, RerankFigures
from mmedrag.paper.rerank_latency import Latency
from mmedrag.views.section import Disagreement


def disagreements(
    arms: Mapping[str, RerankFigures], latency: Latency, coherence: Coherence
) -> tuple[Disagreement, ...]:
    """The paper's four claims about Graph-RAG beside our figures."""
    return (
        _compression(coherence),
        _off_topic(coherence),
        _similarity(arms),
        _redundancy(arms),
        _response_time(latency),
        _growth(latency),
    )


def _compression(coherence: Coherence) -> Disagreement:
    before, after = paper_spreads()
    return Disagreement(
        '"score compression" shows coherence (4.4, 4.7, 6.2)',
        f"spread {before:.4f} → {after:.4f}, {after / before:.3f} of it",
        f"with even edges {coherence.even:.3f} of the spread, whatever the sentences say; along "
        f"our encoder's edges {spread(coherence.similarity):.4f} → {spread(coherence.paper):.4f}, "
        f"{coherence.shrinkage:.3f} of it",
        "It is arithmetic: even edges leave (1 − α) / (1 + α/4) = "
        f"{coherence.predicted:.3f} of any spread. Where the edges are uneven (mean pairwise "
        f"cosine {coherence.pairwise:.2f}), what they add to the spread is how "
        "typical each sentence is.",
    )


def _off_topic(coherence: Coherence) -> Disagreement:
    return Disagreement(
        "the off-topic malignancy in the controlled experiment",
        "rank 2 of 5 before and after Graph-RAG",
        f"rank {coherence.rank(OFF_TOPIC, coherence.similarity)} by cosine, "
        f"{coherence.rank(OFF_TOPIC, coherence.paper)} by eq. 4, "
        f"{coherence.rank(OFF_TOPIC, coherence.ours)} by the query-aware walk",
        "Where all edges are alike, eq. 4 keeps the order of the cosines; it cannot correct the "
        "encoder.",
    )


def _similarity(arms: Mapping[str, RerankFigures]) -> Disagreement:
    before, after = (arms[name].means()["similarity"] for name in (STANDARD, PAPER))
    return Disagreement(
        "mean query similarity of the context",
        "0.201 → 0.223",
        f"{before:.3f} → {after:.3f}",
        "The ten most similar of fifty candidates have the highest mean similarity there is; a new "
        "order of the same candidates can only lower it (text queries are ranked with BM25 too, "
        "which leaves a little room).",
    )


def _redundancy(arms: Mapping[str, RerankFigures]) -> Disagreement:
    repetition = {
        name: "repetitions {repeated:.2f}, mean pairwise cosine {pairwise:.3f}".format(
            **arms[name].means()
        )
        for name in (STANDARD, PAPER, DEFAULT)
    }
    return Disagreement(
        "redundancy",
        "−21 %, and mean pairwise similarity 0.8906 for both methods",
        f"{repetition[STANDARD]} by cosine; {repetition[PAPER]} by eq. 4; "
        f"{repetition[DEFAULT]} by default",
        "Centrality on a similarity graph rewards what resembles many others, near-duplicates "
        "most. What removes repetition is to put duplicates last.",
    )


def _response_time(latency: Latency) -> Disagreement:
    names = ("Standard RAG", "paper's Graph-RAG")
    total, graph = (
        [latency.methods[name][stage][0] for name in names] for stage in ("total", "rerank")
    )
    return Disagreement(
        "response time (Fig. 2)",
        "lower with Graph-RAG",
        f"reranking takes {graph[0]:.2f} ms without and {graph[1]:.2f} ms with the graph, "
        f"retrieval {total[0]:.1f} and {total[1]:.1f} ms (p50)",
        "Graph-RAG does all that Standard RAG does and more; a lower total is noise of the "
        "stages before it.",
    )


def _growth(latency: Latency) -> Disagreement:
    sizes, records = sorted(latency.candidates.items()), sorted(latency.records.items())
    return Disagreement(
        "what the graph's latency grows with (4.7)",
        "the corpus",
        f"{sizes[0][1]:.2f} ms for {sizes[0][0]} candidates, {sizes[-1][1]:.2f} ms for "
        f"{sizes[-1][0]}; {records[0][1]:.2f} ms in a corpus of {records[0][0]} records, "
        f"{records[-1][1]:.2f} ms in one of {records[-1][0]}",
        "The graph has the candidates for nodes, however many records there are.",
    )
