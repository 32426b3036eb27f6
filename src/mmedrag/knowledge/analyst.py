"""An analyst that re-scores the differential by the knowledge graph, and says why.

It stands before another (:class:`~mmedrag.answers.analysis.CaseAnalyst`), whose claims it leaves as
they are. Only diagnoses that the kept cases have are shown: the graph orders and explains, it adds
no diagnosis that nothing cited supports. It is off by default, for it finds no more diagnoses than
search does (docs/notes/knowledge.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mmedrag.answers.differential import code_of
from mmedrag.knowledge.differential import Scored
from mmedrag.knowledge.explanation import explained
from mmedrag.knowledge.knowledge import Knowledge
from mmedrag.knowledge.relations import canonical
from mmedrag.protocols import Analyst, CorpusStatistics
from mmedrag.types import Assertion, Brief, Candidate, Evidence, Question, QuestionKind

_GIVEN = frozenset({Assertion.AFFIRMED})
_GIVEN_IN_DIFFERENTIAL = _GIVEN | {Assertion.INTERROGATIVE, Assertion.UNCERTAIN}
"""Who asks for the differential of ring enhancement has seen it."""


@dataclass(frozen=True, slots=True)
class KnowledgeAnalyst:
    """An :class:`~mmedrag.protocols.Analyst` over another and the knowledge of a corpus."""

    analyst: Analyst
    knowledge: Knowledge

    def brief(
        self, question: Question, evidence: Sequence[Evidence], corpus: CorpusStatistics | None
    ) -> Brief:
        """The brief with the differential in the graph's order, each diagnosis explained."""
        brief = self.analyst.brief(question, evidence, corpus)
        scored = {s.diagnosis: s for s in self._scored(question)}
        if not scored or not brief.differential:
            return brief
        ranks = {d: i for i, d in enumerate(scored)}
        candidates = [self._explained(c, scored) for c in brief.differential]
        order = sorted(
            range(len(candidates)),
            key=lambda i: i + ranks.get(self._code(candidates[i]), len(ranks)),
        )
        return replace(brief, differential=tuple(candidates[i] for i in order))

    def _scored(self, question: Question) -> list[Scored]:
        concepts = self.knowledge.dictionary.concepts
        is_differential = (
            question.intent is not None and question.intent.kind is QuestionKind.DIFFERENTIAL
        )
        given = _GIVEN_IN_DIFFERENTIAL if is_differential else _GIVEN
        findings = [m for m in question.mentions if m.kind.is_finding]
        affirmed = {canonical(m.concept, concepts) for m in findings if m.assertion in given}
        negated = {
            canonical(m.concept, concepts) for m in findings if m.assertion is Assertion.NEGATED
        }
        return self.knowledge.differential.score(affirmed, negated - affirmed)

    def _explained(self, candidate: Candidate, scored: Mapping[str, Scored]) -> Candidate:
        score = scored.get(self._code(candidate))
        if score is None:
            return candidate
        return replace(candidate, explanation=explained(score, self.knowledge))

    def _code(self, candidate: Candidate) -> str:
        code = code_of(candidate)
        concepts = self.knowledge.dictionary.concepts
        return canonical(code, concepts) if candidate.concept else code
