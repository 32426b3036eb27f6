"""The rules of Spanish, without accents (see :mod:`mmedrag.text.assertions`)."""

from __future__ import annotations

import re

from mmedrag.text.rules import Asks, Limit, Rule, Rules, Stop, questions, stops, triggers
from mmedrag.types import Assertion

LISTS = {
    "semicolon": ";",
    "see": "observa|observan|aprecia|aprecian|identifica|identifican|visualiza|visualizan|detecta"
    "|detectan|evidencia|evidencian|demuestra|demuestran|encuentra|encuentran|ve|ven|reconoce"
    "|reconocen|objetiva|objetivan|muestra|muestran|advierte|advierten|informa|describe|describen"
    "|define|definen|confirma|confirman|distingue|distinguen|palpa|palpan|halla|hallan|observo"
    "|observaron|aprecio|identifico|identificaron|evidencio|evidenciaron|observaba|observaban",
    "verb": "hay|existe|existen|presenta|presentan|muestra|muestran|tiene|tienen|es|son|esta|estan"
    "|hubo|refiere|revela|revelan|persiste|persisten|impresiona|aparece|aparecen|demuestra"
    "|demuestran|queda|quedan|parece|parecen|mide|miden|contiene|fue|fueron|ha|han",
    "state": "observado|observada|observados|observadas|identificado|identificada|identificados"
    "|identificadas|visualizado|visualizada|visible|visibles|presente|presentes|evidente"
    "|evidentes|detectado|detectada|detectados|detectadas|demostrado|demostrada|aparente"
    "|aparentes|evidenciado|evidenciada|apreciado|apreciada|encontrado|encontrada|vista|visto"
    "|valorable|confirmado|confirmada",
    "absent": "ausente|ausentes|negativo|negativa|negativos|negativas|descartado|descartada"
    "|descartados|descartadas|excluido|excluida",
    "gone": "resuelto|resuelta|resueltos|resueltas|desaparecido|reabsorbido|remitido|desaparecida"
    "|desaparecio|desaparecieron",
    "change": "cambio|cambios|aumento|crecimiento|disminucion|resolucion|progresion|mejoria"
    "|empeoramiento|variacion|variaciones|regresion|modificacion|modificaciones|complicacion"
    "|complicaciones|respuesta|reduccion|incremento|desplazamiento",
    "sign": "evidencia|signos|signo|datos|imagenes|imagen|hallazgos|indicios|presencia",
    "relative": "madre|padre|hermano|hermana|hermanos|hermanas|abuelo|abuela|abuelos|tio|tia"
    "|primo|prima|hijo|hija|hijos|familiar|familiares",
    "doubt": "probable|probables|posible|posibles|probablemente|posiblemente|dudoso|dudosa|dudosos"
    "|dudosas|presunto|presunta|quiza|quizas",
}

_TURNS = """<semicolon> ; : ; – ; pero ; sin embargo ; aunque ; excepto ; salvo ; a excepcion de
    ; no obstante ; sino ; mientras ; debido a ; secundario a ; secundaria a ; a pesar de ; porque
    ; en el contexto de ; en relacion con ; compatible con ; compatibles con ; asi como ; solo
    ; unicamente ; ademas de"""
_CLAUSES = """, [se|hay|existe|existen|positivo|positiva|con|el|la|los|las|leve|moderado|moderada
    |presenta|muestra|sin|no|probable|posible|asociado|asociada|estable|ahora|actualmente
    |y se|y existe]
    ; y [se|hay|existe|existen|presenta|muestra|un|una|con|leve|moderado|moderada]"""
_PRESUPPOSED = """[del|de la|de los|de las|de dicha|de dicho|de esta|de este] [previo|previa
    |conocido
    |conocida|aneurisma|masa|lesion|tumor]; que explique; tras ; despues de"""

AFTER_NEGATION = Limit(
    stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _CLAUSES), (Stop.ENDS, _PRESUPPOSED),
          (Stop.SKIPS, "en [el|la|los|las|ambos|ambas|su]"), (Stop.ENDS, "con"))
)  # fmt: skip
AFTER_DOUBT = Limit(stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _CLAUSES), (Stop.ENDS, "con")))
AFTER_PAST = Limit(
    stops(
        LISTS,
        (Stop.ENDS, _TURNS),
        (Stop.ENDS, _CLAUSES),
        (
            Stop.ENDS,
            "acude; consulta; presenta; actualmente; ahora; hoy; actual; nuevo; nueva; con",
        ),
    )
)
_BACK = "<verb>; <see>; con; sin; no; se"
BEFORE_LIST = Limit(
    stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _BACK)), frozenset({"o", "ni", "y", "e", "u"})
)
BEFORE_SINGULAR = Limit(
    stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _BACK + "; y; e")), frozenset({"o", "ni", "u"})
)
SENTENCE = Limit(stops(LISTS, (Stop.ENDS, "<semicolon>; pero")))
ADJACENT = Limit(stops(LISTS, (Stop.ENDS, ", ; – ; : ; pero")))

_N, _U = Assertion.NEGATED, Assertion.UNCERTAIN
_H, _O = Assertion.HISTORICAL, Assertion.OTHER_PERSON

PSEUDO = """
    [sin|no hay|no] <change>; [sin|no hay|no] ... <change>; [sin|no] ... <change> [en|de|del]
    ; no ... cambiado; no [solo|solamente|unicamente]; sin [contraste|dificultad|incidencias]
    ; no se [modifica|modifican]; no ha [variado|aumentado|disminuido|crecido|mejorado]
    ; no [ha|han] [desaparecido|resuelto]; no resuelto; no resuelta
    ; [parcialmente|casi|incompletamente] <gone>; estudio previo; estudios previos; control previo
    ; examen previo; comparado con ... previo; respecto a ... previo; previamente <state>
    ; no <see> previamente; no <state> previamente; gram [negativo|negativos]; falso negativo
    ; [margenes|bordes|ganglios] [negativos|libres]; con o sin
    ; diagnostico diferencial [de|del]
"""

RULES = Rules(
    triggers=triggers(
        LISTS,
        PSEUDO,
        (
            (
                Rule(_N, True, AFTER_NEGATION, 22),
                """
                no; sin; ni; tampoco; ningun; ninguna; ninguno; nunca; jamas; ausencia de; ausencia
                del; ausente; niega; niegan; negaba; descarta; descartan; se descarta; se descartan
                ; excluye; excluyen; negativo [para|de|a]; negativa [para|de|a]
                ; [libre|libres|exento|exenta] de; carece de; carecen de; falta de; en ausencia de
                ; no se <see>; no [es|fue|fueron|son|esta|estan|ha sido|han sido] <state>
                ; no ... <sign> de; sin <sign> de; sin otros <sign> de
                ; resolucion [de|del]; desaparicion [de|del]
                ; [descartado|descartada] [un|una|el|la]; ^ [descartado|descartada]
                ; no [sugestivo|sugestiva|sugerente|compatible] [de|con]; nada que sugiera
                ; sin [antecedentes|historia] de; no [antecedentes|historia] de; ya no <see>
                ; ya no [hay|existe|presenta|se]; ya no se <see>
                ; ^ [excluido|excluida|excluidos|excluidas]
                """,
            ),
            (
                Rule(_N, False, BEFORE_SINGULAR, 12),
                """
                no se <see>; no [es|fue|ha sido] <state>; no esta [presente|visible]; no <state>
                ; no existe $
                ; no hay $; no $; ha <gone>; se ha <gone>; fue [descartado|descartada]
                ; esta ausente; es [negativo|negativa]; no es [visible|evidente]; ya no se <see>
                """,
            ),
            (
                Rule(_N, False, BEFORE_LIST, 14),
                """
                <absent> $; <gone> $; no son [visibles|evidentes]; no estan [presentes|visibles]
                ; han <gone>; se han <gone>; fueron [descartados|descartadas]; estan ausentes
                ; son [negativos|negativas]; no [fueron|son|estan|han sido] <state>
                ; no se [observan|aprecian|identifican|visualizan
                |detectan|evidencian|encuentran|ven]
                """,
            ),
            (Rule(_N, False, ADJACENT, 1), "−"),
            (
                Rule(_N, False, SENTENCE, 6),
                """[:|–|(] [no|ninguno|ninguna|negativo|negativa|negativos|negativas|ausente
                |ausentes
                |sin evidencia|niega|descartado|descartada|no evidente] $
                ; [:|–|(] no [se|hay] ...""",
            ),
            (
                Rule(_U, True, AFTER_DOUBT, 14),
                """
                <doubt>; [sugestivo|sugestiva|sugestivos|sugestivas|sugerente|sugerentes] de
                ; sugiere; sugieren; sugiriendo; sospecha; sospecha [de|del|clinica de]
                ; [sospechoso|sospechosa|sospechosos|sospechosas] de; a descartar; descartar
                ; para descartar; debe descartarse; no se descarta; no se descartan
                ; no descarta; no se puede [descartar|excluir]; no puede [descartarse|excluirse]
                ; no podemos descartar; sin poder descartar; no permite descartar; excluir
                ; a valorar; valorar; considerar; podria; podrian; puede; pueden
                ; podria [corresponder a|tratarse de|representar]
                ; puede [corresponder a|tratarse de|representar]; impresiona de; impresionan de
                ; versus; vs; diagnostico diferencial; riesgo de; si ; en caso de; ? ; ¿
                ; posibilidad de; probabilidad de; en busca de; buscar; evaluar; orienta a
                ; plantea; plantean; parece; parecen; dudas de; eventual
                """,
            ),
            (
                Rule(_U, False, BEFORE_LIST, 14),
                """
                no [descartable|descartables]; no [se|puede] ... [descartar|excluir|descartarse
                |excluirse|descarta|descartan]; a descartar; por descartar; a confirmar; a valorar
                ; es [posible|probable|dudoso|dudosa]; son [posibles|probables]; <doubt> $; ? $
                ; debe [descartarse|considerarse]; versus; vs; como primera posibilidad
                ; poco probable; improbable
                """,
            ),
            (Rule(_U, False, ADJACENT, 1), "protocolo; cribado; profilaxis"),
            (
                Rule(_H, True, AFTER_PAST, 9),
                """
                [antecedente|antecedentes|historia|historial] [de|del|personal de|personales de
                |clinica de]; antecedentes; antiguo; antigua; previo; previa; previos; previas
                ; [intervenido|intervenida|operado|operada|postoperado|postoperada|tratado|tratada]
                [de|por|del]; status post
                """,
            ),
            (
                Rule(_H, False, Limit(BEFORE_LIST.stops), 10),
                """hace ... [anos|meses|semanas|dias]; en 0year; en la infancia; [previo|previa
                |previos|previas|antiguo|antigua|antiguos|antiguas] $; en remision; ya [tratado
                |tratada]""",
            ),
            (
                Rule(_O, True, SENTENCE, 30),
                "<relative>; [antecedente|antecedentes|historia] [familiar|familiares] de",
            ),
            (
                Rule(_O, False, SENTENCE, 20),
                "en [su|la|el] <relative>; en la familia; en familiares",
            ),
        ),
    ),
    questions=questions(
        LISTS,
        (
            Asks.WHETHER,
            """^ [¿|¿ se|¿ esta|se] [hay|existe|existen|tiene|presenta|muestra|observa|observan
            |ve|ven|es|son|aprecia|aprecian|podria|puede]; ^ [hay|existe|existen|tiene|presenta
            |muestra|es|son|podria|puede]; ^ [¿ no|¿ no se|no|no se] [hay|existe|existen|tiene
            |presenta|muestra|observa|observan|ve|ven|es|son|aprecia|aprecian|podria]""",
        ),
        (
            Asks.MEANING,
            """^ [¿ que|que] [es|son|significa|causa|causan|quiere decir]; ^ definir
            ; ^ definicion de""",
        ),
        (
            Asks.ELSE,
            """^ [¿ cual|cual|¿ cuales|cuales|¿ donde|donde|¿ como|como|¿ por que|por que|¿ en que
            |en que|¿ cuanto|cuanto|¿ cuantos|cuantos|¿ cuantas|cuantas|¿ que|que|¿ de que]""",
        ),
    ),
    requests=questions(LISTS, (Asks.MEANING, "^ que [es|son]"), (Asks.ELSE, "^ [¿ cual|cual] es")),
    whether_limit=Limit(
        stops(LISTS, (Stop.ENDS, "en [un|una|este|esta|el|la] paciente; dado; porque"))
    ),
    meaning_limit=Limit(stops(LISTS, (Stop.ENDS, "en; con; por; para; , ; pero"))),
    either=frozenset({"o", "ni", "u"}),
    without=frozenset({"sin", "ni"}),
    same={"sospech": "sospecha", "izq": "izquierdo"},
    bound=re.compile(
        r"no (?!(?:observ|identific|visuali|detect|demostr|evidenci|apreci|encontr|confirm|descart"
        r"|objetiv|hall|resuel|desapar|present|exist|ve|ha|es|son|hay|se|tien|mues)\w*$"
        r"|(?:aparente|presente|evidente|reciente)s?$)"
        r"(?:\w+(?:ad|id|iv|ic|an|en|os|ori|ari|gen|ul)[oa]s?|\w+(?:ante|ente|iente|al|ar)(?:es|s)?"
        r"|hodgkin)$"
    ),
    heading=re.compile(
        r"\s*+(?:[-*•]\s*+)?(?:(?P<family>antecedentes\s{1,3}(?:heredo)?familiares)"
        r"|antecedentes(?:\s{1,3}(?:personales|patol[oó]gicos|m[eé]dicos|quir[uú]rgicos)){0,2})"
        r"\s*+[:\-–]\s*+",
        re.IGNORECASE,
    ),
)
