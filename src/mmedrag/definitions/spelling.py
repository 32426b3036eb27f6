"""Spelling mistakes in questions, corrected against the words of glossary and casebase.

A word is corrected only where there is no doubt: it is no word of the glossary, of the casebase or
of English, and one known word alone is nearest to it (Damerau-Levenshtein distance, found by
SymSpell's symmetric deletes). Where two are as near, or the word is English, its neighbours decide:
"plural effusion" is no term and "pleural effusion" is one. Names in capitals, short words and words
that look like a rarer term ("adenitis" beside "dermatitis") stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import pairwise, takewhile

from symspellpy import SymSpell, Verbosity

from mmedrag.text.wording import normal

_WORD = re.compile(r"[^\W\d_]+")
_SUFFIX = re.compile(
    r"(?:itis|osis|oma|emia|aemia|pathy|ectomy|otomy|plasia|trophy|algia|penia|uria|sclerosis)$"
)
_ENDING = re.compile(
    r"a|ae|al|ar|ary|c|e|ea|es|i|ic|is|l|o|or|ous|s|tic|um|us"  # of Latin and English
)
SHORTEST = 5
"""Letters below which a word may stand for too many others."""

ALONE = 7
"""Letters below which a word is corrected only where its neighbours say so."""

LONG = 8
"""Letters from which two mistakes are believed."""

COMMON = 3
"""Texts of a casebase in which a word must stand to be what somebody meant to write."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A word as it was written, and the word that was meant; characters of the text as written."""

    written: str
    meant: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """A text after its corrections, which an answer should show."""

    text: str
    corrections: tuple[Correction, ...] = ()


class Spelling:
    """Corrects words against a vocabulary.

    Args:
        names: terms of dictionaries (:meth:`Dictionary.vocabulary`).
        frequencies: by word in lower case, in how many texts of the casebase it stands. Any word of
            the casebase counts as right, since it can be searched, unless it is a hundred times
            rarer than a term of which it is one letter off.
    """

    def __init__(self, names: Iterable[str], frequencies: Mapping[str, int] | None = None) -> None:
        self._frequencies = frequencies or {}
        self._terms: set[str] = set()
        self._pairs: set[tuple[str, str]] = set()
        for name in names:
            words = [word.lower() for word in _WORD.findall(name)]
            self._terms.update(words)
            pairs = pairwise(map(normal, words))
            self._pairs.update(pair for pair in pairs if min(map(len, pair)) > len("the"))
        self._forms = {normal(word) for word in self._terms}

    def correct(self, text: str) -> Corrected:
        """The text with every mistake corrected that leaves no doubt."""
        words = list(_WORD.finditer(text))
        found = [
            Correction(word.group(), _in_case_of(word.group(), meant), *word.span())
            for at, word in enumerate(words)
            if (meant := self._meant(text, words, at))
        ]
        for correction in reversed(found):
            text = text[: correction.start] + correction.meant + text[correction.end :]
        return Corrected(text, tuple(found))

    def _meant(self, text: str, words: list[re.Match[str]], at: int) -> str:
        """What the word ``at`` was meant to be; empty where it is right or in doubt."""
        written = words[at].group()
        word = written.lower()
        if len(word) < SHORTEST or normal(word) in self._forms or _is_name(text, words[at]):
            return ""
        near = [other for other in self._near(word) if _may_be_meant(word, other)]
        beside = [other for other in near if self._stands_beside(other, words, at)]
        known = word in _english() or self._is_used(word)
        moved = any(sorted(word) == sorted(other) for other in near)
        choices = (beside,) if known or (len(word) < ALONE and not moved) else (near, beside)
        for choice in choices:
            if len({normal(other) for other in choice}) == 1:
                return choice[0]
        return ""

    def _near(self, word: str) -> list[str]:
        """The nearest words of the vocabulary, all at the same distance."""
        limit = 2 if len(word) >= LONG and not _SUFFIX.search(word) else 1
        found = self._speller.lookup(word, Verbosity.CLOSEST, max_edit_distance=limit)
        return [s.term for s in found if s.distance == 1 or _frames(word, s.term)]

    def _is_used(self, word: str) -> bool:
        """Whether the casebase writes it so, and not by mistake."""
        times = self._frequencies.get(word, 0)
        rivals = (self._frequencies.get(other, 0) for other in self._near(word))
        return times > 0 and 100 * times >= max(rivals, default=0)

    def _stands_beside(self, word: str, words: list[re.Match[str]], at: int) -> bool:
        """Whether the word and a neighbour are a part of a term."""
        form = normal(word)
        before = normal(words[at - 1].group()) if at else ""
        after = normal(words[at + 1].group()) if at + 1 < len(words) else ""
        return (before, form) in self._pairs or (form, after) in self._pairs

    @cached_property
    def _speller(self) -> SymSpell:
        speller = SymSpell(max_dictionary_edit_distance=2, prefix_length=7)
        common = {word for word, n in self._frequencies.items() if n >= COMMON}
        for word in self._terms | common:
            if len(word) >= SHORTEST - 1:
                speller.create_dictionary_entry(word, max(1, self._frequencies.get(word, 1)))
        return speller


def _is_name(text: str, word: re.Match[str]) -> bool:
    """Whether its capitals make it a name or an abbreviation."""
    written = word.group()
    if written.islower() or text.isupper():
        return False
    starts = not text[: word.start()].strip() or text[: word.start()].rstrip()[-1] in ".?!:\n"
    return not (starts and written[1:].islower())


def _may_be_meant(word: str, other: str) -> bool:
    """Whether one may be a slip for the other, and not a word of its own.

    The first letter is seldom wrong, but may be lost or change places. Where a word ends like a
    term ("-itis"), another letter in its first half makes another term. Words that differ in an
    ending alone are forms of one word, and right.
    """
    start = word[0] == other[0] or other[1:] == word or word[:2] == other[1::-1]
    pairs = zip(word, other, strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    if not start or (shared >= SHORTEST - 1 and _ENDING.fullmatch(word[shared:])):
        return False
    slip = len(word) != len(other) or sorted(word) == sorted(other) or shared >= SHORTEST
    return slip or not _SUFFIX.search(word)


def _frames(word: str, other: str) -> bool:
    """Whether two words with two differences between them begin and end alike."""
    return word[:4] == other[:4] and word[-3:] == other[-3:]


def _in_case_of(written: str, meant: str) -> str:
    if written.isupper():
        return meant.upper()
    return meant.capitalize() if written[0].isupper() else meant


@cache
def _english() -> frozenset[str]:
    """Some 83,000 English words, which SymSpell brings."""
    source = files("symspellpy") / "frequency_dictionary_en_82_765.txt"
    lines = source.read_text("utf-8-sig").splitlines()
    return frozenset(line.split(" ", 1)[0] for line in lines)
