"""Cases and filters that every engine's translator of filters is tried on."""

from __future__ import annotations

from hypothesis import strategies as st

from mmedrag.definitions import glossary
from mmedrag.filters import FIELDS, LARGEST, MENTIONED
from mmedrag.types import Case, Domain, Mention

CASES = [
    Case(id="a", modality="CT", domain=Domain.RADIOLOGY, patient_id="P1", date="2021-05-01",
         labels=("Covid", "pneumonia"), meta={"age": 72, "sex": "F", "site": {"name": "north"}}),
    Case(id="b", modality="mr", domain=Domain.PATHOLOGY, patient_id="p1", date="2019-01-31",
         labels=("glioma",), meta={"age": "9", "sex": "M", "flag": True, "offset_days": 5}),
    Case(id="c", study_id="O'Hara", source="x%y", split="val", diagnosis="Kienböck disease",
         meta={"age": None, "big": 2**63, "zero": -0.0, "third": 1 / 3}),
    Case(id="d", licence="CC BY 4.0", patient_id="12",
         date="March 2020",
         meta={"offset_days": "12", "list": [1, 2], "Schlüssel": "ß",
               "big": 2**63 - 1, "near": 2**53 + 1}),
]  # fmt: skip

MEANINGS = [
    ("modality = 'ct'", "a"),
    ("patient_id = 'P1'", "a"),
    ("patient_id != 'P1'", "bcd"),
    ("patient_id in ('P1', 'p1')", "ab"),
    ("patient_id not in ('P1','p1')", "cd"),
    ("patient_id is null", "c"),
    ("NOT patient_id IS NOT NULL", "c"),
    ("labels = 'covid'", "a"),
    ("labels != 'covid'", "bcd"),
    ("labels in ('glioma', 'pneumonia')", "ab"),
    ("labels like 'gli%'", "b"),
    ("labels is null", "cd"),
    ("meta.age > 8", "ab"),
    ("meta.age = '72'", "a"),
    ("meta.age is null", "cd"),
    ("meta.site.name = 'north'", "a"),
    ("meta.Schlüssel = 'ß'", "d"),
    ("meta.flag = 1", "b"),
    ("date >= '2020'", "ad"),
    ("date < '2020'", "b"),
    ("study_id = 'O''Hara'", "c"),
    ("source like 'x%'", "c"),
    ("license = 'CC BY 4.0'", "d"),
    ("patient_id = 12", "d"),
    ("modality='ct' or modality='mr' and split='val'", "a"),
    ("(modality='ct' or modality='mr') and not domain = 'pathology'", "a"),
    ("id <> 'a' and id <= 'c'", "bc"),
    ("diagnosis like 'kienb%'", "c"),
    ("diagnosis is null", "abd"),
    (f"meta.big = {LARGEST}", "d"),
    (f"meta.big > {LARGEST}", "c"),
    ("meta.big = '9223372036854775808'", "c"),
    ("meta.near = 9007199254740993", "d"),
    ("meta.near = 9007199254740992", ""),
    ("meta.zero = 0", "c"),
    ("meta.zero = -0.0", "c"),
    ("meta.zero = '-0.0'", "c"),
    ("meta.third = 0.3333333333333333", "c"),
    ("meta.third = '0.3333333333333333'", "c"),
    ("meta.list = '[1,2]'", "d"),
    ("offset_days = 5", "b"),
    ("offset_days is null", "ac"),
    ("before 12", "b"),
    ("until 12.0", "bd"),
    ("after 5", "d"),
    ("within 3 days of 10", "d"),
    ("before '2020-04'", "bd"),
    ("before '2020-03-31'", "b"),
    ("until '2020-03-31'", "bd"),
    ("until '2020'", "bd"),
    ("after '2020'", "a"),
    ("not after '2020'", "bcd"),
    ("within 31 days of '2020-03'", "d"),
    ("within 10 days of 'March 2, 2020'", ""),
    ("WITHIN 1 day of '31 January 2019'", "b"),
]
"""Filters, and the ids of the cases that they let in."""

names = st.sampled_from(
    [*(f for f in FIELDS if f not in MENTIONED), "meta.age", "meta.site.name", "meta.x", "meta.big"]
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
quoted = (texts | st.sampled_from(["ct", "P1", "a", "%", "x%y", "72"])).map(
    lambda text: "'" + text.replace("'", "''") + "'"
)
values = quoted | st.integers(-LARGEST, LARGEST).map(str) | st.floats(-1e9, 1e9).map(str)
patterns = quoted.filter(lambda text: text.count("%") <= 8)
times = st.integers(-99, 99).map(str) | st.sampled_from(["'2020'", "'2019-01-31'", "'2020-03'"])
predicates = st.one_of(
    st.tuples(st.sampled_from(["before", "until", "after"]), times),
    st.tuples(st.just("within"), st.integers(0, 900).map(str), st.just("days of"), times),
    st.tuples(names, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "<>"]), values),
    st.tuples(names, st.sampled_from(["like", "not like"]), patterns),
    st.tuples(names, st.sampled_from(["is null", "is not null"])),
    st.tuples(
        names,
        st.sampled_from(["in", "not in"]),
        st.lists(values, min_size=1, max_size=4).map(lambda v: f"({', '.join(v)})"),
    ),
).map(" ".join)
expressions = st.recursive(
    predicates,
    lambda part: st.one_of(
        part.map(lambda p: f"not ({p})"),
        st.tuples(part, st.sampled_from(["and", "or"]), part).map(lambda p: f"({' '.join(p)})"),
    ),
    max_leaves=6,
)

REPORTS = {
    "effusion": "Pleural effusion on the left.",
    "none": "No pleural effusion. Cardiomegaly.",
    "one side": "No right pleural effusion. Large left pleural effusion.",
    "silent": "Normal chest.",
    "general": "No effusion. No mass.",
    "other": "Pericardial effusion. No pneumothorax.",
}


def mentioned(text: str) -> tuple[Mention, ...]:
    (found,) = glossary().recognise([text])
    return found


CONCEPTS = glossary().concepts
EFFUSION = next(m.concept for m in mentioned(REPORTS["effusion"]) if m.term == "pleural effusion")

STATED = [
    ("affirms = 'pleural effusion'", {"effusion", "one side"}),
    ("affirms = 'PLEURAL EFFUSION' and not affirms = 'cardiomegaly'", {"effusion", "one side"}),
    (f"affirms = '{EFFUSION}'", {"effusion", "one side"}),
    ("affirms in ('cardiomegaly', 'no such thing')", {"none"}),
    ("affirms like 'pleural%'", {"effusion", "one side"}),
    ("affirms = 'effusion'", {"effusion", "one side", "other"}),
    ("affirms = 'fluid around the lung'", {"effusion", "one side"}),
    ("rules_out = 'pleural effusion'", {"none", "general"}),
    ("rules_out = 'effusion'", {"general"}),
    ("rules_out = 'tension pneumothorax'", {"other"}),
    ("rules_out like '%effusion'", {"none", "general"}),
    ("rules_out != 'pleural effusion' and id != 'silent'", {"effusion", "one side", "other"}),
    ("rules_out is null and id != 'silent'", {"effusion", "one side"}),
    ("affirms = 5", set()),
]
"""Filters on what reports say, and the ids of the reports."""
