"""What goes with a disease: "Does sarcoidosis show calcification?", "Do meningiomas enhance?".

Such a question is of no patient: it is answered by what the reports of cases with the disease (or
finding: "Is pericardial effusion seen with pleural effusion?") say of the finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mmedrag.answers.nouns import NOUNS
from mmedrag.types import Kind, Mention

FEATURE = "feature"
"""The detail of a question that asks whether a finding goes with a disease."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A disease by its concept, and what may go with it: a concept, or words for one."""

    disease: str
    finding: str = ""
    words: str = ""


_ARTICLE = r"(?:an? |most |all |some |many |el |la |los |las |un |una |o |a |os |as |um |uma )?"
_WHO = r"(?:(?:patients?|people|cases|those|children|pacientes|casos) (?:with|con|com) )?"
_OFTEN = r"(?:how (?:often|frequently|commonly) |con que frecuencia |com que frequencia )?"
_AUXILIARY = r"(?:does |do |can |could |may |might |is |are |puede |pueden |pode |podem )?"
_SUBJECT = rf"^(?:and |so |but |¿)*{_OFTEN}{_AUXILIARY}{_ARTICLE}{_WHO}{_ARTICLE}"
_ADVERB = (
    r"(?:\w+ly |often |sometimes |ever |also |puede |pueden |pode |podem |suele |suelen |costuma )?"
)
_HAS = (
    r"(?:shows?|ha(?:ve|s)|causes?|produces?|gives?|contains?|exhibits?|displays?|presents? with"
    r"|comes? with|goes? with|accompanied by|(?:be )?associated with|leads? to|develops?|induces?"
    r"|forms?|includes?|muestran?|tienen?|tener|causan?|causar|producen?|presentan?|presentar"
    r"|mostrar|mostram?|t[eê]m|ter|produz(?:em)?|apresentam?|apresentar|dan?|dar|cursan? con)"
)
_AT = r"(?:in|with|of|en|em|con|com|de|da|do|na|no)"
_SEEN = (
    r"(?P<seen>(?:(?:usually|often|commonly|ever|sometimes|always|typically) )?"
    r"(?:an? )?(?:\w+ly )?(?:seen|common|typical|found|present|described|reported|feature|sign"
    r"|expected|usual|frequent|possible|characteristic|associated|observed|encountered|rare"
    r"|unusual|frecuente|t[ií]pic[oa]|com[uú]n|comum|frequente)s? (?:together )?)?"
)


def asked_feature(request: str, mentions: Iterable[Mention]) -> Feature | None:
    """The disease and the finding of a sentence that asks whether they go together, if it does.

    "Does the pneumonia cavitate?" and "Is there calcification?" ask of one patient, and do not.
    """
    named = [m for m in mentions if m.text in request and m.kind.is_finding]
    for disease in sorted(named, key=lambda m: m.kind is not Kind.DISEASE):
        name = re.escape(disease.text)
        for noun, verb in NOUNS.items() if disease.kind is Kind.DISEASE else ():
            if re.search(rf"{_SUBJECT}{name} {_ADVERB}(?:be )?{verb}\b", request, re.IGNORECASE):
                return Feature(disease.concept, words=noun)
        for finding in (m for m in named if m.concept != disease.concept):
            other = re.escape(finding.text)
            does = rf"{_SUBJECT}{name} {_ADVERB}{_HAS} (?:[\w-]+ ){{0,3}}{other}\b"
            seen = (
                rf"^(?:{_OFTEN}|how common )(?:is |are |can |may |es |son |[eé] |s[aã]o )?"
                rf"{_ARTICLE}{other} (?:be )?{_SEEN}{_AT} {_WHO}{_ARTICLE}{name}\W*$"
            )
            marked = request.rstrip().endswith("?") or request.lower().startswith("how ")
            goes = disease.kind is Kind.DISEASE and marked
            found = re.search(seen, request, re.IGNORECASE)
            if re.search(does, request, re.IGNORECASE) or (found and (goes or found["seen"])):
                return Feature(disease.concept, finding.concept)
    return None
