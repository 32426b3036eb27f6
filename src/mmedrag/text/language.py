"""The language of a text, as far as the rules of :mod:`mmedrag.text.assertions` need to know it.

The small words of a text tell most often, and cost microseconds. Where they do not, and the text is
long enough for statistics, py3langid decides (Lui, Baldwin: langid.py, ACL 2012). Medical terms are
Latin and Greek in every language, so a short list of them is taken for English, whose rules affirm
what nothing negates.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

from mmedrag.remembering import remembered
from mmedrag.text.characters import plain

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ENGLISH, SPANISH, PORTUGUESE, OTHER = "en", "es", "pt", "other"
"""ISO 639-1; ``OTHER`` is any language without rules."""

_SMALL_WORDS = {
    ENGLISH: """
        the of and with without is are was were not for from this that there these which has have
        been be it its to by or nor on an as at seen than however although both but if
        left right lower upper lung lungs lobe heart kidney liver bone chest spine cells cell
        disease swelling large small mild severe fluid side within denies patient
        negative evidence shows show findings when what how stain positive
    """,
    SPANISH: """
        el la los las una unos unas del y en con sin de por para que se su sus es esta estan
        hay fue ha han como mas pero ni muy lo este sobre entre desde hasta ambos ambas
        derecho derecha izquierdo izquierda lobulo pulmon pulmones higado rinon corazon hallazgos
        paciente niega observa aprecia aprecian observan identifica identifican evidencia signos
        posible antecedente antecedentes masa nodulo lesiones descartar presencia ausencia ausente
        negativo negativa presente presentes ausentes descartado
        descartada madre padre hermano hermana abuela abuelo libre libres desaparecido
        desaparecio derrame neumotorax neumonia fractura atelectasia
    """,
    PORTUGUESE: """
        um uma uns umas da dos das aos em nas com sem de por para que se
        seu sua sao esta estao ha foi foram como mais mas nem muito este nao pelo pela
        direito direita esquerdo esquerda lobo pulmao pulmoes figado coracao achados paciente
        nega observa observam evidencia sinais compativel provavel possivel historia antecedente
        massa nodulo lesao afastar presenca ausencia ausente pai mae irmao irma presente presentes
        ausentes descartado descartada
        negativo negativa livre livres desapareceu derrame pneumotorax fratura atelectasia
        linfonodos
    """,
    OTHER: """
        der das dem des ein eine einer eines einem und mit ohne kein keine keinen nicht ist
        sind wird im zum zur auf bei fur rechts links beidseits lunge herz nachweis hinweis
        les du des une et avec sans pas est sont aux dans par pour sur ne coeur poumon
        gauche droit droite
        lo gli nel nella nei della dello delle degli dei con senza sono di da de si
        cuore polmone sinistro destro segni segno nessun nessuna destra sinistra
        het een zonder geen niet zijn wordt voor bij hart
        och utan inga ingen inget ar hjarta hos
        ikke uten uden ingen hjerte hjertet og
        bez nie jest oraz pluc prawego lewego brak zmian serce
        ve ile yok degil bir olarak
    """,
}
_EVIDENCE = {
    word: tuple(spoken for spoken, words in _SMALL_WORDS.items() if word in words.split())
    for word in " ".join(_SMALL_WORDS.values()).split()
}

_WORD = re.compile(r"[^\W\d_]+")
_PORTUGUESE_ONLY = re.compile(r"[ãõçêôâà]|\b(?:d[oa]s?|n[ao]s|com|sem)\b", re.IGNORECASE)
_SPANISH_ONLY = re.compile(r"[ñ¿¡]|\b(?:no|el|del|y|hay)\b|(?:ci|si)[oó]n\b", re.IGNORECASE)
_BORROWED = re.compile(
    r"\bpas[ -](?:stain|positiv|negativ|diastase|reaction|d\b)"
    r"|\bde (?:novo|quervain|morgan|facto|lange|toni)\b|\bpara-?aortic"
    r"|\bsine qua non\b|\bex vacuo\b|[-+–−]ve\b"
    r"|\b(?:cri|mal|coup|grand|petit|peau|torsades?|tour|cafe|cul|fleur|en)"
    r" (?:de|du|d|au|coup|bloc|face|plaque)\b"
)
_FOREIGN_LETTER = re.compile(r"[^\W\d_]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u0370-\u03ff\u1e00-\u1eff]")
_FEW = 3
"""Fewer words than these give no statistics."""
_CERTAIN, _LIKELY, _UNLIKELY = 0.85, 0.75, 0.1
"""Probabilities from which the detector is believed: that a text is in any one other language, that
it is in Spanish or Portuguese (which it takes for each other); and below which, not in English.
"""
_LOOK = 4000
"""Characters from the beginning that are looked at."""
_CANDIDATES = [
    "en",
    "es",
    "pt",
    "fr",
    "de",
    "it",
    "nl",
    "sv",
    "da",
    "no",
    "fi",
    "pl",
    "cs",
    "hu",
    "ro",
    "tr",
    "ru",
    "uk",
    "el",
    "ar",
    "he",
    "zh",
    "ja",
    "ko",
    "vi",
    "id",
]


@remembered(1024)
def language(text: str) -> str:
    """The language of ``text``: ``"en"``, ``"es"``, ``"pt"`` or ``"other"``."""
    text = text[:_LOOK]
    if not text.isascii() and _other_script(text):
        return OTHER
    words = _words(text)
    if len(words) < 2:
        return ENGLISH
    likely = _likely(words, margin=1)
    if len(likely) == 1:
        return likely[0]
    if likely:
        return _nearest(text, likely)
    return _detected(text) if len(words) >= _FEW else ENGLISH


def sentence_language(sentence: str, default: str) -> str:
    """The language of one sentence of a text in the language ``default``.

    A text may quote another language, or have a translation below it; its small words must leave no
    doubt.
    """
    likely = _likely(_words(sentence[:_LOOK]), margin=2)
    return likely[0] if len(likely) == 1 else default


def _words(text: str) -> list[str]:
    """The words of ``text``, without the foreign phrases that English borrows."""
    return _WORD.findall(_BORROWED.sub(" ", plain(text)))


def _likely(words: list[str], margin: int) -> list[str]:
    """The languages that most small words speak for, by ``margin`` more than for any other."""
    counts = dict.fromkeys(_SMALL_WORDS, 0)
    for word in dict.fromkeys(words):
        for spoken in _EVIDENCE.get(word, ()):
            counts[spoken] += 1
    most = max(counts.values())
    first = [spoken for spoken, count in counts.items() if count == most]
    others = [count for count in counts.values() if count < most]
    return first if most and most - max(others, default=0) >= margin else []


def _other_script(text: str) -> bool:
    """Whether most letters are not Latin (or Greek, which formulas and stages use)."""
    letters = len(_FOREIGN_LETTER.findall(text))
    return letters > 2 * len(_LATIN.findall(text))


def _detected(text: str) -> str:
    """What statistics say; English where they are in doubt."""
    chances = dict(_detector().rank(text))
    spoken = max(chances, key=lambda code: chances[code])
    iberian = chances[SPANISH] + chances[PORTUGUESE]
    if iberian >= _LIKELY and chances[ENGLISH] < _UNLIKELY:
        return _nearest(text, [SPANISH, PORTUGUESE])
    return OTHER if spoken != ENGLISH and chances[spoken] >= _CERTAIN else ENGLISH


def _nearest(text: str, likely: Collection[str]) -> str:
    """The one of several languages that the detector finds likeliest.

    Between the two that it takes for each other, letters and "no" decide first.
    """
    if set(likely) == {SPANISH, PORTUGUESE}:
        if _PORTUGUESE_ONLY.search(text):
            return PORTUGUESE
        if _SPANISH_ONLY.search(text):
            return SPANISH
    for code, _ in _detector().rank(text):
        spoken = code if code in _SMALL_WORDS else OTHER
        if spoken in likely:
            return spoken
    return ENGLISH


@cache
def _detector() -> LanguageIdentifier:
    """Loaded on first use: half a second, which most processes never need."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    detector = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detector.set_languages(_CANDIDATES)
    return detector
