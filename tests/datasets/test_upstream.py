"""Loaders of published corpora, on small ones written in the exact upstream formats."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mmedrag.datasets import FORMATS, read_corpus, recognise
from mmedrag.datasets.rows import corpus_key
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem


def read(path: Path, kind: str = "auto", **options) -> tuple[list[Case], list[Problem]]:
    found = list(read_corpus(path, kind, **options))
    return (
        [item for item in found if isinstance(item, Case)],
        [item for item in found if isinstance(item, Problem)],
    )


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), 90).save(path)
    return path


# IU X-Ray

REPORTS = [
    ["uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression"],
    [
        "1",
        "normal",
        "normal",
        "PA and Lateral",
        "Cough",
        "None.",
        "Clear lungs of XXXX.",
        "Normal.",
    ],
    ["2", "Opacity/lung", "Opacity;Nodule", "PA", "", "", "", "Nodule."],
    ["3", "", "", "PA", "", "", "", ""],
]
PROJECTIONS = [
    ["uid", "filename", "projection"],
    ["1", "1_IM-0001-4001.dcm.png", "Frontal"],
    ["1", "1_IM-0001-3001.dcm.png", "Lateral"],
    ["2", "2_IM-0652-1001.dcm.png", "Frontal"],
    ["9", "9_IM-2407-1001.dcm.png", "Frontal"],
]


@pytest.fixture
def kaggle(tmp_path):
    for name, rows in (("reports", REPORTS), ("projections", PROJECTIONS)):
        with (tmp_path / f"indiana_{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return tmp_path


@pytest.mark.parametrize("images", ["images/images_normalized", "images", "."])
def test_iu_xray(kaggle, images):
    file = picture(kaggle / images / "1_IM-0001-4001.dcm.png")
    cases, problems = read(kaggle)
    assert [(case.id, case.study_id, case.meta["projection"]) for case in cases] == [
        ("iu_xray/1/1_IM-0001-4001", "1", "frontal"),
        ("iu_xray/1/1_IM-0001-3001", "1", "lateral"),
        ("iu_xray/2/2_IM-0652-1001", "2", "frontal"),
    ]
    assert cases[0].text == "Findings: Clear lungs of [removed].\nImpression: Normal."
    assert cases[0].image == file
    assert cases[1].image is None
    assert cases[2].labels == ("Opacity", "Nodule")
    assert {case.domain for case in cases} == {Domain.RADIOLOGY}
    reasons = [problem.reason for problem in problems]
    assert reasons[0] == "neither a report nor an image"
    assert reasons[1].startswith("2 of 3 images are absent")
    assert reasons[2].startswith("1 studies have no report")


def test_iu_xray_without_projections(kaggle):
    (kaggle / "indiana_projections.csv").unlink()
    with pytest.raises(CorpusError, match=r"indiana_projections\.csv cannot be read"):
        read(kaggle)


def test_iu_xray_with_other_columns(kaggle):
    (kaggle / "indiana_reports.csv").write_text("uid,text\n1,a\n")
    with pytest.raises(CorpusError, match="no column findings"):
        read(kaggle)


ECGEN = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><meta type="rr"/><uId id="CXR{n}"/><pmcId id="{n}"/>
<MedlineCitation Owner="Indiana University" Status="supplied by publisher"><Article>
<Abstract><AbstractText Label="COMPARISON">None.</AbstractText>
<AbstractText Label="INDICATION">Cough</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">No active disease of the XXXX.</AbstractText></Abstract>
</Article></MedlineCitation>
<MeSH><major>Cardiomegaly/borderline</major><major>Aorta/tortuous</major></MeSH>
<parentImage id="CXR{n}_1_IM-0001-3001"><figureId>F1</figureId></parentImage>
<parentImage id="CXR{n}_1_IM-0001-4001"><figureId>F2</figureId></parentImage>
</eCitation>"""
BILLION_LAUGHS = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>
<eCitation><uId id="CXR7"/>&y;</eCitation>"""
EXTERNAL = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>
<eCitation><uId id="CXR8"/><AbstractText Label="FINDINGS">&x;</AbstractText></eCitation>"""


def test_iu_xray_xml(tmp_path):
    folder = tmp_path / "ecgen-radiology"
    folder.mkdir()
    for n, findings in ((1, "Clear lungs."), (2, "Normal heart."), (10, "")):
        (folder / f"{n}.xml").write_text(ECGEN.format(n=n, findings=findings))
    (folder / "3.xml").write_text("<eCitation><broken>")
    (folder / "7.xml").write_text(BILLION_LAUGHS)
    (folder / "8.xml").write_text(EXTERNAL)
    file = picture(tmp_path / "NLMCXR_png" / "CXR1_1_IM-0001-3001.png")
    assert recognise(folder).name == "iu_xray_xml"
    cases, problems = read(folder)
    assert [case.study_id for case in cases] == ["CXR1", "CXR1", "CXR2", "CXR2", "CXR10", "CXR10"]
    assert cases[0].image == file
    assert cases[0].text == (
        "Findings: Clear lungs.\nImpression: No active disease of the [removed]."
    )
    assert cases[0].labels == ("Cardiomegaly/borderline", "Aorta/tortuous")
    assert [problem.file.name for problem in problems[:3]] == ["3.xml", "7.xml", "8.xml"]
    assert problems[3].reason.startswith("5 of 6 images are absent")


# PMC-OA


def test_pmc_oa(tmp_path):
    rows = [
        {"image": "PMC1_Fig1_0.jpg", "caption": "A.", "pmcid": "PMC1", "url_name": "1-1.jpg"},
        {"image": "PMC1_Fig9_0.jpg", "caption": "Absent.", "pmcid": "PMC1", "url_name": "x"},
        {"image": "../secret.jpg", "caption": "Outside.", "pmcid": "PMC1", "url_name": "x"},
        {"caption": "No image."},
    ]
    picture(tmp_path / "images" / "PMC1_Fig1_0.jpg")
    for name in ("train", "valid"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text)
    cases, problems = read(tmp_path)
    assert [(case.id, case.study_id, case.split) for case in cases] == [
        ("pmc_oa/PMC1_Fig1_0.jpg", "PMC1", "train"),
    ]
    assert (cases[0].text, cases[0].domain) == ("A.", None)
    assert cases[0].meta["url_name"] == "1-1.jpg"
    assert [problem.line for problem in problems] == [2, 3, 4, 1, 2, 3, 4]
    assert problems[3].reason == "the image is that of train.jsonl, line 1"


def test_pmc_oa_figures_of_one_stem_stay_apart(tmp_path):
    names = ("a/fig1.jpg", "b/fig1.jpg", "b/fig1.png")
    for name in names:
        picture(tmp_path / "images" / name)
    text = "".join(json.dumps({"image": name, "caption": name}) + "\n" for name in names)
    (tmp_path / "pmc_oa.jsonl").write_text(text)
    cases, problems = read(tmp_path)
    assert ([case.text for case in cases], problems) == (list(names), [])
    assert len({case.id for case in cases}) == 3


def test_pmc_oa_single_file(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    file = tmp_path / "pmc_oa.jsonl"
    file.write_text(json.dumps({"image": "a.jpg", "caption": "A.", "pmcid": "P"}) + "\n")
    (case,), _ = read(file, domain=Domain.PATHOLOGY)
    assert case.domain is Domain.PATHOLOGY


# ROCO


@pytest.mark.parametrize("root", [".", "data", "all_data"])
def test_roco(tmp_path, root):
    folder = tmp_path / root / "train" / "radiology"
    folder.mkdir(parents=True)
    (folder / "captions.txt").write_text("ROCO_1\t Axial CT.\nROCO_2\tChest film.\nROCO_3\n\n")
    (folder / "dlinks_tp_train_revised.txt").write_text(
        "ROCO_1\twget -r ftp://example.org/oa/PMC77.tar.gz -P /path/to/Dir\tfig1.jpg\n"
    )
    (folder / "keywords.txt").write_text("ROCO_1\taxial\tct\n")
    (folder / "licences.txt").write_text("ROCO_1\tCC BY\n")
    file = picture(folder / "images" / "ROCO_1.jpg")
    other = tmp_path / root / "validation" / "non-radiology"
    other.mkdir(parents=True)
    (other / "captions_fp_val.txt").write_text("ROCO_9\tA graph.\n")
    assert recognise(tmp_path).name == "roco"
    (first, second, third), problems = read(tmp_path)
    assert (first.text, first.image, first.study_id) == ("Axial CT.", file, "PMC77")
    assert (first.labels, first.licence, first.split) == (("axial", "ct"), "CC BY", "train")
    assert (second.image, second.domain) == (None, Domain.RADIOLOGY)
    assert (third.split, third.domain) == ("val", None)
    assert [(problem.file.parent.name, problem.line) for problem in problems] == [
        ("radiology", 3),
        ("radiology", None),
        ("non-radiology", None),
    ]


# MedPix 2.0

TOPIC = {
    "U_id": "MPX1",
    "TAC": ["MPX1_synpic1"],
    "MRI": [],
    "Case": {"Title": "T", "History": "H", "Exam": "N/A", "Findings": "F", "Case Diagnosis": "D"},
    "Topic": {"Title": "T", "Disease Discussion": "Long.", "Location": "Chest"},
}


def description(image: str, uid: str = "MPX1", caption: str | None = "Caption.") -> dict:
    about = {"Age": "73", "Caption": caption, "Modality": "CT", "Plane": "Axial", "Sex": "male"}
    return {
        "Type": "CT",
        "U_id": uid,
        "image": image,
        "Description": about,
        "Location": "Chest",
        "Location Category": "Thorax",
    }


def test_medpix(tmp_path):
    file = picture(tmp_path / "images" / "MPX1_synpic1.png")
    picture(tmp_path / "images" / "MPX1_synpic2.png")
    rows = [
        description("MPX1_synpic1"),
        description("MPX1_synpic2", caption=None),
        description("MPX1_absent"),
        description("../x"),
        "odd",
    ]
    (tmp_path / "Descriptions.json").write_text(json.dumps(rows))
    (tmp_path / "Case_topic.json").write_text(json.dumps([TOPIC]))
    (first, second), problems = read(tmp_path)
    assert (first.id, first.text, first.image) == ("MPX1_synpic1", "Caption.", file)
    assert (first.modality, first.patient_id, first.labels) == ("ct", "MPX1", ("Chest", "Thorax"))
    assert first.meta["case_diagnosis"] == first.diagnosis == "D"
    assert first.meta["discussion"] == "Long."
    assert "exam" not in first.meta
    assert second.text == "F"
    assert [problem.reason.split(":")[0] for problem in problems] == [
        "entry 3",
        "entry 4",
        "entry 5",
    ]


def test_medpix_as_json_lines_and_damaged(tmp_path):
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "Case_topic.json").write_text(json.dumps(TOPIC))
    lines = [json.dumps(description("a")), "{broken"]
    (tmp_path / "Descriptions.json").write_text("\n".join(lines))
    cases, problems = read(tmp_path)
    assert len(cases) == len(problems) == 1
    (tmp_path / "Descriptions.json").write_text("{{")
    with pytest.raises(CorpusError, match="not JSON"):
        read(tmp_path)


# a folder with sidecar texts


def test_folder(tmp_path):
    picture(tmp_path / "pathology" / "a.png")
    (tmp_path / "pathology" / "a.txt").write_text("A slide.")
    picture(tmp_path / "b.png")
    (tmp_path / "b.json").write_text(json.dumps({"id": "own", "text": "B", "domain": "radiology"}))
    picture(tmp_path / "c.PNG")
    picture(tmp_path / "d.png")
    (tmp_path / "d.json").write_text("[")
    picture(tmp_path / "e.png")
    (tmp_path / "e.json").write_text(json.dumps({"image": "/etc/passwd", "text": "E"}))
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "readme.md").write_text("x")
    cases, problems = read(tmp_path)
    key = corpus_key(tmp_path)
    assert [(case.id, case.text, case.domain) for case in cases] == [
        ("own", "B", Domain.RADIOLOGY),
        (f"{key}/c.PNG", "", None),
        (f"{key}/e.png", "E", None),
        (f"{key}/pathology/a.png", "A slide.", Domain.PATHOLOGY),
    ]
    assert all(case.image is not None and case.image.is_relative_to(tmp_path) for case in cases)
    assert [problem.file.name for problem in problems] == ["d.png"]


# the registry


def test_every_format_says_what_it_is():
    assert len({known.name for known in FORMATS}) == len(FORMATS)
    assert all(known.holds and known.recognised_by for known in FORMATS)


def test_importing_the_registry_loads_no_heavy_library():
    code = "import sys, mmedrag.imaging.decoding, mmedrag.datasets; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"pydicom", "pyarrow", "torch", "faiss", "defusedxml"} & set(loaded.stdout.split())


def test_what_is_not_recognised(tmp_path):
    (tmp_path / "x.docx").write_bytes(b"PK")
    for path in (tmp_path, tmp_path / "x.docx", tmp_path / "absent"):
        with pytest.raises(CorpusError):
            read_corpus(path)
    with pytest.raises(CorpusError, match="No format is called"):
        read_corpus(tmp_path, "coco")
    with pytest.raises(CorpusError, match="Columns are for tables"):
        read_corpus(tmp_path, "folder", columns={"text": "a"})


@pytest.mark.parametrize("kind", [known.name for known in FORMATS])
def test_every_reader_refuses_an_empty_folder(kind, tmp_path):
    with pytest.raises(CorpusError):
        list(read_corpus(tmp_path, kind))


# the real sets

COUNTS = {
    "medpix2": (1829, 1829),
    "covid_cxr": (468, 445),
    "covid_ct": (521, 521),
    "odir5k": (4900, 907),
    "codras_dr": (423, 423),
    "patolojiatlasi": (161, 161),
    "openstax_figures": (73, 73),
    "atlas_radiologia_es": (266, 266),
    "pocus_lung": (270, 270),
    "oral_pathology_pt": (26, 26),
    "iu_xray_text": (3444, 0),
    "roco_text": (13686, 0),
    "patchgastric_text": (694, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_the_real_sets(name, shared_data):
    cases, problems = read(shared_data / name)
    assert not problems
    assert (len(cases), sum(case.image is not None for case in cases)) == COUNTS[name]


def test_counts_of_the_labelled_sets(shared_data):
    sets = sorted(path for path in (shared_data / "labelled").iterdir() if path.is_dir())
    found = [read(path) for path in sets]
    assert len(sets) == 14
    assert sum(len(cases) for cases, _ in found) == 5928
    assert not any(problems for _, problems in found)


def test_the_real_iu_xray_tables(shared_data):
    cases, problems = read(shared_data / "raw" / "iu_xray")
    empty = [problem for problem in problems if problem.reason == "neither a report nor an image"]
    studies = {case.study_id for case in cases}
    assert (len(studies), len(empty), len(problems)) == (3444, 25, 26)
    assert not any("XXXX" in case.text for case in cases)
