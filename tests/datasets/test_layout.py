"""Folders whose names say what their pictures show, and of which split they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mmedrag.datasets import read_corpus
from mmedrag.datasets.layout import layout_of, split_named
from mmedrag.types import Case, Problem


def labels(*folders: str) -> list[str]:
    """The labels of a picture in each folder."""
    places = [Path(folder) / "1.jpeg" for folder in folders]
    layout, _ = layout_of(places, classes=True)
    return ["".join(layout.fields(place).get("labels", [])) for place in places]


def test_folders_of_classes_and_splits(tmp_path):
    for position in ("train/NORMAL/a", "train/PNEUMONIA/b", "train/PNEUMONIA/c", "Test/normal/d"):
        file = tmp_path / "chest_xray" / f"{position}.jpeg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(file)
    remark, *cases = read_corpus(tmp_path)
    assert isinstance(remark, Problem)
    assert remark.stored
    assert "read as labels: PNEUMONIA (2), normal (1), NORMAL (1); to have none" in remark.reason
    assert [(case.labels, case.split) for case in cases if isinstance(case, Case)] == [
        (("normal",), "test"),
        (("NORMAL",), "train"),
        (("PNEUMONIA",), "train"),
        (("PNEUMONIA",), "train"),
    ]
    alone = list(read_corpus(tmp_path / "chest_xray" / "train" / "NORMAL"))
    assert [(case.labels, case.split) for case in alone] == [((), "")]


@pytest.mark.parametrize(
    ("folders", "read"),
    [
        (["COVID/images", "Viral Pneumonia/images"], ["COVID", "Viral Pneumonia"]),
        (["COVID/masks", "Viral Pneumonia/masks"], ["", ""]),
        (["Lung_Opacity/train", "Normal/train"], ["Lung Opacity", "Normal"]),
        (["01_TUMOR", "02_STROMA", "05_DEBRIS"], ["TUMOR", "STROMA", "DEBRIS"]),
        (["a/benign", "a/malignant", "a/masks"], ["benign", "malignant", ""]),
        (["Training/glioma", "Testing/notumor", "Training/notumor"], ["glioma"] + 2 * ["notumor"]),
        (["train/akiec", "test/akiec", "train/bcc", "test/bcc"], 2 * ["akiec"] + 2 * ["bcc"]),
        (["lung_set/normal", "skin/normal"], ["", ""]),  # no siblings
        (["akiec", "nv"], ["", ""]),
        (["normal", "Smith", "Garcia"], ["", "", ""]),
        (["White", "Young"], ["", ""]),
        (["p001", "p002"], ["", ""]),
        (["stage1", "stage2"], ["", ""]),
        (["patient_a", "patient_normal"], ["", ""]),
        (["study1_negative", "study2_positive"], ["", ""]),
        (["000", "001"], ["", ""]),
        (["2020-03-01", "2020-04-01"], ["", ""]),
        (["images", "data"], ["", ""]),
        (["radiology", "pathology"], ["", ""]),
        (["Non_Pneumonia", "Pneumonia"], ["Non-Pneumonia", "Pneumonia"]),
        (["CT", "axial"], ["", ""]),
        (["January", "week_2"], ["", ""]),
        (["yes", "no"], ["", ""]),
        (["train/A", "test/A", "train/B", "test/B"], 4 * [""]),
        (["train", "test", "validation"], ["", "", ""]),
        (["", "normal"], ["", ""]),
    ],
)
def test_which_names_of_folders_are_classes(folders, read):
    assert labels(*folders) == read


def test_folders_that_may_be_classes_are_told_without_their_names():
    def remark(count: int, *folders: str) -> str:
        places = [Path(folder) / f"{n}.png" for folder in folders for n in range(count)]
        return layout_of(places, classes=True)[1]

    told = remark(10, "Smith", "Garcia")
    assert told.startswith(
        "2 folders of pictures beside each other may be classes; their names are"
    )
    assert "Smith" not in told
    assert remark(9, "Smith", "Garcia") == remark(10, "p001", "p002") == ""


def test_folders_are_no_labels_where_a_text_or_a_table_describes_pictures(tmp_path):
    for name in ("normal", "pneumonia"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "a.png")
    assert [case.labels for case in read_corpus(tmp_path) if isinstance(case, Case)] != [(), ()]
    table, sidecar = tmp_path / "t.csv", tmp_path / "normal" / "a.txt"
    for file, text in ((table, "image,text\nnormal/a.png,Clear.\n"), (sidecar, "Clear.")):
        file.write_text(text)
        cases = [case for case in read_corpus(tmp_path) if isinstance(case, Case)]
        assert [(case.text, case.labels) for case in cases] == [("Clear.", ()), ("", ())]
        file.unlink()


def test_splits_of_folders_hold_beside_sidecars_which_come_first(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / split / "a.png")
    (tmp_path / "train" / "a.txt").write_text("Clear.")
    (tmp_path / "test" / "a.json").write_text('{"report": "Nodule.", "split": "fold1"}')
    cases = list(read_corpus(tmp_path))
    assert [(case.text, case.split) for case in cases] == [
        ("Nodule.", "fold1"),
        ("Clear.", "train"),
    ]


def test_one_split_alone_is_a_name():
    layout, _ = layout_of([Path("test/a.png"), Path("b.png")], classes=True)
    assert layout.fields(Path("test/a.png")) == {}


@pytest.mark.parametrize(
    ("name", "split"),
    [("train_reports", "train"), ("Valid", "val"), ("train_test", ""), ("latest", "")],
)
def test_splits_that_files_are_named_after(name, split):
    assert split_named(name) == split
