"""The last step of section 3.6 without a network: an answer made of what the evidence itself says.

The brief is put into words: first the direct reply, then why, then the rest. Reports are quoted,
nothing is inferred, and every sentence carries the marks of the evidence that it describes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmedrag.answers.analysis import PLAIN, CaseAnalyst, shown
from mmedrag.answers.features import FEATURE
from mmedrag.answers.foreign import UNREAD
from mmedrag.answers.passages import instruction_like
from mmedrag.answers.question_rules import ABNORMAL
from mmedrag.answers.quotes import FILLED, LONGEST, opening, quoted
from mmedrag.answers.replies import cited, direct_reply, joined
from mmedrag.answers.scope import NO_MEDICINE, PROGRAM
from mmedrag.answers.sections import (
    against_question,
    differential_lines,
    disagreements,
    finding_lines,
    other_side,
)
from mmedrag.answers.support import is_whole
from mmedrag.entailment import NORMAL
from mmedrag.text.quotations import label
from mmedrag.types import (
    Assertion,
    Brief,
    Case,
    Definition,
    Evidence,
    Question,
    QuestionKind,
    Reply,
)


@dataclass(frozen=True, slots=True)
class ExtractiveGenerator:
    """Quotes and organises the evidence; needs no model, sends nothing, always says the same.

    ``analyst`` makes the brief where the question brings none. ``quotes``, ``findings`` and
    ``terms`` bound the lines of each section. Evidence that reads like an instruction to a program
    is neither quoted nor counted, and named as set aside.
    """

    analyst: CaseAnalyst = PLAIN
    quotes: int = 4
    findings: int = 6
    terms: int = 4

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        """Yield the answer, a section a piece (see ``docs/guide/answers.md`` for the sections)."""
        suspect = [e for e in evidence if instruction_like(shown(e))]
        keys = {e.key for e in suspect}
        sound = [e for e in evidence if e.key not in keys]
        brief = question.brief or self.analyst.brief(question, evidence, None)
        if not sound and not brief.declined:
            return
        cases = _of_feature(question, brief, [e for e in sound if isinstance(e.item, Case)])
        definitions = [e for e in sound if isinstance(e.item, Definition)]
        sections = self._sections(question, brief, cases, definitions)
        yield from joined(["\n".join(s) for s in (*sections, _set_aside(suspect)) if s])

    def _sections(
        self,
        question: Question,
        brief: Brief,
        cases: Sequence[Evidence],
        definitions: Sequence[Evidence],
    ) -> list[list[str]]:
        """The sections in the order that the kind of question asks for."""
        closest = self._closest(question, brief, cases)
        reply = direct_reply(question, brief, cases, definitions)
        terms = self._terms(brief, definitions)
        unanswered = [f"Not answered: {_lowered(brief.unanswered)}"] if brief.unanswered else []
        if question.intent is not None and question.intent.rule == UNREAD:
            reply, unanswered = [*unanswered, *reply], []
        if brief.declined:
            return [reply, [] if brief.reason in (NO_MEDICINE, PROGRAM) else closest]
        if brief.compared:
            return [reply, ["Their reports:", *closest[1:]], terms]
        if brief.kind is QuestionKind.DEFINITION:
            return [terms, reply, unanswered, closest]
        findings = finding_lines(question, brief, cases, self.findings)
        if brief.kind is QuestionKind.NORMALITY and brief.reply is Reply.YES:
            findings = []
        return [
            reply,
            unanswered,
            differential_lines(question, brief),
            closest,
            findings,
            disagreements(brief),
            against_question(question, cases, self.analyst),
            other_side(question, cases),
            terms,
        ]

    def _closest(self, question: Question, brief: Brief, cases: Sequence[Evidence]) -> list[str]:
        compared = brief.compared
        first = _latest_first(brief, cases) if compared else showing(question, brief, cases)
        lines = []
        for case in first[: self.quotes]:
            quote = quoted(question, case, self.analyst.source)
            report = f"“{quote}”" if quote else "no report"
            lines.append(f"- {_label(case)}: {report} [{case.key}]")
        title = "Similar cases:" if brief.declined else "Closest cases:"
        return [title, *lines] if lines else []

    def _terms(self, brief: Brief, definitions: Sequence[Evidence]) -> list[str]:
        by_key = {d.key: d for d in definitions}
        chosen = [by_key[k] for k in brief.definitions if k in by_key]
        defining = brief.kind is QuestionKind.DEFINITION
        lines = [line for d in chosen[: self.terms] if (line := _term(d, whole=defining))]
        return ["Terms:", *lines] if lines else []


def _of_feature(question: Question, brief: Brief, cases: list[Evidence]) -> list[Evidence]:
    """Asked what goes with a disease, the cases that have it, if any does; else all."""
    intent = question.intent
    if intent is None or intent.detail != FEATURE:
        return cases
    having = {k for c in brief.claims if c.concept == intent.concepts[0] for k in c.keys}
    return [c for c in cases if c.key in having] or cases


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def showing(question: Question, brief: Brief, cases: Sequence[Evidence]) -> Sequence[Evidence]:
    """The cases that affirm what a text asks about, then those that are only like it.

    A term that is explained is shown by such cases or by none. Who asks for cases that are not
    normal is shown normal ones last.
    """
    if question.query.image is not None:
        return cases
    if question.intent is not None and question.intent.detail == ABNORMAL:
        studies = (c for c in brief.claims if c.concept == NORMAL)
        normal = {k for c in studies if c.assertion is Assertion.AFFIRMED for k in c.keys}
        return sorted(cases, key=lambda c: c.key in normal)
    ruled_out = {m.concept for m in question.mentions if m.assertion is Assertion.NEGATED}
    wanted = [
        c.keys for c in brief.claims
        if c.assertion is Assertion.AFFIRMED and is_whole(c) and c.concept not in ruled_out
        and question.intent is not None and c.concept in question.intent.concepts
    ]  # fmt: skip
    met = {c.key: sum(c.key in keys for keys in wanted) for c in cases}
    if brief.kind is QuestionKind.DEFINITION and brief.definitions:
        return [c for c in cases if met[c.key]]
    first = {keys[0] for keys in wanted} if brief.kind is QuestionKind.CHOICE else set()
    return sorted(cases, key=lambda c: (c.key not in first, -met[c.key]))


def _latest_first(brief: Brief, cases: Sequence[Evidence]) -> list[Evidence]:
    """The cases of the studies that were compared from the latest back, then the others."""
    rank = {key: number for number, key in enumerate(reversed(brief.compared))}
    return sorted(cases, key=lambda c: rank.get(c.key, len(rank)))


def _term(evidence: Evidence, *, whole: bool) -> str:
    quote = opening(evidence.text, LONGEST if whole else FILLED)
    item = evidence.item
    source = label(item.source) if isinstance(item, Definition) else ""
    where = f" ({source})" if source else ""
    return f"- {label(evidence.name)}{where}: “{quote}” [{evidence.key}]" if quote else ""


def _label(evidence: Evidence) -> str:
    """Key, domain, kind of image, diagnosis and similarity of a case."""
    case = evidence.item
    assert isinstance(case, Case)
    about = [str(case.domain or ""), label(case.modality)]
    if case.diagnosis:
        about.append(f"diagnosis “{label(case.diagnosis)}”")
    elif names := list(dict.fromkeys(f"“{label(n)}”" for n in case.labels if len(n) > 2)):
        about.append(f"labels {', '.join(names)}")
    shown_about = ", ".join(word for word in about if word)
    return (
        f"{evidence.key}{f', {shown_about}' if shown_about else ''}"
        f" (similarity {evidence.similarity:.2f})"
    )


def _set_aside(suspect: Sequence[Evidence]) -> list[str]:
    if not suspect:
        return []
    keys = cited([e.key for e in suspect])
    return [f"Set aside, because it reads like an instruction to a program: {keys}."]
