"""Names of a header are met in whatever spelling a report has them."""

from __future__ import annotations

import unicodedata

import pytest
from pydicom.dataset import Dataset

from mmedrag.datasets.deidentify import identifying_values
from mmedrag.datasets.names import Names, keys
from mmedrag.datasets.scrubbing import scrub


def scrubbed(name: str, text: str, vr: str = "PN") -> str:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.add_new(0x00100010, vr, name.encode() if vr in ("UN", "OB") else name)
    return scrub(text, identifying_values(ds))


@pytest.mark.parametrize(
    ("name", "text", "gone"),
    [
        ("Müller^Hans", "Mueller, MUELLER, Muller, M\u0308", "ller"),
        ("Müller^Hans", unicodedata.normalize("NFD", "Herr Müller kam."), "ller"),
        ("MUELLER^HANS", "Herr Müller kam.", "ller"),
        ("Smith^John", "Smith's nodule, John’s scan", "mith"),
        ("O'Brien^Pat", "O’Brien came; O'Brien, OBrien, O Brien", "rien"),
        ("Smith-Jones^Ann", "Mrs. Jones, Smith Jones, smith–jones", "ones"),
        ("van den Berg^Jan", "vandenBerg, Van den Berg, Berg", "erg"),
        ("McDonald^Ann", "Mc Donald", "onald"),
        ("Nguyen^Thi", "Nguyễn Thị", "Ngu"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田太郎の胸部。やまだたろうさん。山田", "山田"),
        ("王^小明", "患者王小明,男", "小明"),
        ("김^희중", "김희중은 결절이", "희중"),
        ("Иванов^Иван", "у Иванова узел", "Иванов"),
    ],
)
def test_other_spellings_go(name, text, gone):
    assert gone not in scrubbed(name, text)


@pytest.mark.parametrize("vr", ["LO", "SH", "ST", "UT", "CS", "UN", "OB"])
def test_a_name_is_known_under_a_wrong_vr(vr):
    assert (
        scrubbed("ZORBEL^XANDRA", "Zorbel, Xandra: no mass.", vr)
        == "[REMOVED], [REMOVED]: no mass."
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Sin^Li", "Sin derrame; sin masa."),
        ("Sem^Jan", "Sem derrame."),
        ("Não^Ken", "Não há derrame."),
        ("Don^Li", "Don't see an effusion."),
        ("de la Cruz^Ana", "Nódulo de la pleura."),
        ("Noé^Ana", "No effusion."),
    ],
)
def test_denials_and_small_words_stay(name, text):
    assert scrubbed(name, text) == text


def test_spellings_share_a_key():
    assert keys("Müller") & keys("MUELLER")
    assert keys("Müller") & keys("Muller")
    assert keys("straße") & keys("STRASSE")
    assert not keys("Meier") & keys("Maier")


def test_phrases_are_where_they_stand():
    text = "A note: Smith–Jones came."
    ((start, end),) = Names(["Smith-Jones"]).phrases(text)
    assert text[start:end] == "Smith–Jones"
