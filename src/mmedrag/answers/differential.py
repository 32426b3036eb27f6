"""The differential: which diagnoses the similar cases have, and what speaks against each.

A case's diagnosis is what its source gives as such; where it gives none, its labels, and behind
these the diseases that its report affirms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mmedrag.answers.answerable import is_bare
from mmedrag.answers.nearness import nearness
from mmedrag.answers.statements import CaseReading, Named, calls_normal, elsewhere, says_of
from mmedrag.protocols import Ontology
from mmedrag.text.quotations import label
from mmedrag.text.wording import normal, spans
from mmedrag.types import Assertion, Candidate, Claim, Kind, Mention, Question, QuestionKind

FROM_DIAGNOSIS, FROM_LABEL, FROM_FINDING, FROM_REPORT = 1.0, 0.9, 0.6, 0.5
"""How much a case counts for a diagnosis that its source, a label or its report alone names, and
for a label that is a finding ("opacity") and no disease, which counts the less the more labels
stand beside it: many labels list what is seen."""

UNNAMED = "diagnosis:"
"""Begins the code of a diagnosis that no dictionary has: its words in their normal form."""

_SHORT = re.compile(r"[A-Z]{1,2}|\d+")
# What stands behind the head of a diagnosis: "Sarcoidosis, abdomen and liver", "X due to Y".
_TAIL = re.compile(
    r"\s*(?:\(|\[|[,:] |-? - |- | / | (?:secondary|due|status|confirmed|consistent|caused"
    r"|presenting|resulting|complicat\w+|associated|versus|vs|with|in|from|after|following|causing)\b).*$",
    re.IGNORECASE | re.DOTALL,
)

KINDS = 5
"""Kinds of a disease of no organ up to which it may stand for words that say more."""

NEAR = 15
"""Characters behind a disease within which a part of the body must follow."""

_LEAD = re.compile(
    r"(?:\W*\d+[.)]\s*|(?:\w+ )?diagnos[ie]s\s*:\s*"
    r"|(?:findings?|pathology|histology|imaging)(?: is| are| was| were)?"
    r" (?:consistent|compatible) with )+",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\([^)]*\)|[.\"]")
_OF = re.compile(r"\b(?:of|to|for|by)\b", re.IGNORECASE)


@dataclass(slots=True)
class _Support:
    """A diagnosis with the cases that have it. ``words`` are the names that they give it.

    ``surest`` is the most that one of them counts for it.
    """

    code: str
    words: Counter[str] = field(default_factory=Counter)
    keys: list[str] = field(default_factory=list)
    patients: dict[str, float] = field(default_factory=dict)
    surest: float = 0.0

    @property
    def weight(self) -> float:
        """Every patient counts once, however many images are here."""
        return sum(self.patients.values())


def candidates(
    question: Question, readings: Sequence[CaseReading], ontology: Ontology
) -> list[Candidate]:
    """The diagnoses of the cases by support: each patient as much as the nearest case is near.

    Base rates are filled in by who can count them.
    """
    named = _findings_named(question, ontology)
    supports: dict[str, _Support] = {}
    weights = _weights(question, readings, ontology)
    for reading in readings:
        case = reading.case
        patient = case.patient_id or case.study_id or case.id
        found = list(diagnoses_of(reading, ontology))
        normal = any(ontology.kind(code) is Kind.NORMAL for code, _, _ in found)
        for code, words, weight in found:
            if any(ontology.is_a(concept, code) for concept in named):
                continue
            if normal and code.startswith(UNNAMED) and calls_normal(words):
                continue
            support = supports.setdefault(code, _Support(code))
            support.words[words] += 1
            support.surest = max(support.surest, weight)
            if reading.key not in support.keys:
                support.keys.append(reading.key)
            counted = support.patients.get(patient, 0.0)
            support.patients[patient] = max(counted, weight * weights[reading.key])
    shown = list(supports.values()) if question.query.image else _diseases(supports, ontology)
    if named:  # what explains a finding is no normal study
        shown = [s for s in shown if ontology.kind(s.code) is not Kind.NORMAL]
    ordered = sorted(_special(shown, ontology), key=lambda s: -s.weight)
    return [
        Candidate(
            diagnosis=_name(support, ontology),
            concept="" if support.code.startswith(UNNAMED) else support.code,
            keys=tuple(support.keys),
            of=len(readings),
            against=_against(question, support, readings, ontology),
        )
        for support in ordered
    ]


def _weights(
    question: Question, readings: Sequence[CaseReading], ontology: Ontology
) -> dict[str, float]:
    """How much each case counts: as it is near, and for a text as often as it shares a finding."""
    weights = nearness([r.evidence for r in readings])
    if question.query.image is not None:
        return weights
    named = {m.concept for m in question.mentions
             if m.kind.is_finding and m.assertion is not Assertion.NEGATED}  # fmt: skip
    for reading in readings:
        statements = [says_of(reading, concept, ontology) for concept in named]
        shared = sum(s is not None and s.assertion is Assertion.AFFIRMED for s in statements)
        weights[reading.key] *= 1 + shared
    return weights


def _findings_named(question: Question, ontology: Ontology) -> frozenset[str]:
    """The findings that a question names: none explains itself, nor does what it is a kind of.

    A disease may be known of the patient who is asked about; where nobody is, it is what is asked.
    """
    intent = question.intent
    if intent is not None and intent.kind is QuestionKind.DIFFERENTIAL and is_bare(question):
        return frozenset(m.concept for m in question.mentions if m.kind.is_finding)
    stated = {m.concept for m in question.mentions if m.kind is Kind.FINDING}
    return frozenset(c for c in stated if ontology.kind(c) is Kind.FINDING)


def _diseases(supports: Mapping[str, _Support], ontology: Ontology) -> list[_Support]:
    """Without labels that only list what was seen, where any case has a diagnosis or disease.

    Of an image they may be all that is known of its kind.
    """
    better = [
        s
        for code, s in supports.items()
        if s.surest > FROM_FINDING or ontology.kind(code) is not Kind.FINDING
    ]
    return better or list(supports.values())


def _special(supports: Sequence[_Support], ontology: Ontology) -> list[_Support]:
    """Without a diagnosis all of whose cases have one and the same kind of it.

    Of two that the same cases have and whose last word is one ("pituitary tumour; brain tumour")
    the first stays.
    """
    first = {(tuple(s.keys), _head(s, ontology)): s for s in reversed(supports)}
    return [
        wide
        for wide in supports
        if (len(wide.keys) < 2 or first[tuple(wide.keys), _head(wide, ontology)] is wide)
        and not any(
            narrow is not wide
            and set(wide.keys) <= set(narrow.keys)
            and ontology.is_a(narrow.code, wide.code)
            and not ontology.is_a(wide.code, narrow.code)
            for narrow in supports
        )
    ]


def _head(support: _Support, ontology: Ontology) -> str:
    words = normal_form(_name(support, ontology)).split()
    return words[-1] if words else support.code


def diagnoses_of(reading: CaseReading, ontology: Ontology) -> Iterator[tuple[str, str, float]]:
    """Code, words and weight of every diagnosis of a case, each code once, the surest first.

    A label that the report doubts or denies is none.
    """
    seen: set[str] = set()
    sources = ((reading.diagnosis, FROM_DIAGNOSIS), (reading.labels, FROM_LABEL))
    for names, weight in sources:
        for named in names:
            code, words = coded(named, ontology, is_label=weight == FROM_LABEL)
            stated = reading.stated.get(code)
            disputed = stated is not None and stated.assertion is not Assertion.AFFIRMED
            is_more = weight == FROM_DIAGNOSIS and _goes_on(names[0], named)
            if code.startswith(UNNAMED) and is_more:
                continue
            if code and code not in seen and not (disputed and weight == FROM_LABEL):
                seen.add(code)
                is_finding = weight == FROM_LABEL and ontology.kind(code) is Kind.FINDING
                yield code, words, FROM_FINDING / len(names) if is_finding else weight
    for concept, statement in reading.stated.items():
        mention = statement.mention
        affirmed = statement.assertion is Assertion.AFFIRMED and mention.kind is Kind.DISEASE
        if affirmed and concept not in seen and not _covered(concept, seen, ontology):
            seen.add(concept)
            yield concept, label(mention.term), FROM_REPORT if len(seen) > 1 else FROM_LABEL


def _covered(concept: str, seen: set[str], ontology: Ontology) -> bool:
    """Whether a more special or the same diagnosis of the case is there already."""
    return any(ontology.is_a(c, concept) for c in seen if not c.startswith(UNNAMED))


def coded(named: Named, ontology: Ontology, *, is_label: bool) -> tuple[str, str]:
    """The concept of a diagnosis and its name, or a code of its own words.

    The longest disease (or finding) that the words name stands for them where it is most of their
    head ("sarcoidosis" of "Sarcoidosis, abdomen and liver"), or of all of them; so does a disease
    that their head is a kind of ("melanoma" of "Stage IV melanoma"). A label may be a category
    ("Head", "N"): one that names no finding is none of a disease, nor is a sentence of how the
    diagnosis was made.
    """
    whole = named.text.strip()
    if not whole or _SHORT.fullmatch(whole):
        return "", ""
    stated = [m for m in named.mentions if m.assertion is Assertion.AFFIRMED]
    begin = _LEAD.match(whole)
    start = begin.end() if begin else 0
    head = whole[:start] + (_TAIL.sub("", whole[start:]) or whole[start:])
    for text in (head, whole):
        best = _longest([m for m in stated if m.end <= len(text)])
        if best is not None and (best.end - best.start) * 2 >= len(text) - start:
            return best.concept, label(best.term)
    kind = next((m for m in stated if _is_head(m, named, start, ontology)), None)
    if kind is not None:
        return kind.concept, label(kind.term)
    if _longest(stated) is None and (is_label or _is_no_diagnosis(named, stated)):
        return "", ""
    return UNNAMED + normal_form(head[start:]), label(whole[start:])


def _goes_on(first: Named, named: Named) -> bool:
    """Whether words behind the first diagnosis only tell more of it: ", low-grade", ", liver"."""
    if named is first:
        return False
    place = sum(m.end - m.start for m in named.mentions if m.kind is Kind.ANATOMY)
    is_lower = first.text[:1].isupper() and named.text[:1].islower()
    return is_lower or place * 10 >= len(named.text) * 9


def _is_no_diagnosis(named: Named, stated: Sequence[Mention]) -> bool:
    """Whether all that is named is denied, or how something was done or measured."""
    made = any(m.kind in (Kind.TECHNIQUE, Kind.MEASUREMENT) for m in stated)
    return bool(named.mentions) and (made or not stated)


def _is_head(mention: Mention, named: Named, start: int, ontology: Ontology) -> bool:
    """Whether the words name a kind of a disease: it ends their head.

    Behind it stand only a side, a part of the body or what a head leaves out ("Chronic
    osteomyelitis left tibia", "Meningioma of planum sphenoidale"). A disease of no organ and of
    many kinds stands for no longer words: "endobronchial tumours" says more than "tumour".
    """
    text, concept = named.text, mention.concept
    few = ontology.region(concept) or len(ontology.descendants(concept)) <= KINDS
    if mention.kind is not Kind.DISEASE or not few or _OF.search(text[start : mention.start]):
        return False
    after = _ASIDE.sub("", text[mention.end :]).strip()
    if not after or _TAIL.match(f" {after}") or _OF.match(after):
        return True
    places = (m.start for m in named.mentions if m.kind is Kind.ANATOMY)
    return any(mention.end < place <= mention.end + NEAR for place in places)


def _longest(mentions: Sequence[Mention]) -> Mention | None:
    """The longest disease; where there is none, the longest finding."""
    diseases = [m for m in mentions if m.kind is Kind.DISEASE]
    findings = [m for m in mentions if m.kind in (Kind.FINDING, Kind.NORMAL)]
    return max(diseases or findings, key=lambda m: m.end - m.start, default=None)


def code_of(candidate: Candidate) -> str:
    """The concept of a candidate, or the code of its words."""
    return candidate.concept or UNNAMED + normal_form(candidate.diagnosis)


def normal_form(text: str) -> str:
    """The words of a diagnosis whatever their case, spelling and endings."""
    tokens = [normal(text[a:b]) for a, b in spans(text)]
    return " ".join(t for t in tokens if t[:1].isalnum())


def _name(support: _Support, ontology: Ontology) -> str:
    if not support.code.startswith(UNNAMED):
        return label(ontology.name(support.code))
    return support.words.most_common(1)[0][0]


def _against(
    question: Question, support: _Support, readings: Sequence[CaseReading], ontology: Ontology
) -> tuple[Claim, ...]:
    """Findings on which the question and the cases of a diagnosis differ."""
    cases = [r for r in readings if r.key in support.keys]
    claims = []
    for mention in {m.concept: m for m in question.mentions}.values():
        if not mention.kind.is_finding or mention.concept == support.code:
            continue
        opposite = {
            Assertion.NEGATED: Assertion.AFFIRMED,
            Assertion.AFFIRMED: Assertion.NEGATED,
        }.get(mention.assertion)
        keys = tuple(
            r.key for r in cases
            if opposite is not None
            and (s := says_of(r, mention.concept, ontology)) is not None
            and s.assertion is opposite
            and not elsewhere(mention, s)
        )  # fmt: skip
        if keys:
            claims.append(Claim(mention.concept, label(mention.term), opposite, keys, len(cases)))
    denied = tuple(
        r.key for r in readings
        if not support.code.startswith(UNNAMED)
        and (s := says_of(r, support.code, ontology)) is not None
        and s.assertion is Assertion.NEGATED
    )  # fmt: skip
    if denied:
        name = _name(support, ontology)
        claims.append(Claim(support.code, name, Assertion.NEGATED, denied, len(readings)))
    return tuple(claims)
