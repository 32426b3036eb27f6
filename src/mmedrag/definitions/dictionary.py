"""The DefinitionSource of section 3.4, stage 2: entity set E, and Definition(e) for its members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmedrag.definitions.compiled import Candidate, CompiledDictionary, Concept, in_memory
from mmedrag.definitions.context import stands_for_a_term
from mmedrag.definitions.entities import Tokens, prefix_hashes
from mmedrag.definitions.tables import read_glossary
from mmedrag.definitions.translations import translated
from mmedrag.definitions.wording import codes
from mmedrag.text.assertions import assertions
from mmedrag.text.characters import Reading
from mmedrag.types import Assertion, Definition, Mention

_Found = tuple[int, int, Candidate]
"""Characters of a text, and the name that they are."""

_EXPLAINED = frozenset({Assertion.AFFIRMED, Assertion.INTERROGATIVE})

_BACKGROUND = frozenset({"anatomy", "technique", "procedure", "stain"})
"""Kinds of terms that are seldom what a reader wants explained."""


class Dictionary:
    """One or several dictionaries as one :class:`~mmedrag.protocols.DefinitionSource`.

    A text is read from left to right and the longest name at each place is taken. Where several
    dictionaries know it, the first that defines it is preferred.
    """

    def __init__(self, parts: Sequence[CompiledDictionary]) -> None:
        self.parts = tuple(parts)

    def recognise(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:
        """The terms of each text with what is said of them; in order, without overlap."""
        readings = [Reading.of(text) for text in texts]
        read = [reading.text for reading in readings]
        tokens = Tokens.of(read)
        found: list[list[_Found]] = [[] for _ in texts]
        for owner, place in self._longest(tokens, read):
            found[owner].append(place)
        return [
            tuple(_mentions(text, reading, _apart(places), tokens.anchors, number))
            for number, (text, reading, places) in enumerate(
                zip(texts, readings, found, strict=True)
            )
        ]

    def define(self, mentions: Sequence[Sequence[Mention]], limit: int) -> list[Definition]:
        """Definitions of mentions that are affirmed or asked for, those of earlier texts first, one a concept.

        Within a text the first dictionary's definitions come first, and findings and diseases
        before anatomy and technique. A concept without a definition
        is defined by a dictionary that knows one of its names, else by the part of its term that
        names what it is ("left pleural effusion" is a pleural effusion), else left out.
        """
        definitions: dict[str, Definition] = {}
        asked: set[str] = set()
        for text in mentions:
            if len(definitions) >= limit:
                break
            wanted = [m for m in text if m.assertion in _EXPLAINED]
            new = {m.concept: m for m in wanted if m.concept not in asked}
            asked.update(new)
            found = [f for f in map(self._defined, new.values()) if f is not None]
            for _, concept in sorted(found, key=lambda f: (f[0], f[1].kind in _BACKGROUND)):
                definitions.setdefault(concept.code, concept.defined())
        return list(definitions.values())[: max(0, limit)]

    def close(self) -> None:
        """Close the files."""
        for part in self.parts:
            part.close()

    def _longest(self, tokens: Tokens, texts: Sequence[str]) -> Iterator[tuple[int, _Found]]:
        """The longest valid match at each place, from left to right, with the text it is in."""
        starts: dict[int, dict[int, list[tuple[int, int]]]] = {}
        for number, part in enumerate(self.parts):
            matches = list(part.lexicon.matches(tokens.codes))
            part.candidates(match.key for match in matches)
            for match in matches:
                starts.setdefault(match.start, {}).setdefault(match.end, []).append(
                    (number, match.key)
                )
        free = 0
        for start in sorted(starts):
            if start < free:
                continue
            for end in sorted(starts[start], reverse=True):
                owner = tokens.owner[start]
                first, last = tokens.spans[start][0], tokens.spans[end - 1][1]
                if first >= last:
                    continue
                chosen = self._choose(texts[owner][first:last], starts[start][end])
                if chosen is not None and (
                    not chosen[1].exact or stands_for_a_term(texts[owner], first, last)
                ):
                    free = end
                    yield owner, (first, last, chosen[1])
                    break

    def _choose(
        self, surface: str, keys: Sequence[tuple[int, int]]
    ) -> tuple[int, Candidate] | None:
        """What ``surface`` may stand for, a defined concept where there is one, and whose it is."""
        fits = [
            (number, candidate)
            for number, key in keys
            for candidate in self.parts[number].candidates([key])[key]
            if not candidate.exact or _same_case(surface, candidate.name)
        ]
        return next((f for f in fits if f[1].concept.definition), fits[0] if fits else None)

    def _defined(self, mention: Mention) -> tuple[int, Concept] | None:
        """The concept that defines the mention, and the number of its dictionary."""
        known = [
            (n, c) for n, part in enumerate(self.parts) for c in part.concepts(mention.concept)
        ]
        for number, concept in known:
            if concept.definition:
                return number, concept
        for number, concept in known:
            for name in self.parts[number].names(concept):
                if other := self._named(name):
                    return other
        return next(filter(None, map(self._named, _heads(mention.term))), None)

    def _named(self, name: str) -> tuple[int, Concept] | None:
        """A defined concept of that name, in any dictionary."""
        tokens = codes(name)
        if not tokens:
            return None
        key = prefix_hashes(tokens)[-1]
        known = [(n, key) for n, part in enumerate(self.parts) if key in part.lexicon]
        chosen = self._choose(name, known)
        return (chosen[0], chosen[1].concept) if chosen and chosen[1].concept.definition else None


def glossary() -> Dictionary:
    """The dictionary that comes with MMedRAG: radiology, pathology, ophthalmology."""
    return Dictionary([_glossary()])


def open_dictionary(*paths: Path | str, with_glossary: bool = True) -> Dictionary:
    """Open compiled dictionaries; the glossary comes first unless ``with_glossary`` is false.

    Raises:
        CorpusError: a file is absent, damaged, or no compiled dictionary.
    """
    first = [_glossary()] if with_glossary else []
    return Dictionary([*first, *(CompiledDictionary.open(Path(path)) for path in paths)])


def _glossary() -> CompiledDictionary:
    return in_memory(translated(read_glossary(Path(__file__).with_name("glossary.jsonl"))))


def _same_case(surface: str, name: str) -> bool:
    return surface in (name, name + "s", name + "'s", name + "’s")


def _heads(term: str) -> list[str]:
    """Left pleural effusion: pleural effusion, effusion."""
    words = term.split()
    if {"of", "in", "with", "for", "to", "and"} & set(words):
        return []
    return [" ".join(words[i:]) for i in range(1, len(words))]


def _apart(found: Sequence[_Found]) -> list[_Found]:
    """In order and without overlap: the longer of two, the earlier of equals."""
    kept: list[_Found] = []
    for place in sorted(found, key=lambda f: (f[0], -f[1])):
        if not kept or place[0] >= kept[-1][1]:
            kept.append(place)
        elif place[1] - place[0] > kept[-1][1] - kept[-1][0]:
            kept[-1] = place
    return kept


def _mentions(
    text: str,
    reading: Reading,
    found: Sequence[_Found],
    anchors: Mapping[tuple[int, int, int], tuple[int, int]],
    number: int,
) -> Iterator[Mention]:
    spans = [anchors.get((number, start, end), (start, end)) for start, end, _ in found]
    stated = assertions(reading.text, spans)
    for (first, last, name), assertion in zip(found, stated, strict=True):
        start, end = reading.place(first, last)
        concept = name.concept
        yield Mention(text[start:end], start, end, concept.code, concept.term, assertion)
