"""Abbreviations that stand for something else where they are: headings, titles, plain words.

"PE: lungs clear" is a physical examination, "DR SMITH" a person, and the ALL of "ALL LUNG FIELDS" a
word, whatever a dictionary lists.
"""

from __future__ import annotations

import re

from mmedrag.definitions.terms import WORDS

_HEADINGS = frozenset(
    """
    PE MS ALL CC HPI PMH PSH FH SH ROS GI GU CV MSK EXT ABD ID VS GEN AS RA PT OT RS CNS MI
    AP DM PSYCH SKIN
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_NEVER_FINDINGS = frozenset({"ALL", "CC", "ID", "VS"})
_STATED = re.compile(
    r"\s*(?:none|no\b(?=\s*(?:[.,;]|$|evidence|signs?\b))|absent|neg\b|negative|nil|positive|present|yes|not\s+(?:seen|found|identified"
    r"|present|detected|excluded)|confirmed|excluded|ruled|suspected|likely|unlikely|possible"
    r"|bilateral|segmental|subsegmental|saddle|stage|grade|progressing|relapsing|new|old|known|\?)",
    re.IGNORECASE,
)
_OPENS = re.compile(r"(?:^|[\n.;:!?]|\n\s*[-*•])[ \t]*$")
_TITLES = frozenset({"DR", "MR", "MS", "ST", "PT"})
_NAME = re.compile(r"\.?\s+(?:[A-Z]\.?\s+)?(?P<name>[A-Z][A-Za-z'’-]+)")
_NO_NAME = frozenset(
    """
    imaging angiography angiogram venography cholangiography spectroscopy perfusion
    enterography elastography urography arthrogram arthrography scan brain spine plaque
    plaques lesion lesions with and or in of grade stage stable mild moderate severe
    progression changes screening laser present absent not is was no none ou od os both
    right left
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_BEFORE_NAME = re.compile(
    r"\b(?:with|by|to|from|for|per|and|via|see|saw|called|call|paged|page|informed|inform|notified|notify|contacted"
    r"|contact|ask|tell|told|attending"
    r"|physician|referring|cc|signed|dictated|consultant|surgeon)[:.]?\s*$",
    re.IGNORECASE,
)
_AFTER_NAME = re.compile(r"\s+(?:was|is|has|had|will|who|wants|reports|denies|states)\b", re.I)
_PLAIN_WORDS = frozenset(
    """
    am an as at be by do go he if in is it me my no of on or pm so to up us we ou hi
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_REACHES_ON = re.compile(r"\s{1,3}of\b", re.IGNORECASE)
_AROUND = 160
_LETTERS = re.compile(r"[^\W\d_]+")
_LOWER = re.compile(r"[a-zà-ÿ]")
_CAPITALS_BEFORE = re.compile(r"[A-ZÀ-Þ]{2,}\s+$")
_CAPITALS_AFTER = re.compile(r"\s+[A-ZÀ-Þ]{2,}")
_SENTENCE_END = re.compile(r"[.!?;:\n]")


def is_whole_statement(text: str, start: int, end: int) -> bool:
    """Whether the name at ``start`` to ``end`` is not the first half of a longer statement.

    "The lungs are clear of consolidation" does not say that they are clear.
    """
    clear = text[max(start, end - 5) : end].lower() == "clear"
    return not (clear and _REACHES_ON.match(text, end))


_OTHER_SENSES = {
    "shock": (
        r"electric(?:al)?|electro|static|culture|emotional|thermal|inappropriate|icd|defibrillator",
        r"waves?|absorb\w+|lithotripsy|therap\w+ by waves?",
    ),
    "mass": (
        r"body|lean|fat|molecular|atomic|molar|critical|left ventricular|lv|red cell"
        r"|(?:low|lower|reduced|peak|decreased|loss of|skeletal) (?:bone|muscle)",
        r"spectro\w+|index|number|media|casualt\w+|screening|production",
    ),
    "stroke": (r"power|key|brush", r"volumes?|work|index"),
    "bleeding": (r"(?!)", r"times?|edge"),
}
"""Words that mean something else beside others: those before and those after, by the word."""
_SENSES = {
    word: (
        re.compile(rf"\b(?:{before})[- ]+$", re.IGNORECASE),
        re.compile(rf"[- ]+(?:{after})\b", re.IGNORECASE),
    )
    for word, (before, after) in _OTHER_SENSES.items()
}
_PLURAL = re.compile(r"(?<=ss)es$|(?<=[^s])s$")
_BESIDE = 24


def means_something_else(text: str, start: int, end: int) -> bool:
    """Whether the words beside a name give it another meaning: electric shock, body mass."""
    senses = _SENSES.get(_PLURAL.sub("", text[start:end].lower()))
    if senses is None:
        return False
    before, after = senses
    return bool(before.search(text[max(0, start - _BESIDE) : start]) or after.match(text, end))


def stands_for_a_term(text: str, start: int, end: int) -> bool:
    """Whether the abbreviation at ``start`` to ``end`` can be the term that it abbreviates here."""
    word = text[start:end]
    before, after = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    return not (
        _is_heading(word, before, after)
        or _is_title(word, before, after)
        or _is_plain_word(word, before, after)
    )


def introduced_as(text: str, start: int, end: int) -> list[str]:
    """The words for which the text introduces the abbreviation at ``start`` to ``end``, if it does.

    "A respiratory pathogen (RP) panel": those before the bracket whose initials spell what is in it
    (after Schwartz and Hearst, 2003). What stands for them there does so wherever it is written.
    """
    word = text[start:end].removesuffix("s")
    bracket = text.find(f"({word})") if word.isupper() else -1
    words = _LETTERS.findall(text[max(0, bracket - _AROUND) : max(0, bracket)])[-len(word) :]
    return words if "".join(w[0] for w in words).upper() == word else []


def _is_heading(word: str, before: str, after: str) -> bool:
    colon = re.match(r"\s*:", after)
    if word not in _HEADINGS or colon is None or not _OPENS.search(before):
        return False
    return word in _NEVER_FINDINGS or not _STATED.match(after, colon.end())


def _is_title(word: str, before: str, after: str) -> bool:
    name = _NAME.match(after)
    if word not in _TITLES or name is None or name["name"].lower() in _NO_NAME:
        return False
    if _BEFORE_NAME.search(before) or _AFTER_NAME.match(after, name.end()):
        return True
    return word == "DR" and not name["name"].isupper()


def _is_plain_word(word: str, before: str, after: str) -> bool:
    """Whether the word is one of everyday language among others in a sentence of capitals."""
    if word.lower() not in WORDS and word.lower() not in _PLAIN_WORDS:
        return False
    before, after = _SENTENCE_END.split(before)[-1], _SENTENCE_END.split(after)[0]
    among_words = _CAPITALS_BEFORE.search(before) or _CAPITALS_AFTER.match(after)
    return among_words is not None and not _LOWER.search(before + after)
