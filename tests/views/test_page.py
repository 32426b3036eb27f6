"""The page: readable structure, nothing loaded, nothing of a case's text becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markup import Reader
from mmedrag.citations import DISCLAIMER
from mmedrag.errors import QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Answer, Assertion, Case, Context, Mention, Query
from mmedrag.views.page import answer_html, page, write_page

EVIL = '<script>alert("x")</script><img src=https://evil.example/x onerror=alert(1)>'


@pytest.fixture(scope="module")
def answer(rag: MMedRAG, phantoms: list[Case]) -> Answer:
    chest = next(c for c in phantoms if c.modality == "xray")
    return rag.ask(Query("Is there a pleural effusion? No pneumothorax.", chest.image))


@pytest.fixture(scope="module")
def html(answer: Answer, rag: MMedRAG) -> str:
    return page(answer, rag.cases.preview)


def with_text(answer: Answer, text: str) -> Answer:
    """The answer with its first case's report replaced, at every station."""
    first = answer.context.kept[0].key

    def changed(evidence):
        return [
            replace(e, item=replace(e.item, id=text, text=text, source=text), mentions=())
            if e.key == first
            else e
            for e in evidence
        ]

    stations = {name: changed(getattr(answer.context, name)) for name in _STATIONS}
    question = replace(answer.context.question, query=Query(text))
    context = replace(answer.context, question=question, **stations)
    return replace(answer, text=f"{text} [{first}]", context=context)


_STATIONS = ("gathered", "ranked", "kept")


def test_marks_lead_to_cards(html: str, answer: Answer) -> None:
    read = Reader(html)
    ids = {attrs["id"] for _, attrs in read.tags if "id" in attrs}
    marks = [a["href"] for a in read.all("a") if a.get("class") == "mark"]
    assert {mark.removeprefix("#") for mark in marks} == {e.key for e in answer.cited}
    assert {mark.removeprefix("#") for mark in marks} <= ids


def test_every_image_is_inside_the_page_and_has_a_text(html: str, answer: Answer) -> None:
    images = Reader(html).all("img")
    kept = [e for e in answer.context.kept if isinstance(e.item, Case)]
    assert len(images) > len(kept)  # one a case, and the question's
    for image in images:
        assert image["src"].startswith("data:image/jpeg;base64,")
        assert image["alt"]


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    read = Reader(html)
    assert {tag for tag, _ in read.tags}.isdisjoint(
        {"script", "link", "iframe", "object", "embed", "form", "base", "audio", "video"}
    )
    for _, attrs in read.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster", "background"):
            assert (attrs.get(name) or "#").startswith(("#", "data:image/"))
        assert not [name for name in attrs if name.startswith("on")]
    style = re.search(r"<style>(.*?)</style>", html, re.S)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert any("default-src 'none'" in (m.get("content") or "") for m in read.all("meta"))


def test_what_a_case_says_stays_text(answer: Answer, rag: MMedRAG) -> None:
    made = page(with_text(answer, EVIL), rag.cases.preview)
    read = Reader(made)
    assert not read.all("script")
    assert all("onerror" not in attrs for _, attrs in read.tags)
    assert "evil.example" in "".join(read.text)
    assert "&lt;script&gt;" in made


def test_findings_are_underlined_by_what_is_said(answer: Answer, rag: MMedRAG) -> None:
    text = "Effusion & no <b>fracture</b>."
    changed = with_text(answer, text)
    said = (
        Mention("Effusion", 0, 8, "X:1", "pleural effusion", Assertion.AFFIRMED),
        Mention("fracture", 17, 25, "X:2", 'frac"ture', Assertion.NEGATED),
    )
    key = changed.context.kept[0].key
    ranked = [replace(e, mentions=said) if e.key == key else e for e in changed.context.ranked]
    made = page(replace(changed.context, ranked=ranked), rag.cases.preview)
    assert '<u class="affirmed" title="pleural effusion: affirmed">Effusion</u> &amp; no' in made
    assert '<u class="negated" title="frac&#34;ture: negated">fracture</u>&lt;/b&gt;.' in made
    Reader(made)


def test_a_long_report_opens_on_demand(answer: Answer, rag: MMedRAG) -> None:
    made = page(with_text(answer, "The lungs are clear. " * 60), rag.cases.preview)
    assert Reader(made).all("summary")
    assert made.count("The lungs are clear. " * 60) >= 1


def test_a_search_has_no_answer(answer: Answer, rag: MMedRAG) -> None:
    made = page(answer.context, rag.cases.preview)
    assert "<h2" in made
    assert 'class="answer"' not in made
    assert DISCLAIMER.split("'")[0] in made


def test_nothing_found_is_said(answer: Answer, rag: MMedRAG) -> None:
    empty = Context(answer.context.question, [], [], [], {"cases": 1.0})
    made = page(empty, rag.cases.preview)
    assert "No case was found." in made
    Reader(made)


def test_structure_of_an_answer() -> None:
    html = answer_html("Lead [C1, D2].\n\nFindings:\n- one [C1]\n- **two**\n\n## More\n1. a\n2. b")
    assert html == (
        '<div><p>Lead <a class="mark" href="#C1">C1</a><a class="mark" href="#D2">D2</a>.</p></div>'
        '<div><h3>Findings</h3><ul><li>one <a class="mark" href="#C1">C1</a></li>'
        "<li><strong>two</strong></li></ul></div>"
        "<div><h3>More</h3><ol><li>a</li><li>b</li></ol></div>"
    )


@given(st.text(alphabet=st.sampled_from("<>&\"'*-#[]C1D2:. \n\tax/=")))
def test_an_answer_brings_no_tags_of_its_own(text: str) -> None:
    allowed = {"div", "p", "h3", "ul", "ol", "li", "a", "strong"}
    assert {tag for tag, _ in Reader(answer_html(text)).tags} <= allowed


def test_a_place_that_cannot_be_written_is_one_line(
    answer: Answer, rag: MMedRAG, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(QueryError, match="cannot be written"):
        write_page(answer, rag.cases.preview, tmp_path / "file" / "page.html")
