"""Pairs of texts that mean the same, and what only looks the same: what the text tower learns from.

Names and definitions of a concept (Liu et al. 2021, SapBERT), the texts of one case, the two halves
of a caption, and rewordings of a statement beside its negation, its other side or another grade
(:mod:`mmedrag.training.rewordings`). A family draws pairs for as long as it is asked.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mmedrag.datasets.corpus import text_key
from mmedrag.types import Case

Random: TypeAlias = np.random.Generator

SHORTEST_HALVED = 10
"""Words of the shortest text that is cut in two."""

LONGEST_FIELD = 60
"""Words that are taken of a long field, from a place drawn at random."""


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two texts of one meaning, one that is close in words alone, and what pairs are alike by.

    Pairs of one group are never told apart from each other.
    """

    one: str
    other: str
    wrong: str = ""
    group: str = ""


Family: TypeAlias = Callable[[Random], TextPair]
"""Draws one pair."""


@dataclass(frozen=True, slots=True)
class Concept:
    """What a vocabulary says of a concept: its names, the preferred one first."""

    names: tuple[str, ...]
    definition: str = ""
    parents: tuple[str, ...] = ()


def concept_family(concepts: Sequence[Concept]) -> Family:
    """Two names, or a name and the definition; wrong is a name of a sibling.

    Concepts with neither a second name nor a definition only serve as siblings.
    """
    children = defaultdict(list)
    for row, concept in enumerate(concepts):
        for parent in concept.parents:
            children[parent].append(row)
    usable = [row for row, c in enumerate(concepts) if len(c.names) > 1 or c.definition]

    def draw(random: Random) -> TextPair:
        row = usable[int(random.integers(len(usable)))]
        concept = concepts[row]
        defined = concept.definition and (len(concept.names) == 1 or random.random() < 0.3)
        if defined:
            one, other = concept.names[random.integers(len(concept.names))], concept.definition
        else:
            one, other = random.choice(np.array(concept.names, object), 2, replace=False)
        siblings = [s for parent in concept.parents for s in children[parent] if s != row]
        wrong = concepts[siblings[int(random.integers(len(siblings)))]].names[0] if siblings else ""
        return TextPair(one, other, wrong, concept.names[0].casefold())

    return draw


def half_family(texts: Sequence[str], groups: Sequence[str] | None = None) -> Family:
    """Both halves of a text, cut between sentences or else between words.

    ``groups`` of the texts, by default the texts themselves.
    """
    long_enough = [i for i, text in enumerate(texts) if len(text.split()) >= SHORTEST_HALVED]

    def draw(random: Random) -> TextPair:
        row = long_enough[int(random.integers(len(long_enough)))]
        one, other = halves(texts[row], random)
        return TextPair(one, other, group=groups[row] if groups else text_key(texts[row]) or "")

    return draw


def halves(text: str, random: Random) -> tuple[str, str]:
    """Cut before the impression of a report, between sentences, or else in the middle."""
    sections = re.split(r"\bImpression:", text, maxsplit=1)
    if len(sections) == 2 and all(section.strip() for section in sections):
        return sections[0].removeprefix("Findings:").strip(), sections[1].strip()
    sentences = re.split(r"(?<=[.;])\s+", text.strip())
    if len(sentences) > 1:
        cut = int(random.integers(1, len(sentences)))
        return " ".join(sentences[:cut]), " ".join(sentences[cut:])
    words = text.split()
    cut = int(random.integers(len(words) // 3, 2 * len(words) // 3 + 1))
    return " ".join(words[:cut]), " ".join(words[cut:])


def case_family(cases: Iterable[Case], query_share: float = 0.5) -> Family:
    """Two texts of one teaching case: caption, title, diagnosis, findings, discussion.

    ``query_share`` of the pairs are a diagnosis or title and the findings: what a doctor asks for.
    """
    texts: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for case in cases:
        for name, text in case_texts(case).items():
            texts[case.patient_id][name][text] = None
    every = [fields for fields in texts.values() if len(fields) > 1]

    def draw(random: Random) -> TextPair:
        fields = every[int(random.integers(len(every)))]
        names = sorted(fields)
        pair = list(random.choice(names, 2, replace=False))
        if "findings" in fields and random.random() < query_share:
            short = [name for name in ("diagnosis", "title", "topic") if name in fields]
            pair = [short[int(random.integers(len(short)))] if short else pair[0], "findings"]
        chosen = [list(fields[name])[random.integers(len(fields[name]))] for name in pair]
        one, other = (excerpt(text, random) for text in chosen)
        groups = next(iter(fields.get("topic") or fields.get("diagnosis") or fields[names[0]]))
        return TextPair(one, other, group=text_key(groups) or "")

    return draw


_FIELDS: Mapping[str, str] = {
    "title": "case_title",
    "diagnosis": "case_diagnosis",
    "topic": "topic_title",
    "findings": "findings",
    "discussion": "discussion",
    "differential": "differential",
}


def case_texts(case: Case) -> dict[str, str]:
    """What a teaching file says of a case, by field; empty ones and "N/A" are left out."""
    stated = {name: str(case.meta.get(field) or "") for name, field in _FIELDS.items()}
    stated["caption"] = case.text
    words = {name: " ".join(text.split()) for name, text in stated.items()}
    return {name: text for name, text in words.items() if len(text) > 4}


def excerpt(text: str, random: Random, longest: int = LONGEST_FIELD) -> str:
    """The text, or as many of its words from a place drawn at random; half of them the first."""
    words = text.split()
    if len(words) <= longest:
        return text
    start = int(random.integers(len(words) - longest + 1)) if random.random() < 0.5 else 0
    return " ".join(words[start : start + longest])


def pair_family(pairs: Sequence[tuple[str, str, str]]) -> Family:
    """Pairs as they are: one text, the other, and their group."""

    def draw(random: Random) -> TextPair:
        one, other, group = pairs[int(random.integers(len(pairs)))]
        return TextPair(one, other, group=group)

    return draw
