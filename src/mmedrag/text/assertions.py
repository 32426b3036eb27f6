"""What a text says of a finding: affirmed, negated, uncertain, past, or of another person.

Rules in the manner of ConText (Harkema, Dowling, Thornblade, Chapman 2009): a trigger acts on the
mentions after or before it within its sentence, up to a phrase that ends its reach and within a
window of words. A pseudo-trigger ("no increase in") looks like a trigger and is none. The phrases
are in :mod:`mmedrag.text.english`, :mod:`mmedrag.text.spanish` and :mod:`mmedrag.text.portuguese`;
a text in any other language gets no verdict.

A mention is one word here, whatever it is made of, so no rule looks inside it (but for an "old"
that parts it from a list before it). Phrases are matched word by word and reach a bounded number of
words: the time is linear in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from importlib import import_module

from mmedrag.text import sentences
from mmedrag.text.characters import plain
from mmedrag.text.language import OTHER, language, sentence_language
from mmedrag.text.phrases import MENTION
from mmedrag.text.rules import Asks, Rule, Rules, Stop
from mmedrag.types import Assertion

Span = tuple[int, int]

_STRENGTH = (
    Assertion.NEGATED,
    Assertion.OTHER_PERSON,
    Assertion.INTERROGATIVE,
    Assertion.UNCERTAIN,
    Assertion.HISTORICAL,
)
"""Which verdict holds where several triggers reach one mention: "no history of" is a negation."""

_VERBS = frozenset({"is", "was", "are", "were", "has", "have", "had"})
_RELATIVE = frozenset({"which", "that", "who"})
_CONDITIONS = frozenset({"if", "unless", "when"})
"""Words of a clause of its own: "endometrium which, | if a polyp is suspected"."""
_ADDRESS = 6
"""Words within which a question may begin behind a comma or a colon: "Please, is there"."""
_INSERTED = 14
"""Words that a clause between a finding and its predicate may have."""

_MODULES = {"en": "english", "es": "spanish", "pt": "portuguese"}

_TOKEN = re.compile(
    r"\d++(?:[.,]\d++)*+"
    r"|[^\W\d_]/[^\W\d_](?!\w)|[-–−+]ve(?!\w)"  # w/o, r/o, s/p; -ve, +ve
    r"|[^\W_]++(?:['’][^\W_]++)*+"
    r"|(?<![^\W_])[-–—−=]++(?![^\W_])"  # a dash, not a hyphen
    r"|(?<=[^\W_])[-–−](?=[,;)]|\s*+$)|(?<=[A-Z\d])[-–−](?=\s(?!(?:and|or|to)\b))"  # CD3-
    r"|[^\w\s.'’-]|\.(?=\s*+$)"
)
_SIGNS = {"-ve": "negative", "–ve": "negative", "−ve": "negative", "+ve": "positive"}
_NUMBER = re.compile(r"\d++(?:[.,]\d++)?+")
_UNITS = frozenset({"mm", "cm", "x"})
_GRADES, _COMPARED = frozenset({"grade", "stage"}), frozenset({"+", ">", "<"})  # 2+, OS>OD
_YEAR = re.compile(r"(?:19|20)\d\d")


def assertions(text: str, mentions: Sequence[Span]) -> list[Assertion]:
    """The assertion of each mention (start and end in ``text``), in the order given.

    All are ``UNKNOWN`` where there are no rules for the language of their sentence.
    """
    verdicts = [Assertion.AFFIRMED] * len(mentions)
    order = sorted(range(len(mentions)), key=lambda i: mentions[i])
    spoken = language(text) if mentions else OTHER
    at = 0
    for start, end in sentences.spans(text) if mentions else ():
        first = at
        while at < len(order) and mentions[order[at]][0] < end:
            at += 1
        if inside := order[first:at]:
            spans = [(mentions[i][0] - start, mentions[i][1] - start) for i in inside]
            for i, verdict in zip(inside, _judge(text[start:end], spans, spoken), strict=True):
                verdicts[i] = verdict
    return verdicts


@cache
def rules_of(spoken: str) -> Rules | None:
    """The rules of a language (ISO 639-1), loaded when they are first needed."""
    if spoken not in _MODULES:
        return None
    module = import_module(f"mmedrag.text.{_MODULES[spoken]}")
    made: Rules = module.RULES
    return made


def _judge(sentence: str, mentions: Sequence[Span], spoken: str) -> list[Assertion]:
    rules = rules_of(sentence_language(sentence, spoken))
    if rules is None:
        return [Assertion.UNKNOWN] * len(mentions)
    words, owners = _words(sentence, mentions, rules)
    claims = _Claims(rules, words)
    claims.read(rules.heading.match(sentence))
    verdicts = [Assertion.AFFIRMED] * len(mentions)
    for at, inside in owners.items():
        stated = claims.of.get(at, ())
        verdict = next((a for a in _STRENGTH if a in stated), Assertion.AFFIRMED)
        for i in inside:
            verdicts[i] = verdict
    return verdicts


def _words(
    sentence: str, mentions: Sequence[Span], rules: Rules
) -> tuple[list[str], dict[int, list[int]]]:
    """The words of a sentence with ``MENTION`` for each mention, and which mentions stand where."""
    words: list[str] = []
    owners: dict[int, list[int]] = {}
    upcoming, covered = 0, 0
    for token in _TOKEN.finditer(sentence):
        while upcoming < len(mentions) and mentions[upcoming][0] < token.end():
            if mentions[upcoming][0] >= covered or not owners:
                first = _TOKEN.match(sentence, mentions[upcoming][0])
                if first is not None and plain(first[0]) in rules.contrasts:
                    words.append(plain(first[0]))
                owners[len(words)] = []
                words.append(MENTION)
            owners[len(words) - 1].append(upcoming)
            covered = max(covered, mentions[upcoming][1])
            upcoming += 1
        if token.start() >= covered:
            attached = sentence[token.start() - 1 : token.start()].isalnum()
            _append(words, token[0], rules, attached=attached)
    for rest in range(upcoming, len(mentions)):
        owners.setdefault(len(words), []).append(rest)
    return words, owners


def _append(words: list[str], word: str, rules: Rules, *, attached: bool) -> None:
    """Add ``word`` as the rules write it: lower case, no accents, "isn't" as two words.

    A dash is a minus where it is ``attached`` to what stands before it: "CD3-".
    """
    word = plain(word).replace("’", "'")
    if not word:  # a mark without its letter
        return
    if word.endswith("n't"):
        stem = word[:-3]
        words.extend(("cannot",) if stem == "ca" else ("will" if stem == "wo" else stem, "not"))
    elif word == "not" and words and words[-1] == "can":
        words[-1] = "cannot"
    elif words and _dates(words[-1], word):
        words[-1] = "0date"
    elif word in _SIGNS:
        words.append(_SIGNS[word])
    elif word[0] in "-–—−=":
        words.append("−" if attached else "–")
    elif _YEAR.fullmatch(word):
        words.append("0year")
    elif rules.bound and words and rules.bound.match(f"{words[-1]} {word}"):
        words[-1] += word
    else:
        words.extend(rules.same.get(word, word).split())


def _dates(word: str, following: str) -> bool:
    """Whether two words are a date in May, which may be taken for a doubt."""
    return (word == "may" and following.isdigit()) or (word.isdigit() and following == "may")


class _Claims:
    """What the triggers of one sentence say of its mentions: ``of[word]`` is a set of verdicts."""

    def __init__(self, rules: Rules, words: list[str]) -> None:
        self.rules, self.words = rules, words
        self.of: dict[int, set[Assertion]] = {}
        self.ends = [i for i, word in enumerate(words) if word in rules.either or word == ";"]
        self.opening = range(0)

    def read(self, heading: re.Match[str] | None) -> None:
        """Apply every trigger of the sentence."""
        if heading:
            family = heading["family"]
            self._state_all(Assertion.OTHER_PERSON if family else Assertion.HISTORICAL)
        asks = self._question()
        at = 0
        while at < len(self.words):
            match = self._trigger(at)
            if match is None:
                at += 1
                continue
            start, (end, values) = match
            rules = [rule for rule in values if rule is not None]
            if len(rules) == len(values):
                for rule in rules:
                    if self._holds(rule, start, asks):
                        self._reach(rule, start, end)
            at = end

    def _trigger(self, at: int) -> tuple[int, tuple[int, list[Rule | None]]] | None:
        """The best trigger at word ``at``.

        One that begins inside it and reaches further is better if it looks forward ("is negative
        for") or hides triggers ("not seen previously").
        """
        match = self.rules.triggers.match(self.words, at)
        if match is None:
            return None
        for inner in range(at + 1, match[0]):
            other = self.rules.triggers.match(self.words, inner)
            if other is not None and other[0] > match[0] and _looks_on(other[1]):
                return self._trigger(inner)
        return at, match

    def _question(self) -> Asks | None:
        """What the sentence asks for, and then its reach; ``None`` if it asks nothing."""
        words = self.words
        if "?" in words and words[-1] != "?" and words[words.index("?") + 1].isalnum():
            return None  # answered: "Is there a fracture? No."
        mark = any(word == "?" for word in words[-2:])
        tree = self.rules.questions if mark else self.rules.requests
        address = (i + 1 for i, word in enumerate(words[:_ADDRESS]) if word in ":,")
        for at in (0, *address):
            match = tree.match(words[at:], 0) if at < len(words) else None
            if match is not None:
                asks: Asks = match[1][0]
                self.opening = range(at, at + match[0])
                if asks is not Asks.ELSE:
                    limit = (
                        self.rules.whether_limit
                        if asks is Asks.WHETHER
                        else self.rules.meaning_limit
                    )
                    self._forward(Rule(Assertion.INTERROGATIVE, True, limit, 60), at + match[0])
                return asks
        return None

    def _holds(self, rule: Rule, start: int, asks: Asks | None) -> bool:
        """Whether a trigger means here what it means in a statement.

        A question does not hedge, and what it asks ("has it resolved", "are they free of") it does
        not state; but it may rule something out beside that ("but no effusion"). "Isn't there"
        rules nothing out, and what stands before the question is a statement.
        """
        if asks is None or start < self.opening.start:
            return True
        if start in self.opening:
            return False
        if rule.assertion is Assertion.NEGATED and asks is Asks.WHETHER:
            return self.words[start] in self.rules.without
        return rule.forward and rule.assertion is not Assertion.UNCERTAIN

    def _state_all(self, assertion: Assertion) -> None:
        for i, word in enumerate(self.words):
            if word == MENTION:
                self._state(i, assertion)

    def _state(self, at: int, assertion: Assertion) -> None:
        self.of.setdefault(at, set()).add(assertion)

    def _reach(self, rule: Rule, start: int, end: int) -> None:
        if rule.forward:
            self._forward(rule, end, serial=self._repeats(start))
        else:
            self._backward(rule, start)

    def _repeats(self, at: int) -> bool:
        """Whether the word there rules out again what follows: "no cough, no fever"."""
        word = self.words[at]
        earlier = self.words[max(0, at - 2) : at]
        return word in self.rules.without and "," in earlier and word in self.words[: at - 1]

    def _forward(self, rule: Rule, at: int, *, serial: bool = False) -> None:
        """State ``rule`` of the mentions from word ``at`` on, as far as it reaches.

        In a ``serial`` list every item has its own "no": one behind a comma that has none is
        affirmed, and so is what is measured ("no effusion, 4 mm nodule"). What a question asks is
        not ruled out before it ("no fever, is this pneumonia?").
        """
        count = 0
        end = self.opening.start if at < self.opening.start else len(self.words)
        while at < end and count < rule.window:
            word = self.words[at]
            if word == "," and (serial or self._measured(at + 1)) and not self._next_item(at):
                return
            stop = rule.limit.stops.match(self.words, at)
            if stop is not None:
                kind = stop[1][0]
                if kind is Stop.PASSES:
                    at = stop[0]
                    continue
                more = None if kind is Stop.ENDS else self._next_item(stop[0])
                if more is None:
                    return
                if kind is Stop.SKIPS:
                    at = more
                    continue
            if word == MENTION:
                self._state(at, rule.assertion)
            count += word[0].isalnum() or word == MENTION
            at += 1

    def _measured(self, at: int) -> bool:
        """Whether words that begin there give a size ("4 mm"), or a finding its grade ("X 2+")."""
        first, second, third = (*self.words[at : at + 3], "", "", "")[:3]
        if first == MENTION:
            return second in _GRADES or third in _COMPARED
        return second in _UNITS and _NUMBER.fullmatch(first) is not None

    def _next_item(self, at: int) -> int | None:
        """The next "or" of the clause from word ``at`` on."""
        here = bisect_left(self.ends, at)
        if here == len(self.ends) or self.words[self.ends[here]] == ";":
            return None
        return self.ends[here]

    def _subject_end(self, at: int) -> int:
        """Where the subject of a predicate at word ``at`` ends: before a clause put in behind it.

        "The effusion, which was large, | is gone"; "the nodule that was seen | has resolved".
        """
        verb = next((i for i in range(at, at - 4, -1) if i > 0 and self.words[i] in _VERBS), None)
        if verb is None:
            return at
        closed = self.words[verb - 1] == ","
        for i in range(verb - 2, max(0, verb - _INSERTED), -1):
            word, before = self.words[i], self.words[i - 1]
            if word in _RELATIVE and before == ",":
                i, before = i - 1, self.words[i - 2]
            if (word in _RELATIVE or (closed and word == ",")) and before == MENTION:
                return i
            if word == MENTION or word in _CONDITIONS:
                return at
        return at

    def _backward(self, rule: Rule, at: int) -> None:
        """State ``rule`` of the mentions before word ``at``, as far as it reaches."""
        limit = rule.limit
        count, joined, adjacent = 0, not limit.joins, True
        at = self._subject_end(at)
        for i in range(at - 1, -1, -1):
            word = self.words[i]
            if count >= rule.window:
                return
            # A verb right before the trigger belongs to it: "are | not seen".
            if limit.stops.match(self.words, i) is not None:
                if not adjacent or not word[0].isalnum():
                    return
                continue
            joined = joined or word in limit.joins
            if word == "," and not joined:
                return
            if word == MENTION:
                self._state(i, rule.assertion)
            if word[0].isalnum() or word == MENTION:
                count += 1
                adjacent = False


def _looks_on(values: Sequence[Rule | None]) -> bool:
    return all(rule is None or rule.forward for rule in values)
