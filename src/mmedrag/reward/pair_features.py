"""What the reward model sees of a question beside a piece of evidence (section 3.6).

The paper scores a context without looking at the question. These features put the two side by side:
resemblance, shared words, what each asserts of the concepts that the question names (with their
kinds: who affirms a pleural effusion affirms an effusion), and the ways in which similar cases
mislead: another domain, modality or part of the body, the other side, a finding that one affirms
and the other rules out.

What a question asks whether it is there, it neither affirms nor denies. Evidence is not better for
the one or the other reply, only for saying anything at all (``asked_stated``).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmedrag.protocols import Ontology
from mmedrag.remembering import remembered
from mmedrag.reward.modalities import modalities
from mmedrag.text.laterality import Sides, sides, sides_of_findings
from mmedrag.types import (
    Assertion,
    Case,
    Definition,
    Evidence,
    Kind,
    Matrix,
    Mention,
    Question,
    QuestionKind,
)

FEATURES = (
    "similarity",
    "token_overlap",
    "bigram_overlap",
    "domain_match",
    "modality_match",
    "region_match",
    "findings_shared",
    "sought_affirmed",
    "sought_ruled_out",
    "asked_stated",
    "excluded_affirmed",
    "excluded_ruled_out",
    "normal_conflict",
    "laterality_conflict",
    "finding_side_conflict",
    "asks_whether",
    "evidence_has_image",
    "query_has_terms",
    "query_has_image",
    "query_has_text",
    "is_definition",
)
"""Names of the columns of :func:`pair_features`. A checkpoint records them and must agree."""

_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?:ie|[eiy])?s?$")
_QUESTIONED = frozenset({Assertion.UNCERTAIN, Assertion.INTERROGATIVE})
"""What a question says of a concept that it asks about: "? effusion", "Is there an effusion?"."""

_WHETHER = frozenset({QuestionKind.PRESENCE, QuestionKind.NORMALITY, QuestionKind.CHOICE})
_FINDINGS = frozenset({Kind.FINDING, Kind.DISEASE, Kind.SYMPTOM})

_FUNCTION_WORDS = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "do", "does", "for", "from", "has", "have",
    "in", "is", "it", "its", "no", "not", "of", "on", "or", "show", "shows", "that", "the", "there",
    "this", "to", "was", "were", "what", "which", "with", "without",
})  # fmt: skip


def pair_features(
    question: Question, evidence: Sequence[Evidence], ontology: Ontology | None = None
) -> Matrix:
    """Features of each question-evidence pair, shape ``(n, len(FEATURES))``, float32.

    Findings are concepts of the kinds finding, disease and symptom. Evidence affirms, with a
    concept, all that it is a kind of; a definition affirms the concept that it defines.

    ===================== ======== =========================================================
    similarity            −1…1     cosine of eq. 2, as stage 1 found it
    token_overlap         0…1      shared word stems / stems of the shorter text
    bigram_overlap        0…1      shared pairs of neighbouring stems / pairs of the shorter text
    domain_match          −1, 0, 1 routed to the case's domain; to another; one of them unknown
    modality_match        −1, 0, 1 the question names the case's modality; another; none
    region_match          −1, 0, 1 the findings of both are of a region in common; of others; of
                                   one of them none is known
    findings_shared       0…1      findings affirmed in both / in the one that affirms fewer
    sought_affirmed       0…1      of the concepts that the question affirms, the share that the
                                   evidence affirms
    sought_ruled_out      0…1      of the same, the share that the evidence rules out
    asked_stated          0…1      of the concepts that the question asks about, the share of which
                                   the evidence says that they are there or that they are not
    excluded_affirmed     0…1      of the concepts that the question rules out, the share that the
                                   evidence affirms
    excluded_ruled_out    0…1      of the same, the share that the evidence rules out
    normal_conflict       0, 1     one affirms that all is normal and no finding, the other a
                                   finding
    laterality_conflict   0, 1     both name a side of the body, and no side in common
    finding_side_conflict 0…1      of the concepts that both affirm with a side beside them, the
                                   share with no side in common
    asks_whether          0, 1     a question of yes or no
    evidence_has_image    0, 1
    query_has_terms       0, 1     the dictionary knows a term of the question
    query_has_image       0, 1
    query_has_text        0, 1
    is_definition         0, 1
    ===================== ======== =========================================================

    Args:
        question: as the pipeline has understood it.
        evidence: to be judged.
        ontology: tells kinds and regions; without it concepts are only themselves.
    """
    if not evidence:
        return np.zeros((0, len(FEATURES)), np.float32)
    asker = _Asker(question, ontology)
    return np.array([asker.row(e) for e in evidence], dtype=np.float32)


def embedding_features(question: Question, evidence: Sequence[Evidence]) -> Matrix:
    """[q, c, q∘c, |q−c|] of each pair, shape ``(n, 4·dim)``, float32."""
    c = np.array([e.vector for e in evidence], dtype=np.float32)
    c = c.reshape(len(evidence), len(question.vector))
    q = np.broadcast_to(question.vector, c.shape)
    return np.hstack([q, c, q * c, np.abs(q - c)])


@dataclass(frozen=True, slots=True)
class _Statements:
    """Concepts by what a text says of them; ``wide`` are the affirmed ones and all above them."""

    affirmed: frozenset[str]
    wide: frozenset[str]
    negated: frozenset[str]
    questioned: frozenset[str]
    findings: frozenset[str]
    regions: frozenset[str]
    is_normal: bool


class _Asker:
    """A question that has been read once, for all of its evidence."""

    def __init__(self, question: Question, ontology: Ontology | None) -> None:
        self._question = question
        # What is of what kind, or where, is of interest only beside something that is asked for.
        self._ontology = ontology if question.mentions else None
        text = question.query.text
        self._stems = _stems(text)
        self._statements = self._read(question.mentions)
        self._sides = sides(text)
        self._sides_of_findings = sides_of_findings(text, question.mentions)
        self._modalities = modalities(text)
        intent = question.intent
        self._constant = (
            intent is not None and intent.kind in _WHETHER,
            bool(question.mentions),
            question.query.image is not None,
            bool(text.strip()),
        )

    def row(self, e: Evidence) -> tuple[float, ...]:
        """The features beside one piece of evidence."""
        asker, other = self._statements, self._of(e)
        whether, terms, image, text = self._constant
        return (
            e.similarity,
            *self._words(e.text),
            _domain_match(self._question, e),
            self._modality_match(e),
            _fit(asker.regions, other.regions),
            _share(asker.findings & other.wide, min(asker.findings, other.findings, key=len)),
            _share(asker.affirmed & other.wide, asker.affirmed),
            _share(asker.affirmed & other.negated, asker.affirmed),
            _share(asker.questioned & (other.wide | other.negated), asker.questioned),
            _share(asker.negated & other.wide, asker.negated),
            _share(asker.negated & other.negated, asker.negated),
            (asker.is_normal and bool(other.findings))
            or (other.is_normal and bool(asker.findings)),
            self._laterality_conflict(e.text),
            self._finding_side_conflict(e),
            whether,
            isinstance(e.item, Case) and e.item.image is not None,
            terms,
            image,
            text,
            isinstance(e.item, Definition),
        )

    def _of(self, e: Evidence) -> _Statements:
        if isinstance(e.item, Definition):
            concept = e.item.concept
            mention = Mention(e.item.term, 0, 0, concept, e.item.term, Assertion.AFFIRMED)
            return self._read([mention])
        return self._read(e.mentions)

    def _read(self, mentions: Sequence[Mention]) -> _Statements:
        affirmed = frozenset(m.concept for m in mentions if m.assertion is Assertion.AFFIRMED)
        wide = affirmed.union(*map(self._ancestors, affirmed))
        findings = frozenset(
            m.concept for m in mentions if m.concept in affirmed and m.kind in _FINDINGS
        )
        normal = any(m.kind is Kind.NORMAL and m.concept in affirmed for m in mentions)
        return _Statements(
            affirmed=affirmed,
            wide=wide,
            negated=frozenset(m.concept for m in mentions if m.assertion is Assertion.NEGATED)
            - wide,
            questioned=frozenset(m.concept for m in mentions if m.assertion in _QUESTIONED),
            findings=findings,
            regions=frozenset(r for c in findings if (r := self._region(c))),
            is_normal=normal and not findings,
        )

    def _ancestors(self, concept: str) -> Iterable[str]:
        return () if self._ontology is None else self._ontology.ancestors(concept)

    def _region(self, concept: str) -> str:
        return "" if self._ontology is None else self._ontology.region(concept)

    def _words(self, text: str) -> tuple[float, float]:
        if not self._stems:
            return 0.0, 0.0
        query_stems, text_stems = self._stems, _stems(text)
        stems, others = set(query_stems), set(text_stems)
        pairs, other_pairs = set(pairwise(query_stems)), set(pairwise(text_stems))
        return (
            _share(stems & others, min(stems, others, key=len)),
            _share(pairs & other_pairs, min(pairs, other_pairs, key=len)),
        )

    def _modality_match(self, e: Evidence) -> float:
        return (
            _fit(self._modalities, modalities(e.item.modality)) if isinstance(e.item, Case) else 0.0
        )

    def _laterality_conflict(self, text: str) -> bool:
        if not self._sides:
            return False
        other = sides(text)
        return bool(other) and self._sides.isdisjoint(other)

    def _finding_side_conflict(self, e: Evidence) -> float:
        query = self._sides_of_findings
        if query.keys().isdisjoint(m.concept for m in e.mentions):
            return 0.0
        other = _sides_of_findings(e.text, e.mentions)
        both = query.keys() & other.keys()
        return _share({c for c in both if query[c].isdisjoint(other[c])}, both)


_REMEMBERED = 10_000
"""Letters up to which what is read of a text is remembered: a few thousand books would be much."""


def _stems(text: str) -> tuple[str, ...]:
    return _remembered_stems(text) if len(text) <= _REMEMBERED else _stems_of(text)


@remembered(1 << 12)
def _remembered_stems(text: str) -> tuple[str, ...]:
    return _stems_of(text)


def _stems_of(text: str) -> tuple[str, ...]:
    words = _WORD.findall(text.casefold())
    return tuple(_stem(word) for word in words if word not in _FUNCTION_WORDS)


def _sides_of_findings(text: str, mentions: tuple[Mention, ...]) -> Mapping[str, Sides]:
    """What is read of a report is the same for every question."""
    read = _remembered_sides if len(text) <= _REMEMBERED else sides_of_findings
    return read(text, mentions)


@remembered(1 << 12)
def _remembered_sides(text: str, mentions: tuple[Mention, ...]) -> Mapping[str, Sides]:
    return sides_of_findings(text, mentions)


@remembered(1 << 14)
def _stem(word: str) -> str:
    """One stem for opacity and opacities, metastasis and metastases, oedema and edema."""
    word = word.replace("ae", "e").replace("oe", "e")
    if len(word) <= 3 or word.endswith(("ss", "us")):
        return word
    return _ENDING.sub("", word, count=1)


def _share(shared: Set[Hashable], whole: Set[Hashable]) -> float:
    return min(1.0, len(shared) / len(whole)) if whole else 0.0


def _fit(one: Set[str], other: Set[str]) -> float:
    """1 where the sets meet, −1 where they do not, 0 where one is empty."""
    if not one or not other:
        return 0.0
    return -1.0 if one.isdisjoint(other) else 1.0


def _domain_match(question: Question, e: Evidence) -> float:
    routed = question.routing.decision
    domain = e.item.domain if isinstance(e.item, Case) else None
    if routed is None or domain is None:
        return 0.0
    return 1.0 if routed == domain else -1.0
