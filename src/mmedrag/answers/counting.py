"""Questions of how many: which words ask for a number of cases, and what is counted for them.

"How many reports mention an effusion?" is asked of a collection and is answered by counting it.
"How many lobes has the lung?" and "How many people get pneumonia?" are not: they name no cases.
"""

from __future__ import annotations

import re

from mmedrag.answers.question_rules import CASES_READ

COUNT = "count"
"""The detail of a question that asks for a number of cases."""

_NOUNS = rf"(?:{CASES_READ}|x rays?|specimens?|records?|angiograms?|pacientes?|relatorios?)"
_NUMBER = (
    r"\b(?:how many|(?:what|which)(?:'s| is| are)? (?:the )?(?:percentage|percent|%|proportion"
    r"|fraction|share|number|count)(?: of)?"
    r"|(?:the )?(?:number|count|percent(?:age)?|proportion|share|fraction) of"
    r"|count(?: up)?(?: all)?|(?<!\ben )cuenta|cuente|contar|conte"
    r"|cuant[oa]s|quant[oa]s|(?:que|qual|cual)(?: es| e)? (?:a |o |el |la )?"
    r"(?:porcentaje|porcentagem|percentual|proporcion|proporcao|numero) d[eoa]s?"
    r"|(?:numero|porcentaje|porcentagem) d[eoa]s?)"
)
_WORD = (
    r"(?!(?:does|do|did|is|are|was|were|has|have|can|could|in|on|at|per|this|his|her"
    r"|tienen?|tem|hay|ha|es|son|sao|en|em|se|est[ae]|el)\b)[\w&/-]+"
)
"""Before the noun: "how many chest films", but not "how many nodules has the patient"."""
OF_ONE = (
    r"\b(?:this|that|[dn]?est[ae]) (?:patient|image|picture|scan|slide|study|biopsy|film|radiograph"
    r"|x-?ray|ct|mri|eye|specimen|paciente|imagen|imagem|radiografia|estudio|estudo|biopsia|ojo"
    r"|olho|lamina|tomografia)\b"
)
"""Names one patient or one image, of which no collection tells."""
_ELSEWHERE = re.compile(
    rf"\b{_NOUNS} (?:(?:per|each|every|a) \w+|(?:does|should|can|must|will|would|may)\b"
    r"|(?:do|are) (?!you\b|we\b|they\b|there\b|normal|abnormal)\w+ (?:need|require|take|get)"
    r"|are (?:needed|required|taken|safe|recommended))"
    rf"|\b{_NOUNS}\b.*\b(?:needs?|requires?|gets?|goe?s? blind|caused by|follow-?up|necesit\w+"
    r"|precisa\w*|desarroll\w+|desenvolv\w+|pierden|perdem)\b"
    r"|\b(?:surviv\w*|die|died|recover\w*|relaps\w*|respond|become|develop|mueren|morrem"
    r"|sobreviv\w*|undergo)\b"
    r"|\b(?:per|each|every|a) (?:year|month|day|hour)\b|\bannually\b|\bworldwide\b|\bglobally\b"
    r"|\bin the (?:us|usa|uk|world|general|population)\b"
    r"|\b(?:al|por|cada) (?:ano|mes|dia)\b|\b(?:en el|no) mundo\b"
    r"|\b(?:in|en|no|na|em) (?:africa|america|asia|brasil|brazil|china|espana|europ[ae]|france"
    r"|germany|india|italy|japan|mexico|portugal|spain)\b"
    rf"|{OF_ONE}"
    rf"|{_NUMBER}(?: [\w-]+)? (?:days|weeks|months|years|hours|mm|cm|mg|ml|units|dias|semanas|meses"
    r"|anos|horas)\b"
    r"|\b(?:drugs?|medications?|antibiotics?|doses?|dosis|farmacos?|medicamentos?|antibioticos?)\b"
)
"""Asks for a number that no collection holds: of pictures of one study, of one patient, of what
became of patients, or of people anywhere."""

_OF_CASES = re.compile(
    rf"{_NUMBER}(?: (?:of|the|these|those|your|our|all|los|las|os|as|estos|estas|estes))*"
    rf"(?: {_WORD}){{0,3}}? {_NOUNS}\b"
    rf"|\bmore (?:[\w-]+ ){{0,2}}?{_NOUNS} (?:of|with|showing)\b.*\b(?:or|than)\b"
    rf"|\b(?:mas|mais) (?:[\w-]+ ){{0,2}}?{_NOUNS} (?:de|con|com)\b.*\b(?:o|ou|que)\b"
)
_STATED = (
    r"(?:mentioned|reported|described|documented|noted|recorded|affirmed|stated|ruled out|excluded"
    r"|denied)"
)
_AMONG_THEM = (
    r"\b(?:(?:in|among|of) (?:the|these|this|those|your|our) (?:\w+ )?(?:reports|cases|studies"
    r"|records|corpus|collection|casebase|archive|dataset|database|data)"
    r"|(?:en|de|em|d?n?)\s?(?:l[ao]s?|[eo]s|as|a|est[aeo]s?|tus?|sus?|seus?) (?:informes|casos"
    r"|estudios|laudos|relatorios|exames|datos|dados|base|bases|coleccion|colecao|corpus))\b"
)
_HERE = rf"(?:\b(?:here|aqui)\b|{_AMONG_THEM})"
_HOW_OFTEN = re.compile(
    rf"\bhow (?:common|frequent|often|frequently|rare)\b.*(?:{_HERE}|\b{_STATED}\b)"
    rf"|\bhow (?:often|frequently) (?:do|does|did) (?:\w+ )?{_NOUNS}\b"
    rf"|^(?:is|are)\b.*\b(?:common|frequent|rare|prevalent)\b.*{_HERE}"
    rf"|{_NUMBER}\b.*{_AMONG_THEM}|\b(?:prevalence|frequency|prevalencia|fre[cq]uencia)\b.*{_HERE}"
    rf"|\bmore (?:common|frequent|prevalent|often)\b.*{_HERE}|{_HERE}.*\bmore (?:common|frequent)\b"
    r"|\b(?:how many times|cuantas veces|quantas vezes)\b.*"
    rf"(?:\b{_STATED}\b|\b(?:mencion|descri|inform|report|registr))"
    r"|\b(?:que tan|es|e|son|sao)\b.*\b(?:comun(?:es)?|com(?:um|uns)|fre[cq]uu?entes?|rar[oa]s?)\b"
    rf".*{_HERE}"
    r"|\bco[nm] (?:que|quanta) frec?[qu]+encia (?:se )?(?:e |es )?(?:mencion|describ|descrit|descr"
    r"|inform|report|registr)\w*"
)
_OF_THEM = re.compile(
    r"^\W*(?:how many|cuant[oa]s|quant[oa]s)(?: of (?:them|these|those))?(?: also)?"
    r" (?:have|show|mention|contain|describe|affirm|rule out|tienen|muestran|mencionan|describen"
    r"|presentan|tem|mostram|mencionam|descrevem|apresentam)\b"
)
"""Names no cases, for they alone can be meant: "How many have cardiomegaly?"."""
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
    if _ELSEWHERE.search(letters):
        return False
    asks = (_HOW_OFTEN, _OF_CASES, _OF_THEM)
    return any(pattern.search(letters) for pattern in asks)


def counts_all(letters: str) -> bool:
    """Whether they ask how many cases there are, or how many of them are normal or abnormal."""
    if not asks_how_many(letters):
        return False
    return bool(_NORMAL.search(letters) or _ALL.search(letters))
