"""What the reward model sees of a question beside a piece of evidence (section 3.6).

The paper scores a context without looking at the question. These features put the two side by side:
resemblance, shared words and findings, and the three ways in which similar reports mislead: another
domain, a finding that one affirms and the other rules out, the other side of the body.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Self

import numpy as np

from mmedrag.text.laterality import Sides, sides, sides_of_findings
from mmedrag.types import Assertion, Case, Definition, Evidence, Matrix, Mention, Question

FEATURES = (
    "similarity",
    "token_jaccard",
    "token_overlap",
    "bigram_overlap",
    "domain_match",
    "entity_overlap",
    "entities_sought",
    "entities_ruled_out",
    "negation_conflict",
    "laterality_conflict",
    "finding_side_conflict",
    "evidence_has_image",
    "query_has_terms",
    "query_has_image",
    "query_has_text",
    "is_definition",
)
"""Names of the columns of :func:`pair_features`. A checkpoint records them and must agree."""

_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?:ie|[eiy])?s?$")
_SOUGHT = (Assertion.UNCERTAIN, Assertion.INTERROGATIVE)
"""What a question says of a concept that it asks about: "? effusion", "Is there an effusion?"."""

_FUNCTION_WORDS = re.compile(
    r"a|an|and|are|as|at|be|by|do|does|for|from|has|have|in|is|it|its|no|not|of|on|or|shows?|"
    r"that|the|there|this|to|was|were|what|which|with|without"
)


def pair_features(question: Question, evidence: Sequence[Evidence]) -> Matrix:
    """Features of each question-evidence pair, shape ``(n, len(FEATURES))``, float32.

    ===================== ======== =========================================================
    similarity            −1…1     cosine of eq. 2, as stage 1 found it
    token_jaccard         0…1      shared word stems / all word stems of both texts
    token_overlap         0…1      shared word stems / stems of the shorter text
    bigram_overlap        0…1      shared pairs of neighbouring stems / pairs of the shorter text
    domain_match          −1, 0, 1 routed to the case's domain; to another; one of them unknown
    entity_overlap        0…1      concepts affirmed in both / in the one that affirms fewer;
                                   a definition affirms the concept that it defines
    entities_sought       0…1      of the concepts that the question affirms or asks about
                                   ("is there an effusion?"), the share that the evidence affirms
    entities_ruled_out    0…1      of the same, the share that the evidence rules out
    negation_conflict     0…1      of the concepts that both assert, the share affirmed in one
                                   and ruled out in the other; 0 for a definition
    laterality_conflict   0, 1     both name a side of the body, and no side in common
    finding_side_conflict 0…1      of the concepts that both affirm with a side beside them, the
                                   share with no side in common
    evidence_has_image    0, 1
    query_has_terms       0, 1     the dictionary knows a term of the question
    query_has_image       0, 1
    query_has_text        0, 1
    is_definition         0, 1
    ===================== ======== =========================================================
    """
    asked = _Text.of(question.query.text, question.mentions)
    rows = [_row(question, asked, e) for e in evidence]
    return np.array(rows, dtype=np.float32).reshape(len(rows), len(FEATURES))


def embedding_features(question: Question, evidence: Sequence[Evidence]) -> Matrix:
    """[q, c, q∘c, |q−c|] of each pair, shape ``(n, 4·dim)``, float32."""
    c = np.array([e.vector for e in evidence], dtype=np.float32)
    c = c.reshape(len(evidence), len(question.vector))
    q = np.broadcast_to(question.vector, c.shape)
    return np.hstack([q, c, q * c, np.abs(q - c)])


@dataclass(frozen=True, slots=True)
class _Text:
    """What the features compare of a text: of the question it is read once for all evidence."""

    stems: Set[str]
    pairs: Set[tuple[str, str]]
    sides: Sides
    sides_of_findings: Mapping[str, Sides]

    @classmethod
    def of(cls, text: str, mentions: Sequence[Mention]) -> Self:
        stems = _stems(text)
        of_findings = sides_of_findings(text, mentions)
        return cls(set(stems), set(pairwise(stems)), sides(text), of_findings)


def _row(question: Question, asked: _Text, e: Evidence) -> tuple[float, ...]:
    found = _Text.of(e.text, e.mentions)
    stems, others = asked.stems, found.stems
    pairs, other_pairs = asked.pairs, found.pairs
    said, affirmed = _concepts(question.mentions, Assertion.AFFIRMED), _affirmed(e)
    sought = said.union(*(_concepts(question.mentions, a) for a in _SOUGHT))
    ruled_out = _concepts(e.mentions, Assertion.NEGATED) - affirmed
    return (
        e.similarity,
        _share(stems & others, stems | others),
        _share(stems & others, min(stems, others, key=len)),
        _share(pairs & other_pairs, min(pairs, other_pairs, key=len)),
        _domain_match(question, e),
        _share(said & affirmed, min(said, affirmed, key=len)),
        _share(sought & affirmed, sought),
        _share(sought & ruled_out, sought),
        _negation_conflict(question.mentions, e.mentions),
        bool(asked.sides and found.sides and asked.sides.isdisjoint(found.sides)),
        _finding_side_conflict(asked.sides_of_findings, found.sides_of_findings),
        isinstance(e.item, Case) and e.item.image is not None,
        bool(question.mentions),
        question.query.image is not None,
        bool(question.query.text.strip()),
        isinstance(e.item, Definition),
    )


def _stems(text: str) -> list[str]:
    words = _WORD.findall(text.casefold())
    return [_stem(word) for word in words if not _FUNCTION_WORDS.fullmatch(word)]


@lru_cache(1 << 14)
def _stem(word: str) -> str:
    """One stem for opacity and opacities, metastasis and metastases, oedema and edema."""
    word = word.replace("ae", "e").replace("oe", "e")
    if len(word) <= 3 or word.endswith(("ss", "us")):
        return word
    return _ENDING.sub("", word, count=1)


def _share(part: Set[Hashable], whole: Set[Hashable]) -> float:
    return len(part) / len(whole) if whole else 0.0


def _domain_match(question: Question, e: Evidence) -> float:
    routed = question.routing.decision
    found = e.item.domain if isinstance(e.item, Case) else None
    if routed is None or found is None:
        return 0.0
    return 1.0 if routed == found else -1.0


def _concepts(mentions: Sequence[Mention], assertion: Assertion) -> set[str]:
    return {m.concept for m in mentions if m.assertion == assertion}


def _affirmed(e: Evidence) -> set[str]:
    if isinstance(e.item, Definition):
        return {e.item.concept}
    return _concepts(e.mentions, Assertion.AFFIRMED)


def _negation_conflict(query: Sequence[Mention], found: Sequence[Mention]) -> float:
    """A text that affirms a concept in one place and rules it out in another affirms it."""
    yes, other_yes = (_concepts(m, Assertion.AFFIRMED) for m in (query, found))
    no, other_no = (_concepts(m, Assertion.NEGATED) for m in (query, found))
    no, other_no = no - yes, other_no - other_yes
    return _share((yes & other_no) | (no & other_yes), (yes | no) & (other_yes | other_no))


def _finding_side_conflict(asked: Mapping[str, Sides], found: Mapping[str, Sides]) -> float:
    both = asked.keys() & found.keys()
    return _share({c for c in both if asked[c].isdisjoint(found[c])}, both)
