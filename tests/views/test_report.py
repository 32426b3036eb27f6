"""The report in its four forms: complete, safe with hostile texts, whole or not at all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markup import Reader
from mmedrag.errors import QueryError
from mmedrag.views import plots
from mmedrag.views.markdown import escaped, markdown
from mmedrag.views.report import LONG, html, results, section_text, write_report
from mmedrag.views.section import Disagreement, Figure, Section, Table

EVIL = '<script>alert("x")</script> | `code` **bold** [a](http://evil.example) &amp; $x$ ~y~'


def section(name: str = "rerank", words: str = "Words.", **changes: object) -> Section:
    given: dict[str, object] = {
        "title": f"The {name} study",
        "paper": "Table C",
        "protocol": f"Protocol: {words}",
        "verdict": f"Verdict: {words}",
        "command": "mmedrag eval retrieval --data records.jsonl",
        "tables": (
            Table("Modes", ("mode", "nDCG@10"), (("cosine", "0.410 (0.40–0.42)"), (words, "-"))),
        ),
        "figures": (Figure("Curve", words, lambda: plots.bars({words: {"n": 0.5}}, "share")),),
        "disagreements": (Disagreement(f"Claim of {name}", "0.92", "0.31", words),),
        "notes": (words,),
        "data": {"nDCG@10": 0.41, "nested": [{"α": 0.2}]},
    }
    return Section(name=name, **(given | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def page() -> str:
    return html([section("rerank"), section("fusion", EVIL)])


def test_the_page_holds_everything_once(page: str) -> None:
    read = Reader(page)
    assert len(read.all("svg")) == 2
    assert len(read.all("table")) == 2
    assert page.count("Verdict: Words.") == 2  # at a glance, and in its section
    assert page.count("mmedrag eval retrieval --data records.jsonl") == 2
    assert "".join(read.text).count("Claim of ") == 2
    assert "Where the paper and our measurement disagree" in page


def test_links_within_the_page_lead_somewhere(page: str) -> None:
    read = Reader(page)
    ids = [attrs["id"] for tag, attrs in read.tags if "id" in attrs]
    links = {attrs["href"] for attrs in read.all("a")}
    assert {"#rerank", "#fusion", "#apart"} <= links
    assert {str(link).removeprefix("#") for link in links} <= set(ids)


def test_nothing_is_loaded_and_nothing_runs(page: str) -> None:
    read = Reader(page)
    assert {tag for tag, _ in read.tags}.isdisjoint(
        {"script", "link", "iframe", "object", "embed", "form", "base", "img"}
    )
    for _, attrs in read.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attrs.get(name) or "#").startswith(("#", "data:image/"))
        assert not [name for name in attrs if name.startswith("on")]
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert any("default-src 'none'" in (m.get("content") or "") for m in read.all("meta"))


def test_hostile_texts_are_shown_as_they_are(page: str) -> None:
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert f"Verdict: {EVIL}" in Reader(page).text


def test_tables_align_numbers_and_fold_when_long() -> None:
    rows = tuple((f"case {i}", f"{i / 7:.3f} (0.1–0.2)") for i in range(LONG + 1))
    short = html([section(tables=(Table("Short", ("name", "R@1"), rows[:2]),))])
    long = html([section(tables=(Table("Long", ("name", "R@1"), rows),))])
    assert not Reader(short).all("details")
    assert len(Reader(long).all("details")) == 1
    classes = [attrs.get("class") for attrs in Reader(short).all("td")]
    assert classes == ["short", "number", "short", "number"]


def test_one_study_needs_no_table_of_contents() -> None:
    assert not Reader(html([section()])).all("nav")


def test_markdown_has_every_part_and_no_stray_markup() -> None:
    made = markdown([section("rerank"), section("fusion", EVIL)])
    assert made.index("## At a glance") < made.index("## The rerank study")
    assert made.index("## The fusion study") < made.index("## Where the paper")
    assert "$ mmedrag eval retrieval --data records.jsonl" in made
    assert "**Verdict: Words.**" in made
    assert "<script" not in made.replace("\\<script", "")
    rows = [line for line in made.splitlines() if line.startswith("|")]
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) in {3, 4, 6}  # 2, 3 and 5 columns


@given(st.text())
def test_escaped_text_is_one_line_without_markup(text: str) -> None:
    made = escaped(text)
    assert len(made.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>|`*\[\]~$&]", made)
    letters = re.compile(r"[^\W_]")
    assert letters.findall(made) == letters.findall(text)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("image_to_text", "image_to_text"),
        ("_x_", r"\_x\_"),
        ("1. first", r"1\. first"),
        ("0.25 (0.2–0.3)", "0.25 (0.2–0.3)"),
        ("- item", r"\- item"),
        ("-", r"\-"),
        ("~5 %", r"\~5 %"),
    ],
)
def test_only_what_would_be_markup_is_escaped(text: str, made: str) -> None:
    assert escaped(text) == made


def test_console_text_cuts_no_figure() -> None:
    wide = Table("Wide", tuple("abcdefgh"), (tuple("0.123 (0.100–0.200)" for _ in range(8)),))
    made = section_text(section(tables=(wide,)))
    assert made.count("0.123 (0.100–0.200)") == 8
    assert "…" not in made
    for part in (
        "Table C",
        "Verdict: Words.",
        "Protocol: Words.",
        "Claim of rerank",
        "Note: Words",
    ):
        assert part in made


def test_json_comes_back(tmp_path: Path) -> None:
    write_report([section("rerank"), section("fusion", EVIL)], tmp_path / "made" / "here")
    told = json.loads((tmp_path / "made" / "here" / "results.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(results([section("rerank"), section("fusion", EVIL)])))
    assert told["schema"] == "mmedrag-results/1"
    assert [study["name"] for study in told["studies"]] == ["rerank", "fusion"]
    assert told["studies"][0]["data"] == {"nDCG@10": 0.41, "nested": [{"α": 0.2}]}
    assert told["studies"][1]["verdict"] == f"Verdict: {EVIL}"


def test_what_is_not_a_number_is_null_in_json() -> None:
    told = results([section(data={"a": [float("nan"), 0.5], "b": {"c": float("inf"), 1: True}})])
    assert json.loads(json.dumps(told, allow_nan=False))["studies"][0]["data"] == {
        "a": [None, 0.5],
        "b": {"c": None, "1": True},
    }


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    written = write_report([section()], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"report.html", "results.md", "results.json"}
    assert written == tmp_path / "report.html"

    def fails() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_report([section(figures=(Figure("f", "c", fails),))], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_same_sections_give_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report([section()], tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(QueryError, match="cannot be written"):
        write_report([section()], tmp_path / "file")
