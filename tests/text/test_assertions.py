"""What a text says of a finding, rule by rule: ``{finding}`` affirmed, ``{n:finding}`` negated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.text.assertions import assertions, rules_of
from mmedrag.types import Assertion

_SHORT = {
    None: Assertion.AFFIRMED,
    "n": Assertion.NEGATED,
    "u": Assertion.UNCERTAIN,
    "h": Assertion.HISTORICAL,
    "o": Assertion.OTHER_PERSON,
    "i": Assertion.INTERROGATIVE,
    "x": Assertion.UNKNOWN,
}
_MARK = re.compile(r"\{(?:([nuhoix]):)?([^}]*)\}")


def unmarked(marked: str) -> tuple[str, list[tuple[int, int]], list[Assertion]]:
    """The text, the span of each mention in it, and the verdict that it should have."""
    text, spans, verdicts, at = "", [], [], 0
    for mark in _MARK.finditer(marked):
        text += marked[at : mark.start()]
        spans.append((len(text), len(text) + len(mark[2])))
        verdicts.append(_SHORT[mark[1]])
        text += mark[2]
        at = mark.end()
    return text + marked[at:], spans, verdicts


KINDS = {
    "a bound prefix is no negation": """
        Non-calcified {nodule}.
        Noncalcified {nodule}.
        Non‑displaced {fracture} and non displaced {fracture}.
        Non–contrast {CT} shows a {haematoma}.
        Non-small cell {carcinoma}.
        Non-Hodgkin {lymphoma} without {n:necrosis}.
        No {n:mass}, but a non-enlarged {node}.
        Unremarkable non-contrast scan of a non-ruptured {aneurysm}.
        Nontender {hernia}.
    """,
    "triggers within longer triggers": """
        The study is negative for {n:embolism}.
        The study was again negative for {n:embolism} and {n:infarct}.
        Cultures tested negative for {n:tuberculosis}.
        Findings: Negative for {n:fracture}.
        Findings: Absent {n:effusion}.
        There is no longer an {n:effusion}.
        He no longer has {n:pneumonia}.
        The {n:nodule} is no longer seen.
        {Nodule}, not seen previously, is now present.
        The {effusion} has not completely resolved.
        The {n:effusion} has completely resolved.
        No {CT} evidence of {n:embolism}.
        No {CT} or {MRI} evidence of {n:infarct}.
        No convincing evidence of {n:abscess}.
        No visible {n:free air under the diaphragm}.
        {u:Abscess} cannot be excluded on this study.
        No doubt about the {fracture}.
        Ruled out for {n:infarct}.
        neg. for {n:fracture}
        There isn't any {n:hydronephrosis}.
        It can not exclude {u:pneumonia}.
        Unable to find a {n:fracture}.
        Not excluded: {u:fracture}.
    """,
    "scope": """
        No {n:pneumothorax} with a large {effusion}.
        {Oedema} without resolution of {effusion}.
        No {n:effusion}, {n:mass} or {n:nodule}.
        No {n:effusion} but {oedema}.
        No {n:effusion}; however, {oedema} persists.
        Although there is no {n:effusion}, {oedema} is present.
        No {n:effusion} in the pleura and the {heart} is large.
        No {n:bleeding} at the {macula} or {n:drusen}.
        {Mass} without {n:effusion} and with {oedema}.
        No rupture of the {aneurysm}.
        No {n:consolidation} to explain the {effusion}.
        No change in the {mass}.
        No interval growth of the known {mass}.
        {Effusion} not present last week.
        In the absence of {n:fracture}, {osteopenia} is noted.
        Without old films, {u:pneumonia} cannot be ruled out.
        Without {n:effusion}, {n:mass} or {n:nodule}.
        {Atelectasis} rather than {n:pneumonia}.
        No {n:effusion}, lungs clear, {heart} normal.
        No {n:mass}, only {oedema}.
        Evaluate for {u:embolism}.
        R/o {u:pneumonia}.
        {u:PE} protocol {CT}.
        {u:DVT} study.
        If {u:pneumonia} develops, treat.
        {Opacity} that may represent {u:pneumonia} or {u:atelectasis}.
        {u:Sarcoidosis} is favoured over {u:lymphoma}.
        {u:Pneumonia} less likely than {u:oedema}.
        {u:Pneumonia} is less likely than {u:oedema}.
        {u:Atelectasis} more likely than {u:pneumonia} at the left base.
        No {n:fever}, no {n:cough}, 2 cm spiculated {nodule} in the right upper lobe.
        No {n:effusion}, 4 mm calcified {granuloma} at the left base.
        No {n:stones}, no {n:hydronephrosis}, simple {cyst} in the left kidney.
        No {n:mass}, no {n:lesion}, {n:infarct} or {n:abscess}.
        The heart is not {n:enlarged}, old lacunar {infarct} in the thalamus.
        A {nodule} not present in 2019 is seen.
        Findings are not inconsistent with {u:pneumonia}.
        {u:Tuberculosis} is felt to be unlikely.
        {u:Lymphoma} seems improbable.
        {n:Fracture} was suspected but not found.
        There is no reason to suspect {n:fracture}.
        We see no cause for concern about {n:malignancy}.
        No recurrence of the {n:meningioma}.
        Not all {nodules} are calcified.
        (-) {n:fracture}
        Is there a {n:fracture}? No.
        {n:Pneumonia}? Not seen.
        Indefinite for {u:dysplasia}.
    """,
    "predicates": """
        {n:Effusion} is absent.
        {n:Effusion} is not demonstrable.
        {Opacities} are present.
        A {mass} measuring 3.4 x 2.1 cm is seen.
        {n:Effusion}: none.
        {n:Effusion} (none).
        {n:Effusion} – none
        {n:Effusion} = none
        {n:Effusion}: not identified.
        {n:Effusion}? No.
        {Effusion}? Yes.
        - no {n:effusion}
        1. No {n:effusion}.
        {n:Effusion} none, {mass} seen.
        Neither {n:effusion} nor {n:mass}.
        {Effusion} is small.
    """,
    "resolved": """
        {n:Pneumonia} resolved.
        {n:Pneumonia}, resolved.
        {n:Pneumonia} and {n:effusion} have resolved.
        His {n:cough} and {n:fever} resolved.
        Resolved {n:pneumonia}.
        Resolving {pneumonia}.
        Interval resolution of {n:pneumothorax}.
        Recommend follow-up until the {consolidation} has resolved.
        Repeat radiograph to ensure that the {pneumonia} has resolved.
        Follow to complete resolution of the {u:pneumonia}.
        Compared with the last study, the {n:effusion} has resolved.
        Due to resolution of the {n:effusion} the catheter was removed.
        {Effusion} has nearly resolved.
        {Haematoma} not yet resorbed.
        The {pneumonia} did not resolve.
    """,
    "history": """
        Status post {h:fracture}.
        s/p {h:cholecystitis}
        History of {h:asthma}, now {effusion}.
        Hx: {h:glaucoma}
        {h:Stroke} in 2011.
        {h:Pneumonia} two years ago.
        Treated {h:tuberculosis}.
        No history of {n:asthma}.
        PMH: {h:asthma}, {h:gout}.
        Compared with the prior study the {mass} is larger.
        Previously seen {nodule} is unchanged.
    """,
    "family": """
        Family history of {o:glaucoma}.
        FH: {o:glaucoma}.
        FH positive for {o:glaucoma}.
        His brother has {o:asthma}; he has {drusen}.
        {o:Glaucoma} in her mother.
        No family history of {n:glaucoma}.
    """,
    "a question asks and does not hedge": """
        Is there a {i:pneumothorax}?
        Is there {i:pneumonia} or {i:effusion}
        Are the lungs free of {i:consolidation}?
        Does it show {i:drusen} but no {n:oedema}?
        Has the {i:effusion} resolved?
        What is {i:atelectasis}?
        what does {i:honeycombing} mean
        What causes {i:ascites}?
        How large is the {effusion}?
        What is the differential for a {lesion} with {oedema} but no {n:haemorrhage}?
        Is there {i:embolism} in this patient with {asthma}?
        Isn't there an {i:effusion}?
        Aren't there {i:nodules} without {n:calcification}?
        Doesn't this show {i:drusen}?
        Is there no {i:pneumothorax} or {i:effusion}?
        Is it not {i:pneumonia}?
        Are there patients without {n:effusion}?
        Clinical question: is there a {i:mass}?
        Please, is there any {i:fracture}?
        In a smoker with cough, could this be {i:cancer}?
        And are there {i:nodules}?
        Possible {u:pneumonia}, is it on the left?
        No {n:effusion}, is there an {i:infiltrate}?
        No {n:fever}, could this be {i:tuberculosis} or {i:cancer}?
        {u:Pneumonia}?
        ? {u:fracture}
        Query {u:fracture}.
    """,
    "Spanish": """
        No se observa {n:derrame}.
        Sin {n:derrame} ni {n:edema}.
        No hay {n:fractura}, pero existe {edema}.
        {Fractura} no desplazada del radio, sin {n:luxación}.
        {Nódulo} no calcificado en el lóbulo superior.
        Se descarta {n:fractura}.
        No se descarta {u:fractura}.
        Probable {u:neumonía} en la base.
        Antecedentes de {h:cáncer de mama}.
        Madre con {o:glaucoma}.
        {n:Derrame}: ausente, se observa {edema}.
        Sin cambios en el {derrame}.
        ¿Hay {i:neumotórax}?
        ¿No hay {i:derrame}?
        Por favor, ¿hay {i:fractura}?
        ¿Qué es la {i:hidronefrosis}?
    """,
    "Portuguese": """
        Observa-se {cardiomegalia}; não há {n:derrame} pleural.
        Evidencia-se {opacidade} no lobo inferior esquerdo.
        Identifica-se {fratura} do fêmur direito.
        Caso de {tuberculose} pulmonar em paciente jovem.
        Se houver {u:pneumonia}, repetir a radiografia.
        Avaliar se há {u:fratura} do quadril.
        Não se observa {n:derrame}.
        Sem {n:derrame} nem {n:edema}.
        Não há {n:fratura}, mas existe {edema}.
        {Fratura} não deslocada do rádio, sem {n:luxação}.
        Ausência de {n:derrame} pleural.
        Não se pode afastar {u:fratura}.
        Provável {u:pneumonia} na base.
        História de {h:câncer de mama}.
        Pai com {o:glaucoma}.
        Sem alterações no {derrame}.
        Há {i:pneumotórax}?
        Não há {i:derrame}?
        O que é {i:hidronefrose}?
    """,
    "other languages": """
        Kein {x:Pneumothorax}, die Lunge ist gut belüftet.
        Pas de {x:pneumothorax}, le cœur est normal.
        Nessun {x:versamento} e il cuore è normale.
        Ingen {x:pneumothorax} og hjertet er normalt.
        Нет признаков {x:пневмоторакса}.
        未见{x:气胸}。
    """,
}
ENGLISH = [
    pytest.param(line.strip(), id=line.strip())
    for kind, lines in KINDS.items()
    if kind not in ("Spanish", "Portuguese", "other languages")
    for line in lines.strip().splitlines()
]
ROWS = [
    pytest.param(line.strip(), id=f"{kind}: {line.strip()}")
    for kind, lines in KINDS.items()
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize("marked", ROWS)
def test_rules(marked: str) -> None:
    text, spans, verdicts = unmarked(marked)
    assert assertions(text, spans) == verdicts


STATEMENTS = Path(__file__).with_name("statements.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize("marked", STATEMENTS)
def test_statements_as_reports_make_them(marked: str) -> None:
    text, spans, verdicts = unmarked(marked)
    assert assertions(text, spans) == verdicts


@pytest.mark.parametrize("marked", ENGLISH)
def test_an_unrelated_sentence_after_it_changes_nothing(marked: str) -> None:
    text, spans, verdicts = unmarked(marked)
    more = f"{text.rstrip('.')}.\nThe heart and the ribs are normal." if text[-1] != "?" else text
    assert assertions(more, spans) == verdicts


@pytest.mark.parametrize("marked", [row for row in ROWS if "non" not in row.values[0].lower()])
def test_capitals_make_no_difference(marked: str) -> None:
    text, spans, verdicts = unmarked(marked)
    if len(text.upper()) == len(text):
        assert assertions(text.upper(), spans) == verdicts


def test_verdicts_keep_the_order_of_the_mentions_given() -> None:
    text = "No effusion. Cardiomegaly."
    both = [Assertion.AFFIRMED, Assertion.NEGATED]
    assert assertions(text, [(13, 25), (3, 11)]) == both


def test_overlapping_mentions_have_one_verdict() -> None:
    text = "No pleural effusion."
    assert assertions(text, [(3, 19), (11, 19), (3, 10)]) == [Assertion.NEGATED] * 3


def test_a_text_may_quote_another_language() -> None:
    text, spans, verdicts = unmarked(
        "The heart is normal and there is no {n:effusion}.\n"
        "Kein {x:Erguss} und kein Nachweis von Rundherden, das Herz ist nicht vergrößert."
    )
    assert assertions(text, spans) == verdicts


_WORDS = """no not effusion nodule , . ; : ? with but is are seen history of - – ( ) without and or
for mother negative resolved cannot be excluded what non sin não 2011"""
PIECES = st.sampled_from([*_WORDS.split(), "\n"])


@given(st.lists(PIECES, max_size=40), st.lists(st.integers(0, 200), max_size=8))
def test_any_text_and_any_spans_have_verdicts(pieces: list[str], ends: list[int]) -> None:
    text = " ".join(pieces)
    spans = [(min(e, len(text)), min(e + 7, len(text))) for e in ends]
    assert len(assertions(text, spans)) == len(spans)


# The first word of a line, which may be the mention itself, says whether a new statement begins.
IN_A_LINE = PIECES.filter(lambda piece: piece.isascii() and piece not in ("sin", "\n"))


@given(st.lists(IN_A_LINE, max_size=30))
def test_a_mention_is_judged_alike_whatever_it_is_called(pieces: list[str]) -> None:
    before, after = " ".join(pieces[:15]), " ".join(pieces[15:])
    verdicts = {
        tuple(
            assertions(
                f"the {before} {name} {after}", [(len(before) + 5, len(before) + 5 + len(name))]
            )
        )
        for name in ("effusion", "no reflow", "free air under the diaphragm")
    }
    assert len(verdicts) == 1


@pytest.mark.parametrize("spoken", ["en", "es", "pt"])
def test_every_language_can_negate_and_doubt(spoken: str) -> None:
    assert rules_of(spoken) is not None
    assert rules_of("fr") is None
