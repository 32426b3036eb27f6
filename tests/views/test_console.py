"""What is printed: within the width, the answer before the tables, each source once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.citations import DISCLAIMER
from mmedrag.indexing import IndexReport
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Answer, Case, Problem, Query
from mmedrag.views.console import (
    SHOWN_PROBLEMS,
    WIDTH,
    answer_text,
    brief_text,
    context_text,
    report_text,
    table,
)


@pytest.fixture(scope="module")
def answer(rag: MMedRAG, phantoms: list[Case]) -> Answer:
    chest = next(c for c in phantoms if c.modality == "xray")
    return rag.ask(Query("Is there a pleural effusion? No pneumothorax.", chest.image))


def test_no_line_is_wider_than_the_page(answer: Answer) -> None:
    for text in (answer_text(answer), context_text(answer.context), brief_text(answer)):
        assert max(map(len, text.splitlines())) <= WIDTH


def test_the_answer_comes_before_the_ranks(answer: Answer) -> None:
    text = answer_text(answer)
    assert text.index("Domain") < text.index("\nAnswer\n") < text.index("\nSources\n")
    assert text.index("\nSources\n") < text.index("\nCases:") < text.index(DISCLAIMER[:20])
    assert "Ruled out in the question: pneumothorax" in text


def test_all_words_of_the_answer_are_printed(answer: Answer) -> None:
    printed = answer_text(answer).split()
    start = printed.index("Answer") + 1
    words = answer.text.split()
    assert printed[start : start + len(words)] == words


def test_each_source_stands_once_with_its_keys(answer: Answer) -> None:
    block = " ".join(answer_text(answer).split("\nSources\n")[1].split("\n\n")[0].split())
    assert block.count("MMedRAG phantoms (synthetic), CC0-1.0") == 1
    keys = {word.rstrip(":") for word in block.split()}
    assert {e.key for e in answer.cited} <= keys


def test_cases_that_came_in_by_their_neighbours_are_named(answer: Answer) -> None:
    context = answer.context
    assert "neighbours" not in context_text(context)
    first, *others = context.ranked
    came = replace(context, ranked=[replace(first, proximity=0.123), *others])
    assert f"Found as neighbours of the best cases: {first.key} (0.12)" in context_text(came)


def test_a_brief_answer_is_its_beginning(answer: Answer) -> None:
    brief = brief_text(answer)
    assert answer.text.split(" [")[0][:60] in brief
    assert len(brief) < len(answer_text(answer)) / 2


def test_removed_marks_are_named(answer: Answer) -> None:
    text = answer_text(replace(answer, removed=("[C99]",)))
    assert "Removed, because they name no evidence: [C99]" in text


def test_a_context_has_ranks_and_definitions(answer: Answer) -> None:
    text = context_text(answer.context)
    definitions = [e for e in answer.context.ranked if not isinstance(e.item, Case)]
    assert definitions
    for e in definitions:
        assert f"[{e.key}] {e.name}: " in text
    first = next(e for e in answer.context.ranked if isinstance(e.item, Case))
    assert any(line.startswith(f"{first.key} ") for line in text.splitlines())


def test_nothing_found_is_said(answer: Answer) -> None:
    empty = replace(answer.context, gathered=[], ranked=[], kept=[])
    assert "No case was found." in context_text(empty)


def test_a_table_is_aligned_and_cut() -> None:
    lines = table(("a", "long"), [("xyz", "w" * 50), ("q", "")], limit=20).splitlines()
    assert lines[0] == "a    long"
    assert lines[2].startswith("xyz  www")
    assert len(lines[2]) == 20
    assert lines[2].endswith("…")


def test_a_report_counts_and_names_problems() -> None:
    problems = tuple(Problem(Path("x.jsonl"), i, "not JSON") for i in range(SHOWN_PROBLEMS + 3))
    text = report_text(IndexReport(5, 2, 4, 1, problems), 1.25)
    assert text.startswith("5 cases written, 2 unchanged, 4 encoded, in 1.2 s\n1 without a domain")
    assert "x.jsonl:0: not JSON" in text
    assert text.endswith(f"  … and 2 more\n  x.jsonl:{SHOWN_PROBLEMS + 2}: not JSON")


def test_a_remark_on_a_stored_case_is_no_skipped_row() -> None:
    skipped = Problem(Path("x.csv"), 1, "no id")
    remark = Problem(Path("x.csv"), 2, "read as Windows-1252", stored=True)
    text = report_text(IndexReport(1, problems=(skipped, remark)), 1.0)
    assert "1 row or file skipped:\n  x.csv:1: no id\n1 remark on cases that are stored:" in text
