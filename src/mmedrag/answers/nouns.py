"""What is seen where something is called calcified or malignant, or enhances: the name of it.

Dictionaries have nouns, and questions ask with verbs and adjectives: "Does it enhance?", "benign or
malignant?". Reports are read as they stand; this is for the words of a question alone.
"""

from __future__ import annotations

import re

NOUNS = {
    "contrast enhancement": r"(?:enhanc(?:es?|ing|ed)|realzan?|captan? contraste|realçam?)",
    "calcification": r"(?:calcif(?:y|ies|ied|ying|icada|icado|icam?|ican?|icados|icadas))",
    "cavity": r"(?:cavitat(?:es?|ed|ing|ory)|cavitan?)",
    "restricted diffusion": r"(?:restrict\w* diffusion|restringen? la difusi[oó]n)",
    "haemorrhage": r"(?:bleeds?|bleeding|haemorrhagic|hemorrhagic|sangran?)",
    "necrosis": r"(?:necrotic|necrotised?|necrotized?|necr[oó]tic[oa]s?|necros[ae]n?)",
    "cyst": r"(?:cystic|qu[ií]stic[oa]s?|c[ií]stic[oa]s?)",
    "ulcer": r"(?:ulcerat(?:es?|ed|ing)|ulceran?|ulceram?|ulcerad[oa]s?)",
    "metastasis": r"(?:metasta[sz]i[sz]\w*|metastatic|metast[aá]tic[oa]s?|metastati[sz]an?)",
    "malignancy": r"(?:malignant|cancerous|malign[oa]s?)",
    "benign lesion": r"(?:benign|benign[oa]s?)",
    "infection": r"(?:infected|infectious|infectad[oa]s?)",
    "fracture": r"(?:fractured|broken|fraturad[oa]s?|fracturad[oa]s?)",
    "inflammation": r"(?:inflamed|inflammatory|inflamad[oa]s?)",
    "oedema": r"(?:oedematous|edematous)",
    "dysplasia": r"(?:dysplastic)",
    "fibrosis": r"(?:fibrotic|fibrosed)",
    "perforation": r"(?:perforated|perforad[oa]s?)",
}
"""By the name of a finding the words that say it is there."""

_PREDICATE = (
    r"^\W*(?:is|are|was|were|does|do|did|could|can|may|might|looks?|seems?|es|est[aá]n?|[eé]|s[aã]o"
    r"|son|ser[aá])\b"
)
_LAST = r"\b{words}(?: (?:at all|here|in this \w+|or not))?\W*$"
_EITHER = r"\b{words},? (?:or|vs\.?|versus|o|ou)\b|\b(?:or|vs\.?|versus|o|ou) {words}\b"


def said_of(request: str) -> tuple[str, ...]:
    """The findings that a question asks of something by a verb or an adjective, in order.

    "Is this lesion malignant?" asks for a malignancy, and of "benign or malignant?" for either.
    """
    found = []
    for noun, words in NOUNS.items():
        predicate = re.search(_PREDICATE, request, re.IGNORECASE)
        last = re.search(_LAST.format(words=words), request, re.IGNORECASE)
        either = re.search(_EITHER.format(words=words), request, re.IGNORECASE)
        match = either or (last if predicate else None)
        if match:
            found.append((match.start(), noun))
    return tuple(noun for _, noun in sorted(found))
