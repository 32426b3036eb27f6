"""The DefinitionSource of section 3.4, stage 2: entity set E, and Definition(e) for its members."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from pathlib import Path

from mmedrag.definitions.compilation import fill
from mmedrag.definitions.compiled import Candidate, CompiledDictionary, Concept
from mmedrag.definitions.concepts import REMEMBERED, Concepts
from mmedrag.definitions.context import (
    introduced_as,
    is_whole_statement,
    means_something_else,
    stands_for_a_term,
)
from mmedrag.definitions.entities import Tokens, prefix_hashes
from mmedrag.definitions.fingerprint import fingerprint_of
from mmedrag.definitions.predicates import Span
from mmedrag.definitions.tables import read_glossary
from mmedrag.definitions.translations import translated
from mmedrag.remembering import remembered
from mmedrag.text.assertions import assertions
from mmedrag.text.characters import Reading
from mmedrag.text.sites import sites_of
from mmedrag.text.wording import codes, normal, spans
from mmedrag.types import Assertion, Definition, Kind, Mention

_TermMatch = tuple[int, int, Candidate]
"""Characters of a text, and the name that they are."""

_ENDINGS = frozenset({"e", "a", "ae", "i", "um", "us", "is", "on"})
"""Endings that the normal form of a word is without (:mod:`mmedrag.text.wording`)."""

_QUESTIONS = 64
"""Texts whose terms are remembered."""

_EXPLAINED = frozenset({Assertion.AFFIRMED, Assertion.INTERROGATIVE})

_BACKGROUND = frozenset(
    {Kind.ANATOMY, Kind.TECHNIQUE, Kind.PROCEDURE, Kind.STAIN, Kind.DEVICE, Kind.OTHER}
)
"""Kinds of terms that are seldom what a reader wants explained."""


class Dictionary:
    """One or several dictionaries as one :class:`~mmedrag.protocols.DefinitionSource`.

    A text is read from left to right and the longest name at each place is taken. Where several
    dictionaries know it, the first that defines it is preferred.
    """

    def __init__(self, dictionaries: Sequence[CompiledDictionary]) -> None:
        self.dictionaries = tuple(dictionaries)
        self.concepts = Concepts(self.dictionaries)
        self._recognised = remembered(_QUESTIONS)(self._recognised_in_one)
        self._defined = lru_cache(REMEMBERED)(self._definition_of)

    @cached_property
    def fingerprint(self) -> str:
        """The dictionaries and the rules, in a line; see ``protocols.DefinitionSource``."""
        return fingerprint_of(self.dictionaries)

    def recognise(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:
        """The terms of each text with what is said of them; in order, without overlap.

        The last texts that came alone are remembered: the speller, the router and the pipeline
        read the same question.
        """
        return [self._recognised(texts[0])] if len(texts) == 1 else self._recognised_in(texts)

    def _recognised_in_one(self, text: str) -> tuple[Mention, ...]:
        return self._recognised_in([text])[0]

    def _recognised_in(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:
        readings = [Reading.of(text) for text in texts]
        read = [reading.text for reading in readings]
        tokens = Tokens.of(read)
        matches: list[list[_TermMatch]] = [[] for _ in texts]
        for owner, match in self._longest(tokens, read):
            matches[owner].append(match)
        return [
            self._with_sites(item[0], tuple(self._mentions(*item)))
            for item in zip(texts, readings, map(_apart, matches), tokens.anchors, strict=True)
        ]

    def define(self, mentions: Sequence[Sequence[Mention]], limit: int) -> list[Definition]:
        """Definitions of mentions affirmed or asked for, of earlier texts first, one a concept.

        Within a text the first dictionary's definitions come first, and findings and diseases
        before anatomy and technique. A concept without a definition
        is defined by a dictionary that knows one of its names, else by the part of its term that
        names what it is ("left pleural effusion" is a pleural effusion), else left out.
        """
        definitions: dict[str, Definition] = {}
        seen: set[str] = set()
        for text in mentions:
            if len(definitions) >= limit:
                break
            wanted = [m for m in text if m.assertion in _EXPLAINED]
            new = {m.concept: m for m in wanted if m.concept not in seen}
            seen.update(new)
            defined = (self._defined(m.concept, m.term) for m in new.values())
            entries = [f for f in defined if f is not None]
            for _, concept in sorted(entries, key=self._interest):
                definitions.setdefault(concept.code, concept.defined())
        return list(definitions.values())[: max(0, limit)]

    def vocabulary(self) -> Iterator[str]:
        """Every name that a text is matched with, of all dictionaries."""
        for dictionary in self.dictionaries:
            yield from dictionary.vocabulary()

    def close(self) -> None:
        """Close the files."""
        for dictionary in self.dictionaries:
            dictionary.close()

    def _interest(self, entry: tuple[int, Concept]) -> tuple[int, bool]:
        return entry[0], self.concepts.kind(entry[1].code) in _BACKGROUND

    def _with_sites(self, text: str, mentions: Sequence[Mention]) -> tuple[Mention, ...]:
        """The mentions with the sides and lobes that the text gives them."""
        pairs = zip(mentions, sites_of(text, mentions), strict=True)
        return tuple(replace(m, sites=sites) if sites else m for m, sites in pairs)

    def _mentions(
        self,
        text: str,
        reading: Reading,
        matches: Sequence[_TermMatch],
        anchors: Mapping[Span, Span],
    ) -> Iterator[Mention]:
        spans = [anchors.get((start, end), (start, end)) for start, end, _ in matches]
        stated = assertions(reading.text, spans)
        for (first, last, name), assertion in zip(matches, stated, strict=True):
            start, end = reading.span(first, last)
            code, term = name.concept.code, name.concept.term
            kind = self.concepts.kind(code)
            yield Mention(text[start:end], start, end, code, term, assertion, kind)

    def _longest(self, tokens: Tokens, texts: Sequence[str]) -> Iterator[tuple[int, _TermMatch]]:
        """The longest valid match at each place, from left to right, with the text it is in."""
        starts: dict[int, dict[int, list[tuple[int, int]]]] = {}
        for number, dictionary in enumerate(self.dictionaries):
            matches = list(dictionary.lexicon.matches(tokens.codes))
            dictionary.candidates(match.key for match in matches)
            for match in matches:
                starts.setdefault(match.start, {}).setdefault(match.end, []).append(
                    (number, match.key)
                )
        settings = [_Setting(text, self) for text in texts]
        free = 0
        for start in sorted(starts):
            if start < free:
                continue
            for end in sorted(starts[start], reverse=True):
                owner = tokens.owner[start]
                first, last = tokens.spans[start][0], tokens.spans[end - 1][1]
                if first >= last:  # a part of a predicated name
                    continue
                surface = texts[owner][first:last]
                chosen = self._choose(surface, starts[start][end], settings[owner])
                span = texts[owner], first, last
                if (
                    chosen is not None
                    and is_whole_statement(*span)
                    and not means_something_else(*span)
                    and (not chosen[1].exact or stands_for_a_term(*span))
                    and self._is_what_was_introduced(chosen, *span)
                ):
                    free = end
                    yield owner, (first, last, chosen[1])
                    break

    def _is_what_was_introduced(
        self, chosen: tuple[int, Candidate], text: str, start: int, end: int
    ) -> bool:
        """Whether a term can be what the text introduces its abbreviation for, if it does."""
        starts = [word[:4].casefold() for word in introduced_as(text, start, end) if len(word) > 3]
        if not starts:
            return True
        number, candidate = chosen
        names = " ".join(self.dictionaries[number].names(candidate.concept)).casefold()
        return any(start in names for start in starts)

    def _choose(
        self, surface: str, keys: Sequence[tuple[int, int]], setting: _Setting
    ) -> tuple[int, Candidate] | None:
        """What ``surface`` may stand for, and whose it is.

        The meaning for which the most of its text speaks, then a name that is written just so, then
        a defined concept where there is one.
        """
        fits = [
            (number, candidate)
            for number, key in keys
            for candidate in self.dictionaries[number].candidates([key])[key]
            if not (candidate.exact or _is_stem(surface, candidate.name))
            or (candidate.exact and _same_case(surface, candidate.name))
        ]
        if any(candidate.contexts for _, candidate in fits):
            fits = setting.fitting(fits)
        if len(fits) > 1:
            written = surface.casefold()
            fits = [f for f in fits if f[1].name.casefold() == written] or fits
        return next((f for f in fits if f[1].concept.definition), fits[0] if fits else None)

    def _definition_of(self, code: str, term: str) -> tuple[int, Concept] | None:
        """The concept that defines a mention, and the number of its dictionary."""
        entries = [
            (n, c)
            for n, dictionary in enumerate(self.dictionaries)
            for c in dictionary.concepts(code)
        ]
        for number, concept in entries:
            if concept.definition:
                return number, concept
        for number, concept in entries:
            for name in self.dictionaries[number].names(concept):
                if other := self._named(name):
                    return other
        return next(filter(None, map(self._named, _heads(term))), None)

    def _named(self, name: str) -> tuple[int, Concept] | None:
        """A defined concept of that name, in any dictionary."""
        tokens = codes(name)
        if not tokens:
            return None
        key = prefix_hashes(tokens)[-1]
        keys = [
            (n, key) for n, dictionary in enumerate(self.dictionaries) if key in dictionary.lexicon
        ]
        chosen = self._choose(name, keys, _Setting(name, self))
        return (chosen[0], chosen[1].concept) if chosen and chosen[1].concept.definition else None


class _Setting:
    """The words and domains of a text, by which the meaning of an abbreviation is chosen."""

    def __init__(self, text: str, dictionary: Dictionary) -> None:
        self._text = text
        self._dictionaries = dictionary.dictionaries

    def fitting(self, candidates: Sequence[tuple[int, Candidate]]) -> list[tuple[int, Candidate]]:
        """Those for which the most of their contexts speak; else those that need none.

        A text that is the abbreviation and nothing else stands for the one thing that is known.
        """
        support = [len(self._present.intersection(c.contexts)) for _, c in candidates]
        most = max(support)
        if most:
            return [c for c, n in zip(candidates, support, strict=True) if n == most]
        alone = self._text.strip(" \n.?!") in {c.name for _, c in candidates}
        if alone and len({c.concept.code for _, c in candidates}) == 1:
            return list(candidates)
        return [(number, c) for number, c in candidates if not c.contexts]

    @cached_property
    def _present(self) -> frozenset[str]:
        words = {normal(self._text[start:end]) for start, end in spans(self._text)}
        return frozenset(words | {f"@{domain}" for domain in self._domains()})

    def _domains(self) -> list[str]:
        """The domains that the most of its names are of, names of several domains left out."""
        tokens = Tokens.of([self._text])
        counts: Counter[str] = Counter()
        for dictionary in self._dictionaries:
            keys = [match.key for match in dictionary.lexicon.matches(tokens.codes)]
            for key, candidates in dictionary.candidates(keys).items():
                first = candidates[0]
                if key in keys and not first.contexts and len(first.concept.domains.split()) == 1:
                    counts[first.concept.domains] += 1
        most = max(counts.values(), default=0)
        return [domain for domain, count in counts.items() if count == most]


def asked_for(mentions: Sequence[Mention]) -> list[Mention]:
    """The terms of a text as somebody asks for them: "no effusion" names an effusion, too."""
    return [replace(m, assertion=Assertion.INTERROGATIVE) for m in mentions]


def glossary() -> Dictionary:
    """The dictionary that comes with MMedRAG: radiology, pathology, ophthalmology.

    It is compiled at the first call, which takes some tenths of a second.
    """
    return Dictionary([_glossary()])


def open_dictionary(*paths: Path | str, with_glossary: bool = True) -> Dictionary:
    """Open compiled dictionaries; the glossary comes first unless ``with_glossary`` is false.

    Raises:
        CorpusError: a file is absent, damaged, or no compiled dictionary.
    """
    first = [_glossary()] if with_glossary else []
    return Dictionary([*first, *(CompiledDictionary.open(Path(path)) for path in paths)])


def _glossary() -> CompiledDictionary:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.deserialize(_compiled_glossary())
    return CompiledDictionary(connection, Path("glossary.jsonl"))


@cache
def _compiled_glossary() -> bytes:
    entries = translated(read_glossary(Path(__file__).with_name("glossary.jsonl")))
    with closing(sqlite3.connect(":memory:")) as connection:
        fill(connection, entries, Path("glossary.jsonl"))
        return connection.serialize()


def _same_case(surface: str, name: str) -> bool:
    return surface in (name, name + "s", name + "'s", name + "’s")


def _is_stem(surface: str, name: str) -> bool:
    """Whether a text has another, shorter word than the name: a spin is no spine."""
    word, whole = surface.lower().removesuffix("s"), name.lower()
    return whole.startswith(word) and whole[len(word) :] in _ENDINGS


def _heads(term: str) -> list[str]:
    """Left pleural effusion: pleural effusion, effusion."""
    words = term.split()
    if {"of", "in", "with", "for", "to", "and"} & set(words):
        return []
    return [" ".join(words[i:]) for i in range(1, len(words))]


def _apart(matches: Sequence[_TermMatch]) -> list[_TermMatch]:
    """In order and without overlap: the longer of two, the earlier of equals."""
    kept: list[_TermMatch] = []
    for match in sorted(matches, key=lambda f: (f[0], -f[1])):
        if not kept or match[0] >= kept[-1][1]:
            kept.append(match)
        elif match[1] - match[0] > kept[-1][1] - kept[-1][0]:
            kept[-1] = match
    return kept
