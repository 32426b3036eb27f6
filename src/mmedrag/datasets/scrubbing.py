"""Names, numbers, dates and addresses taken out of a report, and its clinical words left in.

A patient may be called White, Small or No: where such a word is an ordinary word of reports, it
goes only where it stands as a name. Taking "No" out of "No pneumothorax" would turn a denial into
an affirmation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from mmedrag.datasets.names import WORD, Names, is_unspaced, keys

REMOVED = "[REMOVED]"

_MONTH = (
    "(?:jan(?:uary|uar|eiro|vier|v)?|feb(?:ruary|ruar|rero)?|fev(?:ereiro)?|f[ée]v(?:rier|ereiro)?"
    "|mar(?:ch|zo|ço|s)?|märz?|apr(?:il)?|abr(?:il)?|avr(?:il)?|may|mayo|maio|mai|june?|juni|juin"
    "|junio|junho|july?|juli|juillet|julio|julho|aug(?:ust)?|ago(?:sto)?|ao[uû]t"
    "|sep(?:t(?:ember|embre|iembre)?)?|setiembre|set(?:embro)?|oct(?:ober|ubre|obre)?|out(?:ubro)?"
    "|okt(?:ober)?|nov(?:ember|embre|iembre|embro)?|dec(?:ember)?|d[ée]c(?:embre)?|dez(?:embro|ember)?"
    "|dic(?:iembre)?|ene(?:ro)?)"
)
_YEAR = r"(?:19|20)\d{2}"
_NO_UNIT = r"(?!\s*(?:mm|cm|ml|mg|hu|msv|mgy|ms|/|per\b|cells|copies|%))"
_TIME = r"(?:T\d{2}[\d:.]*(?:Z|[+-]\d{2}:?\d{2})?)?(?!\w)"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (mark, re.compile(pattern, re.IGNORECASE))
    for mark, pattern in (
        ("[EMAIL]", r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+"),
        ("[UID]", r"(?<![\w.])[0-2](?:\.\d{1,39}){5,40}(?![\w])"),
        (
            "[ID]",
            r"\b(?:mrn|ssn|(?:medical record|accession|nhs|hospital)(?: (?:number|no))?|patient id"
            r"|(?:nhc|historia cl[ií]nica|prontu[aá]rio)(?: n\.?[º°o])?)"
            r"(?!\w)\.?\s{0,4}[:#=]?\s{0,4}"
            r"(?:(?=(?:[ -]?\d){6})\d{2,4}(?:[ -]\d{2,8}){1,3}\b"
            + _NO_UNIT
            + r"|[A-Z-]{0,4}\d[\w-]{2,})",
        ),
        ("[ID]", r"\b\d{3}-\d{2}-\d{4}\b"),
        ("[ID]", r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b"),  # CPF
        ("[ID]", r"\b(?:\d{8}|\d{1,2}\.\d{3}\.\d{3}|[XYZ]-?\d{7})-?[A-Z]\b"),  # DNI, NIF, NIE
        (
            "[DATE]",
            r"\b(?:19|20)\d{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])" + _TIME,
        ),
        ("[DATE]", r"\b\d{1,2}([-/.])\d{1,2}\1(?:(?:19|20)\d{2}|\d{2})\b(?!\s*(?:mm|cm))"),
        ("[DATE]", r"\b(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])" + _TIME),
        (
            "[DATE]",
            rf"\b\d{{1,2}}(?:st|nd|rd|th|er|\.|º)?[\s./-]{{0,3}}(?:of\s+|de\s+|d')?{_MONTH}\b\.?"
            rf"[\s,./-]{{0,3}}(?:del?\s+)?{_YEAR}\b",
        ),
        ("[DATE]", rf"\b\d{{1,2}}{_MONTH}(?:{_YEAR}|\d{{2}})\b" + _NO_UNIT),
        ("[DATE]", rf"\b\d{{1,2}}([-/]){_MONTH}\1\d{{2}}\b"),
        ("[DATE]", rf"\b\d{{1,2}}\s+{_MONTH}\.?\s+['’]\d{{2}}\b"),
        (
            "[DATE]",
            rf"\b\d{{1,2}}\s+(?!ma[iy]\b|mar\b){_MONTH}\.?\s+\d{{2}}\b(?![.,]\d)" + _NO_UNIT,
        ),
        (
            "[DATE]",
            rf"\b{_MONTH}\b\.?[\s/-]{{1,3}}\d{{1,2}}(?:st|nd|rd|th)?[\s,./-]{{1,3}}{_YEAR}\b",
        ),
        ("[DATE]", rf"\b{_YEAR}[\s./-]{{1,3}}{_MONTH}\b\.?[\s/-]{{1,3}}\d{{1,2}}\b"),
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
_CAPITAL = "[A-ZÀ-ÖØ-ÞĀ-Ž]"
_TITLED = re.compile(
    r"\b(?P<title>(?:Dra?|Mr|Mrs|Ms|Miss|Sra?|Srta|Prof|Professor|Doctor|Doctora|Profa)\b\.?ª?)"
    r"\s+(?:(?:de|da|do|dos|del|la|las|los|van|von|der|den)\s+){0,3}"
    rf"{_CAPITAL}[\w'’-]+(?:\s+(?:{_CAPITAL}\.?\s+)?{_CAPITAL}[\w'’-]+)?"
)
_NUMBER = re.compile(r"\d+|[^\W\d_]+")
_APART = r"[\s./-]{0,2}"
_SHORT = 3  # letters: shorter names go only as they are written, or capitalised
_MIN_DIGITS = 4  # of a number without letters; shorter ones are measurements
_LONG_DIGITS = 6  # of a number that may be written in groups, or without its leading zeros

SURNAMES = frozenset(
    re.findall(
        r"\w+",
        """april august baby bear bell berry best bird black box boxer branch brown bull burn burns
        burr cage case cat church clay cloud corona cross day dust east fair fan farmer field fog
        frank frost gall giles glory good gram gray green grey hammer hand head hill hook june key
        king lane lash leaf little long march mark marsh mast mater may moon moth noble north oil
        owl page pain palm pan park pepper pole port power price pure ray rich road rose rough
        salmon salt sharp short silver sister sky small snow south steeple stone street string
        strong summer sun swan sweet tag tau twin valley vas vera violet wall walk wax wear web
        west white will winter wolf wood woman worker wound young""",
    )
)
"""Ordinary words that are common names too: they go where they stand as names do."""


_SMALL_WORDS = frozenset(
    re.findall(
        r"\w+",
        """no non not nor ni sin sem nem nao niega nega ausencia kein keine keinen ohne nicht nie
        pas sans aucun aucune senza
        de la del los las el al da do dos das e y di du le der den van von zu""",
    )
)
"""Words that rule out, in several languages: what they deny would be affirmed without them. And
the particles of names, which name nobody."""


@cache
def ordinary_words() -> frozenset[str]:
    """Words of reports, lower-case, that are not taken for a name wherever they stand."""
    listed = frozenset(_listed_words())
    return frozenset(word for word in listed if word.islower()) | SURNAMES | _SMALL_WORDS


@cache
def abbreviations() -> frozenset[str]:
    """Abbreviations of reports, in capitals: as such they are not taken for a name."""
    return frozenset(word for word in _listed_words() if word.isupper())


def _listed_words() -> list[str]:
    return files("mmedrag.datasets").joinpath("report_words.txt").read_text("utf-8").split()


def scrub(text: str, identifying: Iterable[str] = ()) -> str:
    """Take names, numbers, dates and addresses out of a report.

    ``identifying`` values (see :func:`~mmedrag.datasets.deidentify.identifying_values`) go wherever
    they stand as whole words: of four letters or more in any case, shorter ones only as written or
    capitalised; ordinary words of reports stay, unless they stand as a name. Patterns find e-mail
    addresses, UIDs, record numbers, dates, telephone numbers, and names after a title. No pattern
    finds every name: a report that must not leak is read by a person.
    """
    values = {" ".join(value.split()) for value in identifying} - {""}
    for value in sorted(filter(is_unspaced, values), key=lambda item: (-len(item), item)):
        text = text.replace(value, REMOVED) if len(value) > 1 else text
    numbers = {value for value in values if any(map(str.isdigit, value))}
    for value in sorted(filter(_is_telling, numbers), key=lambda item: (-len(item), item)):
        text = re.sub(_as_written(value), REMOVED, text, flags=re.IGNORECASE)
    text = _without_names(text, values - numbers)
    for mark, pattern in _PATTERNS:
        text = pattern.sub(mark, text)
    text = _LONG_NUMBER.sub("[ID]", _LOCAL.sub(_local, text))
    return _TITLED.sub(r"\g<title> [NAME]", text)


def _local(match: re.Match[str]) -> str:
    return "[PHONE]" if sum(map(str.isdigit, match[0])) >= _LOCAL_DIGITS else match[0]


def _as_written(value: str) -> str:
    """A pattern of an identifier or address in the ways in which people write it."""
    runs = _NUMBER.findall(value)
    digits = "".join(runs)
    if digits.isdigit() and len(digits) >= _LONG_DIGITS:
        phrase = "0*" + r"[\s./-]?".join(digits.lstrip("0") or "0")
    elif any(run.isdigit() and len(run) >= _LONG_DIGITS - 1 for run in runs):
        phrase = _APART.join(map(re.escape, runs))
    else:
        phrase = r"\s+".join(re.escape(word) for word in value.split(" "))
    return rf"(?<!\w){phrase}(?!\w)"


def _is_telling(value: str) -> bool:
    """Whether a value with digits identifies: a small number does not."""
    letters = any(map(str.isalpha, value))
    return letters or sum(map(str.isdigit, value)) >= _MIN_DIGITS


def _without_names(text: str, values: Iterable[str]) -> str:
    """A text without names, as words and as phrases; a phrase of ordinary words alone stays."""
    names = Names(
        value
        for value in values
        if len(WORD.findall(value)) < 2 or not all(map(_is_ordinary, WORD.findall(value)))
    )
    pieces, end = [], 0
    for start, stop in names.phrases(text):
        pieces += [text[end:start], REMOVED]
        end = stop
    text = "".join([*pieces, text[end:]])
    if names.words:
        text = WORD.sub(lambda match: _kept(match, names), text)
        text = _without_neighbours(text, names)
    return text


def _is_ordinary(word: str) -> bool:
    return not keys(word).isdisjoint(ordinary_words()) or word in abbreviations()


def _kept(match: re.Match[str], names: Names) -> str:
    """A word of the text, or the mark in its place."""
    word = match[0]
    value = names.written(word)
    if value is None or match.string[match.start() - 1 : match.end() + 1] == REMOVED:
        return word
    if _is_ordinary(word):
        before = match.string[max(0, match.start() - 2) : match.start()]
        within = word.istitle() and re.fullmatch(r"[a-z,;] ", before)
        return REMOVED if not keys(word).isdisjoint(SURNAMES) and within else word
    if len(value) <= _SHORT and not (word == value or word.istitle() or word.isupper()):
        return word
    return REMOVED


def _without_neighbours(text: str, names: Names) -> str:
    """A text without the names that stand beside a removed one: :data:`SURNAMES`, abbreviations."""
    surnames = [word for word in names.words if word in SURNAMES or word.upper() in abbreviations()]
    if not surnames or REMOVED not in text:
        return text
    either = "|".join(f"{name.title()}|{name.upper()}" for name in surnames)
    mark = re.escape(REMOVED)
    text = re.sub(rf"(?<!\w)(?:{either})(?=,?[ ^]{mark})", REMOVED, text)
    return re.sub(rf"({mark},?[ ^])(?:{either})(?!\w)", rf"\1{REMOVED}", text)
