"""One order for whether an image shows a finding, another for every other question.

The reply to such a question rests on the twenty cases most like the image, whatever their order, so
the order can serve who reads them: cases whose reports say something of the finding come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmedrag.protocols import Reranker
from mmedrag.types import Evidence, Question, QuestionKind


@dataclass(frozen=True, slots=True)
class ByQuestion:
    """The order of ``presence`` for whether an image shows a finding, else ``otherwise``."""

    presence: Reranker
    otherwise: Reranker

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence in the order of one of the two."""
        chosen = self.presence if _asks_of_finding(question) else self.otherwise
        return chosen.rerank(question, evidence)


def _asks_of_finding(question: Question) -> bool:
    intent = question.intent
    if question.query.image is None or intent is None:
        return False
    return intent.kind is QuestionKind.PRESENCE and bool(intent.concepts)
