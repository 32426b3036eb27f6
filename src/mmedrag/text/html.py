"""Reports that came as HTML: its blocks as lines, its entities as the letters that they stand for.

Marks within a sentence change what it says: ``No&nbsp;effusion`` would rule nothing out, and ``No
effusion<br>Pneumothorax`` a pneumothorax, too.
"""

from __future__ import annotations

import re
from html import unescape

# What is never closed reaches to the end, so that each character is looked at once.
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(style|script|title)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_BLOCKS = re.compile(
    r"</?(?:address|article|blockquote|body|br|center|dd|div|dl|dt|footer|form|h[1-6]|head|header"
    r"|hr|html|li|main|ol|p|pre|section|table|tbody|tfoot|thead|tr|ul)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_CELLS = re.compile(r"</?(?:td|th)(?:\s[^<>]*)?>", re.IGNORECASE)
_INLINE = re.compile(
    r"</?(?:a|b|big|code|em|font|i|img|ins|del|s|small|span|strike|strong|tt|u|wbr)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_ENTITIES = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


def without_html(text: str) -> str:
    """A text without tags and entities of HTML; a text that has none stays as it is."""
    if "<" in text:
        blocks = _BLOCKS.split(_HIDDEN.sub(" ", text))
        if len(blocks) > 1:
            text = "\n".join(block.strip() for block in blocks if block.strip())
        else:
            (text,) = blocks
        text = _INLINE.sub("", _CELLS.sub(" ", text))
    return _ENTITIES.sub(_letter, text) if "&" in text else text


def _letter(entity: re.Match[str]) -> str:
    return unescape(entity[0]).replace("\xa0", " ")
