"""The studies of one patient in time: cases of one study together, its findings as one state each.

A study is what was examined at one time in one way: cases that share a study id, or else a time and
a modality. Its time is on the axis that most of the patient's cases have (:mod:`mmedrag.dates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

from mmedrag.courses.body_parts import body_parts_of
from mmedrag.courses.modalities import same_name
from mmedrag.dates import axis_of, day_of, offset_of
from mmedrag.protocols import Ontology
from mmedrag.text.sizes import Size, sizes_of_findings
from mmedrag.types import Assertion, Case, Evidence, Kind

_FINDINGS = frozenset({Kind.FINDING, Kind.DISEASE, Kind.SYMPTOM})
_STATED = frozenset({Assertion.AFFIRMED, Assertion.NEGATED})
STATES = _STATED | {Assertion.UNCERTAIN}
"""What a report says of a finding of now."""


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """One study of a patient.

    ``time`` is a day on the patient's axis, ``None`` where it is unknown. ``states`` are what the
    reports say of each finding: affirmed, negated, or uncertain where they hedge or say both.
    ``terms`` name the concepts of ``states``, ``sizes`` are those of which its reports give one,
    ``body_parts`` are those that it is on.
    """

    evidence: tuple[Evidence, ...]
    time: float | None
    states: Mapping[str, Assertion]
    terms: Mapping[str, str]
    sizes: Mapping[str, Size]
    body_parts: frozenset[str]

    @property
    def key(self) -> str:
        """The mark that names it, that of its first case."""
        return self.evidence[0].key

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks that cite its reports, each report once."""
        first: dict[str, str] = {}
        for evidence in self.evidence:
            first.setdefault(evidence.text, evidence.key)
        return tuple(first.values())

    @property
    def cases(self) -> tuple[Case, ...]:
        """Its cases."""
        return tuple(e.item for e in self.evidence if isinstance(e.item, Case))

    @property
    def modality(self) -> str:
        """In lower case; empty where none is given."""
        return next((c.modality.lower() for c in self.cases if c.modality), "")

    @property
    def text(self) -> str:
        """Its reports, each once."""
        return "\n\n".join(dict.fromkeys(c.text for c in self.cases if c.text))

    @property
    def to_the_day(self) -> bool:
        """Whether its time is known to the day."""
        case = self.cases[0]
        return self.time is not None and (day_of(case) is not None or offset_of(case) == self.time)

    @property
    def when(self) -> str:
        """Its time in words."""
        case = self.cases[0]
        offset = offset_of(case)
        if self.time is not None and offset == self.time:
            return f"day {offset:g}" + (f" ({case.date})" if day_of(case) is not None else "")
        return case.date or "time unknown"

    def comparable(self, other: Study) -> bool:
        """Whether two studies are of one modality and part of the body, as far as is known."""
        one, another = same_name(self.modality), same_name(other.modality)
        same_modality = not one or one == another or not another
        stated = self.body_parts and other.body_parts
        return same_modality and (not stated or bool(self.body_parts & other.body_parts))


def studies_of(evidence: Sequence[Evidence], ontology: Ontology) -> list[Study]:
    """The studies of one patient, the earliest first and those of unknown time at the end.

    Args:
        evidence: cases of one patient with the mentions of their reports.
        ontology: which region a finding is in.
    """
    cases = [(e, e.item) for e in evidence if isinstance(e.item, Case)]
    time = axis_of(case for _, case in cases)
    groups: dict[tuple[object, ...], list[Evidence]] = {}
    for number, (item, case) in enumerate(cases):
        at = time(case)
        name = case.study_id or (None if at is not None else number)
        one_day = floor(at) if case.study_id and at is not None else at
        groups.setdefault((name, one_day, same_name(case.modality)), []).append(item)
    time_of = {id(item): time(case) for item, case in cases}
    studies = [
        _study(tuple(group), min((t for e in group if (t := time_of[id(e)]) is not None),
                                 default=None), ontology)
        for group in groups.values()
    ]  # fmt: skip
    return sorted(studies, key=lambda s: (s.time is None, s.time or 0.0))


def days_between(earlier: Study | None, later: Study) -> float | None:
    """The days from a study to a later one; ``None`` where they are not known to the day."""
    if earlier is None or earlier.time is None or later.time is None:
        return None
    if not (earlier.to_the_day and later.to_the_day):
        return None
    return max(0.0, round(later.time - earlier.time, 2))


def state_of(study: Study, concept: str, ontology: Ontology) -> Assertion | None:
    """What a study says of a concept; ``None`` where it says nothing of it.

    Itself or one of its kinds; else the ruling out of something that it is a kind of.
    """
    if concept in study.states:
        return study.states[concept]
    below = {s for c, s in study.states.items() if ontology.is_a(c, concept)}
    if Assertion.AFFIRMED in below:
        return Assertion.AFFIRMED
    above = {s for c, s in study.states.items() if ontology.is_a(concept, c)}
    return Assertion.NEGATED if Assertion.NEGATED in above else None


def _study(evidence: tuple[Evidence, ...], time: float | None, ontology: Ontology) -> Study:
    mentions = [m for e in evidence for m in e.mentions if m.kind in _FINDINGS]
    assertions: dict[str, set[Assertion]] = {}
    for mention in mentions:
        assertions.setdefault(mention.concept, set()).add(mention.assertion)
    states = {c: state for c, every in assertions.items() if (state := joint_state(every))}
    return Study(
        evidence=evidence,
        time=time,
        states=states,
        terms={m.concept: m.term for m in mentions},
        sizes=_sizes(evidence),
        body_parts=body_parts_of(
            {ontology.name(ontology.region(m.concept)) for m in mentions},
            (e.item for e in evidence if isinstance(e.item, Case)),
        ),
    )


def _sizes(evidence: Sequence[Evidence]) -> dict[str, Size]:
    read: dict[str, set[Size]] = {}
    for item in evidence:
        for concept, size in sizes_of_findings(item.text, item.mentions).items():
            read.setdefault(concept, set()).add(size)
    return {concept: sizes.pop() for concept, sizes in read.items() if len(sizes) == 1}


def joint_state(assertions: set[Assertion]) -> Assertion | None:
    """The state of what is said of a finding in several places; in doubt where both are said."""
    stated = assertions & _STATED
    if len(stated) == 1:
        return next(iter(stated))
    return Assertion.UNCERTAIN if stated or Assertion.UNCERTAIN in assertions else None
