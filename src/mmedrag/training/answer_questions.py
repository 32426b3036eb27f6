"""Questions that a generator is tuned on, each with the evidence that a service would give it.

They are posed of a record of one patient and answered from the cases of others of the same part, so
that nothing that is measured on was learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from mmedrag.answers.prompts import messages, within_budget
from mmedrag.answers.support import is_whole
from mmedrag.datasets.corpus import patient_of
from mmedrag.definitions import Dictionary
from mmedrag.errors import TooManyTokens
from mmedrag.pipeline import MMedRAG
from mmedrag.protocols import CaseIndex
from mmedrag.stores import CaseDatabase
from mmedrag.training.answer_pairs import AnswerPair, Origin, Subset
from mmedrag.training.answer_texts import Term, one
from mmedrag.training.flips import negated
from mmedrag.training.questions import texts_of
from mmedrag.types import Assertion, Case, Evidence, Hit, Kind, Mention, Query, Question

CASES = (3, 5, 8)
"""Cases in a context, drawn for each question."""

CONTEXT_TOKENS = 3000
"""An upper estimate of what a prompt may have."""

_DECLINED = (
    "What dose of which drug should be given for {}?",
    "Should I operate on {}?",
    "How long will a patient with {} live?",
)
_OPEN = ("What is the differential diagnosis of {}?", "What do cases with {} show?")
_MEANING = ("What is {}?", "What does {} mean?")
_FORMS = ((), (), (), _OPEN, _MEANING, _DECLINED)
"""What is posed in turn; where there is no form, a text that the record itself gives."""


@dataclass(frozen=True, slots=True)
class OtherPatients:
    """A :class:`~mmedrag.protocols.CaseIndex` of those cases of another that are of one part.

    ``ids`` are the cases that may be found, ``share`` about how many of all they are, ``patient``
    is left out.
    """

    cases: CaseIndex
    ids: frozenset[str]
    share: float
    patient: str = ""

    def search(self, question: Question, k: int) -> list[Hit]:
        """The first ``k`` of the other index that may be found."""
        hits = self.cases.search(question, ceil(2 * k / self.share))
        allowed = [h for h in hits if h.case.id in self.ids and patient_of(h.case) != self.patient]
        return allowed[:k]


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A question as a generator gets it, and whose records are in it."""

    subset: Subset
    question: Question
    evidence: tuple[Evidence, ...]
    patients: tuple[str, ...]

    @property
    def declined(self) -> str:
        """What is to be said, where the question is not to be answered."""
        return self.question.brief.declined if self.question.brief is not None else ""

    def pair(self, chosen: str, rejected: str, fault: str, origin: Origin) -> AnswerPair:
        """A pair of answers to it."""
        return AnswerPair(
            prompt=tuple(messages(self.question, self.evidence)),
            chosen=chosen,
            rejected=rejected,
            fault=fault,
            origin=origin,
            subset=self.subset,
            patients=self.patients,
            evidence=self.evidence,
            declined=self.declined,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Asker:
    """Poses questions and asks them of a system; ``random`` draws forms, terms and lengths."""

    rag: MMedRAG
    definitions: Dictionary
    random: np.random.Generator

    def index(self, cases: Sequence[Case]) -> OtherPatients:
        """What is searched for questions of one part: its cases alone."""
        everything = self.rag.cases
        assert isinstance(everything, CaseDatabase)
        share = len(cases) / max(1, everything.count())
        return OtherPatients(everything, frozenset(case.id for case in cases), share)

    def terms(self, read: Sequence[Sequence[Mention]]) -> list[Term]:
        """The findings that any of the reports affirms, by the mentions of each."""
        named = {m.concept: m.term for mentions in read for m in self.affirmed(mentions)}
        return [Term(concept, name) for concept, name in sorted(named.items())]

    def affirmed(self, mentions: Sequence[Mention]) -> list[Mention]:
        """The findings and diseases that a report affirms."""
        return [
            m for m in mentions
            if m.assertion is Assertion.AFFIRMED and m.kind in (Kind.FINDING, Kind.DISEASE)
        ]  # fmt: skip

    def posed(self, case: Case, mentions: Sequence[Mention], number: int) -> str:
        """A question that somebody with such a case might ask; empty where it gives none."""
        forms = _FORMS[number % len(_FORMS)]
        if forms:
            affirmed = self.affirmed(mentions)
            term = one(affirmed, self.random).term if affirmed else ""
            return one(forms, self.random).format(term) if term else ""
        texts = texts_of(case, case.labels, mentions, "", self.definitions, self.random)
        return one(list(texts.values()), self.random) if texts else ""

    def ask(self, subset: Subset, text: str, index: OtherPatients, patient: str) -> Posed | None:
        """The question with its evidence and its brief; ``None`` where none is adequate.

        Args:
            subset: that the index holds.
            text: of the question.
            index: what is searched.
            patient: whose record it is posed of; empty where it is of none.
        """
        assert self.rag.analyst is not None
        rag = replace(
            self.rag, cases=index, statistics=None, k_final=one(CASES, self.random), k_definitions=3
        )
        context = rag.retrieve(Query(text))
        kept, question = list(context.kept), context.question
        if not kept:
            return None
        for _ in range(2):  # the brief counts what is sent, and is itself sent
            brief = self.rag.analyst.brief(question, kept, None)
            question = replace(question, brief=brief)
            try:
                kept = within_budget(question, kept, CONTEXT_TOKENS)
            except TooManyTokens:
                return None
        patients = {patient, *(patient_of(e.item) for e in kept if isinstance(e.item, Case))}
        return Posed(subset, question, tuple(kept), tuple(sorted(patients - {""})))

    def changed(self, posed: Posed) -> Posed | None:
        """The same question where cases that affirm what it is about now rule it out."""
        assert self.rag.analyst is not None
        brief = posed.question.brief
        claims = brief.claims if brief is not None else ()
        stated = [c for c in claims if c.assertion is Assertion.AFFIRMED and is_whole(c)]
        if not stated:
            return None
        evidence = tuple(
            self._denying(e, stated[0].concept) if e.key in stated[0].keys else e
            for e in posed.evidence
        )
        brief = self.rag.analyst.brief(posed.question, evidence, None)
        question = replace(posed.question, brief=brief)
        return replace(posed, question=question, evidence=evidence)

    def _denying(self, evidence: Evidence, concept: str) -> Evidence:
        """A case whose report denies a concept, without the diagnosis and labels that name it."""
        case = evidence.item
        if not isinstance(case, Case):
            return evidence
        ontology = self.definitions.concepts
        kinds = {m.concept for m in evidence.mentions if ontology.is_a(m.concept, concept)}
        affirmed = [m for m in evidence.mentions if m.assertion is Assertion.AFFIRMED]
        text = negated(case.text, affirmed, kinds)
        if text is None:
            return evidence
        item = replace(case, text=text, diagnosis="", labels=())
        return replace(evidence, item=item, mentions=self.definitions.recognise([text])[0])
