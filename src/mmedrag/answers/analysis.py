"""An answer as data: the direct reply and the claims behind it, before anybody words them.

Everything here is counted over the cases that were kept; nothing is inferred of the user's patient.
Every claim is read again in the passages behind its marks before it leaves
(:mod:`mmedrag.answers.verification`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mmedrag.answers import associations, counting, features
from mmedrag.answers.agreement import BOTH, GRADE, IMAGE, SIDE, TEXT, Agreement
from mmedrag.answers.answerable import findings_to_explain, is_bare
from mmedrag.answers.comparison import with_changes
from mmedrag.answers.differential import candidates, code_of
from mmedrag.answers.features import FEATURE
from mmedrag.answers.findings import FLAT
from mmedrag.answers.kinds import KIND_OF, kinds_of
from mmedrag.answers.numbers import Numbers, group_of
from mmedrag.answers.passages import instruction_like
from mmedrag.answers.question_rules import ABNORMAL
from mmedrag.answers.statements import (
    PHRASE,
    CaseReading,
    Tally,
    grades_of,
    is_normal,
    read_cases,
    says_of,
    tally_of,
)
from mmedrag.answers.support import expected_share, is_whole, support_of, support_of_first
from mmedrag.answers.verification import read_again, verified
from mmedrag.entailment import NORMAL
from mmedrag.protocols import CorpusStatistics, DefinitionSource, Ontology
from mmedrag.text.quotations import label
from mmedrag.types import (
    Assertion,
    Brief,
    Candidate,
    Case,
    Claim,
    Definition,
    Evidence,
    Intent,
    Kind,
    Prevalence,
    Question,
    QuestionKind,
    Reply,
    Verdict,
)

CANDIDATES = 8
FINDINGS = 8
_DECIDED = 0.75
_CLEAR = 0.5
_AHEAD = 2
"""How many times as many cases as the next a first grade or side must have to be clear."""
_WIDER = 2
"""Wider findings that are named beside one that is asked about."""
_GENERAL = 60
"""Kinds of a finding, such as a lesion, above which it says too little to be named so."""
_COUNTED = frozenset({QuestionKind.PRESENCE, QuestionKind.CHOICE, QuestionKind.SEARCH})
"""Kinds of question to which the cases that have a device are counted, too."""
_DECISIVE = (Assertion.AFFIRMED, Assertion.NEGATED, Assertion.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class CaseAnalyst:
    """An :class:`~mmedrag.protocols.Analyst`.

    ``source`` reads diagnoses, labels, and every claim once more; without it, what was recognised
    before is trusted. ``agreement`` says how often the neighbours of an image are right.
    """

    source: DefinitionSource | None = None
    ontology: Ontology = FLAT
    agreement: Agreement | None = None

    def brief(
        self, question: Question, evidence: Sequence[Evidence], corpus: CorpusStatistics | None
    ) -> Brief:
        """The reply, the claims, the differential and the definitions to be shown."""
        sound = [e for e in evidence if not instruction_like(shown(e))]
        cases = [e for e in sound if isinstance(e.item, Case)]
        definitions = [e for e in sound if isinstance(e.item, Definition)]
        readings = read_cases(cases, self.source)
        intent = question.intent or Intent(QuestionKind.SEARCH, "no rule was asked")
        targets = self._targets(question, intent)
        if intent.detail == FEATURE:
            readings = self._having(intent.concepts[0], readings)
        claims = self._claims(question, intent, targets, readings)
        counted = {c.concept for c in claims if c.asked}
        findings = [
            f for f in _findings(targets, readings, self.ontology) if f.concept not in counted
        ]
        if not any(c.concept == NORMAL for c in claims):
            findings += [c for c in _normality(readings) if c.assertion is Assertion.AFFIRMED]
        differential = self._differential(question, intent, readings)[:CANDIDATES]
        brief = Brief(intent.kind, Reply.UNKNOWN, claims=(*claims, *findings),
                      differential=tuple(differential), unanswered=intent.unanswered)  # fmt: skip
        if self.source is not None:
            brief = verified(brief, readings, self.source, self.ontology)
        if corpus is not None:
            brief = self._with_base_rates(brief, question, corpus)
        if corpus is not None:
            brief = self._numbered(brief, question, intent, targets, corpus)
        explained = self._definitions(brief, intent, targets, definitions)
        brief = replace(brief, definitions=explained)
        return self._replied(brief, question, intent, targets, readings, corpus)

    def support(
        self,
        concept: str,
        brief: Brief,
        question: Question,
        cases: Sequence[Evidence],
        corpus: CorpusStatistics | None,
    ) -> dict[str, float]:
        """The numbers by which a reply on an image is judged, of a brief without its reply."""
        expected = 0.0
        if corpus is not None:
            expected = expected_share(group_of(concept, self.ontology), question, cases, corpus)
        return support_of(concept, brief, cases, self.ontology, expected)

    def _having(self, disease: str, readings: Sequence[CaseReading]) -> list[CaseReading]:
        """The cases that affirm a disease; all where none does."""
        having = [
            r for r in readings
            if (said := says_of(r, disease, self.ontology)) is not None
            and said.assertion is Assertion.AFFIRMED
        ]  # fmt: skip
        return having or list(readings)

    def _differential(
        self, question: Question, intent: Intent, readings: Sequence[CaseReading]
    ) -> list[Candidate]:
        """The diagnoses of the cases; where kinds of a finding are asked for, those alone.

        What a finding may be is told by the cases that have it, and by no other.
        """
        if intent.detail == KIND_OF:
            return kinds_of(intent.concepts, readings, self.ontology)
        named = findings_to_explain(question)
        having = [r for r in readings if not named or self._affirms_any(r, named)]
        found = candidates(question, having, self.ontology)
        return [replace(c, of=len(readings)) for c in found]

    def _affirms_any(self, reading: CaseReading, concepts: Collection[str]) -> bool:
        stated = (says_of(reading, c, self.ontology) for c in concepts)
        return any(s is not None and s.assertion is Assertion.AFFIRMED for s in stated)

    def _targets(self, question: Question, intent: Intent) -> dict[str, str]:
        """The terms that are asked about, by concept; words of the question where none is known."""
        named = {m.concept: m.term for m in question.mentions}
        terms = {c: named.get(c) or self.ontology.name(c) for c in intent.concepts}
        kinds = {m.concept: m.kind for m in question.mentions}
        if intent.kind is QuestionKind.DEFINITION:
            return terms
        if intent.detail == FEATURE:
            return terms | {PHRASE + words: words for words in intent.phrases}
        findings = {c: t for c, t in terms.items() if kinds.get(c, Kind.FINDING).is_finding}
        if intent.kind in _COUNTED:
            findings |= {c: t for c, t in terms.items() if kinds.get(c) is Kind.DEVICE}
        if findings or intent.kind not in (QuestionKind.PRESENCE, QuestionKind.CHOICE):
            return _without_ancestors(findings, self.ontology)
        return {PHRASE + words: words for words in intent.phrases}

    def _claims(
        self,
        question: Question,
        intent: Intent,
        targets: Mapping[str, str],
        readings: Sequence[CaseReading],
    ) -> list[Claim]:
        if intent.kind is QuestionKind.NORMALITY or intent.detail == ABNORMAL:
            return _normality(readings)
        if intent.detail == FEATURE:
            return _of_feature(targets, readings, self.ontology)
        claims = []
        for concept, term in targets.items():
            tally = tally_of(concept, label(term), readings, self.ontology)
            claims += [
                Claim(concept, tally.term, assertion, tally.keys_of(assertion), len(readings))
                for assertion in (*_DECISIVE, Assertion.HISTORICAL, None)
                if tally.keys_of(assertion)
            ]
            claims += _by_side(concept, tally.term, readings, self.ontology)
            claims += _by_kind_of(tally, readings, self.ontology)
            if intent.detail == "grade":
                claims += _by_grade(concept, tally.term, readings, self.ontology)
        return [*claims, *_normality(readings)] if targets and question.query.image else claims

    def _definitions(
        self,
        brief: Brief,
        intent: Intent,
        targets: Mapping[str, str],
        definitions: Sequence[Evidence],
    ) -> tuple[str, ...]:
        """Those of what is asked about, nearest first; else of terms that the lead names.

        "Left pleural effusion" may be explained as a pleural effusion.
        """
        wanted = list(targets) or list(intent.concepts)
        if intent.kind in (QuestionKind.DIFFERENTIAL, QuestionKind.DESCRIPTION):
            wanted += [c.concept for c in brief.differential[:3] if c.concept]
        concepts = {d.key: d.item.concept for d in definitions if isinstance(d.item, Definition)}
        exact = [k for w in wanted for k, c in concepts.items() if c == w]
        near = [k for w in wanted for k, c in concepts.items() if self.ontology.is_a(w, c)]
        return tuple(dict.fromkeys(exact or near))

    def _with_base_rates(self, brief: Brief, question: Question, corpus: CorpusStatistics) -> Brief:
        groups: dict[str, Collection[str]] = {}
        for claim in brief.claims:
            groups.setdefault(claim.concept, group_of(claim.concept, self.ontology))
        for candidate in brief.differential:
            groups.setdefault(code_of(candidate), group_of(code_of(candidate), self.ontology))
        rates = corpus.prevalence(question, groups)
        return replace(
            brief,
            claims=tuple(replace(c, prevalence=rates.get(c.concept)) for c in brief.claims),
            differential=tuple(
                replace(c, prevalence=rates.get(code_of(c))) for c in brief.differential
            ),
        )

    def _numbered(
        self,
        brief: Brief,
        question: Question,
        intent: Intent,
        targets: Mapping[str, str],
        corpus: CorpusStatistics,
    ) -> Brief:
        """The brief with what a question of numbers asks for."""
        numbers = Numbers(corpus, self.ontology)
        match intent.detail:
            case features.FEATURE:
                return numbers.beside_disease(brief, question, *targets)
            case counting.COUNT:
                return replace(brief, counts=numbers.counted(question, targets))
            case associations.ASSOCIATED:
                return replace(brief, counts=numbers.associated(brief, question, targets))
            case _:
                return brief

    def _replied(
        self,
        brief: Brief,
        question: Question,
        intent: Intent,
        targets: Mapping[str, str],
        readings: Sequence[CaseReading],
        corpus: CorpusStatistics | None,
    ) -> Brief:
        """The brief with its direct reply."""
        if intent.kind is QuestionKind.OUT_OF_SCOPE:
            return replace(brief, reply=Reply.DECLINED, reason=intent.rule, declined=intent.reason)
        if not readings and intent.kind is not QuestionKind.DEFINITION:
            return replace(brief, reason="no similar case was adequate")
        match intent.kind:
            case QuestionKind.PRESENCE if intent.detail == FEATURE:
                reply, reason = _goes_with(brief, targets)
            case QuestionKind.PRESENCE if intent.detail and not targets:
                reply, reason = self._lead(brief, question, readings)
            case QuestionKind.PRESENCE if intent.detail and self._of_an_image(question):
                reply, reason = self._detail(brief, intent.detail, readings)
            case QuestionKind.PRESENCE | QuestionKind.SEARCH if targets:
                return self._presence(brief, question, [*targets], readings, corpus)
            case QuestionKind.NORMALITY:
                return self._presence(brief, question, [NORMAL], readings, corpus)
            case QuestionKind.CHOICE if targets and self._of_an_image(question):
                verdicts = self._presence(brief, question, [*targets], readings, corpus)
                return _chosen(verdicts, targets)
            case QuestionKind.CHOICE if is_bare(question):
                reply, reason = Reply.MIXED, "nothing was given to tell them apart by"
            case QuestionKind.CHOICE:
                reply, reason = _choice(brief, targets)
            case QuestionKind.DEFINITION:
                reply, reason = _explained(brief)
            case QuestionKind.COMPARISON:
                cases = [r.evidence for r in readings]
                if self.source is not None:
                    cases = [r.evidence for r in read_again(cases, self.source)]
                return with_changes(brief, question, cases, self.ontology)
            case QuestionKind.PRESENCE:
                reply, reason = Reply.UNKNOWN, "no dictionary knows what is asked about"
            case _:
                reply, reason = self._lead(brief, question, readings)
        return replace(brief, reply=reply, reason=reason)

    def _presence(
        self,
        brief: Brief,
        question: Question,
        concepts: Sequence[str],
        readings: Sequence[CaseReading],
        corpus: CorpusStatistics | None,
    ) -> Brief:
        """Yes where the cases agree on it, no where they rule it out, else mixed or unknown."""
        verdicts = [
            Verdict(c, *self._of_one(c, brief, question, readings, corpus)) for c in concepts
        ]
        replies = {v.reply for v in verdicts}
        if len(replies) == 1:
            reply, reason = verdicts[0].reply, verdicts[0].reason
        elif replies <= {Reply.YES, Reply.NO, Reply.MIXED}:
            reply, reason = Reply.MIXED, "the findings asked about differ"
        else:
            unknown = next(v for v in verdicts if v.reply is Reply.UNKNOWN)
            reply, reason = unknown.reply, unknown.reason
        return replace(brief, reply=reply, reason=reason, verdicts=tuple(verdicts))

    def _of_an_image(self, question: Question) -> bool:
        return question.query.image is not None and self.agreement is not None

    def _detail(
        self, brief: Brief, detail: str, readings: Sequence[CaseReading]
    ) -> tuple[Reply, str]:
        """Whether the side or grade that most cases give stands out, as far as was measured."""
        assert self.agreement is not None
        given = [c for c in brief.claims if (c.side if detail == SIDE else c.grade)]
        if not given:
            return Reply.UNKNOWN, f"the cases give no {detail}"
        keys = sorted((c.keys for c in given), key=len, reverse=True)
        if len(keys) > 1 and len(keys[0]) < _AHEAD * len(keys[1]):
            return Reply.MIXED, f"the first {detail} is not {_AHEAD} times as frequent as the next"
        support = support_of_first(keys, [r.evidence for r in readings])
        return self.agreement.lead(support, SIDE if detail == SIDE else GRADE)

    def _of_one(
        self,
        concept: str,
        brief: Brief,
        question: Question,
        readings: Sequence[CaseReading],
        corpus: CorpusStatistics | None,
    ) -> tuple[Reply, str]:
        if self.agreement is not None and question.query.image is not None:
            cases = [r.evidence for r in readings]
            support = self.support(concept, brief, question, cases, corpus)
            return self.agreement.reply(support, normality=concept == NORMAL)
        yes, no, unsure = (
            next((len(c.keys) for c in brief.claims
                  if c.concept == concept and c.assertion is assertion and is_whole(c)), 0)
            for assertion in _DECISIVE
        )  # fmt: skip
        return _by_count(yes, no, unsure)

    def _lead(
        self, brief: Brief, question: Question, readings: Sequence[CaseReading]
    ) -> tuple[Reply, str]:
        """Whether the first diagnosis stands out, as far as that was measured."""
        if not brief.differential:
            if any(c.assertion is Assertion.AFFIRMED for c in brief.claims):
                return Reply.MIXED, "the cases name findings and no diagnosis"
            return Reply.UNKNOWN, "the cases name neither finding nor diagnosis"
        if question.intent is not None and question.intent.detail == KIND_OF:
            by_count = _lead_by_count(brief.differential)
            has_image = question.query.image is not None
            return (Reply.MIXED, "kinds are counted, not measured") if has_image else by_count
        if self.agreement is None:
            return _lead_by_count(brief.differential)
        first = brief.differential[0]
        if question.query.image is not None and self.ontology.kind(first.concept) is Kind.NORMAL:
            return Reply.MIXED, "images that look alike do not tell a normal study"
        has_text, has_image = bool(question.query.text.strip()), question.query.image is not None
        kind = TEXT if not has_image else BOTH if has_text else IMAGE
        keys = [c.keys for c in brief.differential]
        return self.agreement.lead(support_of_first(keys, [r.evidence for r in readings]), kind)


PLAIN = CaseAnalyst()
"""Trusts what was recognised, knows no relations and no figures of agreement."""


def shown(evidence: Evidence) -> str:
    """All that an answer may show of a piece of evidence."""
    item = evidence.item
    if isinstance(item, Case):
        return "\n".join((item.modality, item.diagnosis, *item.labels, item.text))
    return f"{item.term}\n{item.source}\n{item.text}"


def _without_ancestors(terms: Mapping[str, str], ontology: Ontology) -> dict[str, str]:
    """Asked for a pleural effusion, nobody needs to hear of effusions."""
    return {
        c: t for c, t in terms.items()
        if not any(o != c and ontology.is_a(o, c) for o in terms)
    } or dict(terms)  # fmt: skip


def _of_feature(
    targets: Mapping[str, str], readings: Sequence[CaseReading], ontology: Ontology
) -> list[Claim]:
    """Which cases affirm a disease, and what these say of a finding."""
    disease, finding = targets
    having = tally_of(disease, label(targets[disease]), readings, ontology)
    keys = having.keys_of(Assertion.AFFIRMED)
    if not keys:
        return []
    with_it = [r for r in readings if r.key in keys]
    tally = tally_of(finding, label(targets[finding]), with_it, ontology)
    return [
        Claim(disease, having.term, Assertion.AFFIRMED, keys, len(readings)),
        *(
            Claim(finding, tally.term, assertion, tally.keys_of(assertion), len(with_it))
            for assertion in (*_DECISIVE, Assertion.HISTORICAL, None)
            if tally.keys_of(assertion)
        ),
        *_by_kind_of(tally, with_it, ontology),
    ]


def _goes_with(brief: Brief, targets: Mapping[str, str]) -> tuple[Reply, str]:
    """Whether cases with a disease affirm a finding: one that does shows that it may."""
    disease, finding = targets
    if not any(c.concept == disease for c in brief.claims):
        return Reply.UNKNOWN, f"no case found affirms {label(targets[disease])}"
    about = [c for c in brief.claims if c.concept == finding]
    said = {c.assertion: len(c.keys) for c in about}
    yes, no = said.get(Assertion.AFFIRMED, 0), said.get(Assertion.NEGATED, 0)
    if about and (rate := about[0].prevalence) is not None and rate.of:
        yes, no = rate.affirmed, rate.negated
    return _by_count(yes, no, said.get(Assertion.UNCERTAIN, 0))


def _by_kind_of(tally: Tally, readings: Sequence[CaseReading], ontology: Ontology) -> list[Claim]:
    """What cases affirm that a finding is a kind of, where they say nothing of the finding itself.

    Who is asked for a pleural effusion and reads "effusion" does not know that there is none.
    """
    silent = {*tally.keys_of(None)}
    wider: dict[str, list[str]] = {}
    for reading in (r for r in readings if r.key in silent):
        for above in ontology.ancestors(tally.concept):
            said = reading.stated.get(above)
            if said is not None and said.assertion is Assertion.AFFIRMED:
                wider.setdefault(above, []).append(reading.key)
    telling = [c for c in wider if len(ontology.descendants(c)) <= _GENERAL]
    most = sorted(telling, key=lambda c: -len(wider[c]))[:_WIDER]
    n, yes, asked = len(readings), Assertion.AFFIRMED, tally.concept
    return [Claim(c, label(ontology.name(c)), yes, tuple(wider[c]), n, asked=asked) for c in most]


def _by_side(
    concept: str, term: str, readings: Sequence[CaseReading], ontology: Ontology
) -> list[Claim]:
    sides: dict[str, list[str]] = {}
    for reading in readings:
        statement = says_of(reading, concept, ontology)
        if statement and statement.assertion is Assertion.AFFIRMED and statement.sides:
            side = " and ".join(sorted(statement.sides))
            sides.setdefault(side, []).append(reading.key)
    return [
        Claim(concept, term, Assertion.AFFIRMED, tuple(keys), len(readings), side=side)
        for side, keys in sides.items()
    ]


def _by_grade(
    concept: str, term: str, readings: Sequence[CaseReading], ontology: Ontology
) -> list[Claim]:
    grades: dict[str, list[str]] = {}
    for reading in readings:
        for grade in grades_of(reading, concept, ontology):
            grades.setdefault(grade, []).append(reading.key)
    return [
        Claim(concept, term, Assertion.AFFIRMED, tuple(keys), len(readings), grade=grade)
        for grade, keys in grades.items()
    ]


def _normality(readings: Sequence[CaseReading]) -> list[Claim]:
    states = {r.key: is_normal(r) for r in readings}
    claims = []
    for assertion, state in ((Assertion.AFFIRMED, True), (Assertion.NEGATED, False), (None, None)):
        keys = tuple(k for k, s in states.items() if s is state)
        if keys:
            claims.append(Claim(NORMAL, "normal study", assertion, keys, len(readings)))
    return claims


def _findings(
    targets: Mapping[str, str], readings: Sequence[CaseReading], ontology: Ontology
) -> list[Claim]:
    """The other findings and diseases of the cases, those first that most affirm."""
    terms = {
        c: s.mention.term
        for r in readings for c, s in r.stated.items()
        if s.mention.kind in (Kind.FINDING, Kind.DISEASE) and c not in targets
    }  # fmt: skip
    targeted = [tally_of(c, t, readings, ontology) for c, t in targets.items()]
    others = [tally_of(c, label(t), readings, ontology) for c, t in terms.items()]
    special = [t for t in others if not _repeats(t, targeted, others, ontology)]
    order = sorted(special, key=lambda t: (-len(t.keys_of(Assertion.AFFIRMED)),
                                           -len(t.keys_of(Assertion.NEGATED))))  # fmt: skip
    return [
        Claim(t.concept, t.term, assertion, t.keys_of(assertion), len(readings))
        for t in order[:FINDINGS]
        for assertion in _DECISIVE
        if t.keys_of(assertion)
    ]


def _repeats(
    tally: Tally, targeted: Sequence[Tally], others: Sequence[Tally], ontology: Ontology
) -> bool:
    """Whether all that the cases say of a concept is said by a wider or a narrower one.

    Of a mass and a lung mass in the same cases the one that is asked about is named, else the
    narrower one; and a kind of what is ruled out needs no ruling out of its own.
    """
    affirmed, denied = ({*tally.keys_of(a)} for a in (Assertion.AFFIRMED, Assertion.NEGATED))
    for other in (*targeted, *others):
        if other is tally or other.concept == tally.concept:
            continue
        narrower = ontology.is_a(other.concept, tally.concept)
        wider = ontology.is_a(tally.concept, other.concept)
        if narrower and wider:  # two codes of one thing: the first stands for both
            if other in targeted or others.index(other) < others.index(tally):
                return True
            continue
        same = affirmed == {*other.keys_of(Assertion.AFFIRMED)}
        if narrower and (other in targeted or (same and affirmed)):
            return True
        if wider and affirmed and same and other in targeted:
            return True
        if wider and not affirmed and denied <= {*other.keys_of(Assertion.NEGATED)}:
            return True
    return _covered_by_kinds(tally, [t for t in (*targeted, *others) if t is not tally], ontology)


def _covered_by_kinds(tally: Tally, others: Sequence[Tally], ontology: Ontology) -> bool:
    """Whether every case that affirms a concept affirms one of its kinds that is named."""
    kinds = [t for t in others if ontology.is_a(t.concept, tally.concept)]
    affirmed = {*tally.keys_of(Assertion.AFFIRMED)}
    return bool(affirmed) and affirmed <= {k for t in kinds for k in t.keys_of(Assertion.AFFIRMED)}


def _by_count(yes: int, no: int, unsure: int) -> tuple[Reply, str]:
    decided = yes + no
    if not decided:
        why = "the cases only suspect it" if unsure else "the cases do not mention it"
        return Reply.UNKNOWN, why
    if yes >= _DECIDED * decided:
        return Reply.YES, "most cases that mention it affirm it"
    if no >= _DECIDED * decided:
        return Reply.NO, "most cases that mention it rule it out"
    return Reply.MIXED, "some cases affirm it and others rule it out"


def _choice(brief: Brief, targets: Mapping[str, str]) -> tuple[Reply, str]:
    """The option that more cases affirm, where one stands out."""
    counts = {
        term: sum(len(c.keys) for c in brief.claims
                  if c.concept == concept and c.assertion is Assertion.AFFIRMED and is_whole(c))
        for concept, term in targets.items()
    }  # fmt: skip
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    if not ordered or not ordered[0][1]:
        return Reply.UNKNOWN, "the cases affirm neither"
    if len(ordered) == 1 or ordered[0][1] >= 2 * max(1, ordered[1][1]):
        return Reply.YES, f"more cases affirm {label(ordered[0][0])}"
    return Reply.MIXED, "the cases affirm both about as often"


def _chosen(brief: Brief, targets: Mapping[str, str]) -> Brief:
    """The one option that the similar cases of an image say yes to, if it is one."""
    yes = [v for v in brief.verdicts if v.reply is Reply.YES]
    if len(yes) == 1:
        return replace(brief, reply=Reply.YES, reason=f"{targets[yes[0].concept]}: {yes[0].reason}")
    reply = Reply.MIXED if len(yes) > 1 else Reply.UNKNOWN
    return replace(brief, reply=reply, reason="images that look alike do not decide between them")


def _lead_by_count(differential: Sequence[Candidate]) -> tuple[Reply, str]:
    first = len(differential[0].keys)
    second = len(differential[1].keys) if len(differential) > 1 else 0
    share = first / max(1, differential[0].of)
    if first >= 2 and first >= 2 * second and share >= _CLEAR:
        return Reply.YES, f"{differential[0].diagnosis} stands out"
    return Reply.MIXED, "no diagnosis stands out"


def _explained(brief: Brief) -> tuple[Reply, str]:
    if brief.definitions:
        return Reply.YES, "a dictionary explains it"
    return Reply.UNKNOWN, "no dictionary here explains the term"


def base_rate(prevalence: Prevalence | None) -> str:
    """A base rate in words; empty where nobody counted."""
    if prevalence is None or not prevalence.of:
        return ""
    share = percent(prevalence.affirmed, prevalence.of)
    return f"{prevalence.affirmed:,} of {prevalence.of:,} in the searched corpus, {share}"


def percent(part: int, whole: int) -> str:
    """A share in words; what is there is never 0 %."""
    return f"{part / whole:.0%}" if part / whole >= 0.01 or not part else "under 1%"
