"""Questions of how many: which words ask for a number of cases, and what is counted for them.

"How many reports mention an effusion?" is asked of a collection and is answered by counting it.
"How many lobes has the lung?" and "How many people get pneumonia?" are not: they name no cases.
"""

from __future__ import annotations

import re

from mmedrag.answers.question_rules import CASES_READ

COUNT = "count"
"""The detail of a question that asks for a number of cases."""

_NOUNS = rf"(?:{CASES_READ}|specimens?|records?|angiograms?|pacientes?|relatorios?)"
_NUMBER = (
    r"\b(?:how many|(?:what|which)(?:'s| is| are)? (?:the )?(?:percentage|percent|%|proportion"
    r"|fraction|share|number|count)(?: of)?"
    r"|(?:the )?(?:number|count|percent(?:age)?|proportion|share|fraction) of"
    r"|count(?: up)?(?: all)?|cuant[oa]s|quant[oa]s|(?:que|qual|cual)(?: es| e)? (?:a |o |el |la )?"
    r"(?:porcentaje|porcentagem|percentual|proporcion|proporcao|numero) d[eoa]s?"
    r"|(?:numero|porcentaje|porcentagem) d[eoa]s?)"
)
_WORD = (
    r"(?!(?:does|do|did|is|are|was|were|has|have|can|could|in|on|at|per|this|his|her)\b)[\w&/-]+"
)
"""Before the noun: "how many chest films", but not "how many nodules has the patient"."""
_ELSEWHERE = re.compile(
    rf"\b{_NOUNS} (?:(?:per|each|every|a) \w+|(?:does|should|can|must|will|would|may)\b"
    r"|(?:do|are) (?!you\b|we\b|they\b|there\b|normal|abnormal)\w+ (?:need|require|take|get)"
    r"|are (?:needed|required|taken|safe|recommended))"
    r"|\b(?:surviv\w*|die|died|recover\w*|relaps\w*|respond|become|develop|mueren|morrem"
    r"|sobreviv\w*|undergo)\b"
    r"|\b(?:per|each|every|a) (?:year|month|day|hour)\b|\bannually\b|\bworldwide\b|\bglobally\b"
    r"|\bin the (?:us|usa|uk|world|general|population)\b"
)
"""Asks for a number that no collection holds: of pictures of one study, of what became of patients,
or of people anywhere."""

_OF_CASES = re.compile(
    rf"{_NUMBER}(?: (?:of|the|these|those|your|our|all|los|las|os|as|estos|estas|estes))*"
    rf"(?: {_WORD}){{0,3}}? {_NOUNS}\b"
    rf"|\bmore (?:[\w-]+ ){{0,2}}?{_NOUNS} (?:of|with|showing)\b.*\b(?:or|than)\b"
)
_STATED = (
    r"(?:mentioned|reported|described|documented|noted|recorded|affirmed|stated|ruled out|excluded"
    r"|denied)"
)
_HERE = (
    r"(?:\bhere\b|\b(?:in|among) (?:the|these|this|those|your|our) (?:\w+ )?(?:reports|cases"
    r"|studies|records|corpus|collection|casebase|archive|dataset|database|data)\b)"
)
_HOW_OFTEN = re.compile(
    rf"\bhow (?:common|frequent|often|frequently|rare)\b.*(?:{_HERE}|\b{_STATED}\b)"
    rf"|\bhow (?:often|frequently) (?:do|does|did) (?:\w+ )?{_NOUNS}\b"
    rf"|^(?:is|are)\b.*\b(?:common|frequent|rare|prevalent)\b.*{_HERE}"
    r"|\bco[nm] (?:que|quanta) frec?[qu]+encia (?:se )?(?:e |es )?(?:mencion|describ|descrit|descr"
    r"|inform|report|registr)\w*"
)
_NORMAL = re.compile(r"\b(?:ab|a)?norma(?:l|les|is)\b")
_ALL = re.compile(
    rf"^\W*{_NUMBER}(?: {_WORD}){{0,3}}? {_NOUNS}"
    r"(?: (?:are there|are|do you have|have you got|hay|ha|tem|tienes?)"
    r"(?: (?:here|in total|altogether|aqui|en total|no total))?| in total)?"
    rf"(?: {_HERE}| (?:does|do) (?:this|the|your) \w+ (?:have|hold|contain))?\W*$"
)


def asks_how_many(letters: str) -> bool:
    """Whether words ask for a number of cases.

    Args:
        letters: small and without accents (:func:`~mmedrag.answers.romance.plain_letters`).
    """
    if _HOW_OFTEN.search(letters):
        return True
    return bool(_OF_CASES.search(letters)) and not _ELSEWHERE.search(letters)


def counts_all(letters: str) -> bool:
    """Whether they ask how many cases there are, or how many of them are normal or abnormal."""
    if not asks_how_many(letters):
        return False
    return bool(_NORMAL.search(letters) or _ALL.search(letters))
