"""Questions of what goes with a finding: "What else is seen with cardiomegaly?".

Nothing second is named, as it is in "Does sarcoidosis show calcification?"
(:mod:`mmedrag.answers.features`): what the shown cases affirm beside the finding is counted over
all reports that affirm it.
"""

from __future__ import annotations

import re

from mmedrag.answers.counting import OF_ONE

ASSOCIATED = "associated"
"""The detail of such a question."""

MOST = 6
"""Findings that are counted."""

_THINGS = (
    r"(?:findings?|signs?|features?|abnormalit(?:y|ies)|changes|lesions|things?|conditions?"
    r"|diagnos[ie]s|diseases?|hallazgos?|signos?|achados?|sinais)"
)
_TYPICAL = (
    r"(?:typical|common|usual|characteristic|frequent|classic(?:al)?|main|key|imaging|radiographic"
    r"|radiological|ct|mri|histolog\w+|microscopic|fundus|associated|other|additional"
    r"|accompanying|co-?occurring|coexisting|concomitant|tipic[oa]s?|frequentes?|frecuentes?|habitua(?:l|les|is)|asociad[oa]s?"
    r"|associad[oa]s?)"
)
_GOES = (
    r"(?:goes?|occurs?|comes?|appears?|coexists?|co-?occurs?|(?:is|are) (?:\w+ )?(?:seen|found"
    r"|associated|present|described|reported|mentioned)|(?:seen|found|associated|described"
    r"|reported|mentioned))"
)
_CASES = r"(?:reports|cases|patients|images|studies)"
_ASKS = re.compile(
    rf"\b(?:what|which) (?:else|other {_THINGS}|{_THINGS})?\s*(?:(?:often|usually|commonly"
    rf"|typically|most often|frequently|also|else) )?{_GOES} (?:(?:together|along|often) )?"
    r"(?:with|in|beside|alongside)\b"
    r"|\bwhat else (?:is|are|do|does|can|would)\b.*\b(?:with|in|beside)\b"
    rf"|\b(?:{_TYPICAL} ){{1,2}}{_THINGS}(?: (?:seen|found|described|reported))?"
    r" (?:of|in|with|for)\b"
    rf"|\b{_THINGS} {_TYPICAL} (?:de|da|do|en|em|con|com|a|ao)\b"
    rf"|\b(?:what|which)(?: (?:other )?{_THINGS})? (?:\w+ )?accompan(?:y|ies)\b"
    rf"|\b(?:what|which) other {_THINGS} (?:do|are in|appear in) (?:the |these )?{_CASES}\b"
    rf"|\bwhat do (?:the |these )?{_CASES} (?:of|with)\b.*\b(?:also|else|besides)\b"
    r"|\b(?:with|when|besides?)\b.*\bwhat else (?:is|are) (?:\w+ )?(?:seen|found|mentioned"
    r"|described|reported)\b"
    rf"|^(?!.*\?\W*$)(?:the |los |os )?(?:associations?|{_THINGS}) (?:of|with|(?:\w+ly )?(?:seen"
    r"|found|associated|described|reported) (?:with|in)|in|de|da|do|en|em)\b"
    rf"|\b(?:do|does|have|has) (?:the |all |these )?{_CASES} (?:of|with)\b"
    r".*\b(?:in common|share)\b|\bwhat (?:accompanies|coexists with|goes with|is associated with)\b"
    rf"|\b(?:que (?:mas|otr[oa]s {_THINGS})|o que mais|(?:que|quais) outr[oa]s {_THINGS})"
    r" (?:(?:se|suelen?) )?(?:ven?|vense|observan?|encuentran?|describen?|mencionan?|aparecen?"
    r"|hay(?! que\b)|e(?: \w+)?|ha|sao|observam?|aparecem?|encontram?)\b"
    r"|^\W*(?:que (?:se asocia|suele acompanar|acompana)|o que (?:(?:esta|e) associado|se associa"
    r"|acompanha|costuma acompanhar))\b"
    rf"|\b(?:que|quais|cuales) {_THINGS} (?:se |sao )?(?:ven|observan|asocian|encuentran|vistos"
    r"|associados|encontrados|acompanan|acompanham)\b"
    r"|\bmost (?:common|frequent) (?:other )?(?:finding|sign|feature|abnormality)s?"
    r" (?:in|of|with)\b"
)
_ELSEWHERE = re.compile(
    rf"{OF_ONE}|\b(?:in|en|n)\s?(?:the|la|a) (?:image|picture|imagen|imagem)\b"
    r"|\b(?:treat\w*|therap\w*|recommend\w*|indicated|needed|required|done|manag\w*|prognos\w*"
    r"|outcomes?|survival|doses?|drugs?|medications?|trata\w*|terap\w*|recom[ei]\w*|pronostic\w*"
    r"|supervivencia|sobrevida|medicamentos?|farmacos?)\b"
)
"""Of one image or patient, or of what is to be done: no report of others tells that."""

_THING = re.compile(_THINGS)


def is_general(word: str) -> bool:
    """Whether a word is what is asked for, and not what it is asked of: "which lesions …"."""
    return _THING.fullmatch(word.lower()) is not None


def asks_what_goes_with(letters: str) -> bool:
    """Whether words ask what is seen beside something that they name.

    Args:
        letters: small and without accents (:func:`~mmedrag.answers.romance.plain_letters`).
    """
    return _ASKS.search(letters) is not None and not _ELSEWHERE.search(letters)
