"""The last step of section 3.6 without a network: an answer made of what the evidence itself says.

Nothing here infers. Reports are quoted, their findings counted by who affirms and who negates them,
and every sentence carries the marks of the evidence that it describes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmedrag.answers.findings import STRENGTH, Finding, is_technique, statements, tally
from mmedrag.answers.passages import instruction_like, label, quotable
from mmedrag.text.laterality import sides_of_findings
from mmedrag.text.sentences import sentences, spans
from mmedrag.types import Assertion, Case, Definition, Evidence, Mention, Question

_LONGEST_QUOTE = 320
_FILLED_QUOTE = 160


@dataclass(frozen=True, slots=True)
class ExtractiveGenerator:
    """Quotes and organises the evidence; needs no model, sends nothing, always says the same.

    ``quotes``, ``findings`` and ``terms`` bound the lines of each section. Evidence that reads like
    an instruction to a program is neither quoted nor counted, and named as set aside.
    """

    quotes: int = 4
    findings: int = 8
    terms: int = 6

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        """Yield the answer, a section a piece; docs/guide/generation.md names the sections."""
        suspect = [e for e in evidence if instruction_like(_shown(e))]
        keys = {e.key for e in suspect}
        sound = [e for e in evidence if e.key not in keys]
        cases = [e for e in sound if isinstance(e.item, Case)]
        definitions = [e for e in sound if isinstance(e.item, Definition)]
        if not sound:
            return
        found = tally(question, cases)
        sections = (
            [_lead(question, cases, definitions, found)],
            _closest(question, cases[: self.quotes]),
            _listed(cases, found[: self.findings]),
            _disagreements(found),
            _against_question(question, cases, found),
            _other_side(question, cases),
            _terms(definitions[: self.terms]),
            _set_aside(suspect),
        )
        yield from _joined(["\n".join(lines) for lines in sections if lines])

    def what_is_sent(
        self, question: Question | None = None, evidence: Sequence[Evidence] = ()
    ) -> str:
        """One line on what leaves the machine: nothing."""
        return "Nothing leaves this machine."


def _shown(evidence: Evidence) -> str:
    """All that an answer may show of a piece of evidence."""
    item = evidence.item
    about = item.modality if isinstance(item, Case) else f"{item.term}\n{item.source}"
    return f"{about}\n{item.text}"


def _joined(sections: Sequence[str]) -> Iterator[str]:
    for i, section in enumerate(sections):
        yield f"\n\n{section}" if i else section


def _marks(keys: Sequence[str]) -> str:
    return f"[{', '.join(keys)}]"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _lead(
    question: Question,
    cases: Sequence[Evidence],
    definitions: Sequence[Evidence],
    found: Sequence[Finding],
) -> str:
    """The first line: what the similar cases have in common, or that they have nothing."""
    if not cases:
        keys = _marks([d.key for d in definitions])
        return f"No similar case was adequate; a dictionary explains the terms {keys}."
    says = _common(cases, found)
    if question.query.text.strip():
        return f"The {says}"
    return f"Going by the image alone, the {says}"


def _common(cases: Sequence[Evidence], found: Sequence[Finding]) -> str:
    one = len(cases) == 1
    who, s = ("one similar case", "s") if one else (f"{len(cases)} most similar cases", "")
    often = sorted((f for f in found if f.affirmed), key=lambda f: -len(f.affirmed))[:3]
    if not often:
        absent = [f for f in found if f.negated][:3]
        if absent:
            named = _and([f"{f.term} {_marks(f.negated)}" for f in absent])
            return f"{who} affirm{s} no finding that the dictionary knows and rule{s} out {named}."
        keys = _marks([c.key for c in cases])
        return f"{who} name{s} no finding that the dictionary knows {keys}."
    shared = [f for f in often if len(f.affirmed) * 2 > len(cases)]
    named = _and([f"{f.term} {_marks(f.affirmed)}" for f in shared or often])
    if one:
        return f"{who} describes {named}."
    return f"{who} {'mostly describe' if shared else 'differ; they describe'} {named}."


def _closest(question: Question, cases: Sequence[Evidence]) -> list[str]:
    lines = []
    for case in cases:
        quote = _quote(question, case)
        said = f"“{quote}”" if quote else "no report"
        lines.append(f"- {_label(case)}: {said} [{case.key}]")
    return ["Closest cases:", *lines] if lines else []


def _label(evidence: Evidence) -> str:
    case = evidence.item
    kind = label(case.modality) if isinstance(case, Case) else ""
    domain = str(case.domain or "") if isinstance(case, Case) else ""
    about = ", ".join(part for part in (domain, kind) if part)
    return f"{evidence.key}{f', {about}' if about else ''} (similarity {evidence.similarity:.2f})"


def _quote(question: Question, evidence: Evidence) -> str:
    """The sentence closest to the question, and the next ones while they are short."""
    parts = list(_located(evidence))
    if not parts:
        return ""
    asked = {m.concept for m in question.mentions}
    words = _words(question.query.text)
    scores = [
        3 * len(asked & {m.concept for m in said})
        + len(words & _words(part))
        + 0.1 * len({m.concept for m in said if m.assertion is Assertion.AFFIRMED})
        for part, said in parts
    ]
    first = scores.index(max(scores))
    quote = quotable(parts[first][0])
    for part, _ in parts[first + 1 :]:
        longer = f"{quote} {quotable(part)}"
        if len(longer) > _FILLED_QUOTE:
            break
        quote = longer
    return quote if len(quote) <= _LONGEST_QUOTE else _cut(quote)


def _cut(sentence: str) -> str:
    return sentence[:_LONGEST_QUOTE].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"


def _located(evidence: Evidence) -> Iterator[tuple[str, list[Mention]]]:
    """Each sentence with the mentions that it holds."""
    starts = [mention.start for mention in evidence.mentions]
    for start, end in spans(evidence.text):
        part = evidence.text[start:end].strip()
        if any(c.isalnum() for c in part):
            first, last = bisect_left(starts, start), bisect_left(starts, end)
            yield part, list(evidence.mentions[first:last])


def _words(text: str) -> set[str]:
    return {w.rstrip("s") for w in re.findall(r"[^\W\d_]{4,}", text.lower())} - _IDLE


_IDLE = frozenset(
    re.findall(
        r"\w+",
        "with without this that there what which does have show image patient case seen from "
        "likely evidence finding please describe about could would should most they these those",
    )
)


def _listed(cases: Sequence[Evidence], found: Sequence[Finding]) -> list[str]:
    if not found:
        return []
    place = "the case" if len(cases) == 1 else f"the {len(cases)} cases"
    return [f"Findings in {place}:", *(f"- {f.term}: {_who(f)}" for f in found)]


def _who(finding: Finding) -> str:
    said = [f"{a.value} {_marks(finding.said(a))}" for a in STRENGTH if finding.said(a)]
    return "; ".join(said)


def _disagreements(found: Sequence[Finding]) -> list[str]:
    return [
        f"The cases disagree on {f.term}: affirmed in {_marks(f.affirmed)}, "
        f"negated in {_marks(f.negated)}."
        for f in found
        if f.affirmed and f.negated
    ]


def _against_question(
    question: Question, cases: Sequence[Evidence], found: Sequence[Finding]
) -> list[str]:
    """What the question rules out, and what it names that no case affirms."""
    if not cases:
        return []
    by_concept = {f.concept: f for f in found}
    everyone = _marks([c.key for c in cases])
    lines = []
    for mention in statements(question.mentions).values():
        if is_technique(mention.term):
            continue
        term = label(mention.term)
        finding = by_concept.get(mention.concept, Finding(mention.concept, term))
        if mention.assertion is Assertion.NEGATED:
            lines.append(f"The question rules out {term}, {_echo(finding, everyone)}.")
        elif not finding.affirmed:
            lines.append(f"The question names {term}, {_echo(finding, everyone)}.")
    return lines


def _echo(finding: Finding, everyone: str) -> str:
    if finding.affirmed:
        return f"which is affirmed in {_marks(finding.affirmed)}"
    if finding.keys:
        return f"which the cases do not affirm either: {_who(finding)}"
    return f"which none of the cases mentions {everyone}"


def _other_side(question: Question, cases: Sequence[Evidence]) -> list[str]:
    """Where the question says right and a case says left of the same finding, or the reverse."""
    asked = sides_of_findings(question.query.text, question.mentions)
    terms = {m.concept: label(m.term) for m in question.mentions}
    lines = []
    for concept, sides in asked.items():
        told = [(c.key, sides_of_findings(c.item.text, c.mentions).get(concept)) for c in cases]
        other = [key for key, said in told if said and len(sides) == 1 and not sides & said]
        if other:
            (here,) = sides
            there = "left" if here == "right" else "right"
            lines.append(
                f"The side differs: the question says {here} {terms[concept]}, "
                f"{there} in {_marks(other)}."
            )
    return lines


def _terms(definitions: Sequence[Evidence]) -> list[str]:
    lines = []
    for evidence in definitions:
        quote = _opening(evidence.text)
        item = evidence.item
        source = label(item.source) if isinstance(item, Definition) else ""
        if quote:
            where = f" ({source})" if source else ""
            lines.append(f"- {label(evidence.name)}{where}: “{quote}” [{evidence.key}]")
    return ["Terms:", *lines] if lines else []


def _opening(text: str) -> str:
    """The first sentence, and the next ones while they are short."""
    quote = ""
    for part in map(quotable, sentences(text)):
        if quote and len(quote) + len(part) > _FILLED_QUOTE:
            break
        quote = f"{quote} {part}".strip()
    return quote if len(quote) <= _LONGEST_QUOTE else _cut(quote)


def _set_aside(suspect: Sequence[Evidence]) -> list[str]:
    if not suspect:
        return []
    keys = _marks([e.key for e in suspect])
    return [f"Set aside, because it reads like an instruction to a program: {keys}."]
