"""Questions in languages whose asking words are not read: they are told so, and not misread."""

from __future__ import annotations

import re

from mmedrag.answers.romance import RULES as ROMANCE
from mmedrag.answers.romance import plain_letters
from mmedrag.text.language import OTHER, language

UNREAD = "is in a language that is not read"
"""The rule of such a question."""

SENTENCE = (
    "The question is in a language that is not read here. Ask it in English, Spanish or Portuguese."
)

_ASKING = re.compile(
    # French
    r"\b(?:y a[- ]t[- ](?:il|elle)|est[- ]ce|qu['’]est|c['’]est|s['’]agit|quoi|quels?|quelles?"
    r"|pourquoi"
    r"|comment (?:traiter|traite|soigner)|a[- ]t[- ](?:il|elle)|est[- ](?:il|elle)|voit[- ]on"
    r"|combien de (?:mg|comprim)\w*|montrez?[- ](?:moi|nous)|trouvez?|cette|ce sont|ou bien"
    r"|que (?:voyez|montre|signifie|veut)|decrivez|existe[- ]t[- ]il|similaires?"
    r"|ou (?:maligne?|benigne?))\b"
    # German, Dutch
    r"|\b(?:welche[rsnm]?|bedeutet|oder|sieht|gibt es|liegt|wie (?:viel|behandelt|lange|oft|hoch"
    r"|gross)|warum|wieso|woran|handelt es|kann man|konnte|finde|zeige?n?|ist (?:das|es|der|die"
    r"|da|ein|hier)|sind (?:das|da|die)|hat (?:sich|der|die|das|er)|sichtbar"
    r"|was (?:ist|sind|fur|kann"
    r"|sehen)|beschreiben sie|besteht|welke|wat (?:zijn|betekent)|hoeveel|zijn er|is er|heeft)\b"
    # Italian
    r"|\b(?:c['’]e|ci sono|cos['’]e|che cosa|cosa (?:mostra|significa|e)|quale|perche|mostrami"
    r"|trova(?:mi)? (?:casi|dei)|si vede|si tratta|oppure)\b"
)
_OTHER_SCRIPT = re.compile(r"[\u0400-\u052f\u0590-\u06ff\u0900-\u0dff\u3040-\u9fff\uac00-\ud7af]")
_READ_FOR_CERTAIN = re.compile(
    r"[¿¡]|\b(?:the|this|that|what|which|is there|are there|does|how|any)\b", re.IGNORECASE
)
_READ = re.compile(
    r"[¿¡]|\b(?:the|this|that|what|which|where|who|is there|are there|does|do|did|how|any|my|i|it"
    r"|no|si|sim|nao|de|da|qual)\b",
    re.IGNORECASE,
)


def is_unread(asking: str, *, asks: bool) -> bool:
    """Whether a sentence asks in a language other than the three that are read.

    Terms are Latin and Greek in many languages, so the words that ask decide; where none is known,
    a sentence that asks and is of another language for certain.

    Args:
        asking: the sentence.
        asks: whether it has a mark that asks.
    """
    letters = plain_letters(asking)
    if _OTHER_SCRIPT.search(asking):
        return True
    if any(rule.words.search(letters) for rule in ROMANCE) or _READ_FOR_CERTAIN.search(asking):
        return False
    if _ASKING.search(letters):
        return True
    return asks and language(asking) == OTHER and not _READ.search(asking)
