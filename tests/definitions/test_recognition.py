"""Terms as a dictionary finds them in sentences: gold annotations, predicates, abbreviations."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from mmedrag.definitions import Dictionary, glossary
from mmedrag.definitions.translations import names
from mmedrag.types import Assertion, Kind

A, N, U, H, O = (  # noqa: E741
    Assertion.AFFIRMED,
    Assertion.NEGATED,
    Assertion.UNCERTAIN,
    Assertion.HISTORICAL,
    Assertion.OTHER_PERSON,
)
SENTENCES = [
    json.loads(line)
    for line in (Path(str(files("mmedrag"))) / "evaluation" / "sentences_development.jsonl")
    .read_text("utf-8")
    .splitlines()
]


@pytest.fixture(scope="module")
def own() -> Dictionary:
    return glossary()


def f1(found: set[object], gold: set[object]) -> float:
    return 2 * len(found & gold) / (len(found) + len(gold))


def annotated(source: Dictionary) -> tuple[dict[object, str], dict[object, str]]:
    found: dict[object, str] = {}
    gold: dict[object, str] = {}
    recognised = source.recognise([row["text"] for row in SENTENCES])
    for i, (row, mentions) in enumerate(zip(SENTENCES, recognised, strict=True)):
        found |= {(i, m.start, m.end): str(m.assertion) for m in mentions}
        gold |= {(i, start, end): said for start, end, said in row["mentions"]}
    return found, gold


def test_the_sentences_cover_three_domains_and_all_assertions() -> None:
    domains = Counter(row["domain"] for row in SENTENCES)
    assert len(SENTENCES) >= 150
    assert min(domains.values()) >= 50
    assert len(domains) == 3
    assert {said for row in SENTENCES for *_, said in row["mentions"]} == {
        str(a) for a in Assertion if a not in (Assertion.INTERROGATIVE, Assertion.UNKNOWN)
    }


def test_mentions_reach_f1_of_0_80(own: Dictionary) -> None:
    found, gold = annotated(own)
    assert f1(set(found), set(gold)) >= 0.80


@pytest.mark.parametrize("said", ["negated", "uncertain"])
def test_negation_and_uncertainty_reach_f1_of_0_95(own: Dictionary, said: str) -> None:
    found, gold = annotated(own)
    both = found.keys() & gold.keys()
    assert f1({k for k in both if found[k] == said}, {k for k in both if gold[k] == said}) >= 0.95


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No effusion, pneumothorax or consolidation.", [N, N, N]),
        ("Without evidence of pneumonia.", [N]),
        ("Pleural effusion is not seen.", [N]),
        ("Pneumothorax and effusion are not seen.", [N, N]),
        ("Cardiomegaly and effusion is not seen.", [A, N]),
        ("The pneumothorax has resolved.", [N]),
        ("The pneumothorax has not resolved.", [A]),
        ("No increase in the pleural effusion.", [A]),
        ("Not only pneumonia but also effusion.", [A, A]),
        ("No effusion but mild cardiomegaly.", [N, A]),
        ("No effusion; mild cardiomegaly.", [N, A]),
        ("No effusion. Cardiomegaly.", [N, A]),
        ("No effusion, there is cardiomegaly.", [N, A]),
        ("No effusion is seen and cardiomegaly is stable.", [N, A]),
        ("Pneumonia cannot be excluded.", [U]),
        ("Rule out pneumonia.", [U]),
        ("Indication: ? pneumonia", [U]),
        ("Consolidation, ? pneumonia", [A, U]),
        ("Pneumonia?", [U]),
        ("Opacity may represent atelectasis or pneumonia.", [A, U, U]),
        ("Pneumonia versus atelectasis.", [U, U]),
        ("History of pneumonia.", [H]),
        ("No history of pneumonia.", [N]),
        ("Past medical history: asthma, glaucoma.", [H, H]),
        ("Compared with the prior study, effusion is larger.", [A]),
        ("Family history of glaucoma.", [O]),
        ("Her mother had glaucoma; she has drusen.", [O, A]),
        ("Aortic aneurysm in his father.", [O]),
        ("Nodule.No effusion.Cardiomegaly.", [A, N, A]),
        ("IMPRESSION:\nNo effusion\nCardiomegaly\n", [N, A]),
        ("There is no evidence of focal consolidation or of\npleural effusion. Nodule.", [N, N, A]),
        ("NO PLEURAL EFFUSION.", [N]),
        ("Carcinoma with negative margins.", [A]),
    ],
)  # fmt: skip
def test_rules(own: Dictionary, text: str, expected: list[Assertion]) -> None:
    (mentions,) = own.recognise([text])
    said = [m.assertion for m in mentions]
    assert said == expected


@pytest.mark.parametrize(
    ("text", "term", "verdict"),
    [
        ("The heart is enlarged.", "cardiomegaly", A),
        ("The heart is not enlarged.", "cardiomegaly", N),
        ("The heart does not appear enlarged.", "cardiomegaly", N),
        ("The heart size is mildly enlarged.", "cardiomegaly", A),
        ("Heart not enlarged, lungs clear.", "cardiomegaly", N),
        ("The heart may be enlarged.", "cardiomegaly", U),
        ("Is the heart enlarged?", "cardiomegaly", Assertion.INTERROGATIVE),
        ("The optic disc was found to be swollen.", "optic disc swelling", A),
        ("The disc appears swollen.", "optic disc swelling", A),
        ("The liver is neither enlarged nor fatty.", "hepatomegaly", N),
        ("Spleen: enlarged.", "splenomegaly", A),
        ("The mediastinum is widened.", "mediastinal widening", A),
        ("The pleura is thickened.", "pleural thickening", A),
    ],
)
def test_predicates_are_findings(own: Dictionary, text: str, term: str, verdict: Assertion) -> None:
    (mentions,) = own.recognise([text])
    assert [m.assertion for m in mentions if m.term == term] == [verdict]
    assert all(text[m.start : m.end] == m.text for m in mentions)


@pytest.mark.parametrize(
    "text",
    [
        "The heart shows enlarged nodes.",
        "Heart: enlarged lymph nodes beside it.",
        "The heart, enlarged nodes.",
        "The heart is normal and enlarged nodes are seen.",
    ],
)
def test_a_predicate_belongs_to_its_own_noun(own: Dictionary, text: str) -> None:
    assert "cardiomegaly" not in {m.term for m in own.recognise([text])[0]}


@pytest.mark.parametrize(
    ("text", "abbreviation", "stands"),
    [
        ("PE: lungs clear.", "PE", False),
        ("CC: cough.\nPE: no effusion on percussion.", "PE", False),
        ("PE: none.", "PE", True),
        ("PE: bilateral, segmental.", "PE", True),
        ("CT shows PE: large clot.", "PE", True),
        ("No PE.", "PE", True),
        ("NO PE OR EFFUSION.", "PE", True),
        ("MS: 5/5 strength.", "MS", False),
        ("Known MS, stable.", "MS", True),
        ("ALL: penicillin.", "ALL", False),
        ("ALL LUNG FIELDS ARE CLEAR.", "ALL", False),
        ("ALL LUNG FIELDS ARE CLEAR. The heart is normal.", "ALL", False),
        ("ALL WNL.", "ALL", False),
        ("DX: ALL", "ALL", True),
        ("CLL, ALL.", "ALL", True),
        ("Child with ALL in remission.", "ALL", True),
        ("DISCUSSED WITH DR SMITH.", "DR", False),
        ("PLEASE CALL DR. HOUSE.", "DR", False),
        ("Seen by DR. JONES today.", "DR", False),
        ("Seen by DR Miller.", "DR", False),
        ("Moderate DR in the right eye.", "DR", True),
        ("Severe DR with oedema", "DR", True),
        ("O paciente tem derrame pleural.", "tem", False),
        ("Os pulmões têm opacidades.", "têm", False),
        ("Tórax sem derrame pleural.", "sem", False),
        ("SEM DERRAME PLEURAL.", "SEM", False),
        ("TEM shows effaced foot processes.", "TEM", True),
    ],
)
def test_abbreviations_in_their_place(
    own: Dictionary, text: str, abbreviation: str, stands: bool
) -> None:
    (mentions,) = own.recognise([text])
    assert (abbreviation in {m.text for m in mentions}) is stands


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Derrame pleural bilateral.", ["pleural effusion"]),
        ("derrames pleurales", ["pleural effusion"]),
        ("Neumotorax izquierdo", ["pneumothorax"]),
        ("Lesões e luxações", ["lesion", "dislocation"]),
        ("Colelitíase e hidronefrose.", ["gallstone", "hydronephrosis"]),
    ],
)
def test_names_in_other_languages(own: Dictionary, text: str, terms: list[str]) -> None:
    assert [m.term for m in own.recognise([text])[0]] == terms


def test_there_are_names_for_150_findings_and_the_glossary_knows_them(own: Dictionary) -> None:
    assert len(names()) >= 150
    for term, translated in names().items():
        (mentions,) = own.recognise([term])
        assert mentions, term
        for name in translated:
            (found,) = own.recognise([name])
            assert found, name


def test_stray_characters_hide_no_term(own: Dictionary) -> None:
    text = "No pneumo\u00adthorax, no pleu\u200bral effu-\nsion."
    (mentions,) = own.recognise([text])
    assert [m.term for m in mentions] == ["pneumothorax", "pleural effusion"]
    assert [m.assertion for m in mentions] == [N, N]
    assert [m.text for m in mentions] == ["pneumo\u00adthorax", "pleu\u200bral effu-\nsion"]


def test_what_is_asked_for_is_defined(own: Dictionary) -> None:
    mentions = own.recognise(["What is a pneumothorax?", "Kein Pneumothorax, keine Fraktur."])
    assert [d.term for d in own.define(mentions[:1], 5)] == ["pneumothorax"]
    assert own.define(mentions[1:], 5) == []


@pytest.mark.parametrize(
    ("case", "verdicts"),
    [("01-negative-for-after-verb", [N] * 5), ("02-non-hyphen-word", [A] * 6),
     ("03-scope-with-and-without", [N, A, A, A, A, N, N, N]), ("04-all-caps-abbreviations", [])],
)  # fmt: skip
def test_cases_that_once_failed(
    own: Dictionary, shared_data: Path, case: str, verdicts: list[Assertion]
) -> None:
    command = (shared_data.parent / "cases" / case / "cmd").read_text("utf-8")
    (mentions,) = own.recognise([command.split('"')[1]])
    findings = [m for m in mentions if m.kind.is_finding and m.kind is not Kind.NORMAL]
    assert [m.assertion for m in findings] == verdicts


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Burn of the hand after an electric shock.", {"burn", "hand"}),
        ("Septic shock.", {"septic shock"}),
        ("Treated by shock waves.", set()),
        ("Body mass index 31, a mass in the liver.", {"mass", "liver"}),
        ("Right psoas muscle mass.", {"psoas muscle", "mass"}),
        ("Loss of skeletal muscle mass.", {"skeletal muscle"}),
        ("Stroke volume is low.", set()),
    ],
)
def test_words_mean_something_else_beside_others(own: Dictionary, text: str, terms: set[str]):
    read = {m.text.lower() for m in own.recognise([text])[0]}
    assert read & {"mass", "shock", "stroke"} == terms & {"mass", "shock", "stroke"}


@pytest.mark.parametrize(
    ("text", "abbreviation", "read"),
    [
        ("A respiratory pathogen (RP) panel was sent; RP was negative.", "RP", set()),
        ("Retinitis pigmentosa (RP). RP in both eyes.", "RP", {"retinitis pigmentosa"}),
        ("RP in both eyes.", "RP", {"retinitis pigmentosa"}),
        ("A catheter in the caudal vena cava (CVC).", "CVC", set()),
        ("High white blood cell (WBC) counts.", "WBC", {"leucocyte"}),
        ("Short tau inversion recovery (STIR) images.", "STIR", {"STIR"}),
        ("Human immunodeficiency virus (HIV) infection.", "HIV", {"HIV infection"}),
        ("Chronic heart failure (CHF).", "CHF", {"heart failure"}),
    ],
)
def test_an_abbreviation_is_what_the_text_introduces_it_for(
    own: Dictionary, text: str, abbreviation: str, read: set[str]
) -> None:
    mentions = own.recognise([text])[0]
    assert {m.term for m in mentions if m.text.startswith(abbreviation)} == read
