"""Tables and traces as text."""

from __future__ import annotations

from pathlib import Path

from mmedrag.console import answer_text, context_text, report_text, table
from mmedrag.indexing import IndexReport
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Problem, Query


def test_a_table_is_aligned_and_cut() -> None:
    lines = table(("a", "name"), [("1", "x"), ("22", "y" * 300)]).splitlines()
    assert lines[0].startswith("a ")
    assert lines[2].index("x") == lines[0].index("name")
    assert lines[3].endswith("…")
    assert len(lines[3]) < 200


def test_a_report_names_the_first_problems() -> None:
    problems = tuple(Problem(Path("c.jsonl"), i, "no id") for i in range(1, 15))
    told = report_text(IndexReport(written=3, encoded=2, problems=problems), 1.0)
    assert "3 cases written" in told
    assert "14 rows skipped" in told
    assert "c.jsonl:1: no id" in told
    assert "4 more" in told


def test_a_trace_shows_both_orders_and_what_is_ruled_out(rag: MMedRAG) -> None:
    told = context_text(rag.retrieve(Query("consolidation, no pneumothorax")))
    assert "Ruled out in the question: pneumothorax" in told
    assert "graph" in told
    assert "standard" in told
    assert "C1" in told


def test_an_abstention_is_an_answer(rag: MMedRAG) -> None:
    answer = rag.ask(Query("consolidation", where="patient_id = 'nobody'"))
    told = answer_text(answer)
    assert "No case was found." in told or answer.cited
    assert "Not a medical device" in told
