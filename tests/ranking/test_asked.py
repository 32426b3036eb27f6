"""Whether an image shows a finding has an order of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmedrag.presets import default_reranker
from mmedrag.ranking.asked import ByQuestion
from mmedrag.ranking.graph import KeepOrder
from mmedrag.testing.questions import QUESTION
from mmedrag.testing.reranker import RerankerContract, evidence_list
from mmedrag.types import Intent, Query, QuestionKind

PRESENCE = Intent(QuestionKind.PRESENCE, "a rule", ("effusion",))


class Backwards:
    """The last comes first."""

    def rerank(self, question, evidence):
        return list(evidence)[::-1]


@pytest.mark.parametrize(
    ("image", "intent", "is_asked"),
    [
        ("x.png", PRESENCE, True),
        (None, PRESENCE, False),
        ("x.png", None, False),
        ("x.png", replace(PRESENCE, concepts=()), False),
        ("x.png", replace(PRESENCE, kind=QuestionKind.NORMALITY), False),
        ("x.png", replace(PRESENCE, kind=QuestionKind.CHOICE), False),
    ],
)
def test_whether_an_image_shows_a_finding_is_ordered_apart(image, intent, is_asked):
    question = replace(QUESTION, query=Query("Is there effusion?", image), intent=intent)
    evidence = evidence_list(0, 5)
    ordered = ByQuestion(presence=Backwards(), otherwise=KeepOrder()).rerank(question, evidence)
    assert ordered == (evidence[::-1] if is_asked else evidence)


class TestDefault(RerankerContract):
    def make(self):
        return default_reranker()
