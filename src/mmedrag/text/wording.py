"""Words in a normal form, so that one dictionary entry meets all its spellings in a report.

Case, accents, hyphens and spaces, British and American spelling, English and Latin or Greek
plurals, and the possessive ending make no difference: "Ground-glass opacities" and "ground glass
opacity" have the same tokens. A normal form is a key, not a word ("metastas"): it is never shown.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b

from mmedrag.remembering import remembered

RULES = 2
"""Version of the normal form; a dictionary compiled under other rules must be compiled again."""

_PREFIXES = (
    "anti|bi|broncho|cardio|extra|fibro|haemo|hemo|hydro|hyper|hypo|infra|inter|intra|macro|micro"
    "|mid|multi|neo|non|para|peri|pneumo|poly|post|pre|pseudo|retro|sub|supra|trans|ultra|uni|x"
)
# A prefix joined by a hyphen belongs to its word; other hyphens separate words like spaces do. A
# hyphen between spaces is a dash, and like all other punctuation a token that no term runs across.
_TOKEN = re.compile(
    rf"(?:\b(?:{_PREFIXES})[-\u2010\u2011–](?=[a-z]))?[^\W_]+(?:['’]s\b)?"
    r"|\n[ \t\r]*\n|(?<=\s)[-–](?=\s)|[^\s\w\-\u2010\u2011–'’]",
    re.IGNORECASE,
)

_IRREGULAR = {
    "apices": "apic", "axes": "axis", "axis": "axis", "callus": "callus", "calves": "calf",
    "caries": "caries", "cilia": "cilium", "corpora": "corpus", "crura": "crus", "feet": "foot",
    "femora": "femur", "foci": "focus", "focus": "focus", "foramina": "foramen", "gases": "gas",
    "gyri": "gyrus", "gyrus": "gyrus", "hila": "hilum", "hili": "hilum", "hilum": "hilum",
    "hilus": "hilum", "irides": "iris", "iris": "iris", "lens": "lens", "lenses": "lens",
    "loci": "locus", "locus": "locus", "lumina": "lumen", "nevi": "nevus", "nevus": "nevus",
    "ova": "ovum", "ovum": "ovum", "pancreas": "pancreas", "rabies": "rabies", "rami": "ramus",
    "ramus": "ramus", "rectus": "rectus", "scabies": "scabies", "series": "series",
    "species": "species", "stat": "stat", "status": "status", "teeth": "tooth",
    "testes": "testis", "testis": "testis", "tori": "torus", "torus": "torus",
    "viscera": "viscus", "viscus": "viscus",
}  # fmt: skip

# (pattern, replacement), the first that matches in each list is applied.
_SPELLING = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"(?<=.)ae(?=.)|^ae(?=.{3})", "e"),
        (r"(?<=.)oe(?=..)|^oe(?=.{3})", "e"),
        (r"(?<=..)our(?=$|s$|ed$|ing$|al$)", "or"),
        (r"(?:(?<=[bt])|(?<=euv))re(?=s?$)", "er"),
        (r"yse(?=[ds]?$)", "yze"),
        (r"(?<=..)is(?=(?:e|ed|es|ing|ation|ations)$)", "iz"),
        (r"^leuc(?=o)", "leuk"),
        (r"sulph", "sulf"),
        (r"^grey", "gray"),
        (r"^disk(?=s?$)", "disc"),
        (r"(?<=.)lled$", "led"),
    ]
]
_BRITISH = re.compile("|".join(pattern.pattern for pattern, _ in _SPELLING))
_PLURAL = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"omata$", "oma"),
        (r"mata$", "ma"),
        (r"itides$", "itis"),
        (r"thoraces$", "thorax"),
        (r"(?<=..)ies$", "y"),
        (r"(?<=.)(x|ch|sh|ss|z|us)es$", r"\1"),
        (r"(?<=.)(?<![suiy])s$", ""),
    ]
]
_ENDING = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"(?<=..)(ex|ix)$", "ic"),
        (r"(?<=..)yx$", "yc"),
        (r"(?<=..)nx$", "ng"),
        (r"(?<=....)(us|um|(?<!al)is|ae|a|i|(?<!al)e)$|(?<=gli|dri)on$", ""),
    ]
]


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every token of ``text`` (words, and punctuation that separates terms)."""
    return [match.span() for match in _TOKEN.finditer(text)]


@remembered(1 << 16)
def normal(token: str) -> str:
    """The normal form of one token."""
    if token == "&":  # noqa: S105 - a token of text
        return "and"
    word = token.lower()
    if not word.isascii():
        word = "".join(
            c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c)
        )
    if not word.isalnum():
        word = re.sub(r"['’]s$|[-\u2010\u2011–]", "", word)
    if len(word) <= 3 or not word.isalpha():
        return word
    if _BRITISH.search(word):
        for pattern, replacement in _SPELLING:
            word = pattern.sub(replacement, word)
    return _IRREGULAR.get(word) or _stem(word)


def _stem(word: str) -> str:
    word = _first(_PLURAL, word)
    if len(word) <= 3:
        return word
    return _IRREGULAR.get(word) or _first(_ENDING, word)


def _first(rules: list[tuple[re.Pattern[str], str]], word: str) -> str:
    for pattern, replacement in rules:
        if pattern.search(word):
            return pattern.sub(replacement, word)
    return word


@remembered(1 << 16)
def code(token: str) -> int:
    """A 64-bit number for the token's normal form, the same on every machine; never 0."""
    digest = blake2b(normal(token).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def codes(text: str) -> list[int]:
    """The codes of all tokens of ``text``."""
    return [code(text[start:end]) for start, end in spans(text)]
