"""Folders of pictures with tables: which is read with them, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from dicom_files import header, ramp, save, with_pixels
from mmedrag.datasets import read_corpus, recognise
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures(tmp_path / "corpus" / "images")
    return tmp_path / "corpus"


def pictures(folder: Path, names: str = "abc") -> None:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("L", (8, 8)).save(folder / f"{name}.png")


def read(path: Path, **options) -> tuple[list[Case], list[Problem]]:
    items = list(read_corpus(path, **options))
    return (
        [item for item in items if isinstance(item, Case)],
        [item for item in items if isinstance(item, Problem)],
    )


def places(cases: list[Case]) -> list[str]:
    """The ids less what stands for the folder."""
    return [case.id.partition("/")[2] for case in cases]


def said(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.file.name, problem.reason) for problem in problems]


@pytest.mark.parametrize("kind", ["auto", "folder"])
def test_a_table_is_read_with_the_pictures_it_names(folder, kind):
    (folder / "reports.csv").write_text("file_name,report\na.png,Effusion.\nb.png,Clear.\n")
    cases, problems = read(folder, kind=kind)
    assert places(cases) == ["images/a.png", "images/b.png", "images/c.png"]
    assert [case.text for case in cases] == ["Effusion.", "Clear.", ""]
    assert [case.image for case in cases] == [folder / "images" / f"{name}.png" for name in "abc"]
    assert said(problems) == [
        ("reports.csv", "the table is read with the pictures it names"),
        (
            "c.png",
            "pictures that no row of the table names: 1, of which this is the first; "
            "they are cases without it",
        ),
    ]
    assert all(problem.stored for problem in problems)


def test_cases_keep_their_ids_when_a_table_comes(folder):
    before, _ = read(folder)
    (folder / "reports.csv").write_text("file,report\na.png,Effusion.\na.png,Again.\n,No image.\n")
    after, _ = read(folder)
    assert {case.id for case in before} <= {case.id for case in after}
    assert places(after)[:3] == ["images/a.png", "reports.csv/row-3", "reports.csv/row-4"]


@pytest.mark.parametrize("name", ["t.tsv", "t.jsonl", "t.json", "T.CSV", "deep/er/t.csv"])
def test_tables_of_every_kind_anywhere(tmp_path, name):
    table = tmp_path / "corpus" / name
    pictures(table.parent / "images", "a")
    rows = [{"image": "images/a.png", "caption": "Effusion."}]
    separator = "\t" if name.endswith("tsv") else ","
    delimited = "\n".join(separator.join(line) for line in (rows[0], rows[0].values()))
    lines = json.dumps(rows) if name.endswith(".json") else json.dumps(rows[0])
    table.write_text(lines if "json" in name else delimited)
    (case,), (problem,) = read(tmp_path / "corpus")
    assert (case.text, case.image) == ("Effusion.", table.parent / "images" / "a.png")
    assert problem.stored


def test_a_table_in_the_native_format(folder):
    row = {"id": "1", "image": "images/a.png", "text": "N/A", "labels": ["x"], "meta": {"n": 1}}
    (folder / "cases.jsonl").write_text(json.dumps(row))
    (case, *others), _ = read(folder)
    assert (case.id, case.text, case.labels, case.meta) == ("1", "N/A", ("x",), {"n": 1})
    assert places(others) == ["images/b.png", "images/c.png"]


def test_named_columns_of_the_table_of_a_folder(folder):
    (folder / "t.csv").write_text("bild;befund\na.png;Erguss.\n")
    (_, *_), ((file, reason),) = read(folder)[0], said(read(folder)[1])
    assert (file, "Say which it is" in reason) == ("t.csv", True)
    (case, *_), _ = read(folder, columns={"image": "bild", "text": "befund"})
    assert (case.text, case.image) == ("Erguss.", folder / "images" / "a.png")
    with pytest.raises(CorpusError, match=r"read without one\. t\.csv: .* has no column img"):
        read(folder, columns={"image": "img"})


def test_of_several_tables_none_is_read(folder):
    for name, picture in (("old", "a"), ("train", "b")):
        (folder / f"{name}.csv").write_text(f"image,report\n{picture}.png,Effusion.\n")
    (folder / "z.csv").write_text("image,report\nelsewhere.png,Effusion.\n")
    cases, problems = read(folder)
    assert [case.text for case in cases] == ["", "", ""]
    reason = "this is one of 2 tables that name pictures here, and none of them is read"
    assert [(p.file.name, reason in p.reason, p.stored) for p in problems] == [
        ("old.csv", True, False),
        ("train.csv", True, False),
        ("z.csv", False, False),
    ]
    assert "names no picture here" in problems[2].reason


def test_tables_of_splits_are_read_together(folder):
    (folder / "train_set.csv").write_text("file,report,label\na.png,Effusion.,x\n")
    (folder / "VALID.csv").write_text("file,report\nb.png,Clear.\nc.png,Nodule.\n")
    cases, problems = read(folder)
    assert [(case.split, case.text) for case in cases] == [
        ("val", "Clear."),
        ("val", "Nodule."),
        ("train", "Effusion."),
    ]
    read_as = "the table is read with the pictures it names, as the split"
    assert said(problems) == [
        ("VALID.csv", f"{read_as} val"),
        ("train_set.csv", f"{read_as} train"),
    ]
    assert all(problem.stored for problem in problems)
    (folder / "more_train.csv").write_text("file,befund\na.png,Erguss.\n")
    assert not any(case.text or case.split for case in read(folder)[0])


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_table_in_the_folder_of_each_split(tmp_path, name):
    for split in ("train", "validation", "test"):
        pictures(tmp_path / split, "a")
        row = {"file_name": "a.png", "text": f"Of {split}."}
        lines = ",".join(row), ",".join(row.values())
        text = json.dumps(row) if name.endswith("jsonl") else "\n".join(lines)
        (tmp_path / split / name).write_text(text)
    cases, _ = read(tmp_path)
    assert [(case.split, case.text, case.image.parent.name) for case in cases] == [
        ("test", "Of test.", "test"),
        ("train", "Of train.", "train"),
        ("val", "Of validation.", "validation"),
    ]


@pytest.mark.parametrize("image", ["a.png", "images/a.png"])
def test_tables_in_a_folder_beside_that_of_the_pictures(folder, image):
    (folder / "annotations").mkdir()
    for split, text in (("train", "Effusion."), ("test", "Clear.")):
        name = image if split == "train" else image.replace("a.", "b.")
        (folder / "annotations" / f"{split}.csv").write_text(f"image,report\n{name},{text}\n")
    cases, problems = read(folder)
    assert [(case.image.name, case.text, case.split) for case in cases] == [
        ("b.png", "Clear.", "test"),
        ("a.png", "Effusion.", "train"),
        ("c.png", "", ""),
    ]
    assert places(cases) == ["images/b.png", "images/a.png", "images/c.png"]
    assert all(problem.stored for problem in problems)


def test_ids_that_count_from_one_in_each_table_stay_apart(folder):
    for split, names in (("train", "ab"), ("test", "c")):
        rows = [f"{n},{name}.png,Of {name}." for n, name in enumerate(names, start=1)]
        (folder / f"{split}.csv").write_text("\n".join(["id,image,report", *rows]))
    cases, _ = read(folder)
    assert [(case.id, case.text) for case in cases] == [
        ("1", "Of c."),
        ("train/1", "Of a."),
        ("2", "Of b."),
    ]


def test_a_row_says_its_split_before_names_do(tmp_path):
    for split in ("train", "test"):
        pictures(tmp_path / split, "a")
    (tmp_path / "t.csv").write_text("file,text,split\ntrain/a.png,x,\ntest/a.png,y,fold1\n")
    assert [case.split for case in read(tmp_path)[0]] == ["train", "fold1"]


def test_texts_beside_pictures_come_before_a_table(folder):
    (folder / "images" / "a.txt").write_text("No effusion.")
    (folder / "t.csv").write_text("image,report\na.png,Effusion.\n")
    cases, problems = read(folder)
    assert [case.text for case in cases] == ["No effusion.", "", ""]
    assert [p.reason for p in problems] == [
        "the table is not read, for texts lie beside pictures: index it by itself"
    ]


@pytest.mark.parametrize(
    ("table", "read_with"),
    [
        ("image,label\na.png,1\nb.png,0\n", True),
        ("image,x\na.png,1\na.png,2\n", False),
        ("image,question,text\na.png,1,Yes.\na.png,2,No.\n", True),
    ],
)
def test_boxes_on_pictures_are_no_cases(folder, table, read_with):
    (folder / "t.csv").write_text(table)
    assert read(folder)[1][0].stored is read_with


def test_a_row_that_is_no_case_costs_no_picture(folder):
    (folder / "t.csv").write_text("id,image,text\n1,a.png,Effusion.\n1,b.png,Clear.\n2,x.png,No.\n")
    cases, problems = read(folder)
    assert [case.image.name for case in cases] == ["a.png", "b.png", "c.png"]
    assert [problem.line for problem in problems] == [None, 3, 4, None]


def test_the_domain_of_a_sub_folder_holds_for_rows(tmp_path):
    pictures(tmp_path / "pathology")
    table = tmp_path / "pathology" / "t.csv"
    table.write_text("image,text,domain\na.png,x,\nb.png,y,radiology\nc.png,z,dermatology\n")
    cases, _ = read(tmp_path, domain=Domain.OPHTHALMOLOGY)
    assert [case.domain for case in cases] == [Domain.PATHOLOGY, Domain.RADIOLOGY, None]


def test_a_table_that_cannot_be_read_costs_no_picture(folder):
    (folder / "t.csv").write_bytes(bytes(100))
    (folder / "u.jsonl").write_text("not json\n")
    cases, problems = read(folder)
    assert len(cases) == 3
    assert [problem.file.name for problem in problems] == ["t.csv", "u.jsonl"]


def test_a_table_beside_dicom_files_is_named(tmp_path):
    save(with_pixels(header(), ramp()), tmp_path / "x.dcm")
    (tmp_path / "t.csv").write_text("image,report\nx.dcm,Effusion.\n")
    (case,), (problem,) = read(tmp_path)
    assert (case.text, "call one of reports reports.csv" in problem.reason) == ("", True)
    for kind in ("auto", "folder"):
        with pytest.raises(CorpusError, match="Columns are for tables"):
            read_corpus(tmp_path, kind, columns={"text": "report"})


def test_a_folder_of_tables_alone_names_them(tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.csv").write_text("id,text\n1,x\n")
    with pytest.raises(CorpusError, match=r"Index its tables themselves: .*4\.csv, …") as raised:
        recognise(tmp_path)
    assert "5.csv" not in str(raised.value)


def test_rows_of_several_images(folder):
    (folder / "t.csv").write_text("images,report\na.png;b.png,Effusion.\n")
    cases, _ = read(folder)
    assert places(cases) == ["images/a.png", "images/b.png", "images/c.png"]
    studies = [case.study_id.partition("/")[2] for case in cases]
    assert studies == ["t.csv/row-2", "t.csv/row-2", ""]
