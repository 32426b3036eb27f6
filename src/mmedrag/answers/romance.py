"""Words that ask, in Spanish and Portuguese; accents do not matter.

They are tried before the English ones, from which their small words keep them apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from mmedrag.answers.question_rules import Rule, rule
from mmedrag.types import QuestionKind

_K = QuestionKind

DECLINING: Mapping[str, re.Pattern[str]] = {
    "asks for a dose": re.compile(
        r"\b(?:que|qual|cual|cuant[oa]s?|quant[oa]s?)\b.*\b(?:dosis|dose|mg|gotas|pastillas"
        r"|comprimidos|mililitros)\b"
        r"|^(?:dosis|dose) (?:de|da|do)\b"
    ),
    "asks for a prognosis": re.compile(
        r"\bprognostico\b|\bpronostico\b|\b(?:esperanza|expectativa) de vida\b"
        r"|\bva a (?:morir|curarse|sobrevivir|recuperarse)\b|\bvai (?:morrer|curar|sobreviver"
        r"|recuperar)\b|\b(?:tiene|tem|hay|ha) (?:alguna )?cura\b|\b(?:es|e) (?:contagios[oa]"
        r"|hereditari[oa])"
        r"|\b(?:es|e) (?:grave|mortal|peligroso|perigoso)\b"
    ),
    "asks for a guideline": re.compile(
        r"\b(?:guias?|diretrizes?|protocolos? de) (?:clinicas?|actual|atual|recomienda"
        r"|recomenda|seguimiento)\b|\bque (?:dice|diz)\w* (?:la|a|las|as) (?:guia|diretriz)"
        r"|\b(?:cuando|quando)\b.*\b(?:repetir|control|seguimiento|acompanhamento)\b"
    ),
    "asks for a treatment": re.compile(
        r"\b(?:que|cual|qual|como|mejor|melhor)\b.*\b(?:tratamientos?|tratamentos?|tratar"
        r"|terapias?|medicamentos?|medicacion|remedios?|antibioticos?|cirugia|cirurgia"
        r"|manej[oa])\b"
        r"|^(?:tratamiento|tratamento|manejo)\b|^como se trata\b|^como (?:tratar|curar"
        r"|manejar)\b"
    ),
    "asks for a decision": re.compile(
        r"^(?:debo|deberia|devo|deveria|debemos|devemos|puedo|posso|hay que|tengo que|preciso"
        r"|necesita|precisa)\b.*\b(?:operar|tratar|tomar|dar|ir|hacer|fazer|biopsia\w*|drenar"
        r"|ingresar|internar|cirugia|cirurgia|volver|voltar|esperar)\b"
        r"|\bque (?:debo|devo|tengo que|puedo|posso) (?:hacer|fazer|tomar)\b"
    ),
    "is no medical question": re.compile(
        r"\b(?:cuanto cuesta|quanto custa|precio|preco)\b|\b(?:que tiempo hace|previsao do tempo"
        r"|capital de|chiste|piada|poema"
        r"|receta de cocina|futbol|futebol|presidente)\b"
    ),
}
"""By the name of the English rule in :mod:`mmedrag.answers.scope`."""

RULES: tuple[Rule, ...] = (
    rule(
        "compares with an earlier study (Spanish, Portuguese)",
        _K.COMPARISON,
        r"\b(?:cambiado|mudou|empeorado|piorou|mejorado|melhorou|crecido|cresceu|aumentado|aumentou"
        r"|disminuido|diminuiu|progresado|progrediu)\b",
        r"\b(?:compar\w+)\b.*\b(?:previ[oa]|anterior|antes)\b|\b(?:respecto"
        r"|relacao) a[lo]?\b.*\b(?:previ[oa]|anterior)\b",
    ),
    rule(
        "asks for a meaning (Spanish, Portuguese)",
        _K.DEFINITION,
        r"\b(?:que|o que) (?:es|e|son|sao|significa|significam|quiere decir|quer dizer)\b"
        r"(?! (?:esto|eso|esta|este|isto|isso|aquilo|lo que)\b)",
        r"^(?:define|defina|definicion|definicao|significado|explica|explique)\b(?! (?:esta|este"
        r"|la imagen|a imagem)\b)",
    ),
    rule(
        "asks whether all is normal (Spanish, Portuguese)",
        _K.NORMALITY,
        r"^(?:es|esta|estan|e|sao|parece|sera)\b.*\b(?:norma(?:l|les|is)|bien|bem|san[oa]"
        r"|saudavel)\b(?!.* o | ou )",
        r"\b(?:esta|estan|estao|parece) (?:todo |tudo )?(?:normal|normales|bien|bem)\b|\b(?:algo"
        r"|alguna?|alguma?) "
        r"(?:anormal|anomalo|mal|errad[oa]|anomalia|alteracion|alteracao)\b|^(?:todo"
        r"|tudo) (?:bien|bem|normal)\b",
    ),
    rule(
        "asks for cases (Spanish, Portuguese)",
        _K.SEARCH,
        r"^(?:busca|buscar|busque|encuentra|encontre|procure|muestra|muestrame|mostre|mostra"
        r"|ensena\w*|quiero ver|quero ver)\b"
        r".*\b(?:casos?|ejemplos?|exemplos?|imagenes|imagens|pacientes?)\b",
        r"\b(?:casos?|pacientes?|imagenes|imagens) (?:similares|parecidos|parecidas|semelhantes"
        r"|semejantes|con|com)\b",
    ),
    rule(
        "asks for diagnoses (Spanish, Portuguese)",
        _K.DIFFERENTIAL,
        r"\bdiagnosticos?\b|\bdiferencial(?:es)?\b|\b(?:que|qual|cual) (?:\w+ )?(?:enfermedad"
        r"|doenca|patologia|tumor)\b",
        r"\b(?:causas?|que (?:puede|pode|podria|poderia) (?:ser|causar|explicar)|a que se debe"
        r"|o que (?:causa|causou))\b|\bque tiene\b"
        r"|\bo que (?:ele|ela|o paciente|a paciente) tem\b",
    ),
    rule(
        "asks for a description (Spanish, Portuguese)",
        _K.DESCRIPTION,
        r"\b(?:que|o que) (?:se |voce )?(?:muestra|mostra|ve|observa|aprecia|ves|vemos|revela"
        r"|hay en|ha na|ha no|tem na|aparece)\b",
        r"^(?:describ(?:e|a|ir) (?:el|la|los|las|lo|esta|este|o|a|os|as)\b|descrev\w+|descricao"
        r"|descripcion|interpret\w+|informe|laudo|hallazgos|achados)\b"
        r"|\bque (?:es|e) (?:esto|isto|isso|eso)\b|\bhallazgos\W*$",
    ),
    rule(
        "asks for one of two (Spanish, Portuguese)",
        _K.CHOICE,
        r"^\W*(?:es|e|son|sao|seria|parece)\b.* (?:o|ou) [^?]*\?$|^\W*[\w ]{3,40} (?:o"
        r"|ou) [\w ]{3,40}\?$",
    ),
    rule(
        "asks for a side (Spanish, Portuguese)",
        _K.PRESENCE,
        r"\b(?:que|cual|qual) (?:lado|ojo|olho|pulmon|pulmao|rinon|rim|lobulo|lobo)\b"
        r"|\b(?:derech\w|direit\w) (?:o|ou)"
        r" (?:el |o |a |la )?(?:izquierd\w|esquerd\w)|^donde (?:esta|se)\b|^onde (?:esta|fica)\b",
    ),
    rule(
        "asks whether something is there (Spanish, Portuguese)",
        _K.PRESENCE,
        r"^(?:y |e )?(?:hay|existe|existen|ha|tem|tiene|presenta|apresenta|se (?:observa|ve|ven"
        r"|aprecia|identifica)\w*"
        r"|observa-se|ve-se|nota-se|muestra|o paciente|el paciente|la paciente|a paciente|algun"
        r"|alguna|algum|alguma"
        r"|sinais|signos|presencia|presenca|descartar|afastar)\b",
    ),
)  # fmt: skip
"""In the order in which they are tried."""


def plain_letters(text: str) -> str:
    """In lower case, without accents and the opening marks of Spanish."""
    decomposed = unicodedata.normalize("NFD", text)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return letters.replace("¿", "").replace("¡", "").strip().lower()
