"""Marks are read, checked and removed in one place, however the text arrives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmedrag.citations import DISCLAIMER, Piece, attribute, resolve, unsupported_sentences
from mmedrag.testing.generator import (
    ASKED,
    CLEAR,
    EFFUSION,
    KEY,
    LEFT,
    MEANING,
    context_of,
    question,
)
from mmedrag.types import Query, Question, Routing

EVIDENCE = [EFFUSION, CLEAR, LEFT, MEANING]  # C1, C2, C4, D1


def read(*pieces: str) -> tuple[str, list[str], list[str]]:
    found = list(resolve(pieces, EVIDENCE))
    return (
        "".join(p.text for p in found),
        [k for p in found for k in p.cited],
        [k for p in found for k in p.removed],
    )


@pytest.mark.parametrize(
    ("written", "text", "cited", "removed"),
    [
        ("Effusion [C1].", "Effusion [C1].", ["C1"], []),
        ("Effusion [C1, D1].", "Effusion [C1, D1].", ["C1", "D1"], []),
        ("Effusion [C1][D1].", "Effusion [C1, D1].", ["C1", "D1"], []),
        ("Effusion [C1], [D1] and [C2].", "Effusion [C1, D1, C2].", ["C1", "D1", "C2"], []),
        ("Effusion [C1-C2].", "Effusion [C1, C2].", ["C1", "C2"], []),
        ("Effusion [C1–4].", "Effusion [C1, C2, C4].", ["C1", "C2", "C4"], ["C3"]),
        ("Effusion [C1 to C2].", "Effusion [C1, C2].", ["C1", "C2"], []),
        ("Effusion [c1; d1].", "Effusion [C1, D1].", ["C1", "D1"], []),
        ("Effusion [C1,C1].", "Effusion [C1].", ["C1"], []),
        ("Effusion [see case C1 and C2].", "Effusion [C1, C2].", ["C1", "C2"], []),
        ("Effusion [C01].", "Effusion [C1].", ["C1"], []),
        ("Effusion 【C1†source】.", "Effusion [C1].", ["C1"], []),
        ("Effusion [C1: 0.82].", "Effusion [C1].", ["C1"], []),
        ("Effusion ([C1]).", "Effusion ([C1]).", ["C1"], []),
        ("Effusion [C9].", "Effusion.", [], ["C9"]),
        ("Effusion [C1, C9].", "Effusion [C1].", ["C1"], ["C9"]),
        ("Effusion [C9][C1].", "Effusion [C1].", ["C1"], ["C9"]),
        ("Effusion ([C9]).", "Effusion.", [], ["C9"]),
        ("Effusion [C9] is seen.", "Effusion is seen.", [], ["C9"]),
        ("Effusion, [C9].", "Effusion.", [], ["C9"]),
        ("Effusion, [C9] but no air.", "Effusion, but no air.", [], ["C9"]),
        ("Effusion: [C9]\nNext [C1]", "Effusion\nNext [C1]", ["C1"], ["C9"]),
        ("[C9] Effusion.\n[D9] Air.", "Effusion.\nAir.", [], ["C9", "D9"]),
        ("Effusion [1] and [2, 3].", "Effusion.", [], ["1", "2", "3"]),
        ("Effusion [C1-D1].", "Effusion [C1, D1].", ["C1", "D1"], []),
        ("Effusion [C1-C9999].", "Effusion [C1].", ["C1"], ["C9999"]),
        ("Effusion [C1, C", "Effusion", [], ["[C1, C"]),
        ("Effusion [C1] and [", "Effusion [C1] and", ["C1"], []),
    ],
)
def test_marks(written, text, cited, removed):
    assert read(written) == (text, cited, removed)


@pytest.mark.parametrize(
    "text",
    [
        "A nodule [sic] of [3 cm] [right].",
        "Low [vitamin D3] and C1 fracture (C2 spared).",
        "Range [3.5-5.0] mmol/l; see [the table].",
        "x[i] = y[j + 1]",
        "[[double]] []",
        "An open bracket [ with\na line end]",
        "[" + "long " * 80 + "]",
        "",
        "(see figure)",
    ],
)
def test_other_brackets_are_left_alone(text):
    assert read(text) == (text, [], [])


def test_text_is_let_through_as_it_comes():
    reader = resolve(iter(["Effu", "sion [C", "1] and", " air"]), EVIDENCE)
    assert next(reader) == Piece("Effu")
    assert "".join(p.text for p in reader) == "sion [C1] and air"


def test_a_mark_is_not_let_through_in_parts():
    assert all("[" not in p.text or p.cited for p in resolve("Effusion [C1, C9].", EVIDENCE))


LISTS = ("[C1]", "[C9]", "[D1, C9]", "[1]", "[C1-C4]", "【C1】", "[ C4 ]", "[C1: 3]", "[sic]")
PARTS = ("[C1", "[12", "[see ", "[" + "x" * 279, "[", "]", "(", ")", "C2", "cases", "word", "a")
JOINTS = (", ", " ", "  ", "\n", "\t", ",", ".", ";", "–", "and", " and ")
FRAGMENTS = st.sampled_from(LISTS + PARTS + JOINTS)
MARKED = st.lists(FRAGMENTS, max_size=25).map("".join)


@given(MARKED, st.data())
@example("Effusion,     [C9] .", None)
def test_how_the_text_is_cut_makes_no_difference(text, data):
    if data is None:
        pieces = list(text)
    else:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*pieces) == read(text) == read(*text)


@given(MARKED)
def test_no_mark_of_the_result_names_what_was_not_supplied(text):
    result, cited, removed = read(text)
    known = {e.key for e in EVIDENCE}
    assert set(cited) <= known
    assert not set(removed) & known
    again = read(result)
    assert set(again[1]) <= known
    for bracket in result.split("[")[1:]:
        inside, closed, _ = bracket.partition("]")
        if closed and inside.startswith(("C", "D")):
            assert set(KEY.findall(inside)) <= known


@given(st.text(st.characters(exclude_characters="[]【】［］(),;: \t")))
def test_text_without_marks_is_unchanged(text):
    assert read(text) == (text, [], [])


# --- answers ----------------------------------------------------------------------------------


def answer_of(text: str):
    return attribute(
        list(resolve([text], EVIDENCE)), context_of(ASKED, EVIDENCE), {"modality": 1.5}
    )


def test_cited_evidence_stands_by_first_mention():
    answer = answer_of("  Air [C4]. Water [D1, C1]. Air [C4, C9, C9]. ")
    assert answer.text == "Air [C4]. Water [D1, C1]. Air [C4]."
    assert [e.key for e in answer.cited] == ["C4", "D1", "C1"]
    assert answer.removed == ["C9"]
    assert not answer.abstained
    assert answer.context.timings == {"modality": 1.5}


def test_an_answer_without_a_mark_that_holds_is_withheld():
    answer = answer_of("The patient has cancer [C9].")
    assert answer.abstained
    assert "cancer" not in answer.text
    assert answer.text.startswith("No adequate evidence to answer from: ")
    assert "cited none" in answer.text
    assert (list(answer.cited), answer.removed) == ([], ["C9"])


def test_an_abstention_names_the_stage_that_stopped():
    asked = question("x")
    filtered = context_of(asked, [], gathered=[EFFUSION, CLEAR])
    one = context_of(asked, [], gathered=[EFFUSION])
    empty = context_of(replace(asked, query=Query("x", where="modality = 'ct'")), [])
    dog = Question(
        Query(image=b"x"), Routing({}, None, False, "looks like a photograph"), asked.vector
    )
    assert (
        "none of the 2 items found passed the relevance filter" in attribute([], filtered, {}).text
    )
    assert "the one item found did not pass" in attribute([], one, {}).text
    assert "nothing was found in radiology where modality = 'ct'" in attribute([], empty, {}).text
    assert (
        "not recognised as a medical one (looks like a photograph)"
        in attribute([], context_of(dog, []), {}).text
    )
    assert all(attribute([], c, {}).abstained for c in (filtered, one, empty))


def test_sentences_without_marks_are_reported():
    answer = answer_of(
        "## Summary\nWater, e.g. in the pleura [C1]. There is air. Bones [C2] are intact.\n"
        "Cases:\n- “One. Two.” [C4]\n- No mark here\nLast one. [D1] A dog?"
    )
    assert unsupported_sentences(answer) == ["There is air.", "No mark here", "A dog?"]


def test_an_abstention_needs_no_marks():
    assert unsupported_sentences(answer_of("Nothing.")) == []


def test_the_disclaimer_says_what_it_must():
    assert DISCLAIMER.startswith("Not a medical device")
