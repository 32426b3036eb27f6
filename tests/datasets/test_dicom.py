"""DICOM folders: cases, reports, and that nothing that identifies a patient comes through."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from dicom_files import (
    BASIC_TEXT_SR,
    DIRECTORY,
    content,
    header,
    ramp,
    report,
    save,
    with_pixels,
)
from mmedrag.datasets import read_corpus
from mmedrag.datasets.deidentify import Pseudonyms, permitted, removed
from mmedrag.datasets.dicom import read_dicom
from mmedrag.datasets.names import keys
from mmedrag.datasets.reports import report_text
from mmedrag.datasets.scrubbing import abbreviations, ordinary_words, scrub
from mmedrag.errors import CorpusError
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case, Domain, Problem
from proofs import examples

SALT = b"0123456789abcdef"
PLANTED = "ZEBRASECRET"


def image(seed: str = "a", **changes) -> Dataset:
    ds = with_pixels(
        header(seed=seed, **{k: changes.pop(k) for k in ("study", "patient") if k in changes}),
        ramp(),
    )
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def read(folder: Path, **options) -> tuple[list[Case], list[Problem]]:
    found = list(read_dicom(folder, salt=SALT, **options))
    return (
        [item for item in found if isinstance(item, Case)],
        [item for item in found if isinstance(item, Problem)],
    )


def walk(value: object) -> list[str]:
    """Every string inside a value, keys included."""
    if dataclasses.is_dataclass(value):
        return [
            text for field in dataclasses.fields(value) for text in walk(getattr(value, field.name))
        ]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in walk(item)]
    if isinstance(value, list | tuple | set | frozenset):
        return [text for item in value for text in walk(item)]
    return [str(value)]


def test_one_case_an_image(tmp_path):
    save(
        image(PatientSex="F", PatientAge="061Y", BodyPartExamined="CHEST", PixelSpacing=[0.7, 0.7]),
        tmp_path / "a.dcm",
    )
    (case,), problems = read(tmp_path)
    assert not problems
    assert (case.domain, case.modality, case.text, case.frame) == (Domain.RADIOLOGY, "ct", "", 0)
    assert case.meta["PatientSex"] == "F"
    assert case.meta["PatientAge"] == "061Y"
    assert case.meta["PixelSpacing"] == [0.7, 0.7]
    assert case.meta["burned_in_annotation"] == "unknown"
    assert "PatientName" in case.meta["deidentified"]
    assert case.image is not None
    assert open_image(case.image, case.frame).size == (256, 16)


def test_identifiers_are_consistent_pseudonyms(tmp_path):
    for seed, study, patient in (
        ("a", "s1", "1"),
        ("b", "s1", "1"),
        ("c", "s2", "1"),
        ("d", "s3", "2"),
    ):
        save(image(seed, study=study, patient=patient), tmp_path / f"{seed}.dcm")
    cases, _ = read(tmp_path)
    a, b, c, d = cases
    assert a.study_id == b.study_id != c.study_id
    assert a.patient_id == c.patient_id != d.patient_id
    assert len({case.id for case in cases}) == 4
    assert cases == read(tmp_path)[0]
    others = [case for case in read_dicom(tmp_path, salt=b"another") if isinstance(case, Case)]
    assert not {case.id for case in cases} & {case.id for case in others}


@given(
    days=st.lists(st.dates(date(1950, 1, 1), date(2030, 1, 1)), min_size=2, max_size=5),
    patient=st.text(max_size=20),
)
def test_dates_move_and_intervals_stay(days, patient):
    pseudonyms = Pseudonyms(SALT)
    moved = [
        date.fromisoformat(pseudonyms.shifted(patient, day.strftime("%Y%m%d"))) for day in days
    ]
    assert all(365 <= (day - new).days < 3650 for day, new in zip(days, moved, strict=True))
    assert [b - a for a, b in itertools.pairwise(days)] == [
        b - a for a, b in itertools.pairwise(moved)
    ]


@pytest.mark.parametrize("day", ["", "2020", "20201301", "yesterday", "2020-01-01", "00010101"])
def test_what_is_no_date_is_left_out(day):
    assert Pseudonyms(SALT).shifted("1", day) == ""


def test_very_old_patients_have_no_exact_age(tmp_path):
    assert permitted(image(PatientAge="097Y"))["PatientAge"] == "090Y"
    assert "PatientAge" not in permitted(image(PatientAge="Doe"))


VALUES = {
    "AE": ("RetrieveAETitle", PLANTED),
    "AS": ("PatientAge", PLANTED[:4]),
    "CS": ("BodyPartExamined", PLANTED),
    "DA": ("PatientBirthDate", "19470321"),
    "DS": ("PatientWeight", "73.2511"),
    "DT": ("AcquisitionDateTime", "19470321101112"),
    "IS": ("InstanceNumber", "19470321"),
    "LO": ("InstitutionName", PLANTED),
    "LT": ("AdditionalPatientHistory", PLANTED),
    "PN": ("ReferringPhysicianName", f"{PLANTED}^A"),
    "SH": ("AccessionNumber", PLANTED),
    "ST": ("InstitutionAddress", PLANTED),
    "TM": ("PatientBirthTime", "194703"),
    "UC": ("LongCodeValue", PLANTED),
    "UI": ("FrameOfReferenceUID", "1.2.19470321"),
    "UR": ("RetrieveURL", f"https://{PLANTED}"),
    "UT": ("TextValue", PLANTED),
}


@pytest.mark.proof("planted values")
@pytest.mark.parametrize("vr", VALUES)
def test_planted_values_of_every_text_vr(vr, tmp_path, caplog, capfd):
    keyword, value = VALUES[vr]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        ds = image(**{keyword: value})
        nested = Dataset()
        setattr(nested, keyword, value)
        ds.RequestAttributesSequence = Sequence([nested])
        ds.private_block(0x0029, f"{PLANTED} CREATOR", create=True).add_new(
            1, "UT" if vr == "UC" else "LO", f"{PLANTED} {value}"
        )
        ds.add_new(Tag(0x6000, 0x0022), "LO", PLANTED)
        ds.add_new(Tag(0x6000, 0x3000), "OW", PLANTED.encode() + b"\0")
        ds.PatientComments = f"{PLANTED} {value}"
        save(ds, tmp_path / "a.dcm")
        caplog.clear()
        warned.clear()
        with caplog.at_level(logging.DEBUG):
            cases, problems = read(tmp_path)
    assert len(cases) == 1
    text = "\n".join(
        part for part in walk([dataclasses.replace(case, image=None) for case in cases])
    )
    outside = "\n".join(
        [*map(str, problems), caplog.text, *capfd.readouterr(), *(str(w.message) for w in warned)]
    )
    for secret in (PLANTED, value):
        assert secret not in text
        assert secret not in outside
    names = cases[0].meta["deidentified"]
    assert "RequestAttributesSequence" in names
    assert any(name.startswith("private (0029") for name in names)
    assert "OverlayData" in names


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "Modality",
                "PatientSex",
                "ViewPosition",
                "Laterality",
                "PatientPosition",
                "BurnedInAnnotation",
                "PhotometricInterpretation",
                "PatientAge",
                "BodyPartExamined",
            ]
        ),
        st.text("ABCDEFGHIJ0123456789 _", min_size=1, max_size=12).map(lambda text: f"Q{text}"),
    )
)
@settings(deadline=None)
def test_free_text_in_coded_fields_does_not_pass(fields):
    ds = Dataset()
    for keyword, value in fields.items():
        setattr(ds, keyword, value)
    assert permitted(ds) == {}


def test_removed_names_no_values():
    ds = image(PatientComments=PLANTED)
    ds.private_block(0x0029, PLANTED, create=True).add_new(1, "LO", PLANTED)
    names = removed(ds)
    assert "PatientComments" in names
    assert "PatientSex" not in names
    assert PLANTED not in str(names)


@pytest.mark.parametrize(
    ("value", "flag"), [("NO", "NO"), ("YES", "YES"), (None, "unknown"), ("Doe", "unknown")]
)
def test_burned_in_annotation(value, flag, tmp_path):
    save(image(**({"BurnedInAnnotation": value} if value else {})), tmp_path / "a.dcm")
    assert read(tmp_path)[0][0].meta["burned_in_annotation"] == flag


def test_structured_report_becomes_the_text_and_is_scrubbed(tmp_path):
    save(image("a"), tmp_path / "a.dcm")
    save(report(), tmp_path / "report.dcm")
    (case,), problems = read(tmp_path)
    assert not problems
    assert "Nodule in the right lobe." in case.text
    assert "Diameter: 12.5 millimetre" in case.text
    assert "Impression: Pulmonary nodule" in case.text
    for name in ("Jane", "Doe", "Stone", "Greta"):
        assert name not in case.text


def test_report_of_another_study_stays_by_itself(tmp_path):
    save(image("a"), tmp_path / "a.dcm")
    save(report(study="other"), tmp_path / "report.dcm")
    (pictured, written), _ = read(tmp_path)
    assert pictured.text == ""
    assert written.image is None
    assert "Nodule" in written.text
    assert "Doe" not in written.text


def test_endless_nesting_of_a_report_ends():
    ds = header(BASIC_TEXT_SR)
    node = ds
    for _ in range(60):
        child = content("CONTAINER", "Deep")
        node.ContentSequence = [child]
        node = child
    assert report_text(ds).count("Deep") < 60


def test_reports_from_a_table(tmp_path):
    for seed in "abc":
        save(image(seed, study=seed, AccessionNumber=f"ACC{seed}"), tmp_path / f"{seed}.dcm")
    (tmp_path / "reports.csv").write_text(
        "study_uid,accession,file,text\n"
        f"{image('a', study='a').StudyInstanceUID},,,First report on Jane Doe\n"
        ",ACCb,,Second report ACCb\n"
        ",,c.dcm,Third report\n"
        ",,,nobody's\n"
    )
    cases, problems = read(tmp_path)
    assert [case.text for case in cases] == [
        "First report on [REMOVED] [REMOVED]",
        "Second report [REMOVED]",
        "Third report",
    ]
    assert [problem.line for problem in problems] == [5]


def test_frames(tmp_path):
    save(with_pixels(header(), np.stack([ramp()] * 5)), tmp_path / "a.dcm")
    assert [case.frame for case in read(tmp_path)[0]] == [2]
    every = read(tmp_path, frames="all")[0]
    assert [case.frame for case in every] == [0, 1, 2, 3, 4]
    assert len({case.id for case in every}) == 5


def test_what_is_no_image_is_said_or_passed_over(tmp_path):
    save(image("a"), tmp_path / "a.dcm")
    save(header(DIRECTORY, "dir"), tmp_path / "DICOMDIR")
    save(header("1.2.840.10008.5.1.4.1.1.481.3", "plan"), tmp_path / "plan.dcm")
    (tmp_path / "notes.md").write_text("not DICOM")
    (tmp_path / "broken.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:900])
    (tmp_path / ".hidden").write_text("x")
    cases, problems = read(tmp_path)
    assert len(cases) == 1
    assert {problem.file.name for problem in problems} == {"plan.dcm", "notes.md", "broken.dcm"}


def test_a_second_file_of_one_instance_is_a_problem(tmp_path):
    for name in ("a.dcm", "copy.dcm"):
        save(image("a"), tmp_path / name)
    for name in ("r.dcm", "s.dcm"):
        save(report(study="other"), tmp_path / name)
    cases, problems = read(tmp_path)
    assert len(cases) == 2
    assert [problem.file.name for problem in problems] == ["copy.dcm"]


def test_folders_without_dicom(tmp_path):
    with pytest.raises(CorpusError):
        list(read_dicom(tmp_path))
    with pytest.raises(CorpusError):
        list(read_dicom(tmp_path / "absent"))


def test_auto_detection(tmp_path):
    (tmp_path / "deeper").mkdir()
    save(image(), tmp_path / "deeper" / "no suffix")
    cases = [item for item in read_corpus(tmp_path, salt=SALT) if isinstance(item, Case)]
    assert cases == read(tmp_path)[0]


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Seen by Dr. Miller at noon", "Miller"),
        ("Seen by Mrs Anne Baker", "Baker"),
        ("MRN: 00451234, stable", "00451234"),
        ("Accession number A-123456 read", "123456"),
        ("Compared with 03/12/2019.", "03/12/2019"),
        ("Compared with 2019-12-03.", "2019-12-03"),
        ("Compared with 3 December 2019.", "December"),
        ("Compared with Dec. 3rd, 2019.", "Dec"),
        ("Compared with 03.12.19.", "03.12.19"),
        ("Call 555-123-4567 now", "4567"),
        ("Call (555) 123-4567 now", "4567"),
        ("Tel: 0800 123 456 now", "0800"),
        ("Read at ext. 4512.", "4512"),
        ("Call +44 20 7946 0958 now", "7946"),
        ("Mail jane.doe@example.org", "jane"),
        ("SSN 078-05-1120", "1120"),
    ],
)
def test_patterns_are_scrubbed(text, gone):
    assert gone not in scrub(text)


@pytest.mark.parametrize("unit", ["a", "1", "1-", "Dr ", "a.", "(", " ", "mrn ", "+1 ", "x@a."])
def test_scrubbing_ends_on_hostile_text(unit):
    hostile = unit * (40_000 // len(unit))
    for text in (hostile, "mrn" + hostile, "tel" + hostile, "1 " + hostile, "Dr" + hostile):
        assert scrub(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "A 12 x 8 mm nodule in segment 6, SUV 4.5, T1 and T2 normal, L4-5 disc.",
        "Attenuation 1200 800 700 HU; matrix 256 256 200; hospital day 3; 12 March.",
        "Density 120/80, grade 2-3, series 4 image 102, 3.5 cm mass at 10-12 o'clock.",
        "No pleural effusion. May represent pneumonia. ACR 8.2; TI-RADS 4.",
    ],
)
def test_findings_are_not_scrubbed(text):
    assert scrub(text, {"Doe", "Li", "4711"}) == text


@given(
    st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=4, max_size=12),
    st.sampled_from(["Mass seen in {}.", "{}: normal", "({}) and {}", "…{},"]),
)
def test_known_values_are_scrubbed_in_any_case(name, frame):
    # A word of reports stays with accents too: "Corazón" is a first name and the heart.
    assume(keys(name).isdisjoint(ordinary_words()) and name.upper() not in abbreviations())
    for form in (
        name,
        name.upper() if len(name.upper()) == len(name) else name,
        name.lower() if len(name.lower()) == len(name) else name,
    ):
        assert form not in scrub(frame.replace("{}", form), {name}).replace("REMOVED", "")


@given(
    flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), min_size=1, max_size=8),
    structured=st.booleans(),
)
@settings(max_examples=examples(60), deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_cases_or_problems(flips, structured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    save(image("whole"), folder / "whole.dcm")
    ds = report() if structured else with_pixels(header(seed="b"), ramp()[:2])
    file = save(ds, folder / "damaged.dcm")
    data = bytearray(file.read_bytes())
    for place, value in flips:
        data[132 + place % (len(data) - 132)] ^= value
    file.write_bytes(bytes(data))
    for item in read_dicom(folder, salt=SALT):
        assert isinstance(item, Case | Problem)
