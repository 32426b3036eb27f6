"""What a case states: of each concept one thing, from its report, its diagnosis and its labels.

What a case says of a finding that is asked about follows the is-a relation: who affirms a pleural
effusion affirms an effusion, and who rules out an effusion rules out a pleural one. The reverse
holds in neither case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mmedrag.answers.findings import STRENGTH
from mmedrag.entailment import SIDES, normality
from mmedrag.protocols import DefinitionSource, Ontology
from mmedrag.text.assertions import assertions
from mmedrag.text.laterality import sides_of_findings
from mmedrag.text.wording import normal, spans
from mmedrag.types import Assertion, Case, Evidence, Kind, Mention

PHRASE = "text:"
"""Begins the code of a concept that no dictionary has: words of the question, looked up as such."""

_LIST = re.compile(r"\s*(?:;|\||\n|, (?=[a-z]))\s*")


@dataclass(frozen=True, slots=True)
class Statement:
    """What one case says of one concept; ``sides`` where its words leave no doubt."""

    mention: Mention
    assertion: Assertion
    sides: frozenset[str] = frozenset()


Statements: TypeAlias = Mapping[str, Statement]
"""By concept."""


@dataclass(frozen=True, slots=True)
class Named:
    """A diagnosis or a label as it stands in the record, and the terms recognised in it."""

    text: str
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class CaseReading:
    """A case of the evidence as it was read: its statements, its diagnosis, its labels."""

    evidence: Evidence
    stated: Statements
    diagnosis: tuple[Named, ...] = ()
    labels: tuple[Named, ...] = ()

    @property
    def key(self) -> str:
        """The mark that names it."""
        return self.evidence.key

    @property
    def case(self) -> Case:
        """The case itself."""
        assert isinstance(self.evidence.item, Case)
        return self.evidence.item


def read_cases(cases: Sequence[Evidence], source: DefinitionSource | None) -> list[CaseReading]:
    """Read what the cases state. Reports were recognised before; diagnoses and labels are here."""
    texts = texts_of_names(c.item for c in cases if isinstance(c.item, Case))
    read = source.recognise([*texts.values()]) if source else [()] * len(texts)
    by_name = dict(zip(texts, read, strict=True))
    return [_read(c, c.item, by_name) for c in cases if isinstance(c.item, Case)]


def texts_of_names(cases: Iterable[Case]) -> dict[str, str]:
    """What is read of each diagnosis and label of the cases, by the name itself."""
    return {name: _sentence(name) for case in cases for name in _names(case)}


def _names(case: Case) -> Iterator[str]:
    yield from (name for name in _LIST.split(case.diagnosis.strip()) if name)
    yield from (_readable(label) for label in case.labels if label.strip())


def _readable(label: str) -> str:
    """A label as words: ``Pulmonary_Atelectasis`` is "Pulmonary Atelectasis"."""
    return re.sub(r"[_/]+|(?<=[a-z])(?=[A-Z][a-z])", " ", label).strip()


def _sentence(name: str) -> str:
    """Names in capitals are read like any other words."""
    return name.lower() if name.isupper() and len(name) > 6 else name


def _read(
    evidence: Evidence, case: Case, by_name: Mapping[str, tuple[Mention, ...]]
) -> CaseReading:
    diagnosis = tuple(Named(n, by_name[n]) for n in _LIST.split(case.diagnosis.strip()) if n)
    labels = tuple(Named(n, by_name[n]) for n in map(_readable, case.labels) if n)
    sides = sides_of_findings(case.text, evidence.mentions)
    by_concept: dict[str, list[Mention]] = {}
    for mention in (*evidence.mentions, *(m for name in diagnosis for m in name.mentions)):
        by_concept.setdefault(mention.concept, []).append(mention)
    labelled = (m for name in labels for m in name.mentions)
    for mention in sorted(labelled, key=lambda m: m.assertion is Assertion.AFFIRMED):
        mentions = by_concept.setdefault(mention.concept, [])
        if mention.assertion is not Assertion.AFFIRMED or not _doubted(mentions):
            mentions.append(mention)
    stated = {
        concept: Statement(mentions[0], _verdict(mentions), frozenset(sides.get(concept, ())))
        for concept, mentions in by_concept.items()
    }
    return CaseReading(evidence, stated, diagnosis, labels)


def _doubted(mentions: Sequence[Mention]) -> bool:
    """Whether the report only suspects it: a label, often made of the report, is no surer."""
    assertions = {m.assertion for m in mentions}
    return Assertion.UNCERTAIN in assertions and Assertion.AFFIRMED not in assertions


def _verdict(mentions: Sequence[Mention]) -> Assertion:
    """The strongest assertion. Who affirms and negates the same is in doubt about it.

    A denial of one side or lobe says nothing of the others: it takes back no finding elsewhere, and
    alone it leaves the finding open.
    """
    assertions = {m.assertion for m in mentions}
    if Assertion.NEGATED in assertions and assertions <= {Assertion.AFFIRMED, Assertion.NEGATED}:
        denied = {s for m in mentions if m.assertion is Assertion.NEGATED for s in m.sites}
        whole = any(m.assertion is Assertion.NEGATED and not m.sites for m in mentions)
        partial = not whole and not set(SIDES) <= denied
        affirmed = [{*m.sites} for m in mentions if m.assertion is Assertion.AFFIRMED]
        if affirmed and partial and all(sites and not sites & denied for sites in affirmed):
            return Assertion.AFFIRMED
        return Assertion.UNCERTAIN if affirmed or partial else Assertion.NEGATED
    if {Assertion.AFFIRMED, Assertion.NEGATED} <= assertions:
        return Assertion.UNCERTAIN
    return min(assertions, key=STRENGTH.index)


def elsewhere(mention: Mention, statement: Statement) -> bool:
    """Whether a question names one side and a case affirms the finding without naming that one."""
    sides = {*mention.sites} & {*SIDES}
    affirmed = statement.assertion is Assertion.AFFIRMED
    return affirmed and len(sides) == 1 and not sides & statement.sides


def says_of(reading: CaseReading, concept: str, ontology: Ontology) -> Statement | None:
    """What the case says of a concept, or ``None`` where it does not mention it.

    The strongest statement on the concept or one of its kinds; else the ruling out of something
    that it is a kind of.
    """
    if concept.startswith(PHRASE):
        return _says_of_words(reading.case, concept.removeprefix(PHRASE))
    exact = reading.stated.get(concept)
    below = [s for c, s in reading.stated.items() if c != concept and ontology.is_a(c, concept)]
    held = [s for s in below if s.assertion is not Assertion.NEGATED]
    candidates = [*([exact] if exact else []), *held]
    if candidates:
        return min(candidates, key=lambda s: STRENGTH.index(s.assertion))
    return next(
        (s for c, s in reading.stated.items()
         if s.assertion is Assertion.NEGATED and c != concept and ontology.is_a(concept, c)),
        None,
    )  # fmt: skip


def _says_of_words(case: Case, words: str) -> Statement | None:
    """What the report says of words that no dictionary knows, judged by the same rules."""
    mentions = phrase_mentions(case.text, words)
    if not mentions:
        return None
    return Statement(mentions[0], _verdict(mentions))


def phrase_mentions(text: str, words: str) -> list[Mention]:
    """Every place where ``words`` stand in a text, whatever their endings, with its assertion."""
    wanted = [normal(words[a:b]) for a, b in spans(words)]
    token_spans = spans(text)
    tokens = [normal(text[a:b]) for a, b in token_spans]
    n = len(wanted)
    hits = [
        (token_spans[i][0], token_spans[i + n - 1][1])
        for i in range(len(tokens) - n + 1)
        if n and tokens[i : i + n] == wanted
    ]
    return [
        Mention(text[a:b], a, b, PHRASE + words, words, assertion)
        for (a, b), assertion in zip(hits, assertions(text, hits), strict=True)
    ]


def is_normal(reading: CaseReading) -> bool | None:
    """Whether the case is a normal study, or ``None`` where it says neither.

    Normal: its diagnosis or labels say so and name no finding; or its report affirms normality, and
    no finding or disease. Abnormal: it affirms one of these.
    """
    if named_normal(reading):
        return True
    return normality(
        {s.mention.kind for s in reading.stated.values() if s.assertion is Assertion.AFFIRMED}
    )


def named_mentions(reading: CaseReading) -> Iterator[Mention]:
    """The mentions in the diagnosis and the labels of a case."""
    yield from (m for name in (*reading.diagnosis, *reading.labels) for m in name.mentions)


def named_normal(reading: CaseReading) -> bool:
    """Whether its diagnosis or labels call a case normal and name no finding."""
    abnormal = any(
        m.kind in (Kind.FINDING, Kind.DISEASE) and m.assertion is Assertion.AFFIRMED
        for m in named_mentions(reading)
    )
    named = (*reading.labels, *reading.diagnosis)
    return not abnormal and any(calls_normal(n.text) for n in named)


def calls_normal(name: str) -> bool:
    """Whether a diagnosis or label says that nothing is wrong."""
    return _NORMAL.match(name.strip()) is not None


_NORMAL = re.compile(
    r"^(?:(?:completely |essentially )?normal\b.*|no (?:acute )?(?:abnormalit(?:y|ies)|findings?"
    r"|disease)|.*\bnormal"
    r"|healthy|unremarkable|no tumou?r|regular|negative)$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Tally:
    """Who says what of one concept, in the order of the cases."""

    concept: str
    term: str
    keys: dict[Assertion | None, list[str]] = field(default_factory=dict)

    def keys_of(self, assertion: Assertion | None) -> tuple[str, ...]:
        """The keys of the cases that say this of it; ``None`` for those that do not mention it."""
        return tuple(self.keys.get(assertion, ()))


def tally_of(concept: str, term: str, readings: Sequence[CaseReading], ontology: Ontology) -> Tally:
    """Every case sorted by what it says of a concept."""
    tally = Tally(concept, term)
    for reading in readings:
        statement = says_of(reading, concept, ontology)
        tally.keys.setdefault(statement.assertion if statement else None, []).append(reading.key)
    return tally


_GRADE = re.compile(
    r"\b(?:very )?(?:mild|moderate|severe|small|large|massive|minimal|tiny|early|advanced|slight"
    r"|marked|extensive|(?:non[- –]*)?proliferative"
    r"|well[- ]differentiated|moderately[- ]differentiated|poorly[- ]differentiated|low[- ]grade"
    r"|high[- ]grade|intermediate[- ]grade"
    r"|(?:grade|stage|type) (?:[ivx]+|\d)[a-c]?)\b",
    re.IGNORECASE,
)
_NON = re.compile(r"^non[- –]*")
_NEAR = 32


def grades_of(reading: CaseReading, concept: str, ontology: Ontology) -> list[str]:
    """The grades that the words next to an affirmed finding give it, each once.

    Moderate non-proliferative retinopathy is moderate.
    """
    grades: dict[str, None] = {}
    texts = [(reading.case.text, reading.evidence.mentions)]
    texts += [(n.text, n.mentions) for n in (*reading.diagnosis, *reading.labels)]
    for text, mentions in texts:
        for m in mentions:
            if m.assertion is Assertion.AFFIRMED and ontology.is_a(m.concept, concept):
                before = re.split(r"[,;:.\n]", text[max(0, m.start - _NEAR) : m.start])[-1]
                after = re.split(r"[,;:.\n]", text[m.end : m.end + _NEAR])[0]
                words = " ".join((before, text[m.start : m.end], after))
                named = [_NON.sub("non-", g.lower()) for g in _GRADE.findall(words)]
                finer = [g for g in named if g != "non-proliferative"]
                grades.update(dict.fromkeys(finer or named))
    return list(grades)
