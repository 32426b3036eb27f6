"""Where in the body a text has a finding: the side, and the lobe of lung or brain.

The site of a finding is named in its own words or beside it in its clause, nearer to it than to
another finding; a side may also stand in the heading of its sentence ("OD: drusen").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmedrag.text.laterality import sides, surroundings
from mmedrag.types import Mention

SITES = (
    "left", "right", "upper lobe", "middle lobe", "lower lobe", "lingula",
    "frontal lobe", "parietal lobe", "temporal lobe", "occipital lobe",
)  # fmt: skip
"""Every site, in the order in which they are given."""

_LOBE = re.compile(
    r"\b(?:(?P<upper>upper|superior)|(?P<middle>middle|medio|médio)|(?P<lower>lower|inferior)"
    r"|(?P<frontal>frontal)|(?P<parietal>parietal)|(?P<temporal>temporal)"
    r"|(?P<occipital>occipital))(?:\s+(?:and|or|/)\s+(?P<second>upper|middle|lower|frontal"
    r"|parietal|temporal|occipital))?\s+lobes?\b"
    r"|\b(?:l[oó]bulo|lobo)\s+(?P<after>superior|medio|médio|inferior|frontal|parietal|temporal"
    r"|occipital)\b"
    r"|(?P<lingula>\blingular?\b)",
    re.IGNORECASE,
)
_SIGN = re.compile(r"(?<![^\W_])(?:(?P<upper>[RL]UL)|(?P<middle>RML)|(?P<lower>[RL]LL))(?![^\W_])")
_ENGLISH = {"superior": "upper", "inferior": "lower", "medio": "middle", "médio": "middle"}


def sites(text: str) -> tuple[str, ...]:
    """The sides and lobes that a text names."""
    named: set[str] = set(sides(text))
    for match in _LOBE.finditer(text):
        if match["lingula"]:
            named.add("lingula")
            continue
        words = [match["second"], match["after"], *match.groups()[:7]]
        named.update(f"{_ENGLISH.get(w.lower(), w.lower())} lobe" for w in words if w)
    named.update(f"{match.lastgroup} lobe" for match in _SIGN.finditer(text))
    return tuple(site for site in SITES if site in named)


def sites_of(text: str, mentions: Sequence[Mention]) -> list[tuple[str, ...]]:
    """The sites of each mention that is of a finding; of others, none.

    Args:
        text: that was read.
        mentions: of the text, in its order.
    """
    if not sites(text):
        return [()] * len(mentions)
    near = surroundings(text, mentions)
    return [
        sites(words) if m.kind.is_finding else () for m, words in zip(mentions, near, strict=True)
    ]
