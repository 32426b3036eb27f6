"""Delimited text as real programs write it: marks, bytes, line ends, missing values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.datasets import read_corpus
from mmedrag.datasets.delimited import csv_rows
from mmedrag.errors import MMedRAGError
from mmedrag.types import Case, Problem
from proofs import examples


def rows(folder: Path, content: str | bytes, name: str = "t.csv"):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    items = list(csv_rows(file))
    problems = [item for item in items if isinstance(item, Problem)]
    return [item for item in items if not isinstance(item, Problem)], problems


TABLE = [
    ("A", '"Swiss cheese" appearance'),
    ("B", '6" catheter in place'),
    ("C", '"Halo sign of the nodule'),
    ("D", "No effusion."),
    ("E", "Pneumothorax."),
    ("F", 'Last one"'),
    ("G", "after"),
]


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
def test_a_stray_mark_swallows_no_row(tmp_path, delimiter):
    text = "".join(f"{a}{delimiter}{b}\n" for a, b in [("id", "text"), *TABLE])
    read, problems = rows(tmp_path, text)
    assert [tuple(cells.values()) for _, cells in read] == TABLE
    assert [(p.line, "lines to 7" in p.reason) for p in problems] == [(4, True)]


def test_a_quoted_cell_may_have_lines_and_delimiters(tmp_path):
    report = "Findings: clear, no effusion.\nImpression: normal, stable.\n"
    read, problems = rows(tmp_path, f'id,text\n1,"{report}"\n2,"He ""said"""\n')
    assert [cells["text"] for _, cells in read] == [report, 'He "said"']
    assert not problems


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (r'1,"a \"ring\", thin"', 'a "ring", thin'),
        ('1,"a, b" c', "a, b c"),
        ("1,a,,", "a"),
        ('1, "a, b"', "a, b"),
    ],
)
def test_other_dialects(tmp_path, line, text):
    read, problems = rows(tmp_path, f"id,text\n{line}\n2,b\n")
    assert ([cells["text"] for _, cells in read], problems) == ([text, "b"], [])


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("head", ["", "\n", "sep=;\n", "\n\n", "\ufeff", "\ufeffsep=;\n"])
def test_heads_and_line_ends(tmp_path, head, newline):
    text = (head + "id;text\n1;a, b\n2;c\n").replace("\n", newline)
    read, problems = rows(tmp_path, text)
    assert [list(cells.values()) for _, cells in read] == [["1", "a, b"], ["2", "c"]]
    assert not problems


def test_one_bad_byte_garbles_one_line_and_is_said(tmp_path):
    content = "id,text\n1,Größe\n".encode() + b"2,5\xb0\n" + "3,ähnlich\n".encode()
    read, problems = rows(tmp_path, content)
    assert [cells["text"] for _, cells in read] == ["Größe", "5°", "ähnlich"]
    assert [(problem.line, "Windows-1252" in problem.reason) for problem in problems] == [(3, True)]


def test_columns_of_one_name_hide_none(tmp_path):
    read, _ = rows(tmp_path, ",id,text,text\n0,1,a,b\n")
    assert read[0][1] == {"id": "1", "text": "a", "text.2": "b"}


def test_missing_values_are_empty(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(
        "id,text,patient_id,labels,view\n1,NULL,NaN,nan,AP\n2.0,real,7.0,\"['a', 'b', nan]\",<NA>\n"
    )
    (refused, case) = list(read_corpus(file))
    assert isinstance(refused, Problem)
    assert isinstance(case, Case)
    assert (case.id, case.patient_id, case.labels, case.meta) == ("2", "7", ("a", "b"), {})


def test_sections_make_the_text_in_order(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(
        "Study ID,Impression,FINDINGS\ns1,Normal.,Lungs clear.\ns2,Only this.,\ns3,,nan\n"
    )
    first, second, refused = list(read_corpus(file))
    assert isinstance(first, Case)
    assert first.text == "Findings: Lungs clear.\nImpression: Normal."
    assert isinstance(second, Case)
    assert (second.text, second.study_id) == ("Only this.", "s2")
    assert isinstance(refused, Problem)


def test_two_tables_without_ids_stay_apart(tmp_path):
    ids = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text("text\none\ntwo\n")
        ids |= {item.id for item in read_corpus(tmp_path / folder / "t.csv")}
    assert len(ids) == 4


PIECES = st.sampled_from(
    [
        '"',
        '""',
        ",",
        ";",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "a",
        "id",
        "text",
        "\\",
        "\xe9",
        "\0",
        " ",
        "nan",
    ]
)


@given(st.lists(PIECES, max_size=60).map("".join), st.sampled_from(["utf-8", "latin-1", "utf-16"]))
@settings(max_examples=examples(200), deadline=None)
def test_any_text_gives_cases_problems_or_a_typed_error(tmp_path_factory, text, encoding):
    file = tmp_path_factory.mktemp("any") / "t.csv"
    file.write_bytes(f"id,text\n1,first\n{text}\n9,last\n".encode(encoding))
    try:
        items = list(read_corpus(file, "table"))
    except MMedRAGError:
        return
    assert all(isinstance(item, Case | Problem) for item in items)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{3}[0-9]{1,4}", fullmatch=True),
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
        ),
        max_size=8,
    )
)
@settings(max_examples=examples(60), deadline=None)
def test_what_python_writes_is_read_as_it_was(tmp_path_factory, table):
    import csv

    file = tmp_path_factory.mktemp("written") / "t.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, quoting=csv.QUOTE_ALL).writerows([("id", "text"), *table])
    read = [tuple(row[1].values()) for row in csv_rows(file) if not isinstance(row, Problem)]
    assert read == table


def test_marks_that_open_on_every_line_and_never_close_cost_no_square(tmp_path):
    lines = 20_000
    head, tail = "id,text\n1,first\n", '2,"two\nlines"\n3,last\n'
    read, problems = rows(tmp_path, head + 'a","x\n' * lines + tail)
    assert len(read) == lines + 3
    assert [cells["text"] for _, cells in (read[0], *read[-2:])] == ["first", "two\nlines", "last"]
    assert all(problem.stored for problem in problems)


def test_a_stray_mark_leaves_long_cells_whole(tmp_path):
    report = "\n".join(f"Line {n} of a long report." for n in range(2000))
    read, _ = rows(tmp_path, f'id,text\n1,"never closed\n2,plain\n3,"{report}"\n4,last\n')
    assert [cells["text"] for _, cells in read] == ['"never closed', "plain", report, "last"]
