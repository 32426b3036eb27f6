"""The native format: what is read, what is a problem, and that writing and reading agree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dicom_files import header, ramp, save, with_pixels
from mmedrag.datasets import read_corpus, write_records
from mmedrag.datasets.corpus import read_corpus as read_measured
from mmedrag.datasets.records import read_records, readable
from mmedrag.datasets.rows import MAX_LINE
from mmedrag.datasets.ties import read_sets
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem
from proofs import examples


def corpus(folder: Path, *rows: object) -> Path:
    file = folder / "records.jsonl"
    file.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    )
    return file


def read(path: Path, **options) -> tuple[list[Case], list[Problem]]:
    found = list(read_records(path, **options))
    return (
        [item for item in found if isinstance(item, Case)],
        [item for item in found if isinstance(item, Problem)],
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("L", (8, 8), 90).save(tmp_path / "images" / "a.png")
    return tmp_path


def test_every_field(folder):
    file = corpus(
        folder,
        {
            "id": "1",
            "image": "images/a.png",
            "text": " Clear lungs. ",
            "domain": "radiology",
            "modality": "xray",
            "patient_id": 7,
            "study_id": "s",
            "date": "2020-01-02",
            "labels": ["normal"],
            "source_repo": "here",
            "license": "CC0",
            "split": "train",
            "meta": {"view": "PA"},
            "lang": "en",
            "orig_size": [8, 8],
        },
    )
    (case,), problems = read(file)
    assert not problems
    assert case == Case(
        id="1",
        text="Clear lungs.",
        image=folder / "images" / "a.png",
        domain=Domain.RADIOLOGY,
        modality="xray",
        patient_id="7",
        study_id="s",
        date="2020-01-02",
        labels=("normal",),
        source="here",
        licence="CC0",
        split="train",
        meta={"view": "PA", "lang": "en", "orig_size": [8, 8]},
    )


def test_nulls_and_a_domain_for_those_without(folder):
    file = corpus(
        folder,
        {"id": 1, "text": "a", "image": None, "date": None, "labels": None, "domain": None},
        {"id": 2, "text": "b", "domain": "pathology"},
        {"id": 3, "text": "c", "domain": "dermatology"},
    )
    cases, problems = read(file, domain=Domain.RADIOLOGY)
    assert not problems
    assert [case.domain for case in cases] == [Domain.RADIOLOGY, Domain.PATHOLOGY, None]
    assert cases[2].meta == {"domain": "dermatology"}


@pytest.mark.parametrize(
    ("fields", "diagnosis"),
    [
        ({"diagnosis": " Glioma "}, "Glioma"),
        ({"meta": {"diagnosis": "Glioma"}}, "Glioma"),
        ({"diagnosis": "", "meta": {"diagnosis": "Glioma"}}, ""),
        ({"meta": {"case_diagnosis": "Glioma", "case_title": "Headache"}}, "Glioma"),
        ({"meta": {"diagnoses": ["Glioma", None, "Oedema", "Glioma"]}}, "Glioma; Oedema"),
        ({"text_kind": "diagnosis"}, "A mass."),
        ({"text_kind": "label", "labels": ["glioma", "tumour"]}, "glioma; tumour"),
        ({"text_kind": "report", "labels": ["glioma"]}, ""),
        ({"meta": {"diagnosis": {"code": 1}}}, ""),
    ],
)
def test_where_a_diagnosis_comes_from(tmp_path, fields, diagnosis):
    (case,), _ = read(corpus(tmp_path, {"id": "1", "text": "A mass.", **fields}))
    assert case.diagnosis == diagnosis
    assert all(case.meta[key] == value for key, value in fields.get("meta", {}).items())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "nested too deep"),
        ('{"id": "1", "text": "x", "meta": ' + '{"a":' * 100 + "1" + "}" * 101, "nested deeper"),
        ('{"id": "1", "text": "\\ud800"}', "half a Unicode character"),
        ({"text": "no id"}, "no id"),
        ({"id": "", "text": "x"}, "no id"),
        ({"id": True, "text": "x"}, "no id"),
        ({"id": "x" * 600, "text": "x"}, "longer than"),
        ({"id": "1"}, "neither text nor image"),
        ({"id": "1", "text": ["x"]}, "text is not a string"),
        ({"id": "1", "text": "x", "meta": []}, "meta is not an object"),
        ({"id": "1", "text": "x", "modality": {}}, "modality is not a string"),
        ({"id": "1", "text": "x", "labels": [[]]}, "labels"),
        ({"id": "1", "text": "x", "frame": -1}, "frame"),
        ({"id": "1", "text": "x", "image": 5}, "image holds no path"),
        ({"id": "1", "text": "\n{\\rtf1\\ansi No effusion.}"}, "RTF"),
        ({"id": "1", "text": "x", "image": "images/absent.png"}, "does not exist"),
        ({"id": "1", "text": "x", "image": "images"}, "does not exist"),
        ({"id": "1", "text": "x", "image": "n" * 5000}, "does not exist"),
        ({"id": "1", "text": "x", "image": "/etc/passwd"}, "outside"),
        ({"id": "1", "text": "x", "image": "../records.jsonl"}, "outside"),
        ({"id": "1", "text": "x", "image": "images/../../x.png"}, "outside"),
        ({"id": "1", "text": "x", "image": "a\0.png"}, "outside"),
        ("x" * (MAX_LINE + 5), "longer than 4 MiB"),
    ],
)
def test_a_bad_row_is_a_problem_and_the_next_is_read(folder, row, reason):
    file = corpus(folder, row, {"id": "good", "text": "still read"})
    cases, problems = read(file)
    assert [case.id for case in cases] == ["good"]
    assert [problem.line for problem in problems] == [1]
    assert reason in problems[0].reason
    assert len(str(problems[0])) < 1000


def test_a_100_mb_line_is_passed_over(tmp_path):
    file = tmp_path / "big.jsonl"
    with file.open("wb") as opened:
        opened.write(b'{"id": "')
        opened.seek(100 * 2**20)
        opened.write(b'"}\n{"id": "2", "text": "next"}\n')
    cases, problems = read(file)
    assert [case.id for case in cases] == ["2"]
    assert [problem.line for problem in problems] == [1]


def test_latin_1_and_byte_order_mark(tmp_path):
    file = tmp_path / "r.jsonl"
    file.write_bytes(
        '\ufeff{"id": "1", "text": "naïve"}\n'.encode() + b'{"id": "2", "text": "na\xefve"}\n'
    )
    cases, problems = read(file)
    assert [case.text for case in cases] == ["naïve", "naïve"]
    assert "Windows-1252" in problems[0].reason


def test_repeated_id_names_the_first_line(tmp_path):
    file = corpus(
        tmp_path, {"id": "1", "text": "a"}, {"id": "2", "text": "b"}, {"id": "1", "text": "c"}
    )
    cases, problems = read(file)
    assert [case.text for case in cases] == ["a", "b"]
    assert (problems[0].line, problems[0].reason) == (3, "id '1' is that of line 1")


def test_absent_file_is_a_corpus_error(tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        list(read_records(tmp_path / "absent.jsonl"))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).map(
    str.strip
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
native = {
    "id",
    "text",
    "image",
    "frame",
    "domain",
    "modality",
    "patient_id",
    "study_id",
    "date",
    "labels",
    "diagnosis",
}


@given(
    st.lists(
        st.builds(
            Case,
            id=texts.filter(bool),
            text=texts.filter(bool),
            domain=st.none() | st.sampled_from(list(Domain)),
            frame=st.integers(0, 9),
            modality=texts,
            patient_id=texts,
            study_id=texts,
            date=texts,
            labels=st.lists(texts.filter(bool), max_size=3).map(tuple),
            diagnosis=texts,
            source=texts,
            licence=texts,
            split=texts,
            meta=st.dictionaries(texts, plain, max_size=3),
        ),
        max_size=4,
        unique_by=lambda case: case.id,
    )
)
@settings(max_examples=examples(60), deadline=None)
def test_writing_and_reading_agree(tmp_path_factory, cases):
    file = tmp_path_factory.mktemp("export") / "records.jsonl"
    assert write_records(cases, file) == (len(cases), [])
    assert read(file) == (cases, [])


def test_export_carries_its_images(folder, tmp_path_factory):
    (case,), _ = read(corpus(folder, {"id": "1", "image": "images/a.png", "text": "t"}))
    gone = Case(id="2", text="t", image=folder / "gone.png")
    file = tmp_path_factory.mktemp("elsewhere") / "new" / "records.jsonl"
    count, problems = write_records([case, gone, Case(id="3", image=folder / "gone.png")], file)
    assert count == 2
    assert [problem.file.name for problem in problems] == ["gone.png", "gone.png"]
    (copied, without), _ = read(file)
    assert copied.image is not None
    assert case.image is not None
    assert copied.image.read_bytes() == case.image.read_bytes()
    assert copied.image.is_relative_to(file.parent)
    assert without.image is None
    assert [item.name for item in file.parent.iterdir() if item.name.startswith(".")] == []


def test_the_frame_of_a_dicom_file(tmp_path):
    save(with_pixels(header(), np.stack([ramp()] * 5)), tmp_path / "a.dcm")
    rows = [{"id": str(n), "image": "a.dcm", "frame": n} for n in (0, 4)]
    cases, problems = read(corpus(tmp_path, *rows, {"id": "usual", "image": "a.dcm"}))
    assert not problems
    assert [case.frame for case in cases] == [0, 4, 2]
    write_records(cases, tmp_path / "again.jsonl")
    assert read(tmp_path / "again.jsonl")[0] == cases


def test_an_export_that_fails_leaves_the_old_file(tmp_path):
    file = tmp_path / "records.jsonl"
    write_records([Case(id="1", text="old")], file)

    def failing():
        yield Case(id="2", text="new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(failing(), file)
    assert [case.text for case in read(file)[0]] == ["old"]
    assert list(tmp_path.iterdir()) == [file]


@given(
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=10),
    tail=st.binary(max_size=60),
)
@settings(max_examples=examples(150), deadline=None)
def test_damaged_files_give_cases_and_problems(tmp_path_factory, flips, tail):
    rows = [{"id": str(i), "text": "words é", "labels": ["a"], "meta": {"n": i}} for i in range(5)]
    data = bytearray("".join(json.dumps(row) + "\n" for row in rows).encode())
    for place, value in flips:
        data[place % len(data)] ^= value
    file = tmp_path_factory.mktemp("damaged") / "records.jsonl"
    file.write_bytes(bytes(data) + tail)
    for item in read_corpus(file, "records"):
        assert isinstance(item, Case | Problem)
        if isinstance(item, Case):
            json.dumps(item.meta).encode()
            item.text.encode()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_records_as_windows_writes_them(tmp_path, encoding):
    file = tmp_path / "r.jsonl"
    rows = "".join(f'{{"id": "{n}", "text": "Größe {n}"}}\r\n' for n in range(3))
    file.write_bytes(rows.encode(encoding))
    assert [item.text for item in read_corpus(file)] == ["Größe 0", "Größe 1", "Größe 2"]


def test_a_line_that_is_no_utf8_is_read_with_a_remark(tmp_path):
    file = tmp_path / "r.jsonl"
    lines = ['{"id": "1", "text": "Größe"}', '{"id": "2", "text": "Öl"}']
    file.write_bytes(lines[0].encode("cp1252") + b"\n" + lines[1].encode())
    remark, *cases = read_corpus(file)
    assert (remark.line, remark.stored) == (1, True)
    assert [case.text for case in cases] == ["Größe", "Öl"]


@pytest.mark.parametrize(
    "line", ['{"id": "1", "text": "x"},', '{"id": "1"} {"id": "2"}', "{'id': 1}"]
)
def test_a_file_of_no_json_says_what_is_wrong_with_its_first_line(tmp_path, line):
    (tmp_path / "records.jsonl").write_text(f"{line}\n{line}\n")
    with pytest.raises(CorpusError, match=r"jsonl:1: not valid JSON"):
        list(read_corpus(tmp_path / "records.jsonl"))


def test_a_row_of_other_names_says_which_it_has(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text('{"id": "1", "report": "a"}\n{"id": "2", "text": "", "view": "PA"}\n', "utf-8")
    assert [problem.reason for problem in read_records(file)] == [
        "neither text nor image; its fields are called id, report",
        "neither text nor image",
    ]


def test_a_file_of_which_no_row_can_be_read_says_why(tmp_path):
    file = corpus(tmp_path, *({"id": f"{i}", "image": f"gone{i}.png"} for i in range(3)))
    for reader in (readable, lambda f: read_sets([f]), lambda f: read_measured([f])):
        with pytest.raises(CorpusError, match=r"None of 3 rows .*'gone0.png' does not exist"):
            reader(file)
    file = corpus(tmp_path, {"id": "0", "image": "gone.png"}, {"id": "1", "text": "Effusion."})
    cases, problems = readable(file)
    assert [c.id for c in cases] == ["1"]
    assert len(problems) == 1
