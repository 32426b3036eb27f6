"""What ``index`` and its kin say of a run that stored nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from dicom_files import header, ramp, save, with_pixels
from mmedrag.casebase import Casebase
from mmedrag.cli import main


def test_a_run_that_stores_nothing_is_no_success(tmp_path: Path, capsys) -> None:
    broken = tmp_path / "records.jsonl"
    broken.write_text('{"id": "a"}\nnot json\n', "utf-8")
    assert main(["index", str(broken), "--into", str(tmp_path / "x.casebase")]) == 2
    printed = capsys.readouterr()
    assert "0 cases written" in printed.out
    assert "no case was stored" in printed.err


def test_a_corpus_that_is_stored_already_is_a_success(small_casebase: Path, capsys) -> None:
    records = small_casebase.parent / "records.jsonl"
    assert main(["index", str(records), "--into", str(small_casebase)]) == 0
    assert "9 unchanged" in capsys.readouterr().out


def test_a_dictionary_without_terms_is_no_success(tmp_path: Path, capsys) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("id,term,definition\n", "utf-8")
    assert main(["dictionary", str(empty), "--into", str(tmp_path / "x.dict")]) == 2


def test_a_kind_of_index_that_cannot_be_made_is_refused_before_anything_is_encoded(
    tmp_path: Path, capsys
) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text('{"id": "a", "text": "Normal chest."}\n', "utf-8")
    into = ["--into", str(tmp_path / "x.casebase")]
    assert main(["index", str(records), *into, "--index-key", "HNSW1"]) == 3
    printed = capsys.readouterr()
    assert "Use a factory string" in printed.err
    assert "written" not in printed.out
    assert main(["index", str(records), *into, "--index-key", "auto"]) == 0


@pytest.mark.parametrize(
    ("identifier", "text"), [("", "x"), (" ", "x"), ("x" * 513, "x"), ("new", "x" * 131_073)]
)
def test_one_case_has_the_limits_of_a_corpus(
    small_casebase: Path, capsys, identifier: str, text: str
) -> None:
    assert main(["add", str(small_casebase), "--id", identifier, "--text", text]) == 2
    assert capsys.readouterr().err.startswith("mmedrag: The ")


def test_a_case_is_updated_whose_image_is_elsewhere(tmp_path: Path, phantoms, capsys) -> None:
    """As that of a DICOM file or of an upload is, of which the casebase keeps no name."""
    image = tmp_path / "a.png"
    shutil.copy(phantoms[0].image, image)
    case = ["--id", "a", "--text", "Left pleural effusion."]
    casebase = tmp_path / "x.casebase"
    empty = tmp_path / "records.jsonl"
    empty.write_text('{"id": "b", "text": "Normal chest."}\n', "utf-8")
    assert main(["index", str(empty), "--into", str(casebase)]) == 0
    assert main(["add", str(casebase), *case, "--image", str(image)]) == 0
    with Casebase.open(casebase, readonly=True) as opened:
        (before,) = opened.entries(["a"])
    image.unlink()
    update = ["update", str(casebase), "--id", "a"]
    assert main([*update, "--patient-id", "P1"]) == 0
    with Casebase.open(casebase, readonly=True) as opened:
        (after,) = opened.entries(["a"])
        assert not opened.verify()
    assert after.case == replace(before.case, patient_id="P1")
    assert (after.vector == before.vector).all()
    assert (after.thumbnail, after.mentions) == (before.thumbnail, before.mentions)
    capsys.readouterr()
    assert main([*update, "--text", "No effusion."]) == 2
    assert "Give it by --image" in capsys.readouterr().err


@pytest.mark.proof("planted values")
def test_one_case_with_a_dicom_file_is_deidentified(small_casebase: Path, tmp_path: Path) -> None:
    secret = "ZEBRASECRET"
    ds = with_pixels(header(patient=secret), ramp())
    ds.PatientName = f"{secret}^Ann"
    save(ds, tmp_path / f"{secret}.dcm")
    casebase = tmp_path / "x.casebase"
    shutil.copytree(small_casebase, casebase)
    image = ["--image", str(tmp_path / f"{secret}.dcm")]
    new = ["--id", "new", "--text", f"{secret} has a nodule.", "--patient-id", secret]
    assert main(["add", str(casebase), *new, *image]) == 0
    with Casebase.open(casebase, readonly=True) as opened:
        added = opened.get("new")
    again = ["--id", "new", "--text", f"No nodule now in {secret}."]
    assert main(["update", str(casebase), *again, *image]) == 0
    with Casebase.open(casebase, readonly=True) as opened:
        updated = opened.get("new")
    assert secret not in repr([added, updated])
    assert added.text == "[REMOVED] has a nodule."
    assert updated == replace(added, text="No nodule now in [REMOVED].")


def test_strict_stops_at_what_cannot_be_read_and_not_at_remarks(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in "ab":
        Image.new("L", (32, 32)).save(folder / f"{name}.png")
    (folder / "t.csv").write_text("image,text\na.png,No effusion.\n", "utf-8")
    command = ["index", str(folder), "--into", str(tmp_path / "x.casebase"), "--strict"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "2 cases written" in printed
    assert "t.csv: the table is read with the pictures it names" in printed
    (folder / "scan.nii.gz").touch()
    assert main(command) == 2
    assert "volumes that are not read: 1" in capsys.readouterr().err


def test_folders_of_classes_are_found_counted_and_checked_for_leaks(tmp_path: Path, capsys) -> None:
    for place in ("train/NORMAL/a", "train/PNEUMONIA/b", "train/PNEUMONIA/c", "test/PNEUMONIA/d"):
        file = tmp_path / "chest_xray" / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((64, 64), 80).save(file)
    copy = tmp_path / "chest_xray" / "test" / "PNEUMONIA" / "e.png"
    shutil.copy(tmp_path / "chest_xray" / "train" / "PNEUMONIA" / "b.png", copy)
    casebase = str(tmp_path / "x.casebase")
    corpus = str(tmp_path / "chest_xray")
    assert main(["index", corpus, "--into", casebase, "--domain", "radiology", "--strict"]) == 0
    printed = capsys.readouterr().out
    assert "read as labels: PNEUMONIA (4), NORMAL (1)" in printed
    assert "1 groups of images, 0 patients and 0 studies are on two sides of a split" in printed
    for question, count in (
        ("radiographs show pneumonia", "4 of 5"),
        ("radiographs are normal", "Of 5 cases of the searched corpus (radiology), 1"),
    ):
        assert main(["ask", casebase, f"how many {question}?"]) == 0
        assert count in " ".join(capsys.readouterr().out.split())
    where = "labels = 'pneumonia' and split = 'test'"
    assert main(["search", casebase, "chest x-ray", "--where", where]) == 0
    found = capsys.readouterr().out
    assert ("PNEUMONIA/d.png" in found, "NORMAL" in found, "/c.png" in found) == (
        True,
        False,
        False,
    )
