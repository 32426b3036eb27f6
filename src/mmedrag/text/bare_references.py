"""References without brackets, to evidence or works that nobody supplied, are put into brackets.

"As C99 shows", "according to cases C7 and C8", "PMID 123456", "Smith et al. (2019)", an address:
a reader takes them for sources as much as ``[C99]``. In brackets they are marks, and are checked as
such (:mod:`mmedrag.citations`). What was supplied stays as it stands, and so do vertebrae, codes of
the ICD, and what stands in quotation marks or in brackets already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmedrag.text.citation_markers import CLOSE, OPEN, names_spine

_STATED = "shown|seen|described|reported|noted|documented|stated|mentioned|illustrated|cited"
_NOUNS = (
    "cases?|definitions?|evidence|sources?|ref(?:erence)?s?|documents?|passages?|casos?"
    "|definici[oó]n(?:es)?|definiç(?:ão|ões)|informes?|laudos?|fuentes?|fontes?"
)
_VERBS = (
    "shows?|showed|states?|stated|says?|said|describes?|described|reports?|reported|supports?"
    "|demonstrates?|notes?|documents?|mentions?|confirms?|suggests?|indicates?|muestran?|mostram?"
    "|describen?|descrevem?|mencionan?|mencionam|indican?|indicam|sugieren?|sugerem?|presentan?"
    "|apresentam?"
)
_KEY = r"[CD]\d{1,4}\b(?![.:]?\d)"
_KEYS = rf"{_KEY}(?:(?:,? (?:and|or|&|y|e|o|ou) |, ?| ?[-–] ?){_KEY}){{0,20}}"
_FAR = r"C(?:1[5-9]|[2-9]\d|\d{3,4})\b(?![.:]?\d)"
_LEAD = (
    rf"(?i:(?:according to|as (?:per|in|(?:{_STATED}) (?:in|by))|(?:{_STATED}) (?:in|by)|based on"
    r"|supported by|see(?: also)?|per|cf\.?|seg[uú]n|v[eé]ase|de acuerdo con|de acordo com|conforme"
    r"|segundo|como (?:en|em|muestran?|mostram?|(?:se )?(?:ve|observa|describe|visto"
    r"|descrito) (?:en|em)))"
    rf" (?:(?:the|el|la|los|las|os?|as?) )?(?:(?:{_NOUNS}) )?|(?:{_NOUNS}) )"
)
_REST = r"[^\s()\[\]{}<>“”\"]"
_WORK = (
    rf"(?i:(?:https?://|www\.|doi[: ]{{1,2}}|arxiv:){_REST}{{3,200}}(?<![.,;:!?'’])"
    rf"|10\.\d{{4,9}}/{_REST}{{2,200}}(?<![.,;:!?'’])"
    r"|pm(?:id|c)[ :#]{0,3}\d{4,9}\b)"
    r"|[A-Z][\w'’-]{1,30} et al\.?,? (?:\((?:19|20)\d\d[a-z]?\)|(?:19|20)\d\d[a-z]?\b)"
)
_REFERENCE = re.compile(
    rf"(?<![\w“\"'.:/(\[-])(?:(?:{_LEAD}(?P<after>{_KEYS})"
    rf"|[Aa]s (?P<within>{_KEYS}) (?:{_VERBS})\b|{_LEAD}?(?P<work>{_WORK})),?"
    rf"|(?P<subject>{_KEYS}|Case \d{{1,4}})(?= (?:{_VERBS})\b)|(?P<far>{_FAR}))"
)
_END = re.compile(r"(?<!et al)(?<!\bcf)[.!?]+[\"'”’)\]]*\s|\n")
_NOTHING = re.compile(r"(?:[\s,;:&.!?]|and\b|or\b|see\b|sources?\b|references?\b)*", re.IGNORECASE)
"""What may stand beside references in a sentence that says nothing."""

_QUOTED = re.compile(r"“[^”]*\Z|(?<!\w)\"(?:[^\"]*\"[^\"]*\")*[^\"]*\Z")
_BRACKETED = re.compile(rf"(?:{OPEN}|[(<（［｛«‹`])(?:(?!{CLOSE}|[)>）］｝»›]).){{0,280}}\Z")
_CODES = re.compile(r"\b(?:icd|code[sd]?|carbon)\b", re.IGNORECASE)
_LONGEST = 1200
"""Letters after which a sentence is let through in parts, and of a line that are remembered."""


class BareReferences:
    """Brackets the references of a text sentence by sentence, as it comes.

    Args:
        keys: of the evidence that was supplied.
        texts: what the evidence says, in which works may be named.
    """

    def __init__(self, keys: frozenset[str], texts: Sequence[str]) -> None:
        self._keys, self._texts = keys, [text.casefold() for text in texts]
        self._buffer = self._line = ""

    def feed(self, text: str) -> str:
        """The sentences that are complete."""
        self._buffer += text
        done, at = [], 0
        while (end := _END.search(self._buffer, at, at + _LONGEST)) or (
            len(self._buffer) - at >= _LONGEST
        ):
            cut = end.end() if end else at + _LONGEST
            done.append(self._read(self._buffer[at:cut]))
            at = cut
        self._buffer = self._buffer[at:]
        return "".join(done)

    def close(self) -> str:
        """What is left at the end."""
        rest, self._buffer = self._buffer, ""
        return self._read(rest)

    def _read(self, text: str) -> str:
        start = len(self._line)
        line = self._line + text
        self._line = line.rpartition("\n")[2][-_LONGEST:]
        found, marks, beside, at = [], [], [], start
        for match in _REFERENCE.finditer(line, start):
            bracketed = self._bracketed(match, line[: match.start()])
            if bracketed != match[0]:
                between = line[at : match.start()]
                found += [between, bracketed]
                marks.append(bracketed)
                beside.append(between)
                at = match.end()
        rest = line[at:]
        if marks and _NOTHING.fullmatch("".join([*beside, rest])):
            return " ".join(marks) + rest[len(rest.rstrip()) :]
        return "".join([*found, rest])

    def _bracketed(self, match: re.Match[str], before: str) -> str:
        """The reference in brackets; as it stands, where it is none or was supplied."""
        if _QUOTED.search(before) or _BRACKETED.search(before[-_LONGEST:]):
            return match[0]
        if work := match["work"]:
            return match[0] if self._is_supplied(work) else f"[{_work(work)}]"
        named = match[match.lastgroup or 0]
        keys = re.findall(r"[CD]\d+", named.replace("Case ", "C"))
        if self._keys.issuperset(keys) or _CODES.search(before):
            return match[0]
        levels = all(int(key[1:]) <= (8 if key[0] == "C" else 12) for key in keys)
        spinal = levels and names_spine(before + match[0])
        return match[0] if spinal else f"[{named}]"

    def _is_supplied(self, work: str) -> bool:
        return any(work.casefold() in text for text in self._texts)


def _work(written: str) -> str:
    """A work as a mark names it."""
    plain = re.sub(r"\s*[()]", " ", written).strip()
    return f"doi:{plain}" if plain.startswith("10.") else plain
