"""The phantoms: what the labels say is what the pixels and the reports say."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmedrag.errors import CorpusError, QueryError
from mmedrag.phantoms.corpus import (
    FAMILIES,
    draw,
    generate,
    out_of_domain,
    sensitivity_boxes,
    sensitivity_images,
)
from mmedrag.phantoms.findings import (
    FINDINGS,
    SEVERITIES,
    Finding,
    View,
    absent,
    sample_findings,
    sample_view,
)
from mmedrag.phantoms.reports import report
from mmedrag.types import Domain
from proofs import examples

CHEST, TISSUE, SMEAR = View("chest", "chest"), View("tissue", "colon"), View("smear", "blood")
ANATOMIES = (3, 14, 159)

MENTIONS = {
    "consolidation": r"consolidat",
    "pleural effusion": r"effusion",
    "pneumothorax": r"pneumothorax",
    "cardiomegaly": r"cardiomegaly|cardiac enlargement|heart is enlarged",
    "nodule": r"nodule",
    "mass": r"\bmass\b",
    "hairline fracture": r"hairline",
    "displaced fracture": r"(?<!un)displaced",
    "lytic lesion": r"lytic",
    "adenocarcinoma": r"adenocarcinoma",
    "necrosis": r"necrosis",
    "inflammation": r"inflammation|infiltrate",
    "mitotic figures": r"mitotic|mitoses",
    "target cells": r"target cells",
    "sickle cells": r"sickle",
    "hypochromia": r"hypochromia",
    "haemorrhages": r"ha?emorrhages",
    "hard exudates": r"hard exudates",
    "cotton wool spots": r"cotton.wool",
    "drusen": r"drusen",
    "disc swelling": r"disc swelling|disc o?edema|swelling \(disc",
    "enlarged cup": r"cupping|\bcup\b",
}
DENIAL = re.compile(r"^(?:No|Negative)\b")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(60, seed=11, into=tmp_path_factory.mktemp("phantoms"))


def records(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def difference(view: View, anatomy: int, finding: Finding) -> np.ndarray:
    """What the finding changes in the picture, in grey levels (positive is brighter)."""
    with_it = draw(view, anatomy, (finding,), film=5).astype(float)
    without = draw(view, anatomy, (), film=5).astype(float)
    change = with_it - without
    return change.mean(axis=2) if change.ndim == 3 else change


def mirrored_contrast(image: np.ndarray, rows: slice) -> float:
    """Mean of the image's left lung zone minus that of its mirror image."""
    left, right = image[rows, 40:100].astype(float), image[rows, ::-1][:, 40:100].astype(float)
    return float(left.mean() - right.mean())


def test_same_seed_same_bytes_and_another_seed_another_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmedrag.phantoms.corpus.draw", draw)  # each of them is drawn
    first, second, other = (
        generate(11, seed=seed, into=tmp_path / name)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    for record in records(first):
        picture = (first.parent / record["image"]).read_bytes()
        assert picture == (second.parent / record["image"]).read_bytes()


def test_a_smaller_corpus_is_the_beginning_of_a_larger_one(tmp_path: Path, corpus: Path) -> None:
    small = records(generate(5, seed=11, into=tmp_path))
    assert small == records(corpus)[:5]


def test_records_have_the_native_fields(corpus: Path) -> None:
    fields = {"id", "image", "text", "text_kind", "domain", "modality", "license", "patient_id",
              "study_id", "labels", "split", "source", "meta"}  # fmt: skip
    rows = records(corpus)
    assert len(rows) == 60
    assert len({row["id"] for row in rows}) == 60
    assert {row["domain"] for row in rows} == {str(d) for d in Domain}
    for row in rows:
        assert fields <= row.keys() <= fields | {"offset_days", "near_duplicate_of"}
        assert row["text"].strip()
        assert row["split"] in ("train", "val")
        with Image.open(corpus.parent / row["image"]) as image:
            assert image.size == (256, 256)
            assert image.mode == ("L" if row["domain"] == "radiology" else "RGB")


def test_everything_says_that_it_is_synthetic(corpus: Path) -> None:
    for row in records(corpus):
        assert row["license"] == "CC0-1.0"
        assert row["meta"]["synthetic"] is True
        for field in ("text_kind", "source", "patient_id", "study_id"):
            assert "synthetic" in row[field]
        with Image.open(corpus.parent / row["image"]) as image:
            assert "synthetic" in image.info["Source"]
    assert "no patient" in (corpus.parent / "README.txt").read_text(encoding="utf-8")


def test_labels_are_the_present_findings(corpus: Path) -> None:
    for row in records(corpus):
        findings = row["meta"]["findings"]
        present = [f["name"] for f in findings if f["present"]]
        assert row["labels"] == (present or ["normal"])
        kind = row["id"].split("-")[1]
        assert sorted(f["name"] for f in findings) == sorted(FINDINGS[kind])


def test_patients_do_not_cross_splits(corpus: Path) -> None:
    splits, patients = defaultdict(set), defaultdict(set)
    for row in records(corpus):
        splits[row["patient_id"]].add(row["split"])
        patients[row["study_id"]].add(row["patient_id"])
    assert {len(s) for s in splits.values()} == {1}
    assert {len(p) for p in patients.values()} == {1}
    assert set().union(*splits.values()) == {"train", "val"}


def test_duplicates_are_flagged_and_follow_ups_say_their_course(corpus: Path) -> None:
    rows = {row["id"]: row for row in records(corpus)}
    copies = [row for row in rows.values() if "near_duplicate_of" in row]
    later = [row for row in rows.values() if "course" in row["meta"]]
    assert copies
    assert later
    for row in copies:
        original = rows[row["near_duplicate_of"]]
        assert original["patient_id"] == row["patient_id"]
        pair = [np.asarray(Image.open(corpus.parent / r["image"]), float) for r in (row, original)]
        assert np.abs(pair[0] - pair[1]).mean() < 8
    for row in later:
        assert row["offset_days"] > 0
        assert re.search(r"follow-up|compared|relative to|since the previous", row["text"], re.I)


def test_most_reports_are_worded_differently(corpus: Path) -> None:
    texts = [row["text"] for row in records(corpus) if "near_duplicate_of" not in row]
    assert len(set(texts)) >= 0.8 * len(texts)
    lengths = [len(text.split()) for text in texts]
    assert np.percentile(lengths, 90) > 2 * np.percentile(lengths, 10)


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(list(FINDINGS)), st.integers(0, 10**9))
def test_reports_affirm_what_is_there_and_nothing_else(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    view = sample_view(rng, kind)
    present = sample_findings(rng, view)
    text = report(rng, view, (*present, *absent(view, present)))
    assert not re.search(r"[<>{}|]|  |\.\.", text), text
    sentences = re.split(r"(?<=\.) ", text)
    for name in FINDINGS[kind]:
        mentions = [s for s in sentences if re.search(MENTIONS[name], s, re.I)]
        affirmed = [s for s in mentions if not DENIAL.search(s)]
        if name in {f.name for f in present}:
            assert affirmed, (name, text)
            assert len(affirmed) == len(mentions), (name, text)
        else:
            assert not affirmed, (name, text)


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(["chest", "bone", "fundus"]), st.integers(0, 10**9))
def test_reports_name_the_side_and_never_the_other_one(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    view = sample_view(rng, kind)
    present = sample_findings(rng, view)
    text = report(rng, view, (*present, *absent(view, present))).lower()
    sides = {f.side for f in present if f.side} | ({view.side} if view.side else set())
    named = {s for s in ("right", "left") if re.search(rf"\b{s}\b", text)}
    named |= {side for code, side in (("od ", "right"), ("os ", "left")) if text.startswith(code)}
    assert named == sides, text


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("lobe", ["upper lobe", "lower lobe"])
def test_consolidation_is_brighter_than_its_mirror_image(side: str, lobe: str) -> None:
    rows = slice(55, 105) if lobe == "upper lobe" else slice(115, 160)
    other = slice(115, 160) if lobe == "upper lobe" else slice(55, 105)
    finding = Finding("consolidation", side, lobe, "moderate")
    sign = 1 if side == "right" else -1
    for anatomy in ANATOMIES:
        image = draw(CHEST, anatomy, (finding,), film=5)
        plain = draw(CHEST, anatomy, (), film=5)
        gain = mirrored_contrast(image, rows) - mirrored_contrast(plain, rows)
        assert sign * gain > 10
        assert (
            abs(mirrored_contrast(image, other) - mirrored_contrast(plain, other))
            < 0.5 * gain * sign
        )


@pytest.mark.parametrize("side", ["right", "left"])
def test_effusion_whitens_the_base_of_its_side_and_pneumothorax_blackens_the_top(side: str) -> None:
    half = slice(0, 128) if side == "right" else slice(128, 256)
    rest = slice(128, 256) if side == "right" else slice(0, 128)
    for anatomy in ANATOMIES:
        fluid = difference(CHEST, anatomy, Finding("pleural effusion", side, "base", "severe"))
        assert fluid[130:190, half].mean() > 12
        assert abs(fluid[:, rest]).mean() < 1
        air = difference(CHEST, anatomy, Finding("pneumothorax", side, "apex", "severe"))
        assert air[30:100, half].mean() < -4
        assert abs(air[:, rest]).mean() < 1


def test_cardiomegaly_widens_the_heart_with_its_severity() -> None:
    for anatomy in ANATOMIES:
        widths = []
        for severity in SEVERITIES:
            change = difference(CHEST, anatomy, Finding("cardiomegaly", severity=severity))
            widths.append(int((change > 25).sum()))
        assert 0 < widths[0] < widths[1] < widths[2]


def test_a_mass_is_larger_than_a_nodule_and_both_lie_in_their_lobe() -> None:
    for anatomy in ANATOMIES:
        areas = {}
        for name in ("nodule", "mass"):
            change = difference(CHEST, anatomy, Finding(name, "left", "upper lobe", "moderate"))
            rows, columns = np.nonzero(change > 12)
            assert columns.mean() > 140
            assert rows.mean() < 115
            areas[name] = rows.size
        assert areas["mass"] > 3 * areas["nodule"] > 0


def test_fractures_are_dark_lines_and_displacement_changes_more_than_a_hairline() -> None:
    view = View("bone", "thigh", "left")
    for anatomy in ANATOMIES:
        hairline = difference(view, anatomy, Finding("hairline fracture", "left", "femoral shaft",
                                                     "moderate"))  # fmt: skip
        displaced = difference(view, anatomy, Finding("displaced fracture", "left",
                                                      "femoral shaft", "moderate"))  # fmt: skip
        lytic = difference(view, anatomy, Finding("lytic lesion", "left", "femoral shaft", "mild"))
        assert hairline.min() < -25
        assert 20 < (hairline < -15).sum() < 700
        assert (abs(displaced) > 15).sum() > 3 * (abs(hairline) > 15).sum()
        assert lytic.min() < -25


def test_a_left_limb_is_a_right_one_mirrored() -> None:
    left, right = (draw(View("bone", "hand", side), 4, (), film=0) for side in ("left", "right"))
    halves = [
        image[:, :128].astype(float).mean() - image[:, 128:].mean() for image in (left, right)
    ]
    assert halves[0] < 0 < halves[1]


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_disc_lies_nasally_and_swelling_grows_it(side: str) -> None:
    view = View("fundus", "retina", side)
    for anatomy in ANATOMIES:
        green = draw(view, anatomy, (), film=5)[..., 1].astype(float)
        bright = np.nonzero(green > np.percentile(green, 99))[1].mean()
        assert bright > 160 if side == "right" else bright < 96
        areas = []
        for severity in SEVERITIES:
            change = difference(view, anatomy, Finding("disc swelling", side, severity=severity))
            areas.append(int((change > 8).sum()))
        assert 0 < areas[0] < areas[1] < areas[2]


@pytest.mark.parametrize("quadrant", ["superotemporal", "inferonasal"])
@pytest.mark.parametrize(("name", "sign"), [("haemorrhages", -1), ("hard exudates", 1),
                                            ("cotton wool spots", 1)])  # fmt: skip
def test_retinal_lesions_lie_in_their_quadrant(name: str, sign: int, quadrant: str) -> None:
    view = View("fundus", "retina", "right")
    for anatomy in ANATOMIES:
        change = sign * difference(view, anatomy, Finding(name, "right", quadrant, "severe"))
        rows, columns = np.nonzero(change > 12)
        assert rows.size > 30
        assert (rows.mean() < 128) == quadrant.startswith("super")
        assert (columns.mean() > 140) == quadrant.endswith("nasal")


def test_an_enlarged_cup_pales_the_disc() -> None:
    for anatomy in ANATOMIES:
        view = View("fundus", "retina", "left")
        change = difference(view, anatomy, Finding("enlarged cup", "left", severity="severe"))
        assert (change > 8).sum() > 60
        assert (change < -8).sum() < 20


def test_tissue_and_blood_show_what_they_are_said_to_show() -> None:
    for anatomy in ANATOMIES:
        necrosis = Finding("necrosis", None, "upper left", "severe")
        tumour = Finding("adenocarcinoma", severity="moderate")
        plain = draw(TISSUE, anatomy, (), film=5).astype(float)
        cancer = draw(TISSUE, anatomy, (tumour,), film=5).astype(float)
        dark = [(image[..., 0] < 95).mean() for image in (plain, cancer)]
        assert dark[1] > 1.4 * dark[0]
        dead = draw(TISSUE, anatomy, (tumour, necrosis), film=5).astype(float)
        assert (dead[:128, :128, 0] < 95).mean() < 0.6 * (cancer[:128, :128, 0] < 95).mean()
        inflamed = difference(
            TISSUE, anatomy, Finding("inflammation", None, "lower right", "severe")
        )
        assert inflamed[128:, 128:].mean() < -8 < 8 * inflamed[:100, :100].mean() + 1
        pale = difference(SMEAR, anatomy, Finding("hypochromia", severity="severe"))
        assert pale.mean() > 1.5
        for name in ("sickle cells", "target cells"):
            assert (
                abs(difference(SMEAR, anatomy, Finding(name, severity="severe"))) > 15
            ).mean() > 0.01


def test_a_patient_looks_alike_on_another_day_and_unlike_another_patient() -> None:
    for view in (TISSUE, SMEAR, View("fundus", "retina", "left")):
        first, again, other = (
            draw(view, a, (), film=f).astype(float).ravel() for a, f in ((1, 1), (1, 2), (2, 1))
        )
        assert np.corrcoef(first, again)[0, 1] > np.corrcoef(first, other)[0, 1]


@pytest.mark.parametrize("seed", [0, 1, 19])
def test_sensitivity_images_differ_from_their_base_as_section_5_1_says(seed: int) -> None:
    images, boxes = sensitivity_images(seed), sensitivity_boxes(seed)
    assert list(images) == ["base", "hairline", "moderate", "mass", "density", "noise"]
    base = images["base"].astype(int)
    change = {name: image.astype(int) - base for name, image in images.items()}
    assert all(i.shape == (256, 256) and i.dtype == np.uint8 for i in images.values())
    assert (change["density"] == 9).sum() == np.count_nonzero(change["density"]) == 400
    box = boxes["density"]
    assert (box.bottom - box.top, box.right - box.left) == (20, 20)
    line = change["hairline"][boxes["hairline"].slices] != 0
    assert line.sum(axis=0).max() <= 2
    assert 45 <= line.sum() <= 90
    assert 50 <= boxes["mass"].right - boxes["mass"].left <= 56
    assert np.count_nonzero(change["moderate"]) > 3 * line.sum()
    assert abs(change["noise"].mean()) < 0.1
    assert 2.5 < change["noise"].std() < 3.5
    for name, box in boxes.items():
        outside = change[name].copy()
        outside[box.slices] = 0
        assert not outside.any()


def test_sensitivity_images_depend_on_the_seed_alone() -> None:
    first, again, other = sensitivity_images(3), sensitivity_images(3), sensitivity_images(4)
    for name in first:
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def test_pictures_out_of_domain_come_from_many_families_that_can_be_held_out() -> None:
    assert len(FAMILIES) >= 12
    pictures = out_of_domain(60, seed=5)
    assert {p.family for p in pictures} == set(FAMILIES)
    assert all(p.image.shape == (256, 256, 3) and p.image.dtype == np.uint8 for p in pictures)
    assert len({p.image.tobytes() for p in pictures}) == len(pictures)
    again = out_of_domain(len(FAMILIES), seed=5)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(pictures, again, strict=False))
    grey = [bool((p.image[..., 0] == p.image[..., 2]).all()) for p in pictures]
    assert 5 < sum(grey) < 30
    assert {p.family for p in out_of_domain(6, families=("wood", "document"))} == {
        "wood", "document",
    }  # fmt: skip


def test_errors_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="at least 1"):
        generate(0, into=tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(CorpusError, match="can be written"):
        generate(1, into=tmp_path / "file")
    with pytest.raises(QueryError, match="Choose from"):
        out_of_domain(1, families=("cats",))
