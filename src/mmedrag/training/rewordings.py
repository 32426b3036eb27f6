"""One statement in two wordings, and a third that differs in a word and says something else.

Sentence encoders put "no effusion" beside "effusion" and far from "the effusion has gone". Here
the pair has few words in common and the wrong text nearly all: what counts is negation, side and
grade.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmedrag.training.text_pairs import Family, Random, TextPair

PRESENT = (
    "{x}", "There is {x}.", "{x} is present.", "{x} is seen.", "Findings of {x}.", "{x} is noted.",
    "Positive for {x}.", "Evidence of {x}.", "The image shows {x}.", "Demonstrates {x}.",
    "The patient has {x}.", "{x} is identified.", "Consistent with {x}.", "Presents with {x}.",
    "Diagnosis of {x} is confirmed.",
)  # fmt: skip
ABSENT = (
    "no {x}", "There is no {x}.", "{x} is absent.", "No {x} is seen.", "No evidence of {x}.",
    "Negative for {x}.", "Without {x}.", "Absence of {x}.", "{x} is not present.", "Free of {x}.",
    "No sign of {x}.", "The patient does not have {x}.", "{x} is ruled out.", "Denies {x}.",
    "{x} is not identified.", "The image does not show {x}.", "{x} has resolved.",
    "No findings to suggest {x}.",
)  # fmt: skip
SIDES = (
    ("left", "right"), ("upper", "lower"), ("anterior", "posterior"), ("medial", "lateral"),
    ("superior", "inferior"), ("proximal", "distal"), ("bilateral", "unilateral"),
    ("central", "peripheral"), ("temporal", "nasal"),
)  # fmt: skip
SIDED = (
    "{s} {x}", "{x} on the {s}", "{x}, {s} side", "{s}-sided {x}", "There is {x} on the {s} side.",
    "The {s} side shows {x}.", "{s} side: {x}", "{x} ({s})",
)  # fmt: skip
GRADES = (
    ("mild", "moderate", "severe"), ("small", "large"), ("acute", "chronic"),
    ("slight", "marked"), ("early", "advanced"), ("benign", "malignant"),
    ("well differentiated", "poorly differentiated"), ("low grade", "high grade"),
    ("grade 1", "grade 2", "grade 3"), ("increased", "decreased"), ("stable", "progressive"),
    ("normal", "abnormal"), ("single", "multiple"), ("non-proliferative", "proliferative"),
    ("partial", "complete"), ("dry", "wet"), ("solid", "cystic"), ("focal", "diffuse"),
)  # fmt: skip
GRADED = (
    "{s} {x}", "{x}, {s}", "{x} is {s}.", "There is {s} {x}.", "{s} degree of {x}", "{x} ({s})",
    "The {x} appears {s}.", "{x} of {s} character",
)  # fmt: skip
FOREIGN_ABSENT = (
    "sin {x}", "no se observa {x}", "ausencia de {x}", "no hay {x}", "sem {x}",
    "ausência de {x}", "não se observa {x}", "não há {x}",
)  # fmt: skip
FOREIGN_PRESENT = (
    "{x}", "se observa {x}", "presencia de {x}", "hay {x}", "presença de {x}", "observa-se {x}",
)  # fmt: skip

_FLIPS = {a: b for one, other in SIDES[:6] for a, b in ((one, other), (other, one))}
_FLIPS |= {"mild": "severe", "severe": "mild", "large": "small", "small": "large"}
_FLIPS |= {"increased": "decreased", "decreased": "increased", "acute": "chronic"}
_FLIPS |= {"chronic": "acute", "benign": "malignant", "malignant": "benign"}
_FLIPPED = re.compile(rf"\b({'|'.join(_FLIPS)})\b", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?:there (?:is|are) no(?: evidence of)?|no (?:evidence|signs?) of|"
    r"without(?: evidence of)?|no)"
    r" (?=[a-z])",
    re.IGNORECASE,
)
_DENIALS = ("no ", "no evidence of ", "there is no ", "absence of ", "without ")


def template_family(findings: Sequence[str]) -> Family:
    """Statements about one of the findings: half of presence, the others of a side or a grade."""

    def draw(random: Random) -> TextPair:
        x = findings[int(random.integers(len(findings)))]
        kind = random.random()
        if kind < 0.5:
            return _presence(x, random)
        choices, forms = (SIDES, SIDED) if kind < 0.75 else (GRADES, GRADED)
        return _qualified(x, choices[int(random.integers(len(choices)))], forms, random)

    return draw


def assertion_family(sentences: Sequence[tuple[str, str, bool]]) -> Family:
    """Real sentences, each paired with a finding that it affirms or denies."""

    def draw(random: Random) -> TextPair:
        sentence, x, affirmed = sentences[int(random.integers(len(sentences)))]
        says, opposite = (PRESENT, ABSENT) if affirmed else (ABSENT, PRESENT)
        right, wrong = (
            says[int(random.integers(len(says)))],
            opposite[int(random.integers(len(opposite)))],
        )
        return TextPair(sentence, right.format(x=x), wrong.format(x=x), f"{affirmed} {x}")

    return draw


def language_family(names: Sequence[tuple[str, str]]) -> Family:
    """Spanish or Portuguese and English names of a finding, half of them affirmed or denied."""

    def draw(random: Random) -> TextPair:
        foreign, english = names[int(random.integers(len(names)))]
        if random.random() < 0.5:
            return TextPair(foreign, english, group=english)
        denied = random.random() < 0.5
        foreign_forms = FOREIGN_ABSENT if denied else FOREIGN_PRESENT
        right, wrong = (ABSENT, PRESENT) if denied else (PRESENT, ABSENT)
        one, other, third = (
            forms[int(random.integers(len(forms)))].format(x=x)
            for forms, x in ((foreign_forms, foreign), (right, english), (wrong, english))
        )
        return TextPair(one, other, third, f"{denied} {english}")

    return draw


def _presence(x: str, random: Random) -> TextPair:
    says, opposite = (ABSENT, PRESENT) if random.random() < 0.6 else (PRESENT, ABSENT)
    first, second = random.choice(len(says), 2, replace=False)
    third = int(random.integers(len(opposite)))
    one, other, wrong = (form.format(x=x) for form in (says[first], says[second], opposite[third]))
    return TextPair(one, other, wrong, f"{says is ABSENT} {x}")


def _qualified(x: str, words: Sequence[str], forms: Sequence[str], random: Random) -> TextPair:
    right, wrong = random.choice(len(words), 2, replace=False)
    first, second = random.choice(len(forms), 2, replace=False)
    third = first if random.random() < 0.5 else int(random.integers(len(forms)))
    one = forms[first].format(s=words[right], x=x)
    other = forms[second].format(s=words[right], x=x)
    return TextPair(one, other, forms[third].format(s=words[wrong], x=x), f"{words[right]} {x}")


def sentence_family(texts: Sequence[str]) -> Family:
    """Real texts with a side, a grade or a negation: one with words left out, one turned."""
    usable = [text for text in texts if _FLIPPED.search(text) or _DENIED.search(text)]

    def draw(random: Random) -> TextPair:
        text = usable[int(random.integers(len(usable)))]
        words = text.split()
        if len(words) > 40:
            text = " ".join(words[:40])
        wrong = turned(text, random)
        return TextPair(text, thinned(text, random), "" if wrong == text else wrong, text)

    return draw


def turned(text: str, random: Random) -> str:
    """The text with its negations taken out, or with its sides and grades exchanged."""
    affirmed = _DENIED.sub("", text)
    if affirmed != text and (random.random() < 0.5 or not _FLIPPED.search(text)):
        return affirmed
    return _FLIPPED.sub(lambda match: _FLIPS[match[0].lower()], text)


def thinned(text: str, random: Random, share: float = 0.2) -> str:
    """Without some of the words that neither deny nor qualify, and denied in other words."""
    denial = _DENIALS[int(random.integers(len(_DENIALS)))]
    kept = [
        word
        for word in _DENIED.sub(denial, text).split()
        if _FLIPPED.search(word) or word.lower() in _KEPT or random.random() > share
    ]
    return " ".join(kept) or text


_KEPT = frozenset({"no", "not", "without", "absence", "evidence", "of"})
