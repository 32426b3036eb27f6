"""The contract of :class:`mmedrag.protocols.ContextFilter`: subclass, say ``make``."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.protocols import ContextFilter
from mmedrag.testing.reranker import TERMS, contract, evidence_lists, frozen, scored
from mmedrag.types import Assertion, Domain, Evidence, Mention, Query, Question, Routing


def question(
    text: str = "",
    affirmed: tuple[str, ...] = (),
    negated: tuple[str, ...] = (),
    *,
    domain: Domain | None = None,
    image: str | None = None,
    vector: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
) -> Question:
    """A question whose text mentions the given concepts."""
    assertions = [(c, Assertion.AFFIRMED) for c in affirmed] + [
        (c, Assertion.NEGATED) for c in negated
    ]
    mentions = tuple(Mention(c, 0, len(c), c, c, assertion) for c, assertion in assertions)
    routing = Routing({}, domain)
    return Question(Query(text, image), routing, np.array(vector, dtype=np.float32), mentions)


def questions() -> st.SearchStrategy[Question]:
    """Questions with and without text, image, domain and findings."""
    terms = st.lists(st.sampled_from(TERMS), unique=True).map(tuple)
    return st.builds(
        question,
        st.sampled_from(["", "effusion on the right?", "is there consolidation"]),
        terms,
        terms,
        domain=st.sampled_from([None, *Domain]),
        image=st.sampled_from([None, "x.png"]),
    )


class ContextFilterContract:
    """Laws of section 3.6 that every context filter keeps."""

    fills_reward = True
    """Only an identity filter, which does not run at all, leaves the reward empty."""

    def make(self) -> ContextFilter:
        """The filter under test."""
        raise NotImplementedError

    @contract
    @given(questions(), evidence_lists())
    def test_keep_is_a_subset(self, question: Question, evidence: list[Evidence]) -> None:
        kept = self.make().keep(question, evidence)
        assert len({e.key for e in kept}) == len(kept)
        assert all(e in frozen(evidence) for e in frozen(kept))

    @contract
    @given(questions(), evidence_lists())
    def test_keep_fills_the_reward(self, question: Question, evidence: list[Evidence]) -> None:
        rewards = [e.reward for e in self.make().keep(question, evidence)]
        if self.fills_reward:
            assert all(r is not None and 0.0 <= r <= 1.0 for r in rewards)
        else:
            assert rewards == [None] * len(evidence)

    @contract
    @given(questions(), evidence_lists())
    def test_keep_leaves_its_input_as_it_was(
        self, question: Question, evidence: list[Evidence]
    ) -> None:
        before = scored(evidence)
        self.make().keep(question, evidence)
        assert scored(evidence) == before

    @contract
    @given(questions(), evidence_lists())
    def test_keep_gives_the_same_twice(self, question: Question, evidence: list[Evidence]) -> None:
        first, second = (self.make().keep(question, evidence) for _ in range(2))
        assert scored(first) == scored(second)

    def test_keep_of_nothing_is_nothing(self) -> None:
        assert self.make().keep(question("effusion"), []) == []

    def test_is_a_context_filter(self) -> None:
        assert isinstance(self.make(), ContextFilter)
