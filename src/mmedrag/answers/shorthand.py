"""The words that ask, spelled as the rules expect them: chat spellings, slips, missing apostrophes.

Only words that ask are changed, and only in what the rules read. Terms are the business of
:mod:`mmedrag.definitions.spelling`.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache

_FORMS = {
    "what": "wat wht waht wut whta",
    "what is": "whats wats",
    "is not": "isnt",
    "are not": "arent",
    "does not": "doesnt",
    "do not": "dont",
    "did not": "didnt",
    "can not": "cant",
    "there": "ther thier dere thre",
    "this": "thsi tihs ths",
    "you": "u ya",
    "your": "ur",
    "are": "r",
    "please": "pls plz pleas",
    "through": "thru",
    "treatment": "tx rx",
    "diagnosis": "dx",
    "patient": "pt",
    "because": "cuz bc",
    "something": "smth sth",
    "image": "img pic",
    "going to": "gonna",
    "want to": "wanna",
}
_WRITTEN = {short: word for word, forms in _FORMS.items() for short in forms.split()}
_ASKING = frozenset(
    re.findall(
        r"\w+",
        "abnormal abnormalities abnormality anything compare compared comparison define definition"
        " describe description diagnoses diagnosis differential everything evidence examples"
        " explain finding findings guideline normal pathology please previous prognosis recommend"
        " report similar something surgery treatment visible",
    )
)
_LETTERS = 6
_ALIKE = 0.88
_WORD = re.compile(r"[^\W\d_]+")


def spelled_out(text: str) -> str:
    """The text with its asking words in full."""
    return _WORD.sub(lambda match: _spelled(match[0]), text)


@lru_cache(4096)
def _spelled(word: str) -> str:
    lower = word.lower()
    if lower in _WRITTEN and not (word.isupper() and len(word) > 1):
        return _WRITTEN[lower]
    if len(word) < _LETTERS or lower in _ASKING or word.isupper():
        return word
    near = get_close_matches(lower, _ASKING, 1, _ALIKE)
    return near[0] if near and near[0][:2] == lower[:2] and len(near[0]) >= len(lower) else word
