"""The rules of Portuguese, without accents (see :mod:`mmedrag.text.assertions`)."""

from __future__ import annotations

import re

from mmedrag.text.rules import Asks, Limit, Rule, Rules, Stop, questions, stops, triggers
from mmedrag.types import Assertion

LISTS = {
    "semicolon": ";",
    "see": "observa|observam|observou|observaram|identifica|identificam|identificou|identificaram"
    "|visualiza|visualizam|detecta|detectam|evidencia|evidenciam|evidenciou|demonstra|demonstram"
    "|encontra|encontram|ve|veem|reconhece|reconhecem|nota|notam|caracteriza|caracterizam|mostra"
    "|mostram|percebe|percebem|define|definem|confirma|confirmam|distingue|palpa|aprecia|apreciam",
    "verb": "ha|existe|existem|apresenta|apresentam|mostra|mostram|tem|sao|esta|estao|houve"
    "|refere|revela|revelam|persiste|persistem|aparece|aparecem|demonstra|demonstram|permanece"
    "|parece|parecem|mede|medem|contem|foi|foram",
    "state": "observado|observada|observados|observadas|identificado|identificada|identificados"
    "|identificadas|visualizado|visualizada|visualizados|visualizadas|visivel|visiveis|presente"
    "|presentes|evidente|evidentes|detectado|detectada|detectados|detectadas|demonstrado"
    "|demonstrada|aparente|aparentes|evidenciado|evidenciada|evidenciados|evidenciadas|encontrado"
    "|encontrada|encontrados|encontradas|visto|vista|vistos|vistas|caracterizado|caracterizada"
    "|notado|notada|confirmado|confirmada",
    "absent": "ausente|ausentes|negativo|negativa|negativos|negativas|descartado|descartada"
    "|descartados|descartadas|excluido|excluida|afastado|afastada|afastados|afastadas",
    "gone": "resolvido|resolvida|resolvidos|resolvidas|desaparecido|desaparecida|reabsorvido"
    "|reabsorvida|regredido|desapareceu|desapareceram|resolveu|resolveram",
    "change": "alteracao|alteracoes|mudanca|mudancas|aumento|crescimento|diminuicao|resolucao"
    "|progressao|melhora|piora|variacao|variacoes|regressao|modificacao|modificacoes|complicacao"
    "|complicacoes|resposta|reducao|incremento|deslocamento",
    "sign": "evidencia|evidencias|sinais|sinal|indicios|imagens|imagem|achados|presenca",
    "relative": "mae|pai|irmao|irma|irmaos|irmas|avo|avos|tio|tia|primo|prima|filho|filha|filhos"
    "|familiar|familiares",
    "doubt": "provavel|provaveis|possivel|possiveis|provavelmente|possivelmente|duvidoso|duvidosa"
    "|duvidosos|duvidosas|presumido|presumida|talvez|suposto|suposta",
}

_TURNS = """<semicolon> ; : ; – ; mas ; porem ; contudo ; entretanto ; embora ; exceto ; salvo
    ; a excecao de ; no entanto ; todavia ; e sim ; enquanto ; devido a ; secundario a
    ; secundaria a ; apesar de ; porque ; no contexto de ; em relacao com ; compativel com
    ; compativeis com ; bem como ; assim como ; apenas ; somente ; alem de"""
_CLAUSES = """, [ha|existe|existem|positivo|positiva|com|o|a|os|as|leve|moderado|moderada|apresenta
    |mostra|sem|nao|provavel|possivel|associado|associada|estavel|agora|atualmente|observa se
    |nota se]
    ; e [ha|existe|existem|apresenta|mostra|um|uma|com|leve|moderado|moderada|observa|nota]"""
_PRESUPPOSED = """[do|da|dos|das|desta|deste|dessa|desse] [previo|previa|conhecido|conhecida
    |aneurisma
    |massa|lesao|tumor]; que explique; apos ; depois de"""

AFTER_NEGATION = Limit(
    stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _CLAUSES), (Stop.ENDS, _PRESUPPOSED),
          (Stop.SKIPS, "[no|na|nos|nas|em ambos|em ambas]"), (Stop.ENDS, "com"))
)  # fmt: skip
AFTER_DOUBT = Limit(stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _CLAUSES), (Stop.ENDS, "com")))
AFTER_PAST = Limit(
    stops(
        LISTS,
        (Stop.ENDS, _TURNS),
        (Stop.ENDS, _CLAUSES),
        (Stop.ENDS, "apresenta; atualmente; agora; hoje; atual; novo; nova; com"),
    )
)
_BACK = "<verb>; <see>; com; sem; nao; se"
BEFORE_LIST = Limit(
    stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _BACK)), frozenset({"ou", "nem", "e"})
)
BEFORE_SINGULAR = Limit(
    stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _BACK + "; e")), frozenset({"ou", "nem"})
)
SENTENCE = Limit(stops(LISTS, (Stop.ENDS, "<semicolon>; mas; porem")))
ADJACENT = Limit(stops(LISTS, (Stop.ENDS, ", ; – ; : ; mas")))

_N, _U = Assertion.NEGATED, Assertion.UNCERTAIN
_H, _O = Assertion.HISTORICAL, Assertion.OTHER_PERSON

PSEUDO = """
    [sem|nao ha|nao] <change>; [sem|nao ha|nao] ... <change>
    ; [sem|nao] ... <change> [em|de|do|da|no|na]
    ; nao ... [mudou|alterou]; nao [so|somente|apenas]; sem [contraste|dificuldade|intercorrencias]
    ; nao [aumentou|diminuiu|cresceu|melhorou|desapareceu|regrediu|resolveu|houve resolucao]
    ; nao resolvido; nao resolvida; [parcialmente|quase|incompletamente] <gone>
    ; [estudo|exame|controle] [previo|anterior]; [estudos|exames] [previos|anteriores]
    ; comparado com ... anterior; em relacao ao ... anterior; previamente <state>
    ; nao <state> previamente; se <see>; gram [negativo|negativos]; falso negativo
    ; [margens|bordas|linfonodos] [negativos|negativas|livres]; com ou sem
    ; diagnostico diferencial [de|do|da]
"""

RULES = Rules(
    triggers=triggers(
        LISTS,
        PSEUDO,
        (
            (
                Rule(_N, True, AFTER_NEGATION, 22),
                """
                nao; sem; nem; tampouco; nenhum; nenhuma; nunca; jamais; ausencia [de|do|da|dos|das]
                ; ausente; nega; negam; negava; descarta; descartam; exclui; excluem; afasta
                ; afastam; negativo [para|de|a]; negativa [para|de|a]; [livre|livres|isento|isenta]
                de; carece de; falta de; na ausencia de; nao se <see>
                ; nao [e|foi|foram|sao|esta|estao|ha] <state>; nao ... <sign> de
                ; sem <sign> de; sem outros <sign> de; resolucao [de|do|da]
                ; desaparecimento [de|do|da]; [descartado|descartada] [um|uma|o|a]
                ; ^ [descartado|descartada|excluido|excluida|excluidos|excluidas|afastado|afastada]
                ; nao [sugestivo|sugestiva|compativel] [de|com]; nada que sugira
                ; sem [antecedentes|historia] de; ja nao se <see>; ja nao [ha|existe|apresenta]
                """,
            ),
            (
                Rule(_N, False, BEFORE_SINGULAR, 12),
                """
                nao se <see>; nao [e|foi|esta] <state>; nao <state>; nao existe $; nao ha $; nao $
                ; foi [descartado|descartada|afastado|afastada|excluido|excluida]; esta ausente
                ; e [negativo|negativa]; nao e [visivel|evidente]
                """,
            ),
            (
                Rule(_N, False, BEFORE_LIST, 14),
                """
                <absent> $; [ausente|ausentes] [nas|nos|na|no|em]; <gone> $
                ; nao sao [visiveis|evidentes]; nao estao [presentes|visiveis]
                ; nao [foram|sao|estao] <state>; foram [descartados|descartadas|afastados|afastadas]
                ; estao ausentes; sao [negativos|negativas]; nao se [observam|identificam
                |visualizam|detectam|evidenciam|encontram]
                """,
            ),
            (Rule(_N, False, ADJACENT, 1), "−"),
            (
                Rule(_N, False, SENTENCE, 6),
                """[:|–|(] [nao|nenhum|nenhuma|negativo|negativa|negativos|negativas|ausente
                |ausentes
                |sem evidencia|nega|descartado|descartada|nao evidente] $
                ; [:|–|(] nao [se|ha] ...""",
            ),
            (
                Rule(_U, True, AFTER_DOUBT, 14),
                """
                <doubt>; [sugestivo|sugestiva|sugestivos|sugestivas] de; sugere; sugerem; sugerindo
                ; suspeita; suspeita [de|do|da|clinica de]; [suspeito|suspeita|suspeitos|suspeitas]
                [de|para]; a [descartar|afastar|excluir|esclarecer]; descartar; afastar; excluir
                ; para [descartar|afastar|excluir]; nao se [descarta|exclui|afasta]
                ; nao [descarta|exclui|afasta]; nao se pode [descartar|excluir|afastar]
                ; nao pode [ser|se]; nao podemos [descartar|excluir|afastar]; considerar; avaliar
                ; pode; podem; poderia; poderiam; pode [corresponder a|tratar se de|representar]
                ; versus; vs; diagnostico diferencial; risco de; em caso de; ?
                ; ^ se; [,|;|e|ou|mas|apenas|so|somente|exceto] se
                ; [avaliar|verificar|saber|ver|checar|decidir|confirmar|esclarecer|duvida
                |perguntar] se
                ; se [ha|houver|existir|persistir|persistirem|ocorrer|surgir|suspeita]
                ; caso [haja|exista|ocorra|surja|persista|persistam|apresente|desenvolva]
                ; possibilidade de; probabilidade de; em busca de; pesquisar; pesquisa de
                ; parece; parecem; duvida de; eventual; hipotese de; questiona se
                """,
            ),
            (
                Rule(_U, False, BEFORE_LIST, 14),
                """
                nao [pode|podem] ... [descartado|descartada|excluido|excluida|afastado|afastada
                |descartados|excluidos|afastados|descartadas|excluidas|afastadas]
                ; a [descartar|afastar|confirmar|esclarecer]
                ; e [possivel|provavel|duvidoso|duvidosa]
                ; sao [possiveis|provaveis]; <doubt> $; ? $; deve ser [considerado|considerada
                |descartado|descartada|afastado|afastada]; versus; vs; pouco provavel; improvavel
                """,
            ),
            (Rule(_U, False, ADJACENT, 1), "protocolo; rastreamento; rastreio; profilaxia"),
            (
                Rule(_H, True, AFTER_PAST, 9),
                """
                [antecedente|antecedentes|historia|historico] [de|do|da|pessoal de|pessoais de
                |clinica de|previa de]; antecedentes; antigo; antiga; previo; previa; previos
                ; previas; [operado|operada|tratado|tratada] [de|por|do|da]; pos operatorio de
                ; status pos
                """,
            ),
            (
                Rule(_H, False, Limit(BEFORE_LIST.stops), 10),
                """ha ... [anos|meses|semanas|dias]; em 0year; na infancia; [previo|previa|previos
                |previas|antigo|antiga|antigos|antigas] $; em remissao; ja [tratado|tratada]""",
            ),
            (
                Rule(_O, True, SENTENCE, 30),
                "<relative>; [antecedente|antecedentes|historia] [familiar|familiares] de",
            ),
            (
                Rule(_O, False, SENTENCE, 20),
                "[na|no|em sua|em seu] <relative>; na familia; em familiares",
            ),
        ),
    ),
    questions=questions(
        LISTS,
        (
            Asks.WHETHER,
            """^ [ha|existe|existem|tem|apresenta|mostra|e|sao|poderia|pode|observa se|observam se
            |ve se|trata se de]; ^ nao [ha|existe|existem|tem|apresenta|mostra|e|sao|se observa
            |se observam|se ve|poderia]""",
        ),
        (
            Asks.MEANING,
            """^ [o que|que] [e|sao|significa|causa|causam|quer dizer]; ^ definir
            ; ^ definicao de""",
        ),
        (
            Asks.ELSE,
            """^ [qual|quais|onde|como|por que|em que|quanto|quantos|quantas|quando|o que|que]""",
        ),
    ),
    requests=questions(LISTS, (Asks.MEANING, "^ o que [e|sao]"), (Asks.ELSE, "^ qual e")),
    whether_limit=Limit(
        stops(LISTS, (Stop.ENDS, "[em um|em uma|neste|nesta|no|na] paciente; dado; porque"))
    ),
    meaning_limit=Limit(stops(LISTS, (Stop.ENDS, "em; no; na; com; por; para; , ; mas"))),
    either=frozenset({"ou", "nem"}),
    without=frozenset({"sem", "nem"}),
    same={},
    bound=re.compile(
        r"nao (?!(?:observ|identific|visuali|detect|demonstr|evidenci|apreci|encontr|confirm"
        r"|descart|caracter|not|resolv|desapar|present|exist|afast|exclu|vist)\w*$"
        r"|(?:aparente|presente|evidente|recente)s?$)"
        r"(?:\w+(?:ad|id|iv|ic|an|en|os|ori|ari|gen|ul)[oa]s?|\w+(?:ante|ente|iente|al|ar|ais)(?:es|s)?"
        r"|hodgkin)$"
    ),
    heading=re.compile(
        r"\s*+(?:[-*•]\s*+)?(?:(?P<family>antecedentes\s{1,3}familiares|hist[oó]ria\s{1,3}familiar)"
        r"|antecedentes(?:\s{1,3}(?:pessoais|patol[oó]gicos|m[eé]dicos|cir[uú]rgicos)){0,2})"
        r"\s*+[:\-–]\s*+",
        re.IGNORECASE,
    ),
)
