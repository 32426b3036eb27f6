"""A patient's history: sentences that tell of somebody and ask nothing.

It is what a referral says beside an image. "68-year-old woman on metformin with proteinuria." asks
neither for a treatment nor whether there is proteinuria: it wants what such a case shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PERSON = (
    r"(?:man|woman|men|women|male|female|boy|girl|gentleman|lady|patient|pt|infant|neonate|newborn"
    r"|baby|child|toddler|teenager|adolescent|adult|soldier|veteran|smoker|athlete|student|worker"
    r"|farmer|hombre|mujer|var[oó]n|paciente|ni[nñ][oa]|reci[eé]n nacid[oa]|lactante|homem|mulher"
    r"|menin[oa]|crian[cç]a|doente|rec[eé]m-nascid[oa])"
)
_AGED = re.compile(
    r"\b\d{1,3}(?:\.\d)?[\s-]*(?:(?:years?|yrs?|months?|mos?|weeks?|wks?|days?)[\s-]*(?:old|of age)"
    r"|[ymdw][\W_]{0,2}o|y(?:rs?)?[\s-]*(?:m|f|male|female|man|woman|boy|girl)|a[nñ]os|meses|d[ií]as)\b"
    r"|^\W*\d{1,3}\s?(?:[MF]|[WB][MF])\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    rf"^\W*(?:(?:the|this|a|an|our|my|el|la|un|una|o|um|uma)\s+)?(?:[\w/'-]+\s+){{0,5}}?{_PERSON}s?\b"
    r"|^\W*(?:he|she|they|his|her)\b",
    re.IGNORECASE,
)
_CLINIC = re.compile(
    r"\b(?:present(?:s|ed|ing)|complain(?:s|ed|ing)|c/o|h/o|hx|histor(?:y|ies) of|known|status post"
    r"|s/p|admitted|referred|denie[sd]|report(?:s|ed)|developed|found down|underwent|suffer(?:s|ed"
    r"|ing)|diagnosed|brought|seen|involved|fell|deployed|pack[- /]?years?|with"
    r"|who|on|after|acude|refiere|presenta|ingres[oóa]\w*|antecedentes?|con|com|apresenta|queixa\w*)\b",
    re.IGNORECASE,
)
_SECTION = re.compile(
    r"^\W*(?:pmhx?|psh|hpi|cc|chief complaint|meds?|medications?|allergies|all|sh|fh|ros|hx|history"
    r"|past (?:medical|surgical) history|(?:clinical|brief|patient) (?:history|information|data"
    r"|indication|details|note)|indication|reason for (?:exam\w*|study|referral)|antecedentes"
    r"|historia(?: cl[ií]nica)?|hist[oó]ria(?: cl[ií]nica)?|motivo(?: de consulta)?)\s*:",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"(?:^\W*|[,;:–—]\s*(?:please\s+)?|\s-\s+)(?:please|what (?:is|are|would|should|could|to|does)"
    r"|should|rule out|r/o|evaluate for|assess for|look for|check for|any (?:evidence|sign)s?|ddx?"
    r"|differential|next steps?|how (?:to|do|should|would|long|much)|is (?:there|this|it)"
    r"|are (?:there|these)|do you|does (?:this|the)|can (?:you|i|we)|could (?:you|this|it)|find"
    r"|show|give|describe|explain|recommend|suggest|compare|list|qu[eé]|cu[aá]l|qual|hay|busca|mostre"
    r"|muestra)\b"
    r"|^\W*(?:which|who|where|when|why|how|define|tell|search|retrieve|check|write|name|provide"
    r"|interpret|summari[sz]e|report this|read|distinguish|differentiate|translate|diagnose|ignore"
    r"|meaning|definition|i (?:need|want|would)|need|help|generate|would|could|can|evaluate|assess"
    r"|likely|most likely|possible|findings|impression|diagn[oó]stico|diagnosis)\b"
    r"|\b(?:wants? to know|wonders?|asks?|asking|curious|would like to)\b"
    r"|\b(?:choice|options?|dos(?:e|es|age|ing)|treatment|therapy|management|prognosis|survival"
    r"|work-?up|next steps?|plan|recommendations?|guidelines?|diagnos[ei]s|differential|ddx?|dx"
    r"|tratamiento|tratamento|dosis|pron[oó]stico|progn[oó]stico|diagn[oó]stico)\W*$",
    re.IGNORECASE,
)


def tells_of_patient(sentence: str) -> bool:
    """Whether a sentence tells of somebody: an age, a section of a note, what a person has."""
    return bool(
        _AGED.search(sentence)
        or _SECTION.search(sentence)
        or (_SUBJECT.search(sentence) and _CLINIC.search(sentence))
    )


def asks_in_history(sentence: str) -> bool:
    """Whether a sentence of a history asks all the same ("48-year-old man, rule out ulcers")."""
    return "?" in sentence or bool(_REQUEST.search(sentence))


def is_history(sentences: Sequence[str]) -> bool:
    """Whether a text has no mark of a question and a sentence of it tells of a patient."""
    return not any("?" in s for s in sentences) and any(map(tells_of_patient, sentences))
