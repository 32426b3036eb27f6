"""The contract of :class:`mmedrag.protocols.DefinitionSource`: subclass, say ``make``, run pytest.

The terms that a source knows are taken from ``examples``: sentences that mention some of them.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmedrag.protocols import DefinitionSource
from mmedrag.types import Assertion

contract = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.differing_executors],
)

PIECES = (
    "no", "without evidence of", "history of", "possible", "her mother had", ",", ".", ";", "\n\n",
    "pleural effusion", "Ground-glass", "opacities", "GGO", "PE", "metastases", "hard exudates",
    "carcinoma", "and", "?", "is not seen", "cannot be excluded", "🫁", "\u0301", "\x00", "İ", "ß",
)  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    """Reports made of clinical phrases, and any other string."""
    spoken = st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)
    return st.one_of(
        spoken, st.text(max_size=60), st.lists(st.text(max_size=8) | spoken).map("".join)
    )


class DefinitionSourceContract:
    """Laws of every definition source."""

    examples: tuple[str, ...] = (
        "Right lower lobe consolidation with pleural effusion.",
        "Hard exudates and microaneurysms.",
    )

    def make(self) -> DefinitionSource:
        """A source that knows some of the terms in ``examples``."""
        raise NotImplementedError

    def test_is_a_definition_source(self) -> None:
        assert isinstance(self.make(), DefinitionSource)

    def test_no_texts_no_mentions(self) -> None:
        assert self.make().recognise([]) == []
        assert self.make().define([], 8) == []

    @contract
    @given(st.lists(texts(), max_size=4))
    def test_mentions_lie_in_their_text_in_order_without_overlap(
        self, given_texts: list[str]
    ) -> None:
        recognised = self.make().recognise(given_texts)
        assert len(recognised) == len(given_texts)
        for text, mentions in zip(given_texts, recognised, strict=True):
            last = 0
            for mention in mentions:
                assert last <= mention.start < mention.end <= len(text)
                assert text[mention.start : mention.end] == mention.text
                last = mention.end

    @contract
    @given(st.lists(texts(), max_size=4))
    def test_texts_are_recognised_independently(self, given_texts: list[str]) -> None:
        source = self.make()
        together = source.recognise(given_texts)
        assert together == [source.recognise([text])[0] for text in given_texts]

    @contract
    @given(st.lists(texts(), max_size=4), st.integers(0, 5))
    def test_definitions_are_few_distinct_and_have_text(
        self, given_texts: list[str], limit: int
    ) -> None:
        source = self.make()
        definitions = source.define(source.recognise([*given_texts, *self.examples]), limit)
        assert len(definitions) <= limit
        assert len({d.concept for d in definitions}) == len(definitions)
        assert all(d.text for d in definitions)

    def test_known_terms_are_defined_from_mentions_affirmed_or_asked_for_only(self) -> None:
        source = self.make()
        mentions = source.recognise(self.examples)
        assert source.define(mentions, 99)
        for assertion in set(Assertion) - {Assertion.AFFIRMED, Assertion.INTERROGATIVE}:
            others = [[replace(m, assertion=assertion) for m in text] for text in mentions]
            assert source.define(others, 99) == []

    def test_earlier_texts_are_defined_first(self) -> None:
        source = self.make()
        mentions = source.recognise(self.examples)
        first = source.define(mentions[:1], 99)
        assert source.define(mentions, 99)[: len(first)] == first
        assert source.define(mentions, 1) == first[:1]
