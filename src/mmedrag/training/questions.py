"""Texts that someone might ask with, made from a record, and texts that nobody should ask with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmedrag.definitions import Dictionary
from mmedrag.text.laterality import LEFT, NEITHER, RIGHT, sides
from mmedrag.types import Assertion, Case, Mention

HISTORY = "history"
DIAGNOSIS = "diagnosis"
CAPTION = "other caption of the study"
POSED = "posed question"
WORDS = (HISTORY, DIAGNOSIS, CAPTION, POSED)
"""Where a question's text comes from."""

_BACKGROUND = frozenset({"anatomy", "technique", "procedure", "stain"})
_POSED = (
    "Cases with {}.",
    "Is there {}?",
    "What does {} look like?",
    "{}",
    "Patient with {}, what else should be considered?",
)
_OPENINGS = (
    "How do I",
    "What is the best way to",
    "Can you help me",
    "Explain how to",
    "I want to",
)
_DEEDS = (
    "bake sourdough bread", "change a bicycle tyre", "write a cover letter", "plan a trip to Rome",
    "tune a guitar", "prune an apple tree", "file my taxes", "sort a list in Python",
    "brew good coffee", "train a puppy", "paint a window frame", "choose a chess opening",
    "fix a dripping tap", "learn Italian verbs", "assemble a bookshelf", "invest in bonds",
    "cook risotto for six", "clean a camera lens", "book a concert hall", "knit a scarf",
)  # fmt: skip


def texts_of(
    case: Case,
    findings: Sequence[str],
    mentions: Sequence[Mention],
    caption: str,
    definitions: Dictionary,
    random: np.random.Generator,
) -> dict[str, str]:
    """Question-like texts of a record by where they come from, as many as it can give.

    Args:
        case: the record.
        findings: that annotators labelled it with.
        mentions: of its text.
        caption: of another record of the study, or empty.
        definitions: tell findings from anatomy and technique.
        random: draws the wording.
    """
    sources = {
        HISTORY: case.meta.get("history") or case.meta.get("indication"),
        DIAGNOSIS: case.meta.get("case_diagnosis") or ", ".join(sorted(findings)),
        CAPTION: caption,
        POSED: _posed(case.text, mentions, definitions, random),
    }
    return {
        words: text.strip() for words, text in sources.items() if text and _says_something(text)
    }


def off_topic(held_out: bool, random: np.random.Generator) -> str:
    """A question that has nothing to do with medicine.

    ``held_out`` questions are about other things than those of training.
    """
    deeds = _DEEDS[held_out::2]
    opening = _OPENINGS[random.integers(len(_OPENINGS))]
    return f"{opening} {deeds[random.integers(len(deeds))]}?"


def is_finding(mention: Mention, definitions: Dictionary) -> bool:
    """Whether a term names what can be there or not, unlike an organ, a method or a stain."""
    concepts = [
        c for dictionary in definitions.dictionaries for c in dictionary.concepts(mention.concept)
    ]
    return any(concept.kind not in _BACKGROUND for concept in concepts)


def _posed(
    text: str, mentions: Sequence[Mention], definitions: Dictionary, random: np.random.Generator
) -> str:
    """A question in our words about a finding that the text affirms, on its side if it has one."""
    affirmed = [
        m for m in mentions if m.assertion is Assertion.AFFIRMED and is_finding(m, definitions)
    ]
    if not affirmed:
        return ""
    term = affirmed[random.integers(len(affirmed))].term
    named = sides(text) if sides(term).isdisjoint({LEFT, RIGHT}) else NEITHER
    about = f"{next(iter(named))} {term}" if len(named) == 1 else term
    return _POSED[random.integers(len(_POSED))].format(about)


def _says_something(text: object) -> bool:
    return isinstance(text, str) and any(c.isalnum() for c in text) and text.strip() != "N/A"
