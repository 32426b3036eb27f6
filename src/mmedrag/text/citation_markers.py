"""What a reader takes for a citation, however it is written.

``[C1]``, ``【C1†source】``, ``[Ｃ1]``, ``⟦C1⟧``, ``<C1>``, ``(C99)``, ``[Case 99]``, ``[caso 99]``,
``[C1 y C2]``, ``[e.g., C1]``, ``["C1"]``,
``[1]`` and works that nobody supplied, ``(Smith et al., 2019)`` or ``[PMID 123456]``, are marks.
Medicine that stands in brackets is none: the vertebrae of ``[C5-C6]``, ``[C7-T1]`` and ``(C2)``,
``[C4d]``, ``[C-11]``, ``[vitamin D3]``, ``[3 cm]``, ``(1)``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Compatibility forms (full-width, mathematical, Roman numeral) are folded by Unicode; what else
# looks like a letter of a mark is listed here.
_LOOKALIKES = str.maketrans("СсϹϲᏟꓚᎠꓓ∁", "CcCcCCDDC")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe0f\ufeff]")

_BRACKETS = "[]【】⟦⟧〔〕〖〗〘〙〚〛⟨⟩〈〉《》「」『』{}❲❳❴❵⁅⁆⦋⦌"
_PARENTHESES = str.maketrans({c: "()"[i % 2] for i, c in enumerate(_BRACKETS + "［］｛｝（）")})
OPEN, CLOSE = f"[{re.escape(_BRACKETS[::2])}]", f"[{re.escape(_BRACKETS[1::2])}]"
INSIDE = rf"[^()\n{re.escape(_BRACKETS)}]"

_KEY = r"(?:[CDcd][ ._#-]?\d{1,4}\b)"
_TO = r"\s{0,2}(?:[-–—−‑/]|\.\.\.?|…|\b(?:to|through|thru|bis|hasta|at[eé]|a)\b)\s{0,2}"
_QUOTE = r"[\"'*`“”‘’]{0,3}"
_NOUN = (
    r"(?:cases?|definitions?|evidence|sources?|ref(?:erence)?s?|passages?|documents?|docs?|items?"
    r"|citations?|reports?|contexts?|examples?|snippets?|excerpts?|chunks?|casos?|definici[oó]n(?:es)?"
    r"|definiç(?:ão|ões)|evid[eê]ncias?|fuentes?|fontes?|refer[eê]ncias?|documentos?|informes?|laudos?|f[aä]lle?|cas)"
)
_WORD = (
    rf"(?:(?:{_NOUN}|see|cf|also|and|as|in|from|per|to|by|according|based|on|supported|cited|shown|seen"
    rf"|described|reported|noted|stated|key|id|no|nos|e\.?g|i\.?e|or|vs|both|only|all|the|mainly"
    r"|especially|y|e|o|u|ou|und|oder|et|los|las|os|as|v[eé]ase|ver|vide|siehe|voir|seg[uú]n)\b"
    r"[\s.:#,=]{0,3})"
)
_ITEM = rf"(?:{_WORD}{{0,5}}{_QUOTE}{_KEY}(?:{_TO}[CDcd]?\d{{1,4}}\b)?{_QUOTE})"
_NUMBER = r"[\s.:#_-]{0,3}(?:(?:no|nos|number|id|key)[\s.:#]{1,3})?\d{1,4}\b"
_NUMBERED = rf"(?:{_WORD}{{0,4}}{_NOUN}{_NUMBER})"
_NEXT = r"(?:\s{0,2}[,;&+|、]\s{0,2}|\s{1,2})"
_LIST = (
    rf"(?:{_ITEM}|{_NUMBERED})(?:{_NEXT}(?:{_WORD}{{0,5}}\d{{1,4}}\b|{_ITEM}|{_NUMBERED})){{0,30}}"
)
_COMMENT = (
    rf"(?:\s{{0,2}}[:†‡|@=]{INSIDE}{{0,200}}"
    rf"|\s(?:shows?|says?|states?|describes?|reports?|supports?|above|below|page|p)\b{INSIDE}{{0,200}}"
    rf"|(?:\s{{0,2}},\s{{0,2}}(?:reports?|findings|impression|lines?|pages?|pg|p)\b|['’]s\s){INSIDE}{{0,200}}"
    r"|[\s,;]{0,3}(?:\.{1,3}|…|etc\.?|only|alone|(?:and|among) others|y otros|e outros))"
)
_RANGE = r"\d{1,3}(?:\s?[–-]\s?\d{1,3})?"
_NUMBERS = rf"\^?{_RANGE}(?:\s{{0,2}}[,;]\s{{0,2}}{_RANGE}){{0,30}}"
_WORK = (
    r"(?:(?:see|cf|e\.g|from|per)\b[\s.,:]{0,3})?(?:[^\W\d_][\w'’.-]{1,30}(?:\s(?:and|&)\s[^\W\d_]"
    r"[\w'’-]{1,30})?,?\s(?:et\sal\.?,?\s\(?)?(?:19|20)\d\d[a-z]?"
    r"|[^\W\d_][\w'’.-]{1,30}\set\sal\.?"
    r"|pm(?:id|c)[\s:#]{0,3}\d{4,9}|(?:(?:doi|arxiv)[:\s]{0,2}|https?://|www\.)[^()\s\[\]]{3,200})"
)
"""Works that nobody supplied: a name with a year, a PMID, a DOI, an address."""
_FAR = rf"(?:C(?:1[5-9]|[2-9]\d|\d{{3,4}})|D(?:1[3-9]|[2-9]\d|\d{{3,4}}))\b{INSIDE}{{0,200}}"
_LINK = r"(?:\((?:[a-zA-Z][\w+.-]{1,20}:|www\.|#)(?:[^()\s]|\([^()\s]{0,100}\)){0,200}\))?"

SQUARE = (
    rf"{OPEN}(?={INSIDE}{{1,280}}{CLOSE})"
    rf"\s{{0,4}}(?:(?i:{_LIST}){_COMMENT}?|(?i:{_FAR}))\s{{0,4}},?{CLOSE}{_LINK}"
    rf"|[\[【⟦〔〖]\s{{0,4}}{_NUMBERS}\s{{0,4}},?[\]】⟧〕〗]{_LINK}"
    rf"|{OPEN}\s?(?i:{_WORK})\s?{CLOSE}{_LINK}"
)
DOUBLE = rf"\[\[\s?(?i:{_LIST})\s?\]\]{_LINK}"
ANGLED = rf"[<«‹`]\s?(?i:{_ITEM})\s?[>»›`]"
ROUND = rf"\((?=[^()\n]{{1,280}}\))\s{{0,4}}(?:(?i:{_LIST})|(?i:{_WORK}))\s{{0,4}}\)"
MARK = rf"(?:{DOUBLE}|{SQUARE}|{ROUND}|{ANGLED})"

_CONTENT = re.compile(rf"(?:{OPEN}|[(<«‹`])({INSIDE}+?)(?:{CLOSE}|[)>»›`])")
_LINKED = re.compile(rf"(?<={CLOSE}){_LINK}")
_WORK_ALONE = re.compile(rf"\s*{_WORK}\s*", re.IGNORECASE)
_SPAN = re.compile(rf"\b([CDcd])[ ._#-]?(\d{{1,4}})\b(?:(?!\s?/){_TO}([CDcd])?(\d{{1,4}})\b)?")
_OF_A_CASE = re.compile(
    rf"\b([cd])(?:ases?|asos?|efinitions?|efinici[oó]n(?:es)?|efiniç(?:ão|ões))(?={_NUMBER})\D*",
    re.IGNORECASE,
)
_ISOTOPE = re.compile(r"\s?C-1[134]\s?")
_LEVELS = re.compile(rf"\s*([CDTLScdtls])(\d{{1,2}})({_TO})([CDTLScdtls])?(\d{{1,2}})\s*")
_SPINE = re.compile(
    r"\b(?:vertebra\w*|dis[ck]s?|levels?|cervical|spin(?:e|al)|spondyl\w*|foramin\w*|forame\w*|facets?"
    r"|laminectomy|corpectomy|nerve roots?|radicul\w*|myelo\w*|odontoid|dens|atlas|axis|atlanto\w*"
    r"|cord|neck|osteophyt\w*|listhesis|anterolisthesis|retrolisthesis|kyphosis|lordosis)\b",
    re.IGNORECASE,
)
_LEVEL_CONTEXT = re.compile(
    r"\b(?:at|of|between|from|levels?|vertebra\w*|segments?|dis[ck]s?|(?:inter)?spaces?|spine)"
    r"[ \t]*$",
    re.IGNORECASE,
)


def folded(text: str) -> tuple[str, list[int]]:
    """The text as a reader sees it, letter by letter, and where each of its letters stands.

    Invisible characters are left out; what looks like an ASCII letter, digit or bracket is one.
    """
    if text.isascii():
        return text, list(range(len(text)))
    seen = [(_fold(c), i) for i, c in enumerate(text) if not _INVISIBLE.match(c)]
    return "".join(c for c, _ in seen), [i for _, i in seen]


def _fold(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character).translate(_LOOKALIKES)
    return plain if len(plain) == 1 else character


def without_brackets(text: str) -> str:
    """The text with parentheses in place of every bracket that a mark may stand in."""
    return text.translate(_PARENTHESES)


def keys_of(markers: str) -> Iterator[str]:
    """The keys that neighbouring marks name, as written; a number without a letter as it is."""
    for content in _CONTENT.findall(_LINKED.sub("", markers)):
        if _WORK_ALONE.fullmatch(content):
            yield content.strip()
            continue
        if re.fullmatch(rf"\s*{_NUMBERS}\s*,?", content):
            yield from re.findall(r"\d+", content)
        content = _OF_A_CASE.sub(r"\1", content)
        for letter, first, last_letter, last in _SPAN.findall(content):
            yield from _span(letter.upper(), int(first), last_letter.upper(), last)


def _span(letter: str, first: int, last_letter: str, last: str) -> Iterator[str]:
    """``C1`` alone, or the keys from C1 to C3. A range of over 100 is no citation of anything."""
    yield f"{letter}{first}"
    if not last:
        return
    if last_letter in ("", letter) and first < int(last) <= first + 100:
        yield from (f"{letter}{n}" for n in range(first + 1, int(last) + 1))
    else:
        yield f"{last_letter or letter}{int(last)}"


def names_spine(text: str) -> bool:
    """Whether a text speaks of the spine, so that C1 to C8 may be vertebrae."""
    return bool(_SPINE.search(text))


def is_anatomy(mark: str, before: str, supplied_keys: frozenset[str]) -> bool:
    """Whether a mark rather names vertebrae (C1 to C8, D1 to D12) or the like.

    Args:
        mark: one folded mark with its brackets.
        before: what stands before it on its line.
        supplied_keys: keys that were supplied.
    """
    if mark.startswith("(") and before.count("“") > before.count("”"):
        return True  # part of a quotation, which shows its own mark
    content = _CONTENT.findall(mark)[0]
    keys = list(keys_of(mark))
    if _ISOTOPE.fullmatch(content):
        return supplied_keys.isdisjoint(keys)
    levels = _LEVELS.fullmatch(content)
    if levels and _crosses_regions(levels):
        return not supplied_keys.issuperset(keys)
    if not all(_is_level(key) for key in keys):
        return False
    if levels:
        supplied = supplied_keys.issuperset((keys[0], keys[-1]))
        beside = int(levels[5]) == int(levels[2]) + 1
        in_context = bool(_LEVEL_CONTEXT.search(before)) or (not supplied and names_spine(before))
        return in_context or (beside and supplied_keys.isdisjoint(keys))
    # A single key in parentheses: the atlas (C1), complement (C3). In square brackets it cites.
    bare = re.fullmatch(
        r"\s*[CDcd]\d{1,2}\s*(?:(?:[,;&]|\b(?:or|y|e|o|ou)\b)\s*[CDcd]\d{1,2}\s*)*", content
    )
    return (
        mark.startswith("(")
        and bare is not None
        and (not supplied_keys.issuperset(keys) or names_spine(before))
    )


def _crosses_regions(levels: re.Match[str]) -> bool:
    """``C7-T1`` and ``D12-L1``, and ``C7-D1`` where dorsal vertebrae are counted as D."""
    first, last = levels[1].upper(), (levels[4] or levels[1]).upper()
    return first + last in ("CT", "DL", "TL", "LS", "CS") or (
        (first, levels[2], last, levels[5]) in (("C", "7", "D", "1"), ("C", "8", "D", "1"))
    )


def _is_level(key: str) -> bool:
    if not re.fullmatch(r"[CD]\d+", key):
        return False
    return 1 <= int(key[1:]) <= (8 if key[0] == "C" else 12)
