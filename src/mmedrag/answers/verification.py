"""The self-check: every claim is read again in the passages behind its marks.

Twice: the claims of a brief before anybody words them, and the sentences of an answer, whoever
wrote them, before they leave. A mark that does not support its claim is dropped from the brief; a
sentence that its marks contradict is struck.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mmedrag.answers.claims import Claim as Written
from mmedrag.answers.claims import claims
from mmedrag.answers.differential import UNNAMED, diagnoses_of, normal_form
from mmedrag.answers.findings import FLAT
from mmedrag.answers.statements import CaseReading, grades_of, is_normal, read_cases, says_of
from mmedrag.entailment import NORMAL
from mmedrag.protocols import DefinitionSource, Ontology
from mmedrag.types import Assertion, Brief, Candidate, Case, Claim, Evidence, Piece

STRUCK = "(A sentence was struck here: what it cites says otherwise, see [{keys}].)"
"""Stands where a contradicted sentence stood."""


def verified(
    brief: Brief, readings: Sequence[CaseReading], source: DefinitionSource, ontology: Ontology
) -> Brief:
    """The brief with the marks only that their passages support; empty claims are left out."""
    fresh = {r.key: r for r in read_again([r.evidence for r in readings], source)}
    return replace(
        brief,
        claims=tuple(_claims(brief.claims, fresh, ontology)),
        differential=tuple(_candidates(brief.differential, fresh, ontology)),
    )


def read_again(cases: Sequence[Evidence], source: DefinitionSource) -> list[CaseReading]:
    """The cases as the recogniser reads them now, whatever was recognised before."""
    recognised = source.recognise([c.text for c in cases])
    pairs = zip(cases, recognised, strict=True)
    return read_cases([replace(c, mentions=mentions) for c, mentions in pairs], source)


def _claims(
    made: Iterable[Claim], fresh: Mapping[str, CaseReading], ontology: Ontology
) -> Iterator[Claim]:
    for claim in made:
        keys = tuple(k for k in claim.keys if k in fresh and supports(fresh[k], claim, ontology))
        if keys:
            yield replace(claim, keys=keys)


def _candidates(
    made: Iterable[Candidate], fresh: Mapping[str, CaseReading], ontology: Ontology
) -> Iterator[Candidate]:
    codes = {k: {code for code, _, _ in diagnoses_of(r, ontology)} for k, r in fresh.items()}
    for candidate in made:
        code = candidate.concept or UNNAMED + normal_form(candidate.diagnosis)
        keys = tuple(
            k
            for k in candidate.keys
            if code in codes.get(k, ()) or (k in fresh and _affirms(fresh[k], code, ontology))
        )
        if keys:
            against = tuple(_claims(candidate.against, fresh, ontology))
            yield replace(candidate, keys=keys, against=against)


def _affirms(reading: CaseReading, code: str, ontology: Ontology) -> bool:
    statement = None if code.startswith(UNNAMED) else says_of(reading, code, ontology)
    return statement is not None and statement.assertion is Assertion.AFFIRMED


def supports(reading: CaseReading, claim: Claim, ontology: Ontology) -> bool:
    """Whether a case says what a claim says of it."""
    if claim.concept == NORMAL:
        state = {True: Assertion.AFFIRMED, False: Assertion.NEGATED, None: None}
        return state[is_normal(reading)] is claim.assertion
    statement = says_of(reading, claim.concept, ontology)
    if (statement.assertion if statement else None) is not claim.assertion:
        return False
    if claim.side:
        return statement is not None and " and ".join(sorted(statement.sides)) == claim.side
    grade = claim.grade
    return not grade or grade in grades_of(reading, claim.concept, ontology)


@dataclass(frozen=True, slots=True)
class ClaimChecker:
    """Reads the claims of a text while it is written, and strikes what its marks contradict.

    A sentence is let through when it is complete. It is struck where one of its claims is supported
    by none of its marks and opposed by one of them. What no dictionary knows is no claim, nor is
    a number of more cases than are shown.
    """

    source: DefinitionSource
    ontology: Ontology = FLAT

    def check(self, pieces: Iterable[Piece], evidence: Sequence[Evidence]) -> Iterator[Piece]:
        """The pieces, whole sentences at a time; a struck one leaves :data:`STRUCK` behind."""
        cases = [e for e in evidence if isinstance(e.item, Case)]
        readings = {r.key: r for r in read_again(cases, self.source)}
        held: list[Piece] = []
        for piece in pieces:
            if piece.retracts:
                held = []
                yield piece
                continue
            held.append(piece)
            while end := _complete("".join(p.text for p in held)):
                now, held = _split(held, end)
                yield from self._released(now, readings)
        yield from self._released(held, readings)

    def _released(
        self, pieces: Sequence[Piece], readings: Mapping[str, CaseReading]
    ) -> Iterator[Piece]:
        text = "".join(p.text for p in pieces)
        wrong = {
            key
            for claim in claims(text, self.source)
            for key in contradicted_by(claim, readings, self.ontology)
        }
        if not wrong or _counts_others(text, len(readings)):
            yield from pieces
            return
        keys = sorted(wrong, key=lambda k: (k[0], int(k[1:])))
        space = text[len(text.rstrip()) :]
        bullet = re.match(r"\s*(?:[-*•]\s+)?", text)
        lead = bullet.group() if bullet else ""
        yield Piece(lead + STRUCK.format(keys=", ".join(keys)) + space, tuple(keys),
                    struck=text.strip())  # fmt: skip


_COUNT = re.compile(r"\b\d[\d,.]* (?:out )?(?:of|de) (?:(?:the|los|las|os|as) )?(\d[\d,.]*)")


def _counts_others(text: str, cases: int) -> bool:
    """Whether a sentence counts more cases than are shown: of a corpus, not of what it cites."""
    return any(int(re.sub(r"\D", "", of)) > cases for of in _COUNT.findall(text))


def contradicted_by(
    claim: Written, readings: Mapping[str, CaseReading], ontology: Ontology
) -> list[str]:
    """The marked cases that say the opposite of a claim, if none of its marks supports it."""
    if claim.assertion is None:
        return []
    opposite = {
        Assertion.AFFIRMED: Assertion.NEGATED,
        Assertion.NEGATED: Assertion.AFFIRMED,
    }.get(claim.assertion)
    stated = {
        key: statement.assertion
        for key in claim.keys
        if key in readings and (statement := says_of(readings[key], claim.concept, ontology))
    }
    if claim.assertion in stated.values() or any(k not in readings for k in claim.keys):
        return []
    if any(_says_so(readings[key], claim) for key in stated):
        return []
    return [key for key, assertion in stated.items() if assertion is opposite]


def _says_so(reading: CaseReading, claim: Written) -> bool:
    """Whether the case says it in one place, whatever it says in another."""
    named = (m for name in (*reading.diagnosis, *reading.labels) for m in name.mentions)
    return any(
        m.concept == claim.concept and m.assertion is claim.assertion
        for m in (*reading.evidence.mentions, *named)
    )


# A sentence is over once what follows its stop cannot be a mark that still belongs to it.
_END = re.compile(r"(?:[.!?](?:\s*\[[CD]\d+(?:, [CD]\d+)*\])*[ \t]+(?=[^\s\[])|\n+(?=\S)|\n\n)")
_QUOTED = re.compile(r"“[^”\n]*”")


def _complete(text: str) -> int:
    """Where the first complete sentence ends; 0 where none does."""
    masked = _QUOTED.sub(lambda m: re.sub(r"[.!?]", "·", m[0]), text)
    opened = masked.rfind("“")
    if opened >= 0 and "”" not in masked[opened:] and "\n" not in masked[opened:]:
        masked = masked[:opened] + re.sub(r"[.!?]", "·", masked[opened:])
    end = _END.search(masked)
    return end.end() if end else 0


def _split(pieces: Sequence[Piece], end: int) -> tuple[list[Piece], list[Piece]]:
    """The pieces up to a character, and the rest; a piece of plain text is cut where it must be."""
    before: list[Piece] = []
    at = 0
    for i, piece in enumerate(pieces):
        if at + len(piece.text) <= end:
            before.append(piece)
            at += len(piece.text)
            continue
        cut = end - at
        if cut:
            before.append(replace(piece, text=piece.text[:cut], cited=(), removed=()))
            piece = replace(piece, text=piece.text[cut:])
        return before, [piece, *pieces[i + 1 :]]
    return before, []
