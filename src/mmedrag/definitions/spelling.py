"""Spelling mistakes in questions, corrected against the words of glossary and casebase.

A word is corrected only where there is no doubt: it is no word of the glossary, of the casebase or
of English, and one known word alone is nearest to it (Damerau-Levenshtein distance, found by
SymSpell's symmetric deletes). Where two are as near, or the word is English, its neighbours decide:
"plural effusion" is no term and "pleural effusion" is one. Names in capitals, short words and words
that look like a rarer term ("adenitis" beside "dermatitis") stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from itertools import islice, pairwise, takewhile

from symspellpy import SymSpell, Verbosity

from mmedrag.definitions import translations
from mmedrag.definitions.dictionary import Dictionary
from mmedrag.protocols import Words
from mmedrag.text.language import ENGLISH, language
from mmedrag.text.wording import normal
from mmedrag.types import Corrected, Correction

_WORD = re.compile(r"[^\W\d_]+")
_SUFFIX = re.compile(
    r"(?:itis|osis|oma|emia|aemia|pathy|ectomy|otomy|plasia|trophy|algia|penia|uria|sclerosis)$"
)
_ENDING = re.compile(
    r"a|ae|al|ar|ary|c|e|ea|es|i|ic|is|l|o|or|ous|s|tic|um|us"  # of Latin and English
)
_IDENTIFIER = re.compile(r"[\d_@#\\]|[.:/][^\W\d_]*[\d_.]|\.\w")
_TITLE = re.compile(r"\b(?:dr|mr|mrs|ms|prof|st)\.$", re.IGNORECASE)
SHORTEST = 5
"""Letters below which a word may stand for too many others."""

ALONE = 7
"""Letters below which a word is corrected only where its neighbours say so."""

LONG = 8
"""Letters from which two mistakes are believed."""

NAMES = 200_000
"""Names whose words can be meant; those of large ontologies beyond it are only right."""


class Spelling:
    """A :class:`~mmedrag.protocols.SpellingCorrector` by the words of dictionary and casebase.

    Any word of a dictionary is right, and so is one of the casebase, since it can be searched,
    unless it is a hundred times rarer than a term of which it is one letter off.

    Args:
        dictionary: whose words are right and can be meant.
        words: of the casebase, which are so, too.
    """

    def __init__(self, dictionary: Dictionary, words: Words | None = None) -> None:
        self._dictionary = dictionary
        self._words = words

    def correct(self, text: str) -> Corrected:
        """The text with every mistake corrected that leaves no doubt; only English is."""
        words = list(_WORD.finditer(text))
        if language(text) != ENGLISH or not any(self._is_strange(text, w) for w in words):
            return Corrected(text)
        (mentions,) = self._dictionary.recognise([text])
        right = {n for n, w in enumerate(words)
                 if any(m.start <= w.start() and w.end() <= m.end for m in mentions)}  # fmt: skip
        corrections = [
            Correction(word.group(), _in_case_of(word.group(), meant), *word.span())
            for at, word in enumerate(words)
            if at not in right and (meant := self._meant(text, words, at))
        ]
        for correction in reversed(corrections):
            text = text[: correction.start] + correction.meant + text[correction.end :]
        return Corrected(text, tuple(corrections))

    def _meant(self, text: str, words: list[re.Match[str]], at: int) -> str:
        """What the word ``at`` was meant to be; empty where it is right or in doubt."""
        if not self._is_strange(text, words[at]):
            return ""
        word = words[at].group().lower()
        nearest = self._near(word)
        near = [other for other in nearest if _may_be_meant(word, other)]
        beside = [other for other in near if self._stands_beside(other, words, at)]
        is_word = word in _english() or self._is_used(word, nearest)
        moved = any(sorted(word) == sorted(other) for other in near)
        choices = (beside,) if is_word or (len(word) < ALONE and not moved) else (near, beside)
        for choice in choices:
            if len({normal(other) for other in choice}) == 1:
                return choice[0]
        return ""

    def _is_strange(self, text: str, word: re.Match[str]) -> bool:
        """Whether a word is long enough, no name, and of no term of the first dictionaries."""
        written = word.group()
        long = len(written) >= SHORTEST
        return long and not _is_name(text, word) and normal(written) not in self._vocabulary.forms

    def _near(self, word: str) -> list[str]:
        """The nearest words of dictionary and casebase, all at the same distance."""
        limit = 2 if len(word) >= LONG and not _SUFFIX.search(word) else 1
        suggestions = self._vocabulary.speller.lookup(
            word, Verbosity.CLOSEST, max_edit_distance=limit
        )
        apart = {s.term: s.distance for s in suggestions}
        similar = {} if self._words is None else self._words.similar(word)
        apart |= {other: d for other, d in similar.items() if 0 < d <= limit}
        apart = {o: d for o, d in apart.items() if d == 1 or _frames(word, o)}
        return sorted(other for other, d in apart.items() if d == min(apart.values()))

    def _is_used(self, word: str, nearest: list[str]) -> bool:
        """Whether the casebase writes it so, and not by mistake."""
        if self._words is None:
            return False
        times = self._words.frequency(word)
        if not times:
            return False
        return 100 * times >= max(map(self._words.frequency, nearest), default=0)

    def _stands_beside(self, word: str, words: list[re.Match[str]], at: int) -> bool:
        """Whether the word and a neighbour are a part of a term."""
        form = normal(word)
        before = normal(words[at - 1].group()) if at else ""
        after = normal(words[at + 1].group()) if at + 1 < len(words) else ""
        return (before, form) in self._vocabulary.pairs or (form, after) in self._vocabulary.pairs

    @cached_property
    def _vocabulary(self) -> _Vocabulary:
        """Of the English names: "aneurisma" is no word of an English text."""
        foreign = {name for translated in translations.names().values() for name in translated}
        names = (name for name in self._dictionary.vocabulary() if name not in foreign)
        return _vocabulary_of(tuple(islice(names, NAMES)))


@dataclass(frozen=True)
class _Vocabulary:
    """Words of terms, their normal forms, and which of these stand side by side in a term."""

    words: frozenset[str]
    forms: frozenset[str]
    pairs: frozenset[tuple[str, str]]

    @cached_property
    def speller(self) -> SymSpell:
        """Finds the words that are near one; made where a strange word first asks for it."""
        speller = SymSpell(max_dictionary_edit_distance=2, prefix_length=7)
        for word in sorted(self.words):
            if len(word) >= SHORTEST - 1:
                speller.create_dictionary_entry(word, 1)
        return speller


@lru_cache(maxsize=2)
def _vocabulary_of(names: tuple[str, ...]) -> _Vocabulary:
    """The vocabulary of names; casebases with the same dictionaries share it."""
    all_words: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for name in names:
        words = [word.lower() for word in _WORD.findall(name)]
        all_words.update(words)
        beside = pairwise(map(normal, words))
        pairs.update(pair for pair in beside if min(map(len, pair)) > len("the"))
    return _Vocabulary(frozenset(all_words), frozenset(map(normal, all_words)), frozenset(pairs))


def _is_name(text: str, word: re.Match[str]) -> bool:
    """Whether capitals make it a name or an abbreviation, or what it touches an identifier."""
    written = word.group()
    if _IDENTIFIER.search(text[max(0, word.start() - 1) : word.start()]) or _IDENTIFIER.match(
        text, word.end()
    ):
        return True
    if written.islower() or text.isupper():
        return False
    before = text[: word.start()].rstrip(" ")
    starts = not before or (before[-1] in ".?!:\n" and not _TITLE.search(before))
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
