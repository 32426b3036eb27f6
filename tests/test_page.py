"""The page of a trace: complete, self-contained, and safe with hostile texts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.citations import DISCLAIMER
from mmedrag.errors import QueryError
from mmedrag.page import page, write_page
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Answer, Case, Evidence, Query


@pytest.fixture(scope="module")
def answer(rag: MMedRAG, phantoms: list[Case]) -> Answer:
    case = next(c for c in phantoms if c.image is not None)
    return rag.ask(Query("Is there an effusion, but no fracture?", case.image))


def test_the_page_shows_question_routing_answer_and_cases(rag: MMedRAG, answer: Answer) -> None:
    html = page(answer, rag.cases.thumbnail)
    assert "Is there an effusion, but no fracture?" in html
    assert str(answer.context.question.routing.decision) in html
    assert "fracture" in html
    assert DISCLAIMER.split(".")[0] in html
    assert "synthetic" in html
    for e in answer.cited:
        assert f'id="{e.key}"' in html
        assert f'href="#{e.key}"' in html
    assert html.count("data:image/jpeg;base64,") >= len(answer.context.kept) // 2


def test_the_page_loads_nothing(rag: MMedRAG, answer: Answer) -> None:
    html = page(answer, rag.cases.thumbnail)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", html)
    assert "<script" not in html
    assert "@import" not in html


def test_hostile_texts_are_escaped(rag: MMedRAG, answer: Answer) -> None:
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)>"

    def poisoned(evidence: list[Evidence]) -> list[Evidence]:
        return [
            replace(e, item=replace(e.item, text=bad, source=bad), mentions=())
            if isinstance(e.item, Case)
            else e
            for e in evidence
        ]

    context = replace(
        answer.context,
        gathered=poisoned(list(answer.context.gathered)),
        ranked=poisoned(list(answer.context.ranked)),
        kept=poisoned(list(answer.context.kept)),
    )
    html = page(replace(answer, text=f"{bad} [C1].", context=context), rag.cases.thumbnail)
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;" in html


def test_a_search_has_a_page_without_an_answer(rag: MMedRAG, answer: Answer) -> None:
    html = page(rag.retrieve(Query("drusen")), rag.cases.thumbnail)
    assert "drusen" in html
    assert "<h2>Answer" not in html


def test_a_place_that_cannot_be_written_is_named(
    rag: MMedRAG, answer: Answer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(QueryError, match="cannot be written"):
        write_page(answer, rag.cases.thumbnail, tmp_path / "file" / "page.html")
