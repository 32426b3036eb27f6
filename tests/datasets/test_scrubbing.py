"""Scrubbing takes names and numbers out, and leaves what a report says of the patient."""

from __future__ import annotations

import re

import pytest
from pydicom.dataset import Dataset

from mmedrag.datasets.deidentify import identifying_values
from mmedrag.datasets.scrubbing import scrub


def test_a_name_that_is_a_clinical_word_stays():
    text = "No pneumothorax. None is white. NO FRACTURE. Left knee: White matter normal. LEFT KNEE."
    assert scrub(text, {"NO", "NAME", "Left", "Knee", "White", "Normal"}) == text


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Discussed with White at noon.", "White"),
        ("WHITE, JOHN: no effusion.", "WHITE"),
        ("John White has a nodule.", "White"),
        ("Seen by Dr. White.", "White"),
        ("Report on smith.", "smith"),
    ],
)
def test_it_goes_where_it_stands_as_a_name(text, gone):
    assert gone not in scrub(text, {"White", "John", "Smith"})


@pytest.mark.parametrize(
    "text",
    [
        "call 555-1234",
        "Tel. 0221 1234567",
        "(030) 1234567",
        "0171/1234567",
        "pager 44551",
        "number 12345678",
        "study 1.2.840.113619.2.55.3.604688",
        "NHS no. 943 476 5919",
        "SSN 123 45 6789",
        "hospital number: 12 345 678",
        *("CPF 123.456.789-09", "DNI: 12.345.678-Z", "NIF 12345678Z", "NIE X-1234567-L"),
        *("NHC: 54321", "historia clínica nº 54321", "prontuário n.º 54321"),
    ],
)
def test_local_numbers_and_uids_go(text):
    assert not any(map(str.isdigit, scrub(text)))


@pytest.mark.parametrize(
    "text",
    [
        "02/03 lobes",
        "0.5 cm",
        "100-120 HU",
        "4500000/µL",
        "L4-5",
        "score 0 of 5",
        "left hospital 12 30 mm",
        "historia clínica de 3 meses, 12.5 x 30 mm",
        "nie 120 mmHg",
        "0 12 34 mm",
        "T12",
    ],
)
def test_measurements_stay(text):
    assert scrub(text, {"100", "12"}) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Seen by Dr. Ávila today.", "Seen by Dr. [NAME] today."),
        ("Dr. Şahin-Öz called.", "Dr. [NAME] called."),
        ("Informe de la Dra. Quesada.", "Informe de la Dra. [NAME]."),
        ("El Sr. de la Cruz refiere dolor.", "El Sr. [NAME] refiere dolor."),
        ("A Sra. Maria Araújo nega dor.", "A Sra. [NAME] nega dor."),
        ("Prof. van den Berg agrees.", "Prof. [NAME] agrees."),
        ("Dr. in charge: none. Sr level 3.", "Dr. in charge: none. Sr level 3."),
    ],
)
def test_names_go_after_titles(text, left):
    assert scrub(text) == left


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ("0012345", "number 12345"),
        ("123-456-789", "123456789; 123 456 789; 123.456.789"),
        ("A123456", "a-123456, A 123456"),
    ],
)
def test_numbers_go_however_they_are_grouped(known, text):
    assert not any(map(str.isdigit, scrub(text, {known})))


@pytest.mark.parametrize(
    "text",
    [
        *("21-Mar-1947", "21Mar1947", "1947-Mar-21", "Mar-21-1947", "21 Mar '47", "21-MAR-47"),
        *("21 de marzo de 1947", "3 de enero del 2001", "21 de março de 1947", "21 mars 1947"),
        *("21. März 1947", "2. Dezember 2001", "1er août 2001 or 3 août 2001"),
        *("1947-03-21T14:32", "1947-03-21T14:32:05.123Z", "19470321T143205"),
    ],
)
def test_dates_with_months_go(text):
    assert not any(year in scrub(f"Seen {text}.") for year in ("47", "2001 ", "2001."))


def test_what_a_header_knows():
    from pydicom.dataset import Dataset

    ds = Dataset()
    ds.StudyInstanceUID, ds.StudyID, ds.Occupation = "1.2.3.4", "ST-77", "Lighthouse keeper"
    ds.PatientComments = "Lives in Xanten, pays cash for Pneumonia"
    ds.BodyPartExamined, ds.StudyDescription = "CHEST", "CT Chest"
    known = identifying_values(ds)
    assert {"1.2.3.4", "ST-77", "Lighthouse keeper", "Lives in Xanten"} <= known
    assert "Xanten" in known
    assert not known & {"CHEST", "CT Chest", "cash"}
    assert (
        scrub("From Xanten, pneumonia. Pays cash.", known)
        == "From [REMOVED], pneumonia. Pays cash."
    )
    text = "1.2.3.4: ST-77, a lighthouse keeper who lives in Xanten. Chest clear."
    assert scrub(text, known) == "[REMOVED]: [REMOVED], a [REMOVED] who [REMOVED]. Chest clear."


@pytest.mark.parametrize("word", ["Quaxolotls", "QUAXOLOTLS", "QUAXOLOTLs", "Quaxolotl's"])
def test_genitives_of_names_go(word):
    assert "uaxolotl" not in scrub(f"Mild effusion in {word} left lung.", {"Quaxolotl"}).lower()


@pytest.mark.parametrize(
    ("name", "text"),
    [("Lung", "Lungs clear."), ("Ring", "several rings"), ("No", "Nos. 1 and 2"), ("Rib", "Ribs")],
)
def test_plurals_of_clinical_words_stay(name, text):
    assert scrub(text, {name}) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Παπαδόπουλος", "του Παπαδοπούλου"),
        ("Петровский", "у Петровского"),
        ("Kowalski", "Pana Kowalskiego"),
        ("Kowalska", "Pani Kowalskiej"),
        ("Novák", "Nováka, Nováková"),
        ("Mc Donald", "MacDonald, McDonald, Mac Donald"),
        ("Lam^Siu Ming", "LAM SIU MING"),
        ("Berry^Ann", "Ann Berry; Mr Berry; seen by Berry"),
    ],
)
def test_names_go_in_their_cases_and_spellings(name, text):
    ds = Dataset()
    ds.SpecificCharacterSet, ds.PatientName = "ISO_IR 192", name
    scrubbed = scrub(text, identifying_values(ds))
    left = re.sub(
        r"\[\w+\]|\b(?:του|у|Pana|Pani|Mr|seen|by|mac|mc)\b", "", scrubbed, flags=re.IGNORECASE
    )
    assert not any(map(str.isalpha, left))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Unlikely^Pat", "Unlikely malignant."),
        ("Edema^Apex", "Edema. Apex clear."),
        ("Pe^Toni", "PE excluded; CT shows none."),
        ("Ng^Wei", "NG tube in place."),
        ("Lam^Al", "LAM of the lung; Smith et al."),
        ("Berry^Ann", "Berry aneurysm."),
        ("Probable^Doubtful", "Probable cyst. Doubtful mass. Excluded."),
        ("Martin^Carin", "Carina normal. Normal."),
    ],
)
def test_words_that_decide_a_finding_stay(name, text):
    ds = Dataset()
    ds.PatientName = name
    assert scrub(text, identifying_values(ds)) == text
