"""What is wrong with an answer, if anything: one verdict, by the self-check alone.

The pipeline strikes what is contradicted and withholds what cites nothing; here an answer is judged
as its writer left it. That is what a generator is tuned by (the paper's RAG-PT), and what it is
compared with others by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mmedrag.answers.claims import Assertions, Claim, claims, text_assertions
from mmedrag.answers.statements import CaseReading, named_mentions, says_of
from mmedrag.answers.verification import contradicted_by, read_again
from mmedrag.citations import attribute, resolve, unsupported_sentences
from mmedrag.protocols import DefinitionSource, Ontology
from mmedrag.types import Answer, Assertion, Case, Context, Evidence, Question


class Fault(StrEnum):
    """The gravest fault of an answer, in falling order; :attr:`NONE` where it is as it should be.

    ``ANSWERED`` says more to a question that is to be declined than that, and what similar cases
    say in quotation marks; ``REFUSED`` says nothing of the evidence although there is some.
    """

    ANSWERED = "answered"
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"
    OVERCONFIDENT = "over-confident"
    REFUSED = "refused"
    UNCITED = "uncited"
    NONE = "supported"


@dataclass(frozen=True, slots=True)
class Grounding:
    """The verdict on one answer, and what it was counted from.

    ``supported`` claims are those that one of their marks says the same of, ``contradicted`` those
    that one says the opposite of and none supports. ``invented`` are marks of no evidence,
    ``unmarked`` sentences without a mark.
    """

    fault: Fault
    claims: int = 0
    supported: int = 0
    contradicted: int = 0
    invented: int = 0
    unmarked: int = 0
    words: int = 0


@dataclass(frozen=True, slots=True)
class Judge:
    """Holds answers against the evidence that they were written from."""

    source: DefinitionSource
    ontology: Ontology

    def of(self, text: str, question: Question, evidence: Sequence[Evidence]) -> Grounding:
        """The verdict on what a generator wrote.

        Args:
            text: as it was written; marks are resolved here.
            question: with its brief, which says whether it is to be declined.
            evidence: that the generator was given.
        """
        pieces = list(resolve([text], evidence))
        begins = max((i for i, piece in enumerate(pieces, 1) if piece.retracts), default=0)
        pieces = pieces[begins:]  # what came before was a model's reasoning
        answer = attribute(pieces, Context(question, evidence, evidence, evidence, {}), {})
        written = "".join(piece.text for piece in pieces).strip()
        made = claims(written, self.source)
        cited = {key for claim in made for key in claim.keys}
        readings = _Readings.of([e for e in evidence if e.key in cited], self.source, self.ontology)
        agreed = [readings.agrees(claim) for claim in made]
        against = [readings.opposes(claim) for claim in made]
        unmarked = len(unsupported_sentences(answer))
        fault = _fault(written, answer, made, agreed, against, readings)
        declined = question.brief.declined if question.brief is not None else ""
        return Grounding(
            self._of_declined(written, declined, fault) if declined else fault,
            claims=len(made),
            supported=sum(agreed),
            contradicted=sum(against),
            invented=len(answer.removed),
            unmarked=unmarked,
            words=len(written.split()),
        )

    def _of_declined(self, written: str, declined: str, fault: Fault) -> Fault:
        """Beside that it is declined, in these words or others, similar cases may be quoted."""
        rest = re.sub(re.escape(declined), "", written, count=1, flags=re.IGNORECASE)
        lines = _MARKS.sub("", _QUOTED.sub("", rest)).splitlines()
        own = "\n".join(line for line in lines if not line.rstrip().endswith(":"))
        asserts = bool(re.search(r"\w", own)) and not _DECLINES.search(own)
        if asserts or claims(own, self.source):
            return Fault.ANSWERED
        return fault if fault in (Fault.CONTRADICTED, Fault.UNSUPPORTED) else Fault.NONE


def _fault(
    written: str,
    answer: Answer,
    made: Sequence[Claim],
    agreed: Sequence[bool],
    against: Sequence[bool],
    readings: _Readings,
) -> Fault:
    marked = [(c, ok) for c, ok in zip(made, agreed, strict=True) if c.keys]
    astray = [claim for claim, ok in marked if not ok]
    doubtful = [claim for claim in astray if readings.doubts(claim)]
    if any(against):
        return Fault.CONTRADICTED
    if answer.removed or len(doubtful) < len(astray):
        return Fault.UNSUPPORTED
    if doubtful or _CERTAIN.search(_QUOTED.sub("", written)):
        return Fault.OVERCONFIDENT
    if answer.abstained:
        return Fault.UNCITED if made else Fault.REFUSED
    bare = len(marked) < len(made) or unsupported_sentences(answer)
    return Fault.UNCITED if bare else Fault.NONE


_MARKS = re.compile(r"\[[CD]\d+(?:, [CD]\d+)*\]")
_QUOTED = re.compile(r"“[^”\n]*”|\"[^\"\n]*\"")
_CERTAIN = re.compile(
    r"\b(?:the|this|your|our) patient(?:'s)? (?:clearly |most likely |probably )?(?:has|have|"
    r"suffers|is suffering|must have|needs|should)\b|\byou (?:have|should|need)\b|"
    r"\b(?:definitely|certainly|undoubtedly|unquestionably|100 ?%)|"
    r"\b(?:without (?:a |any )?|beyond (?:any )?)doubt\b|\b(?:proves?|confirms?) (?:that|the)\b",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\b(?:can(?:no|')t|cannot|unable|not able|not (?:be )?answered?|do(?:es)? not (?:say|answer)|"
    r"will not|no (?:adequate )?evidence|out(?:side)? of scope|decline[sd]?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Readings:
    """What the cited evidence says: cases with the is-a relation, and every text word by word."""

    cases: Mapping[str, CaseReading]
    texts: Mapping[str, Assertions]
    ontology: Ontology

    @classmethod
    def of(
        cls, evidence: Sequence[Evidence], source: DefinitionSource, ontology: Ontology
    ) -> _Readings:
        cases = [e for e in evidence if isinstance(e.item, Case)]
        return cls(
            {r.key: r for r in read_again(cases, source)},
            {e.key: text_assertions(e, source) for e in evidence},
            ontology,
        )

    def agrees(self, claim: Claim) -> bool:
        return any(claim.assertion in self._assertions(key, claim.concept) for key in claim.keys)

    def opposes(self, claim: Claim) -> bool:
        return bool(contradicted_by(claim, self.cases, self.ontology))

    def doubts(self, claim: Claim) -> bool:
        """Whether what is affirmed is only suspected in what it cites."""
        return claim.assertion is Assertion.AFFIRMED and any(
            Assertion.UNCERTAIN in self._assertions(key, claim.concept) for key in claim.keys
        )

    def _assertions(self, key: str, concept: str) -> frozenset[Assertion | None]:
        """What a piece of evidence says of a concept; ``{None}`` where it does not mention it.

        A case says it in its report, its diagnosis or a label, whatever it says in another.
        """
        assertions: set[Assertion | None] = set(self.texts.get(key, {}).get(concept, ()))
        if key in self.cases:
            case = self.cases[key]
            assertions |= {m.assertion for m in named_mentions(case) if m.concept == concept}
            statement = says_of(case, concept, self.ontology)
            assertions |= {statement.assertion} if statement else set()
        return frozenset(assertions or {None})
