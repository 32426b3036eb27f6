"""Names, numbers, dates and addresses taken out of a report, and its clinical words left in.

A patient may be called White, Small or No: where such a word is an ordinary word of reports, it
goes only where it stands as a name. Taking "No" out of "No pneumothorax" would turn a denial into
an affirmation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

REMOVED = "[REMOVED]"

_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_NO_UNIT = r"(?!\s*(?:mm|cm|ml|mg|hu|msv|mgy|ms|/|per\b|cells|copies|%))"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (mark, re.compile(pattern, re.IGNORECASE))
    for mark, pattern in (
        ("[EMAIL]", r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+"),
        ("[UID]", r"(?<![\w.])[0-2](?:\.\d{1,39}){5,40}(?![\w])"),
        (
            "[ID]",
            r"\b(?:mrn|ssn|(?:medical record|accession|nhs|hospital)(?: (?:number|no))?|patient id)"
            r"\b\.?\s{0,4}[:#=]?\s{0,4}[A-Z-]{0,4}\d[\w-]{2,}",
        ),
        ("[ID]", r"\b\d{3}-\d{2}-\d{4}\b"),
        ("[DATE]", r"\b(?:19|20)\d{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])\b"),
        ("[DATE]", r"\b\d{1,2}([-/.])\d{1,2}\1(?:(?:19|20)\d{2}|\d{2})\b(?!\s*(?:mm|cm))"),
        ("[DATE]", r"\b(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\b"),
        (
            "[DATE]",
            rf"\b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\b\.?,?\s*(?:19|20)\d{{2}}\b",
        ),
        ("[DATE]", rf"\b{_MONTH}\b\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+(?:19|20)\d{{2}}\b"),
        ("[PHONE]", r"(?<![\w.])(?:\+?1[\s.-])?\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}\b"),
        ("[PHONE]", r"(?<!\w)\+\d{1,3}(?:[\s.-]?\d{2,4}){3,4}\b"),
        (
            "[PHONE]",
            r"\b(?:tel|phone|telephone|pager|bleep|ext|extension|fax|mobile|cell)\b[.:]{0,2}\s{0,4}"
            r"(?:no\b\.?\s{0,4}|number\s{0,4})?[+(]?\d[\d\s()./-]{1,16}\d",
        ),
        ("[PHONE]", r"(?<![\w.,/-])\d{3}[-.]\d{4}\b" + _NO_UNIT),
        ("[PHONE]", r"\b(?:call(?:ed)?|at|on)\s{1,4}\d{3}[\s.-]?\d{4}\b" + _NO_UNIT),
    )
)
_LOCAL = re.compile(
    r"(?<![\w.,/-])\(?0\d{1,5}\)?(?:[ /-]{1,3}\d{2,8}){1,4}\b" + _NO_UNIT, re.IGNORECASE
)
_LONG_NUMBER = re.compile(r"(?<![\w.,])\d{7,}\b" + _NO_UNIT, re.IGNORECASE)
_LOCAL_DIGITS = 7  # of a local telephone number with its area code, which begins with 0
_TITLED = re.compile(
    r"\b(?P<title>(?:Dr|Mr|Mrs|Ms|Miss|Prof|Professor|Doctor)\b\.?)"
    r"\s+[A-Z][\w'’-]+(?:\s+(?:[A-Z]\.?\s+)?[A-Z][\w'’-]+)?"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_PLAIN_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*\Z")
_SHORT = 3  # letters: shorter names go only as they are written, or capitalised
_MIN_DIGITS = 4  # of a number without letters; shorter ones are measurements

SURNAMES = frozenset(
    re.findall(
        r"\w+",
        """april august bell best black branch brown burns case church cloud cross day east fair
        field frank giles good gray green grey hand head hill hook june key king lane leaf little
        long march mark marsh may moon noble north page pain palm park pole port power price ray
        rich road rose sharp short silver small snow south stone street strong summer sun swan
        sweet wall walk west white will winter wolf wood woman wound young""",
    )
)
"""Ordinary words that are common names too: they go where they stand as names do."""


@cache
def ordinary_words() -> frozenset[str]:
    """Words of reports, lower-case, that are not taken for a name wherever they stand."""
    text = files("mmedrag.datasets").joinpath("report_words.txt").read_text("utf-8")
    return frozenset(text.split()) | SURNAMES


def scrub(text: str, identifying: Iterable[str] = ()) -> str:
    """Take names, numbers, dates and addresses out of a report.

    ``identifying`` values (see :func:`~mmedrag.datasets.deidentify.identifying_values`) go wherever
    they stand as whole words: of four letters or more in any case, shorter ones only as written or
    capitalised; ordinary words of reports stay, unless they stand as a name. Patterns find e-mail
    addresses, UIDs, record numbers, dates, telephone numbers, and names after a title. No pattern
    finds every name: a report that must not leak is read by a person.
    """
    values = {" ".join(value.split()) for value in identifying} - {""}
    words = {_folded(value): value for value in values if _PLAIN_WORD.match(value)}
    others = [value for value in values if _folded(value) not in words]
    for value in sorted(filter(_is_telling, others), key=lambda item: (-len(item), item)):
        phrase = r"\s+".join(re.escape(word) for word in value.split(" "))
        text = re.sub(rf"(?<!\w){phrase}(?!\w)", REMOVED, text, flags=re.IGNORECASE)
    if words:
        text = _WORD.sub(lambda match: _kept(match, words), text)
        text = _without_neighbours(text, words)
    for mark, pattern in _PATTERNS:
        text = pattern.sub(mark, text)
    text = _LONG_NUMBER.sub("[ID]", _LOCAL.sub(_local, text))
    return _TITLED.sub(r"\g<title> [NAME]", text)


def _local(match: re.Match[str]) -> str:
    return "[PHONE]" if sum(map(str.isdigit, match[0])) >= _LOCAL_DIGITS else match[0]


def _folded(word: str) -> str:
    """What all spellings of a word in small and capital letters share."""
    return word.upper().casefold()


def _is_telling(value: str) -> bool:
    """Whether a value that is no plain word identifies: not a small number, not plain words."""
    letters = _WORD.findall(value)
    if not letters:
        return sum(map(str.isdigit, value)) >= _MIN_DIGITS
    ordinary = ordinary_words()
    has_digit = any(map(str.isdigit, value))
    return has_digit or any(_folded(word) not in ordinary for word in letters)


def _kept(match: re.Match[str], words: Mapping[str, str]) -> str:
    """A word of the text, or the mark in its place."""
    word = match[0]
    lower = _folded(word)
    value = words.get(lower)
    if value is None:
        return word
    if lower in ordinary_words():
        before = match.string[max(0, match.start() - 2) : match.start()]
        within = word.istitle() and re.fullmatch(r"[a-z,;] ", before)
        return REMOVED if lower in SURNAMES and within else word
    if len(value) <= _SHORT and word not in (value, value.title(), value.upper()):
        return word
    return REMOVED


def _without_neighbours(text: str, words: Mapping[str, str]) -> str:
    """A text without the surnames of :data:`SURNAMES` that stand beside a removed name."""
    names = [word for word in words if word in SURNAMES]
    if not names or REMOVED not in text:
        return text
    either = "|".join(f"{name.title()}|{name.upper()}" for name in names)
    mark = re.escape(REMOVED)
    text = re.sub(rf"(?<!\w)(?:{either})(?=,?[ ^]{mark})", REMOVED, text)
    return re.sub(rf"({mark},?[ ^])(?:{either})(?!\w)", rf"\1{REMOVED}", text)
