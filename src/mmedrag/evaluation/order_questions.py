"""Questions whose good cases are known, and how good each case is: the material of the order study.

A question is made by code from one case of a held-out patient. It asks by text, by image, or by
both, and is judged by one target: the classes that annotators sorted the case into, its diagnosis,
the findings that its report affirms, or whether it is normal. Grades are 2 (what is wanted), 1 (in
part) and 0, by what the searched case states of itself; a case of another domain has 0.

========= ========================= ==========================================================
target    2                         1
========= ========================= ==========================================================
label     the same classes          a class in common
diagnosis the same or a kind of it  a more general one, or a sibling of the same parent
finding   see below                 see below
normality a normal case of the same a normal case of another modality; of an abnormal case: an
          modality; of an abnormal  abnormal one of the same modality
          case: a class in common
          and abnormal
========= ========================= ==========================================================

Findings. A request ("Cases with left effusion but no pneumothorax."): 2 affirms the one, on that
side, and does not affirm the other; 1 affirms it without a side. A yes-no question about an image:
2 says of the finding what the image's own report says. A report or an image alone: 2 affirms at
least half of its findings and none that it rules out; 1 affirms one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mmedrag.answers.differential import UNNAMED, diagnoses_of
from mmedrag.answers.statements import CaseReading, is_normal
from mmedrag.datasets.annotations import classes_of
from mmedrag.evaluation.tasks import digest
from mmedrag.protocols import Ontology
from mmedrag.text.laterality import LEFT, RIGHT
from mmedrag.types import Assertion, Case, Kind, Query

Form: TypeAlias = Literal["text", "image", "both"]
Target: TypeAlias = Literal["label", "diagnosis", "finding", "normality"]

_FINDINGS = (Kind.FINDING, Kind.DISEASE)
_REQUESTS = ("Cases with {}.", "Show me cases of {}.", "{}", "Patient with {}.")
_OPEN = ("What does this image show?", "What is this?", "Find cases like this.")
_DIAGNOSES = ("{}", "Cases of {}.", "Typical appearance of {}")


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What a case states of itself, as sets, so that thousands are graded in a moment.

    ``affirmed`` and ``negated`` are concepts; ``wide`` are the affirmed ones and all that these are
    kinds of, ``narrow`` the same of the negated ones. ``sides`` are given where a finding names
    one.
    """

    reading: CaseReading
    classes: frozenset[str]
    diagnoses: frozenset[str]
    above: frozenset[str]
    affirmed: frozenset[str]
    negated: frozenset[str]
    wide: frozenset[str]
    normal: bool | None
    modality: str

    @property
    def case(self) -> Case:
        """The case itself."""
        return self.reading.case


@dataclass(frozen=True, slots=True, eq=False)
class Graded:
    """A question and what its good cases are judged by.

    ``concept`` is that of a request or a yes-no question, ``side`` the one that is asked for,
    ``without`` a concept that must not be affirmed, and ``assertion`` what the image's own report
    says of the concept, where the question is one of yes or no.
    """

    query: Query
    form: Form
    target: Target
    asker: Facts
    concept: str = ""
    side: str = ""
    without: str = ""
    assertion: Assertion | None = None

    @property
    def kind(self) -> str:
        """Form and target, which name a row of the table."""
        return f"{self.form}, by {self.target}"


def facts_of(reading: CaseReading, ontology: Ontology) -> Facts:
    """What the case states, in sets."""
    by_assertion = {
        assertion: frozenset(
            c for c, s in reading.stated.items()
            if s.assertion is assertion and s.mention.kind in _FINDINGS
        )
        for assertion in (Assertion.AFFIRMED, Assertion.NEGATED)
    }  # fmt: skip
    affirmed = by_assertion[Assertion.AFFIRMED]
    diagnoses = frozenset(c for c, _, weight in diagnoses_of(reading, ontology) if weight > 0.5)
    return Facts(
        reading=reading,
        classes=classes_of(reading.case),
        diagnoses=diagnoses,
        above=_above(diagnoses, ontology),
        affirmed=affirmed,
        negated=by_assertion[Assertion.NEGATED],
        wide=affirmed | _above(affirmed, ontology),
        normal=is_normal(reading),
        modality="".join(c for c in reading.case.modality.casefold() if c.isalnum()),
    )


def _above(codes: frozenset[str], ontology: Ontology) -> frozenset[str]:
    named = (c for c in codes if not c.startswith(UNNAMED))
    return frozenset(a for c in named for a in ontology.ancestors(c))


def grade(question: Graded, facts: Facts) -> int:
    """How good a case is for a question: 0, 1 or 2 (see the table above)."""
    asker = question.asker
    if facts.case.domain != asker.case.domain:
        return 0
    match question.target:
        case "label":
            return _shared(asker.classes, facts.classes)
        case "diagnosis":
            return _same_diagnosis(asker, facts)
        case "normality":
            return _normality(asker, facts)
        case "finding" if question.assertion is not None:
            return 2 * _says(facts, question.concept, question.assertion)
        case "finding" if question.concept:
            return _answers_request(question, facts)
        case "finding":
            return _shared_findings(asker, facts)


def _shared(own: frozenset[str], other: frozenset[str]) -> int:
    return 2 if own == other else int(not own.isdisjoint(other))


def _same_diagnosis(asker: Facts, facts: Facts) -> int:
    if asker.diagnoses & (facts.diagnoses | facts.above):
        return 2
    return int(bool(asker.above & (facts.diagnoses | facts.above)))


def _normality(asker: Facts, facts: Facts) -> int:
    if facts.normal is None or facts.normal is not asker.normal:
        return 0
    same = facts.modality == asker.modality
    if asker.normal:
        return 2 if same else 1
    return 2 if asker.classes & facts.classes else int(same)


def _says(facts: Facts, concept: str, assertion: Assertion) -> bool:
    """Whether a case affirms a concept or a kind of it; whether it rules it out, or is normal."""
    if assertion is Assertion.AFFIRMED:
        return concept in facts.wide
    return concept not in facts.wide and (concept in facts.negated or facts.normal is True)


def _answers_request(question: Graded, facts: Facts) -> int:
    if question.concept not in facts.wide or question.without in facts.wide:
        return 0
    if not question.side:
        return 2
    sides = {s for c in (question.concept,) if (t := facts.reading.stated.get(c)) for s in t.sides}
    return 2 if question.side in sides else int(not sides)


def _shared_findings(asker: Facts, facts: Facts) -> int:
    shared = asker.affirmed & facts.wide
    if asker.negated & facts.wide:
        return int(bool(shared))
    return 2 if 2 * len(shared) >= len(asker.affirmed) else int(bool(shared))


def questions_of(facts: Facts) -> Iterator[Graded]:
    """Every question that a case gives, at most one of each form and target (two of yes or no)."""
    case, pick = facts.case, digest(facts.case.id)
    if facts.classes:
        named = ", ".join(sorted(facts.classes))
        if _says_something(facts):
            yield Graded(Query(_of(_REQUESTS, pick, named)), "text", "label", facts)
        if case.image:
            yield Graded(Query(image=case.image), "image", "label", facts)
            yield Graded(Query(_of(_OPEN, pick), case.image), "both", "label", facts)
    yield from _by_diagnosis(facts, pick)
    yield from _by_finding(facts, pick)
    if case.image and facts.normal is not None and (facts.normal or facts.classes):
        yield Graded(Query("Is this normal?", case.image), "both", "normality", facts)


def _says_something(facts: Facts) -> bool:
    """Whether the classes name findings, unlike categories such as "Head"."""
    named = [m for label in facts.reading.labels for m in label.mentions]
    return any(m.kind.is_finding for m in named) or not facts.case.labels


def _by_diagnosis(facts: Facts, pick: int) -> Iterator[Graded]:
    case = facts.case
    if not case.diagnosis or not facts.diagnoses or facts.normal:
        return
    history = str(case.meta.get("history") or case.meta.get("indication") or "").strip()
    text = f"{history} What is the most likely diagnosis?" if history else ""
    question = text if text and pick % 2 else _of(_DIAGNOSES, pick, case.diagnosis)
    yield Graded(Query(question), "text", "diagnosis", facts)
    if case.image:
        yield Graded(Query(image=case.image), "image", "diagnosis", facts)
        question = text or "What is the most likely diagnosis?"
        yield Graded(Query(question, case.image), "both", "diagnosis", facts)


def _by_finding(facts: Facts, pick: int) -> Iterator[Graded]:
    case, stated = facts.case, facts.reading.stated
    affirmed, negated = sorted(facts.affirmed), sorted(facts.negated)
    if affirmed:
        concept = affirmed[pick % len(affirmed)]
        named, sides = stated[concept].mention.term, stated[concept].sides
        side = next(iter(sides)) if len(sides) == 1 and sides <= {LEFT, RIGHT} else ""
        ruled_out = negated[pick % len(negated)] if negated and pick % 2 else ""
        request = f"{side} {named}".strip()
        if ruled_out:
            request += f" but no {stated[ruled_out].mention.term}"
        report = len(case.text.split()) > 12 and pick % 3 == 0
        if report:
            yield Graded(Query(case.text), "text", "finding", facts)
        else:
            text = _of(_REQUESTS, pick, request)
            yield Graded(Query(text), "text", "finding", facts, concept, side, ruled_out)
        if case.image:
            yield Graded(Query(image=case.image), "image", "finding", facts)
            yield _yes_or_no(facts, concept, named, Assertion.AFFIRMED)
    if negated and case.image:
        concept = negated[pick % len(negated)]
        yield _yes_or_no(facts, concept, stated[concept].mention.term, Assertion.NEGATED)


def _yes_or_no(facts: Facts, concept: str, term: str, assertion: Assertion) -> Graded:
    query = Query(f"Is there {term}?", facts.case.image)
    return Graded(query, "both", "finding", facts, concept, assertion=assertion)


def _of(wordings: Sequence[str], pick: int, named: str = "") -> str:
    return wordings[pick % len(wordings)].format(named)
