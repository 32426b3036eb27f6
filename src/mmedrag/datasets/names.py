"""Finding the words of a name in a report that spells them in another way than the header.

A header writes MUELLER^HANS, O'BRIEN or 山田^太郎; the report says Müller, O’Brien's, 山田太郎.
Words are compared without accents, with umlauts spelled out and not, and whatever parts them: a
hyphen, an apostrophe, a space or nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

_MARK = "\u0300-\u036f"
WORD = re.compile(rf"(?:[^\W\d_][{_MARK}]*)+(?!['’][tT]\b)")
"""A run of letters; not the first half of "don't"."""

_BETWEEN = re.compile(r"[\s.'’‘ʼ‐‑–-]{0,3}")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_INFLECTED = re.compile(r"[\u0370-\u03ff\u0400-\u04ff]+")  # Greek and Cyrillic
_ENDINGS, _STEM = 3, 4  # letters of an ending, and the least before it
_OWN_ENDING = 2  # letters of a name that may give way to an ending: Petrovsky, Petrovskogo
_CASES = re.compile(r"(?:i?ego|i?emu|i?ej|owi|owa|ovi|ova|em|om|en|in|an|[aeouy])\Z")
"""Endings of names in Slavic and Baltic languages, without accents; after capitals alone."""

_PREFIXED = re.compile(r"(ma?c)(\w{4,})")
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "þ": "th"}
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_DIGRAPH = re.compile(r"([aou])e")
_LEAST_WITH_DIGRAPH = 5  # letters: Noe is not No

Keys = frozenset[str]
Span = tuple[int, int]


def is_unspaced(value: str) -> bool:
    """Whether a name is of a script that sets no spaces between words."""
    return bool(_UNSPACED.search(value))


@lru_cache(1 << 14)
def keys(word: str) -> Keys:
    """What all spellings of a word share at least one of."""
    lower = unicodedata.normalize("NFC", word.upper().casefold())
    if lower.isascii():
        return frozenset({lower})
    return frozenset(
        _bare(spelling.translate(_LETTERS)) for spelling in (lower, lower.translate(_UMLAUTS))
    )


def _bare(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


class Names:
    """Names, word by word, as they are looked for in a text."""

    def __init__(self, values: Iterable[str]) -> None:
        """``values`` are of letters and what may stand between them."""
        self.words: dict[str, str] = {}
        """The written form of each single word, by its keys."""
        self._stems: dict[str, str] = {}  # of names whose own ending gives way to another
        self._phrases: dict[str, list[Sequence[Keys]]] = defaultdict(list)
        for value in values:
            written = WORD.findall(value)
            if len(written) == 1:
                self._add_word(written[0])
            elif written:
                self._add_phrase(written)

    def _add_word(self, word: str) -> None:
        for key in keys(word):
            self.words[key] = word
            if len(key) >= _LEAST_WITH_DIGRAPH:
                self.words.setdefault(_DIGRAPH.sub(r"\1", key), word)
            for cut in range(1, _OWN_ENDING + 1):
                if len(key) - cut > _STEM:
                    self._stems[key[:-cut]] = word
            if prefixed := _PREFIXED.fullmatch(key):
                self.words |= dict.fromkeys((f"mc{prefixed[2]}", f"mac{prefixed[2]}"), word)
                self._phrases[prefixed[1]].append([keys(group) for group in prefixed.groups()])

    def _add_phrase(self, written: Sequence[str]) -> None:
        sequence = [keys(word) for word in written]
        for key in sequence[0]:
            self._phrases[key].append(sequence)
        self._add_word("".join(written))

    def written(self, word: str) -> str | None:
        """The name that a word of the text spells, as the header writes it."""
        for key in keys(word):
            if key in self.words:
                return self.words[key]
            genitive = key.endswith("s") and len(key) > _STEM and word[0].isupper()
            if genitive and key[:-1] in self.words:  # Müllers, SMITHS
                return self.words[key[:-1]]
        return next(filter(None, (self._inflected(word, key) for key in keys(word))), None)

    def _inflected(self, word: str, key: str) -> str | None:
        """The name of which a word, with this key, is a case in a language that inflects names."""
        capital = word[0].isupper()
        if _INFLECTED.fullmatch(word):
            cut = range(1, _ENDINGS + 1)
        elif capital and (ending := _CASES.search(key)):
            cut = range(len(ending[0]), len(ending[0]) + 1)
        else:
            return None
        stems = [key[:-n] for n in cut if len(key) - n >= _STEM]
        names = (self.words, self._stems) if capital else (self.words,)
        return next((known[stem] for known in names for stem in stems if stem in known), None)

    def phrases(self, text: str) -> Iterator[Span]:
        """Where names of several words stand, the longest at each place."""
        if not self._phrases:
            return
        words = list(WORD.finditer(text))
        at = 0
        while at < len(words):
            count = self._longest(text, words, at)
            if count:
                yield words[at].start(), words[at + count - 1].end()
            at += count or 1

    def _longest(self, text: str, words: Sequence[re.Match[str]], at: int) -> int:
        """How many words from ``at`` on are a name; 0 for none."""
        sequences = [s for key in keys(words[at][0]) for s in self._phrases.get(key, ())]
        fitting = (len(s) for s in sequences if _stands(text, words[at : at + len(s)], s))
        return max(fitting, default=0)


def _stands(text: str, words: Sequence[re.Match[str]], sequence: Sequence[Keys]) -> bool:
    if len(words) < len(sequence):
        return False
    return all(
        not own.isdisjoint(keys(word[0])) for own, word in zip(sequence, words, strict=True)
    ) and all(
        _BETWEEN.fullmatch(text, words[i].end(), words[i + 1].start())
        for i in range(len(words) - 1)
    )
