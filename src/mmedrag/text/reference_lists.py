"""Lists of references that a model invents at the end of its answer are left out.

Sources are shown beside every answer, from the evidence itself. A line of such a list stays only if
it names evidence that was supplied.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from mmedrag.text.citation_markers import folded

_NAMES = (
    "references", "reference list", "list of references", "sources", "sources cited",
    "cited sources", "citations", "bibliography", "literature", "literature cited", "works cited",
    "further reading", "footnotes", "evidence cited", "referencias", "referencias bibliográficas",
    "fuentes", "bibliografía", "referências", "referências bibliográficas", "fontes",
    "bibliografia", "quellen", "literatur", "références", "bibliographie",
)  # fmt: skip
_DECORATION = r"[\s#*_>\-•]*"
_HEADING = re.compile(
    rf"{_DECORATION}(?:{'|'.join(_NAMES)})[*_]*[ \t]*(?P<colon>:)?[*_ \t]*(?P<rest>[^\n]*)",
    re.IGNORECASE,
)
_NEXT_SECTION = re.compile(r"\s*(?:#|\*\*[^*\n]+\*\*:?\s*$)")
_KEY = re.compile(r"\b([CD])0*(\d{1,4})\b", re.IGNORECASE)
_LONGEST = max(map(len, _NAMES)) + 12


class ReferenceLists:
    """Takes invented lists out of a text as it comes.

    A line that cannot become the heading of a list is let through while it is being written.
    """

    def __init__(self, keys: AbstractSet[str]) -> None:
        self._keys = keys
        self._line = ""
        self._waits = True  # whether the line may still turn out to be a heading or an entry
        self._withheld: str | None = None  # within a list: lines that go before its next valid one

    def feed(self, text: str) -> str:
        """What can be let through now."""
        return "".join(map(self._feed_line, re.findall(r"[^\n]*\n|[^\n]+", text)))

    def close(self) -> str:
        """What is left at the end."""
        return self._finished()

    def _feed_line(self, piece: str) -> str:
        self._line += piece
        if piece.endswith("\n"):
            shown = self._finished()
            self._line, self._waits = "", True
            return shown
        if self._waits and (self._withheld is not None or self._may_be_heading()):
            return ""
        self._waits = False
        shown, self._line = self._line, ""
        return shown

    def _may_be_heading(self) -> bool:
        """Whether the beginning of a line may become a heading, or is one already."""
        text = re.sub(f"^{_DECORATION}", "", folded(self._line)[0]).lower()
        if len(self._line) > 4 * _LONGEST and not text:
            return False
        begun = any(name.startswith(text) or text.startswith(name) for name in _NAMES)
        return begun and (len(text) <= _LONGEST or self._heading() is not None)

    def _heading(self) -> re.Match[str] | None:
        heading = _HEADING.fullmatch(folded(self._line)[0].rstrip("\n"))
        if heading and heading["rest"].strip() and not heading["colon"]:
            return None  # a sentence that begins with the word
        return heading

    def _finished(self) -> str:
        """The line, complete: let through, withheld with a list, or left out."""
        line, self._line = self._line, ""
        if not self._waits:
            return line
        self._line = line
        heading = self._heading()
        self._line = ""
        if self._withheld is not None and _NEXT_SECTION.match(line) and heading is None:
            self._withheld = None
        if heading is None and self._withheld is None:
            return line
        if self._keys.isdisjoint(f"{m[1].upper()}{m[2]}" for m in _KEY.finditer(folded(line)[0])):
            self._withheld = line if heading else (self._withheld or "")
            return ""
        shown = (self._withheld or "") + line
        self._withheld = None if heading and heading["rest"].strip() else ""
        return shown
