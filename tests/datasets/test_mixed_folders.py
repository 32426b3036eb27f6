"""Folders that mix kinds: every file is judged by its content, wherever it lies."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from dicom_files import BASIC_TEXT_SR, code, content, header, ramp, save, with_pixels
from mmedrag.datasets import MAX_PROBLEMS, read_corpus, recognise
from mmedrag.datasets.extent import extent
from mmedrag.datasets.identifiers import unique
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Problem

SECRET = "ZEBRASECRET"


def read(path: Path, kind: str = "auto") -> tuple[list[Case], list[Problem]]:
    items = list(read_corpus(path, kind, salt=b"key"))
    problems = [item for item in items if isinstance(item, Problem)]
    return [item for item in items if isinstance(item, Case)], problems


def scan(path: Path, seed: str = "a", preamble: bool = True, **changes) -> Path:
    ds = with_pixels(header(seed=seed, patient=SECRET), ramp())
    ds.PatientName = f"{SECRET}^Ann"
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    save(ds, path)
    if not preamble:
        path.write_bytes(path.read_bytes()[132:])
    return path


def shown(case: Case) -> str:
    return repr((case.id, case.text, case.patient_id, case.labels, case.diagnosis, dict(case.meta)))


@pytest.mark.proof("planted values")
@pytest.mark.parametrize("kind", ["auto", "folder", "dicom"])
def test_dicom_behind_many_pictures_is_deidentified(tmp_path, kind):
    small = tmp_path / "a.png"
    Image.new("L", (8, 8)).save(small)
    for i in range(250):
        os.link(small, tmp_path / f"b{i:03}.png")
    scan(tmp_path / f"z_{SECRET}")  # no suffix, and the name is the patient's
    (tmp_path / f"z_{SECRET}.txt").write_text(f"{SECRET} has a nodule. No effusion.")
    (tmp_path / "a.txt").write_text(f"Seen with {SECRET}.")
    cases, problems = read(tmp_path, kind)
    assert not problems
    assert len(cases) == 252
    assert not any(SECRET in shown(case) for case in cases)
    assert any(case.text == "[REMOVED] has a nodule. No effusion." for case in cases)


@pytest.mark.proof("planted values")
@pytest.mark.parametrize("table", ["t.csv", "r.jsonl"])
def test_dicom_named_by_a_table_is_deidentified(tmp_path, table):
    scan(tmp_path / "x.dcm")
    row = {
        "id": f"{SECRET}-1",
        "image": "x.dcm",
        "text": f"{SECRET}: No effusion.",
        "patient_id": SECRET,
    }
    lines = [",".join(row), ",".join(row.values())] if table == "t.csv" else [json.dumps(row)]
    (tmp_path / table).write_text("\n".join(lines))
    (case,), problems = read(tmp_path / table)
    assert not problems
    assert SECRET not in shown(case)
    assert case.text == "[REMOVED]: No effusion."


@pytest.mark.proof("planted values")
@pytest.mark.parametrize("beside", ["picture", "table"])
def test_every_field_beside_a_header_is_deidentified(tmp_path, beside):
    own = scan(tmp_path / "a.dcm", StudyDate="20200105", InstitutionName=f"{SECRET} Hospital")
    fields = {"patient_id": SECRET, "date": "2020-01-05", "modality": f"{SECRET} scanner"}
    fields |= {"source": f"{SECRET} Hospital", "licence": f"by {SECRET}", "text": "No effusion."}
    if beside == "picture":
        Image.new("L", (8, 8)).save(tmp_path / "b.png")
        (tmp_path / "b.json").write_text(json.dumps(fields))
        of_dicom, case = read(tmp_path)[0]
    else:
        (tmp_path / "t.jsonl").write_text(json.dumps({"id": "1", "image": own.name, **fields}))
        (of_dicom, *_), ((case,), _) = read(tmp_path)[0], read(tmp_path / "t.jsonl")
    assert SECRET not in repr((case.source, case.licence, case.modality))
    assert (case.patient_id, case.date) == (of_dicom.patient_id, of_dicom.date)


def test_without_preamble(tmp_path):
    scan(tmp_path / "a.dcm", preamble=False)
    assert recognise(tmp_path).name == "dicom"
    (case,), problems = read(tmp_path)
    assert (case.modality, problems) == ("ct", [])


@pytest.mark.parametrize(
    ("sop_class", "number", "title"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.67", "1", "X-Ray Radiation Dose Report"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "113000", "Of Interest"),
        (BASIC_TEXT_SR, "113701", "Report"),
        (BASIC_TEXT_SR, "113000", "Of Interest"),
        (BASIC_TEXT_SR, "1", "Radiation dose summary"),
    ],
)
def test_doses_and_key_objects_are_no_reports(tmp_path, sop_class, number, title):
    scan(tmp_path / "ct.dcm")
    ds = header(sop_class, seed="sr")
    ds.ConceptNameCodeSequence = code(title)
    ds.ConceptNameCodeSequence[0].CodeValue = number
    ds.ContentSequence = [content("TEXT", "DLP", TextValue="512 mGy cm")]
    save(ds, tmp_path / "sr.dcm")
    (case,), problems = read(tmp_path)
    assert (case.text, problems) == ("", [])


@pytest.mark.parametrize("number", ["66.4", "66.7", "481.2"])
def test_maps_over_other_pixels_are_no_cases(tmp_path, number):
    scan(tmp_path / "ct.dcm")
    sop_class = f"1.2.840.10008.5.1.4.1.1.{number}"
    save(with_pixels(header(sop_class, seed="map"), ramp()), tmp_path / "map.dcm")
    cases, problems = read(tmp_path)
    assert (len(cases), problems) == (1, [])


def test_a_pipe_blocks_nothing(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    os.mkfifo(tmp_path / "t.csv")
    cases, problems = read(tmp_path)
    assert (len(cases), problems) == (1, [])
    for kind in ("table", "auto"):
        with pytest.raises(CorpusError, match="regular file"):
            read(tmp_path / "t.csv", kind)


def test_two_folders_with_one_file_name_stay_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "images").mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / name / "images" / "scan1.png")
    ids = {read(tmp_path / name / "images")[0][0].id for name in ("a", "b")}
    assert len(ids) == 2


def test_another_case_under_a_used_id_is_a_problem():
    one, other = Case(id="1", text="a"), Case(id="1", text="b")
    first, again, problem = unique([one, one, other])
    assert (first, again) == (one, one)
    assert isinstance(problem, Problem)
    assert "same id" in problem.reason


def test_many_problems_are_counted(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("id,text\n" + "x\n" * (MAX_PROBLEMS + 500))
    _, problems = read(file)
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1].reason.startswith("500 more")


def test_odd_values_cost_at_most_their_row(tmp_path):
    rows = ['{"id": "1", "text": "a", "meta": {"x": 1e999, "y": NaN}}', '{"id": 2.0, "text": "b"}']
    rows.append('{"id": "3", "text": "c", "meta": {"x": ["\\ud800"]}}')
    (tmp_path / "r.jsonl").write_text("\n".join(rows))
    cases, problems = read(tmp_path / "r.jsonl")
    assert [(case.id, dict(case.meta)) for case in cases] == [
        ("1", {"x": None, "y": None}),
        ("2", {}),
    ]
    assert [problem.line for problem in problems] == [3]


@pytest.mark.parametrize(("sound", "line"), [(0, 23), (30, 64)])
def test_a_corpus_that_is_mostly_broken_is_read_no_further(tmp_path, monkeypatch, sound, line):
    monkeypatch.setattr("mmedrag.datasets.rows.MAX_BROKEN", 20)
    monkeypatch.setattr("mmedrag.datasets.MAX_PROBLEMS", 5)
    file = tmp_path / "t.csv"
    good = "".join(f"{n},No mass.\n" for n in range(sound))
    file.write_text(f'id,text\n{good}a,"never closed\n' + "x\n" * 100 + "b,last\n")
    cases, problems = read(file)
    assert len(cases) == sound + 1
    assert f"after line {line} the rest was not read" in problems[-1].reason
    assert extent(file) < sound + 60


def test_a_corpus_with_more_sound_rows_than_broken_ones_is_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.datasets.rows.MAX_BROKEN", 20)
    file = tmp_path / "t.csv"
    file.write_text("id,text\n" + "".join(f"{n},No mass.\n{n}\n" for n in range(100)))
    assert sum(isinstance(item, Case) for item in read_corpus(file)) == 100


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for _ in range(30):  # names longer than a path may be
        os.mkdir("d" * 200)  # noqa: PTH102
        os.chdir("d" * 200)
    monkeypatch.chdir(tmp_path)
    case, problem = read_corpus(tmp_path)
    assert isinstance(case, Case)
    assert isinstance(problem, Problem)
    assert "cannot be listed" in problem.reason


def test_a_casebase_within_its_corpus_is_not_read(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    casebase = tmp_path / "my.casebase"
    (casebase / "thumbnails" / "ab").mkdir(parents=True)
    (casebase / "casebase.db").touch()
    Image.new("L", (8, 8)).save(casebase / "thumbnails" / "ab" / "abc.jpg")
    for kind in ("auto", "folder"):
        cases, problems = read(tmp_path, kind)
        assert [case.image.name for case in cases] == ["a.png"]
        assert not problems
    assert extent(tmp_path) == 1
    with pytest.raises(CorpusError, match=r"is a casebase, no corpus.*mmedrag export"):
        recognise(casebase)


def test_no_picture_is_passed_over_in_silence(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    Image.new("L", (8, 8)).save(tmp_path / "b.gif")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    cases, problems = read(tmp_path)
    assert [case.image.name for case in cases] == ["a.png"]
    assert [(problem.file.name, problem.reason) for problem in problems] == [
        ("gone.png", "a link to a file that is not there"),
        (
            "b.gif",
            "pictures of other formats that are not read: 1, of which this is the first; "
            "convert them to PNG, as 'magick mogrify -format png FILES' does",
        ),
    ]


def test_a_folder_of_foreign_pictures_says_what_they_are(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.webp")
    with pytest.raises(CorpusError, match=r"a\.webp: .* not read: 1, .*; convert them"):
        read(tmp_path)


@pytest.mark.parametrize("picture", [None, "a.png", "a.dcm"])
def test_what_is_not_read_is_told_by_kind(tmp_path, picture):
    (tmp_path / "sub").mkdir()
    names = ("1.nii.gz", "2.NII.GZ", "3.mha", "film.mp4", "all.zip", "t.csv.gz", "r.pdf", "w.xlsx")
    for name in (*names, "5.svs", "note.md", "7.txt", "8.txt", "README.txt"):
        (tmp_path / "sub" / name).touch()
    if picture == "a.png":
        Image.new("L", (8, 8)).save(tmp_path / picture)
    elif picture == "a.dcm":
        scan(tmp_path / picture)
    told = [
        ("volumes", 3, "1.nii.gz", "3D Slicer"),
        ("archives", 2, "all.zip", "unpack them"),
        ("whole slides", 1, "5.svs", "QuPath"),
        ("videos", 1, "film.mp4", "ffmpeg"),
        ("workbooks", 1, "w.xlsx", "CSV"),
        ("documents", 1, "r.pdf", ".txt"),
        ("texts beside no picture of their name", 2, "7.txt", "a.txt, a.png"),
    ]
    if picture is None:
        with pytest.raises(CorpusError) as raised:
            read(tmp_path)
        said = raised.value.remedy
    else:
        cases, problems = read(tmp_path)
        assert len(cases) == 1
        said = "; ".join(str(p) for p in problems if p.file.name not in ("note.md", "README.txt"))
    assert said.count("that are not read") == len(told)
    for kind, count, first, remedy in told:
        counted = f"{first}: {kind} that are not read: {count}, of which this is the first; "
        assert remedy in said.partition(counted)[2].partition("; ")[0]


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("A.PNG", "A.TXT"),
        ("a.png", "a.TXT"),
        ("o\u0308.png", "\u00f6.txt"),
        ("\u00f6.png", "o\u0308.txt"),
    ],
)
def test_a_report_beside_an_image_is_found_however_its_name_is_written(tmp_path, image, text):
    Image.new("L", (8, 8)).save(tmp_path / image)
    (tmp_path / text).write_text("No effusion.")
    cases, problems = read(tmp_path)
    assert [case.text for case in cases] == ["No effusion."]
    assert not problems


def test_a_report_in_capitals_beside_a_dicom_file_is_no_problem(tmp_path):
    scan(tmp_path / "A.DCM")
    (tmp_path / "A.TXT").write_text("No effusion.")
    cases, problems = read(tmp_path)
    assert [case.text for case in cases] == ["No effusion."]
    assert not problems


@pytest.mark.parametrize(
    ("fields", "text", "labels", "meta"),
    [
        ({"report": "Clear.", "label": "a;b"}, "Clear.", ("a", "b"), {}),
        ({"findings": "F.", "impression": "I."}, "Findings: F.\nImpression: I.", (), {}),
        ({"text": "N/A", "report": "y", "tags": ["t"]}, "N/A", ("t",), {"report": "y"}),
        ({"text": "x", "labels": "a;b", "path": "p"}, "x", ("a;b",), {"path": "p"}),
        ({"caption": "<b>No</b> mass", "name": "n"}, "No mass", (), {"name": "n"}),
    ],
)
def test_fields_beside_an_image_by_other_names(tmp_path, fields, text, labels, meta):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps(fields))
    (case,), problems = read(tmp_path)
    assert (case.text, case.labels, case.meta) == (text, labels, meta)
    assert case.id.endswith("/a.png")
    assert not problems


def test_a_field_beside_an_image_that_is_no_text(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps({"findings": ["x"]}))
    assert [problem.reason for problem in read(tmp_path)[1]] == ["findings is not a string"]


def test_a_text_and_fields_beside_one_image(tmp_path):
    scan(tmp_path / "scan.dcm")
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    for name in ("a.png", "b.png", "scan.dcm"):
        (tmp_path / f"{name}.txt").write_text("No effusion.")
    (tmp_path / "a.json").write_text(json.dumps({"labels": ["l"]}))
    (tmp_path / "b.png.json").write_text(json.dumps({"text": "Effusion."}))
    (of_dicom, a, b), problems = read(tmp_path)
    assert [(c.text, c.labels) for c in (a, b)] == [("No effusion.", ("l",)), ("Effusion.", ())]
    assert of_dicom.text == "No effusion."
    assert not problems


def test_why_a_file_is_no_picture(tmp_path, monkeypatch):
    for name, data in (("a.png", b""), ("b.png", b"<html>"), ("c.png", b"\x89PNG\r\n\x1a\n")):
        (tmp_path / name).write_bytes(data)
    Image.new("L", (8, 8)).save(tmp_path / "d.png")
    own_open = Path.open

    def refused(path, *options):
        if path.name == "c.png":
            raise PermissionError(13, "Permission denied", str(path))
        return own_open(path, *options)

    monkeypatch.setattr(Path, "open", refused)
    _, problems = read(tmp_path)
    assert [(p.file.name, p.reason) for p in problems] == [
        ("a.png", "is empty: copy it again"),
        ("b.png", "is not a PNG, JPEG, TIFF, BMP or DICOM file: convert it"),
        ("c.png", "cannot be read (Permission denied): check its rights and its disk"),
    ]
