"""CSV, TSV, Parquet, and JSON of other names than the native ones."""

from __future__ import annotations

import builtins
import datetime
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmedrag.datasets import read_corpus
from mmedrag.datasets.tables import read_table
from mmedrag.errors import CorpusError, MissingExtra, MMedRAGError
from mmedrag.types import Case, Domain, Problem
from proofs import examples


def read(path: Path, **options) -> tuple[list[Case], list[Problem]]:
    found = list(read_corpus(path, **options))
    return (
        [item for item in found if isinstance(item, Case)],
        [item for item in found if isinstance(item, Problem)],
    )


def write(folder: Path, text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return file


def test_recognised_columns(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    file = write(
        tmp_path,
        "ID,File_Name,Report,Domain,Labels,Age,Frame\n"
        '1,a.png,"Two lines,\none report",pathology,a;b|c,61,0\n',
    )
    (case,), problems = read(file)
    assert not problems
    assert case == Case(
        id="1",
        image=tmp_path / "a.png",
        text="Two lines,\none report",
        domain=Domain.PATHOLOGY,
        labels=("a", "b", "c"),
        meta={"Age": "61"},
    )


def test_mapped_columns(tmp_path):
    file = write(tmp_path, "befund\tnummer\ntext one\t8\n", "table.tsv")
    (case,), _ = read(file, columns={"text": "befund", "id": "Nummer"}, domain=Domain.RADIOLOGY)
    assert (case.id, case.text, case.domain) == ("8", "text one", Domain.RADIOLOGY)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_delimiters_and_encodings(tmp_path, delimiter, encoding):
    file = write(tmp_path, f"id{delimiter}text\n1{delimiter}Läsion\n", encoding=encoding)
    (case,), problems = read(file)
    assert [p.reason for p in problems] == (
        ["not UTF-8 text: from this line on it was read as Windows-1252"]
        if encoding == "cp1252"
        else []
    )
    assert (case.id, case.text) == ("1", "Läsion")


def test_a_letter_cut_by_the_block_does_not_decide_the_encoding(tmp_path):
    file = write(
        tmp_path, "id,text\n" + "".join(f"{i},{'x' * (i % 7)}{'é' * 900}\n" for i in range(1200))
    )
    assert all("Ã" not in case.text for case in read(file)[0])


def test_without_an_id_the_line_is_the_id(tmp_path):
    cases, _ = read(write(tmp_path, "caption\nfirst\nsecond\n"))
    assert [case.id.rpartition("/")[2] for case in cases] == ["row-2", "row-3"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,a,b,c", "columns"),
        ("1", "columns"),
        (",a", "no id"),
        ("0,again", "is that of line 2"),
        ("1,", "neither text nor image"),
        ("1," + "x" * 200_000, "field larger"),
    ],
)
def test_bad_rows(tmp_path, row, reason):
    cases, problems = read(write(tmp_path, f"id,text\n0,first\n{row}\n9,last\n"))
    assert [case.id for case in cases] == ["0", "9"]
    assert [problem.line for problem in problems] == [3]
    assert reason in problems[0].reason


def test_an_open_quote_does_not_swallow_the_file_silently(tmp_path):
    file = write(
        tmp_path,
        'id,text\n1,"never closed\n' + "".join(f"{i},row {'x' * 100}\n" for i in range(2, 5000)),
    )
    cases, problems = read(file)
    assert problems
    assert len(cases) > 2000


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("", {}, "no header"),
        ("\n", {}, "no header"),
        ("a,b\n1,2\n", {}, "no column of texts"),
        ("id,text\n1,a\n", {"columns": {"text": "report"}}, "no column report"),
        ("id,text\n1,a\n", {"columns": {"colour": "text"}}, "No field is called colour"),
        ("id,text\n" + "\0" * 20, {}, "not a table"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, options, reason):
    with pytest.raises(CorpusError, match=reason):
        read(write(tmp_path, text), **options)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark(tmp_path, encoding):
    (case,), problems = read(write(tmp_path, "id,text\n1,Läsion\n", encoding=encoding))
    assert not problems
    assert (case.id, case.text) == ("1", "Läsion")


def test_a_dash_in_the_place_of_a_value_is_none(tmp_path):
    lines = "id,findings,impression,patient_id,image,Rh\n1,-,Nodule,–,-,-\n2,-,--,-,—,+\n"
    (case,), (problem,) = read(write(tmp_path, lines))
    assert (case.text, case.patient_id, case.image, case.meta) == ("Nodule", "", None, {"Rh": "-"})
    assert (problem.line, problem.reason) == (3, "neither text nor image")


def test_utf_16_as_excel_saves_unicode_text(tmp_path):
    (case,), problems = read(write(tmp_path, "id\ttext\r\n1\tLäsion\r\n", encoding="utf-16"))
    assert (case.id, case.text, problems) == ("1", "Läsion", [])


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table(
        {
            "id": [1, 2, 3],
            "text": ["one", "two", None],
            "labels": [["a"], [], None],
            "when": [datetime.date(2020, 1, 2), None, None],
            "raw": [b"\0", b"", None],
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    cases, problems = read(tmp_path / "t.parquet")
    assert [(case.id, case.text, case.labels) for case in cases] == [
        ("1", "one", ("a",)),
        ("2", "two", ()),
    ]
    assert cases[0].meta == {"when": "2020-01-02"}
    assert [problem.line for problem in problems] == [3]


def test_damaged_parquet_is_a_corpus_error(tmp_path):
    pytest.importorskip("pyarrow")
    file = tmp_path / "t.parquet"
    file.write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(CorpusError, match="not valid Parquet"):
        read(file)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    original = builtins.__import__

    def without(name, *args, **options):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra) as caught:
        read(tmp_path / "t.parquet")
    assert "mmedrag[parquet]" in caught.value.remedy


@given(
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=10),
    tail=st.binary(max_size=60),
)
@settings(max_examples=examples(150), deadline=None)
def test_damaged_tables_give_cases_problems_or_corpus_errors(tmp_path_factory, flips, tail):
    data = bytearray(
        b"id,text,labels\n" + b"".join(b'%d,"some, words",a;b\n' % i for i in range(6))
    )
    for place, value in flips:
        data[place % len(data)] ^= value
    file = tmp_path_factory.mktemp("damaged") / "t.csv"
    file.write_bytes(bytes(data) + tail)
    try:
        items = list(read_corpus(file, "table"))
    except MMedRAGError:
        return
    assert all(isinstance(item, Case | Problem) for item in items)


def test_a_stray_zero_byte_costs_nothing(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"id,text\n1,a\0b\n2,ok\n")
    assert [case.text for case in read_table(tmp_path / "t.csv")] == ["ab", "ok"]


def test_sections_are_known_in_the_plural_and_before_a_colon(tmp_path):
    (tmp_path / "t.csv").write_text("id,FINDINGS:,Impressions\n1,Clear.,Normal.\n")
    (case,) = read_table(tmp_path / "t.csv")
    assert case.text == "Findings: Clear.\nImpressions: Normal."


def test_bare_names_are_looked_for_in_folders_of_pictures(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("L", (40, 40)).save(tmp_path / "images" / "a.png")
    file = write(tmp_path, "id,text,image\n1,x,a.png\n2,y,a\n3,z,b.png\n4,w,../secret.png\n")
    cases, problems = read(file)
    assert [case.image for case in cases] == [tmp_path / "images" / "a.png"] * 2
    assert [problem.line for problem in problems] == [4, 5]


def test_a_column_of_pictures_that_is_not_the_image_is_named(tmp_path):
    Image.new("L", (40, 40)).save(tmp_path / "a.png")
    file = write(tmp_path, "id,text,frontal\n1,x,a.png\n")
    (case,), (problem,) = read(file)
    assert (case.image, problem.stored) == (None, True)
    assert "image=frontal" in problem.reason
    (case,), problems = read(file, columns={"image": "frontal"})
    assert (case.image, problems) == (tmp_path / "a.png", [])


@pytest.mark.parametrize("column", ["Opinion", "interpretation", "CONCLUSION"])
def test_other_names_of_an_impression(tmp_path, column):
    (case,), _ = read(write(tmp_path, f"id,findings,{column}\n1,Clear.,Normal.\n"))
    assert case.text == f"Findings: Clear.\n{column.capitalize()}: Normal."


def test_a_remark_before_the_header_is_passed_over(tmp_path):
    (case,), problems = read(write(tmp_path, "# exported today\n\n#\nid;text\n1;a, b\n"))
    assert (case.text, problems) == ("a, b", [])
    (case,), _ = read(write(tmp_path, "#,text\n1,a\n"))
    assert case.meta == {"#": "1"}


@pytest.mark.parametrize(
    ("title", "named"),
    [
        ("Radiology export 2024\n", 1),
        ("Export of PACS, hospital X\n\n", 1),
        ("PACS\nAll rows\n", 2),
    ],
)
def test_titles_before_the_header_are_passed_over(tmp_path, title, named):
    cases, problems = read(write(tmp_path, f"{title}id,report\n1,No effusion\n2,Effusion\n"))
    assert [case.text for case in cases] == ["No effusion", "Effusion"]
    assert [p.line for p in problems] == list(range(1, named + 1))
    assert all("before the header" in p.reason and p.stored for p in problems)


def test_a_header_with_unknown_names_is_no_title(tmp_path):
    file = write(tmp_path, "befund,nummer\ntext,1\nname,2\n")
    cases, problems = read(file, columns={"text": "befund", "id": "nummer"})
    assert [(case.id, case.text) for case in cases] == [("1", "text"), ("2", "name")]
    assert not problems


def test_a_header_that_comes_again_is_no_case(tmp_path):
    cases, problems = read(write(tmp_path, "id,text\n1,No effusion\nid,text\n2,Effusion\n"))
    assert [case.id for case in cases] == ["1", "2"]
    assert [(p.line, p.reason) for p in problems] == [(3, "the header again")]


def test_the_rows_of_one_column_are_not_divided(tmp_path):
    cases, problems = read(write(tmp_path, 'text\nNo effusion, no mass\n"Air, free"\n'))
    assert [case.text for case in cases] == ["No effusion, no mass", "Air, free"]
    assert not problems


@pytest.mark.parametrize(
    "header", ["caseId,reportText", "Case ID,Report\u00a0text", "\u200bid,te\u200bxt"]
)
def test_names_of_columns_as_programs_write_them(tmp_path, header):
    (case,), problems = read(write(tmp_path, f"{header}\n1,Effusion\n"))
    assert (case.id, case.text) == ("1", "Effusion")
    assert not problems


def test_numbers_that_excel_keeps_as_text_and_its_errors(tmp_path):
    rows = 'id,text,patient_id\n="0012",x,="007"\n2,y,#DIV/0!\n3,#REF!,#NUM!\n'
    cases, problems = read(write(tmp_path, rows))
    assert [(c.id, c.patient_id) for c in cases] == [("0012", "007"), ("2", "")]
    assert [p.reason for p in problems] == ["neither text nor image"]


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"PK\x03\x04", "a.csv", "Excel workbook"),
        (b"PK\x03\x04", "a.xlsx", "Excel workbook"),
        (b"\x1f\x8b\x08", "a.csv.gz", "gzip"),
        (b"ARROW1\0\0", "a.parquet", "Arrow"),
        (b"[[1, 2]]", "a.json", "JSON array"),
    ],
)
def test_what_must_be_unpacked_first_is_named(tmp_path, head, name, kind):
    (tmp_path / name).write_bytes(head + bytes(40))
    with pytest.raises(CorpusError, match=kind):
        read(tmp_path / name)


def test_brackets_in_a_header_are_no_json(tmp_path):
    file = write(tmp_path, "[id],[text]\n1,Effusion\n")
    assert read(file)[0][0].text == "Effusion"


def parquet(folder: Path, columns) -> Path:
    table = pytest.importorskip("pyarrow").table(columns)
    pytest.importorskip("pyarrow.parquet").write_table(table, folder / "t.parquet")
    return folder / "t.parquet"


def test_texts_that_parquet_calls_bytes(tmp_path):
    (case,), _ = read(parquet(tmp_path, {"id": ["a"], "text": ["Größe".encode()]}))
    assert case.text == "Größe"


@pytest.mark.parametrize("value", [b"\x89PNG\r\n", {"bytes": b"\x89PNG", "path": "a.png"}])
def test_pictures_within_parquet_are_named(tmp_path, value):
    cases, problems = read(parquet(tmp_path, {"image": [value], "text": ["x"]}))
    assert not cases
    assert "write the pictures to files" in problems[0].reason


def test_no_column_of_parquet_hides_another(tmp_path):
    pa = pytest.importorskip("pyarrow")
    arrays = [pa.array(["a"]), pa.array(["x"]), pa.array(["y"])]
    file = parquet(tmp_path, pa.Table.from_arrays(arrays, names=["id", "text", "text"]))
    (case,), _ = read(file)
    assert (case.text, case.meta) == ("x", {"text.2": "y"})


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_disk_that_fails_is_a_clear_error():
    with pytest.raises(CorpusError, match=r"cannot be read \(Input/output error\)"):
        read(Path("/proc/self/mem"))


def test_a_disk_that_fails_while_it_is_read_is_a_clear_error(tmp_path, monkeypatch):
    file = write(tmp_path, "id,text\n1,x\n2,y\n")

    def broken(*_):
        raise OSError(5, "Input/output error", str(file))

    monkeypatch.setattr("mmedrag.datasets.tables._Table.cases", broken)
    with pytest.raises(CorpusError, match="Input/output error"):
        read(file)


def as_json(folder: Path, rows: list[dict], name: str = "table.jsonl") -> Path:
    text = json.dumps(rows) if name.endswith(".json") else "\n".join(map(json.dumps, rows))
    return write(folder, text, name)


@pytest.mark.parametrize("name", ["table.jsonl", "table.ndjson", "TABLE.JSONL", "table.json"])
def test_json_is_read_as_the_same_table_in_csv_is(tmp_path, name):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    rows = [
        {"case_id": "1", "file_name": "a.png", "report": "Effusion.", "label": "a;b", "age": "61"},
        {"case_id": "2", "file_name": "a.png", "report": "N/A", "label": "", "age": "NaN"},
    ]
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    assert read(as_json(tmp_path, rows, name)) == read(write(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_as_windows_writes_it(tmp_path, encoding):
    lines = '\r\n{"report": "Größe"}\r\n\r\n{"report": "Öl"}\r\n'
    cases, problems = read(write(tmp_path, lines, "t.jsonl", encoding))
    assert [case.text for case in cases] == ["Größe", "Öl"]
    assert not problems


def test_a_name_that_some_rows_lack_is_a_column(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    rows = [{"findings": "Clear."}, {"impression": "Normal."}, {"image_path": "a.png"}]
    cases, problems = read(as_json(tmp_path, rows))
    assert [case.text for case in cases] == ["Clear.", "Normal.", ""]
    assert [case.image for case in cases] == [None, None, tmp_path / "a.png"]
    assert not problems


@pytest.mark.parametrize("row", [{"nr": 7, "befund": "Kein Erguss."}, {"id": 1, "text": "No."}])
def test_named_columns_of_json(tmp_path, row):
    number, text = row
    (case,), _ = read(as_json(tmp_path, [row]), columns={"id": number, "text": text})
    assert (case.id, case.text) == (str(row[number]), row[text])
    with pytest.raises(CorpusError, match=f"no column report. It has {number}, {text}"):
        read(as_json(tmp_path, [row]), columns={"text": "report"})


@pytest.mark.parametrize(
    ("row", "text", "labels"),
    [
        ({"id": "1", "text": "N/A", "labels": "a;b"}, "N/A", ("a;b",)),
        ({"id": "1", "text": "x", "report": "y", "labels": "a;b"}, "x", ("a;b",)),
        ({"id": "1", "text": "x", "path": "x.pdf", "labels": "a;b"}, "x", ("a;b",)),
        ({"id": "1", "report": "y", "labels": "a;b"}, "y", ("a", "b")),
        ({"text": "x", "labels": "a;b"}, "x", ("a", "b")),
    ],
)
def test_rows_of_the_native_names_are_native(tmp_path, row, text, labels):
    (case,), _ = read(as_json(tmp_path, [row]))
    assert (case.text, case.labels) == (text, labels)


def test_an_image_by_another_name_beside_an_id_and_a_text(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (case,), _ = read(as_json(tmp_path, [{"id": "1", "text": "x", "img_path": "a.png"}]))
    assert case.image == tmp_path / "a.png"


def test_meta_of_json_stays_as_it_is(tmp_path):
    (case,), _ = read(as_json(tmp_path, [{"report": "x", "view": "PA", "meta": {"n": [1]}}]))
    assert case.meta == {"view": "PA", "n": [1]}


def test_an_image_and_a_caption_are_not_yet_pmc_oa(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "images" / "a.png")
    (case,), problems = read(as_json(tmp_path, [{"image": "images/a.png", "caption": "A."}]))
    assert (case.text, case.image, case.source) == ("A.", tmp_path / "images" / "a.png", "")
    assert not problems


def test_json_that_is_no_row_costs_itself(tmp_path):
    rows = [{"report": "a"}, {"findings": ["b"]}, {"report": ["c"]}, {"report": "d"}]
    cases, problems = read(as_json(tmp_path, rows))
    assert [case.text for case in cases] == ["a", "d"]
    assert [(problem.line, problem.reason) for problem in problems] == [
        (2, "findings is not a string"),
        (3, "text is not a string"),
    ]


def test_what_follows_an_array_is_not_passed_over(tmp_path):
    file = write(tmp_path, '[{"report": "a"},\n{"report": b},\n{"report": "c"}]\n[1]', "t.json")
    cases, problems = read(file)
    assert [case.text for case in cases] == ["a", "c"]
    assert [(problem.line, problem.reason) for problem in problems] == [
        (2, "not valid JSON; the rest of its line was passed over"),
        (4, "not a JSON object"),
    ]


def test_an_array_that_is_too_large_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.datasets.rows.MAX_SIDE_TABLE", 20)
    with pytest.raises(CorpusError, match=r"larger than .* one a line"):
        read(as_json(tmp_path, [{"report": "No effusion at all."}], "t.json"))


def test_reports_that_are_html(tmp_path):
    rows = 'id,report,dx\n1,<p>No&nbsp;mass.</p><p>Cyst.</p>,Crohn&#39;s\n2,"<5 mm, R&D",x\n'
    cases, problems = read(write(tmp_path, rows))
    assert [case.text for case in cases] == ["No mass.\nCyst.", "<5 mm, R&D"]
    assert cases[0].diagnosis == "Crohn's"
    assert not problems
    rows = "id,findings,impression\n1,<br>,A<br/>B\n2,<b>No</b> mass.,Cyst.\n"
    cases, _ = read(write(tmp_path, rows))
    assert [case.text for case in cases] == ["A\nB", "Findings: No mass.\nImpression: Cyst."]


@pytest.mark.parametrize("address", ["https://x.org/a.png", " file:///tmp/a.png", "s3://b/a.png"])
def test_an_address_is_no_file(tmp_path, address):
    _, (problem,) = read(write(tmp_path, f"id,image\n1,{address}\n"))
    assert problem.reason.endswith("is an address: fetch it, and name the file")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("t.csv", "a.png,Effusion.\nb.png,Clear.\n", r"names a picture in its first line.*image,"),
        ("t.json", '{"images": [{"id": 1}]}', "no list of cases.*array of objects"),
        ("t.json", "[1, 2]", "JSON array.*one a line"),
    ],
)
def test_what_is_no_table_of_cases_says_why(tmp_path, name, text, reason):
    with pytest.raises(CorpusError, match=reason):
        read(write(tmp_path, text, name))


def test_a_picture_is_named_after_the_id_that_is_read(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "8.png")
    (case,), problems = read(write(tmp_path, "id,text\n8.0,x\n"))
    assert (case.id, case.image, problems) == ("8", tmp_path / "8.png", [])


@pytest.mark.parametrize("images", ["a.png;b.png", "a.png | b.png", "['a.png', 'b.png']"])
@pytest.mark.parametrize("as_list", [False, True])
def test_a_row_of_several_images_is_a_case_for_each(tmp_path, images, as_list):
    for name in "ab":
        Image.new("L", (4, 4)).save(tmp_path / f"{name}.png")
    row = {"id": "7", "image": ["a.png", "b.png"] if as_list else images, "text": "Clear."}
    lines = f'id,image,text\n7,"{images}",Clear.\n'
    cases, problems = read(as_json(tmp_path, [row]) if as_list else write(tmp_path, lines))
    assert [(case.id, case.study_id, case.text) for case in cases] == [
        ("7", "7", "Clear."),
        ("7/2", "7", "Clear."),
    ]
    assert [case.image for case in cases] == [tmp_path / "a.png", tmp_path / "b.png"]
    assert not problems


def test_of_several_images_one_may_be_absent(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "b.png")
    rows = [{"image_path": ["a.png", "b.png"], "report": "x", "study": "s"}]
    rows.append({"image_path": [], "report": "y"})
    (case, without), problems = read(as_json(tmp_path, rows))
    assert case.id.endswith("/row-1/2")
    assert (case.image, case.study_id) == (tmp_path / "b.png", "s")
    assert (without.text, without.image) == ("y", None)
    assert [(p.line, p.reason) for p in problems] == [(1, "image 'a.png' does not exist")]


def test_an_image_whose_name_has_a_semicolon(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png;b.png", "PNG")
    (case,), _ = read(write(tmp_path, "id,image\n1,a.png;b.png\n"))
    assert (case.image, case.study_id) == (tmp_path / "a.png;b.png", "")


def test_images_whose_names_differ_in_capitals(tmp_path):
    for name in ("images/Scan 1.png", "two/a.png", "two/A.PNG", "two/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / name)
    if (tmp_path / "TWO").exists():
        pytest.skip("this disk does not tell capitals apart")
    names = ("IMAGES\\SCAN 1.PNG", "scan 1.PNG", "./Two/B.png", "two/B.png/x", "TWO/A.png")
    names = (*names, "/two/b.PNG", "../x/two/b.png", "two")
    cases, problems = read(write(tmp_path, "image\n" + "".join(f"{name}\n" for name in names)))
    places = [case.image.relative_to(tmp_path).as_posix() for case in cases]
    assert places == ["images/Scan 1.png", "images/Scan 1.png", "two/b.png"]
    assert [problem.line for problem in problems] == [5, 6, 7, 8, 9]


def test_reports_by_split_in_one_object(tmp_path):
    for name in "abc":
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "images" / name / "0.png")
    row = {"id": "1", "report": "Effusion.", "image_path": ["a/0.png", "b/0.png"], "split": "train"}
    other = {"id": "2", "report": "Clear.", "image_path": ["c/0.png"]}
    table = tmp_path / "annotation.json"
    table.write_text(json.dumps({"train": [row, 7], "val": [other], "test": []}))
    for path in (table, tmp_path):
        cases, problems = read(path)
        assert [(c.id, c.study_id, c.split, c.text, c.image.parent.name) for c in cases] == [
            ("1", "1", "train", "Effusion.", "a"),
            ("1/2", "1", "train", "Effusion.", "b"),
            ("2", "", "val", "Clear.", "c"),
        ]
        assert [str(p) for p in problems if not p.stored] == [f"{table}:2: not a JSON object"]


def test_captions_of_images_in_one_object(tmp_path):
    for name in ("a", "b"):
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.png")
    images = [
        {"id": 7, "file_name": "a.png", "license": 1},
        {"id": 8, "file_name": "b.png", "caption": "Own."},
        "x",
    ]
    captions = [
        {"id": 1, "image_id": 7, "caption": "Effusion. "},
        {"id": 2, "image_id": 7, "caption": "No fracture."},
        {"id": 3, "image_id": 9, "caption": "Of no image."},
    ]
    table = tmp_path / "captions.json"
    table.write_text(json.dumps({"info": {}, "images": images, "annotations": captions}))
    cases, (problem,) = read(table)
    assert [(case.text, case.image.name, case.licence) for case in cases] == [
        ("Effusion.\nNo fracture.", "a.png", ""),
        ("Own.", "b.png", ""),
    ]
    assert problem.reason == "not a JSON object"
    boxes = [{"image_id": 7, "bbox": [0, 0, 1, 1]}]
    table.write_text(json.dumps({"images": images, "annotations": boxes}))
    with pytest.raises(CorpusError, match=r"no list of cases \(it has no captions of images"):
        read(table)
    cases, problems = read(tmp_path)
    assert (len(cases), "no captions" in problems[0].reason) == (2, True)


@pytest.mark.parametrize("text", ['{"train": [{"id": 1]}', '{"train": []}', '{"images": {}}'])
def test_an_object_that_holds_no_rows_says_what_to_do(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(CorpusError, match=r"no list of cases .* Write an array of objects"):
        read(tmp_path / "t.json")


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    (tmp_path / "imgs").mkdir()
    for name in "ab":
        Image.new("L", (8, 8)).save(tmp_path / "imgs" / f"{name}.jpg")
    return tmp_path


def test_questions_about_one_picture_are_a_text_with_their_answers(asked):
    columns = ("qid", "img_name", "question", "answer", "modality")
    rows = [
        (1, "a.jpg", "Is there an effusion?", "No", "CT"),
        (2, "a.jpg", "Which organ\nis shown", "Lung.", "CT"),
        (3, "a.jpg", "Is it normal?", "", "CT"),
        (4, "b.jpg", "Is there a mass?", "Yes", "MRI"),
        (5, "a.jpg", "Which side?", "", "CT"),
    ]
    table = as_json(asked, [dict(zip(columns, row, strict=True)) for row in rows], "train.json")
    for path in (table, asked):
        cases, problems = read(path)
        assert [(case.image.stem, case.text, case.modality) for case in cases] == [
            ("a", "Is there an effusion? No\nWhich organ is shown? Lung.", "CT"),
            ("b", "Is there a mass? Yes", "MRI"),
            ("a", "", "CT"),
        ]
        metas = [case.meta for case in cases]
        assert metas == [{}, {"qid": 4}, {"qid": 5, "question": "Which side?"}]
        assert all(problem.stored for problem in problems)


def test_questions_without_pictures_are_a_case_each(tmp_path):
    cases, _ = read(
        write(tmp_path, "question,answer\nWhat is a bulla,A bleb.\nAnd a cyst?,This.\n")
    )
    assert [case.text for case in cases] == ["What is a bulla? A bleb.", "And a cyst? This."]


@pytest.mark.parametrize("column", ["conversations", "conversatons"])
def test_conversations_are_texts(asked, column):
    said = [
        {"from": "human", "value": "Describe the image.\n<image>"},
        {"from": "gpt", "value": "A radiograph of the chest."},
        {"from": "human", "value": "<image>\nIs there an effusion?"},
        {"from": "gpt", "value": "No, there is none."},
        "?",
    ]
    rows = [{"id": "1", "image": "a.jpg", column: said}, {"id": "2", "image": "b.jpg", column: "x"}]
    cases, _ = read(as_json(asked, rows, "t.json"))
    assert [(case.id, case.text, case.meta) for case in cases] == [
        ("1", "A radiograph of the chest.\nIs there an effusion? No, there is none.", {}),
        ("2", "", {column: "x"}),
    ]


def test_a_text_comes_before_questions(asked):
    row = {"id": "1", "image": "imgs/a.jpg", "text": "Clear.", "question": "Is it?", "answer": "No"}
    (case,), _ = read(as_json(asked, [row]))
    assert (case.text, case.meta) == ("Clear.", {"question": "Is it?", "answer": "No"})


def test_findings_that_are_columns_are_labels_where_they_are_shown(tmp_path):
    folder = tmp_path / "Set"
    for number in range(4):
        (folder / "train" / f"patient{number}").mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / "train" / f"patient{number}" / "view1.jpg")
    lines = ["1.0,,,0,M", "0.0,1,-1.0,1,F", "0.0,0.0,1.0,True,F", "nan,-1,,,"]
    rows = [f"Set/train/patient{n}/view1.jpg,{line}" for n, line in enumerate(lines)]
    header = "Path,No Finding,Lung_Opacity,Atelectasis,Edema,Sex"
    cases, problems = read(write(folder, "\n".join([header, *rows])))
    assert not problems
    assert [case.labels for case in cases] == [
        ("No Finding",),
        ("Lung Opacity", "Edema"),
        ("Atelectasis", "Edema"),
        (),
    ]
    assert cases[1].meta == {"No Finding": "0.0", "Atelectasis": "-1.0", "Sex": "F"}
    header = header.replace("Sex", "label")
    cases, _ = read(write(folder, "\n".join([header, *rows])))
    assert [case.labels for case in cases] == [("M",), ("F",), ("F",), ()]


def test_one_column_of_a_finding_is_no_label(tmp_path):
    (case,), _ = read(write(tmp_path, "text,fracture\nClear.,1\n"))
    assert (case.labels, case.meta) == ((), {"fracture": "1"})


@pytest.mark.parametrize(
    ("header", "name"), [("image_id,dx", "a"), ("Image Index,Finding Labels", "a.png")]
)
def test_pictures_that_are_called_by_name_alone_lie_in_folders_below(tmp_path, header, name):
    for folder in ("part_1", "part_2/images"):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / folder / "c.png")
    Image.new("L", (8, 8)).save(tmp_path / "part_2" / "images" / "a.png")
    table = write(tmp_path, f"{header}\n{name},Mass|Cyst\n{name.replace('a', 'c')},Cyst\n")
    (case,), (problem,) = read(table)
    assert case.image == tmp_path / "part_2" / "images" / "a.png"
    assert case.labels == ("Mass", "Cyst")
    assert "does not exist" in problem.reason  # two have that name


def test_ids_of_patients_are_told_to_be_named(tmp_path):
    for name in ("0_left", "0_right"):
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.png")
    table = write(tmp_path, "ID,filename\n0,0_left.png\n0,0_right.png\n")
    _, (problem,) = read(table)
    reason = "id '0' is that of line 2; if it is the patient's, say patient_id=ID"
    assert problem.reason == reason
    cases, problems = read(table, columns={"patient_id": "ID"})
    assert [(case.patient_id, case.image.name) for case in cases] == [
        ("0", "0_left.png"),
        ("0", "0_right.png"),
    ]
    assert not problems
