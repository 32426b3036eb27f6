"""The contract of :class:`mmedrag.protocols.Reranker`: subclass, say ``make``, and pytest runs it.

Also the evidence that contract suites and tests draw from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmedrag.protocols import Reranker
from mmedrag.testing.questions import QUESTION
from mmedrag.types import Assertion, Case, Definition, Domain, Evidence, Mention

contract = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.differing_executors],
)
"""One law is tested by many subclasses: what Hypothesis calls executors."""

TERMS = ("effusion", "consolidation", "drusen")


def evidence_list(seed: int, n: int, dim: int = 6) -> list[Evidence]:
    """Cases and definitions; some vectors repeated or empty, scores negative, studies shared."""
    rng = np.random.default_rng(seed)
    made = [
        _case(rng, i, dim) if rng.random() < 0.7 else _definition(rng, i, dim) for i in range(n)
    ]
    for i in range(1, n):
        if rng.random() < 0.2:
            made[i] = replace(made[i], vector=made[rng.integers(i)].vector)
    return made


def evidence_lists(max_size: int = 12) -> st.SearchStrategy[list[Evidence]]:
    """Lists of evidence, the empty one included."""
    return st.builds(evidence_list, st.integers(0, 2**32 - 1), st.integers(0, max_size))


def _vector(rng: np.random.Generator, dim: int) -> np.ndarray:
    v = rng.normal(size=dim)
    v *= rng.choice([0.0, 0.5, 1.0], p=[0.1, 0.2, 0.7]) / np.linalg.norm(v)
    return v.astype(np.float32)


def _case(rng: np.random.Generator, i: int, dim: int) -> Evidence:
    term = str(rng.choice(TERMS))
    assertion = Assertion.NEGATED if rng.random() < 0.5 else Assertion.AFFIRMED
    text = f"No {term}." if assertion is Assertion.NEGATED else f"{term.title()} on the left."
    start = text.casefold().index(term)
    mention = Mention(
        text[start : start + len(term)], start, start + len(term), term, term, assertion
    )
    item = Case(
        id=f"case-{i}",
        text=text,
        domain=rng.choice([None, *Domain]),
        study_id=str(rng.choice(["", "s1", "s2"])),
    )
    score = float(rng.uniform(-1, 1))
    return Evidence(f"C{i + 1}", item, _vector(rng, dim), score, score, (mention,))


def _definition(rng: np.random.Generator, i: int, dim: int) -> Evidence:
    term = str(rng.choice(TERMS))
    item = Definition(concept=term, term=term, text=f"What {term} means.", source="test")
    score = float(rng.uniform(-1, 1))
    return Evidence(f"D{i + 1}", item, _vector(rng, dim), score, score)


def frozen(evidence: list[Evidence]) -> list[tuple[object, ...]]:
    """All that evidence says, as comparable values."""
    return [
        (e.key, e.item, e.vector.tobytes(), e.similarity, e.relevance, e.mentions) for e in evidence
    ]


def scored(evidence: list[Evidence]) -> list[tuple[object, ...]]:
    """The same with the scores of the later stages."""
    return [
        (*assertion, e.centrality, e.reward)
        for assertion, e in zip(frozen(evidence), evidence, strict=True)
    ]


class RerankerContract:
    """Laws of section 3.5 that every reranker keeps."""

    def make(self) -> Reranker:
        """The reranker under test."""
        raise NotImplementedError

    @contract
    @given(evidence_lists())
    def test_rerank_is_a_permutation(self, evidence: list[Evidence]) -> None:
        ranked = self.make().rerank(QUESTION, evidence)
        assert sorted(frozen(ranked), key=repr) == sorted(frozen(evidence), key=repr)

    @contract
    @given(evidence_lists())
    def test_rerank_leaves_its_input_as_it_was(self, evidence: list[Evidence]) -> None:
        before = scored(evidence)
        self.make().rerank(QUESTION, evidence)
        assert scored(evidence) == before

    @contract
    @given(evidence_lists())
    def test_rerank_gives_the_same_twice(self, evidence: list[Evidence]) -> None:
        assert scored(self.make().rerank(QUESTION, evidence)) == scored(
            self.make().rerank(QUESTION, evidence)
        )

    def test_rerank_of_nothing_is_nothing(self) -> None:
        assert self.make().rerank(QUESTION, []) == []

    def test_is_a_reranker(self) -> None:
        assert isinstance(self.make(), Reranker)
