"""Marks are read, checked and removed in one place, however the text arrives."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
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
    begins = max((i for i, p in enumerate(found, 1) if p.retracts), default=0)
    return (
        "".join(p.text for p in found[begins:]),
        [k for p in found[begins:] for k in p.cited],
        [k for p in found[begins:] for k in p.removed],
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
        ("Derrame [C1 y C2].", "Derrame [C1, C2].", ["C1", "C2"], []),
        ("Derrame (casos C1 e C9).", "Derrame [C1].", ["C1"], ["C9"]),
        ("Derrame [C1 a C2].", "Derrame [C1, C2].", ["C1", "C2"], []),
        ("Erguss [C1 und C9].", "Erguss [C1].", ["C1"], ["C9"]),
        ("Effusion [e.g., C1, C9].", "Effusion [C1].", ["C1"], ["C9"]),
        ("Effusion [both C1 and C2].", "Effusion [C1, C2].", ["C1", "C2"], []),
        ("Effusion [C1 or C9].", "Effusion [C1].", ["C1"], ["C9"]),
        ("Effusion [C1, C2, ...].", "Effusion [C1, C2].", ["C1", "C2"], []),
        ("Effusion [C1 only].", "Effusion [C1].", ["C1"], []),
        ("Effusion [C9, line 2].", "Effusion.", [], ["C9"]),
        ("Effusion ['C1', 'C9'].", "Effusion [C1].", ["C1"], ["C9"]),
        ('{"citations": ["C1", "C9"]}', '{"citations": [C1]}', ["C1"], ["C9"]),
        ("According to C9, fluid [C1].", "fluid [C1].", ["C1"], ["C9"]),
        ("Según el caso C9, hay líquido [C1].", "hay líquido [C1].", ["C1"], ["C9"]),
        ("Líquido [C1].\n\nReferencias:\n- [C9] Libro", "Líquido [C1].\n\n", ["C1"], []),
        ("Líquido [C1].\n\n**Fontes**\n1. Livro", "Líquido [C1].\n\n", ["C1"], []),
        # what any reader would take for a citation
        ("Effusion [C1/C4].", "Effusion [C1, C4].", ["C1", "C4"], []),
        ("Effusion **[C9]**.", "Effusion.", [], ["C9"]),
        ("Effusion [[C1]].", "Effusion [C1].", ["C1"], []),
        ("Effusion [^C9].", "Effusion.", [], ["C9"]),
        ("Effusion \\[C9\\].", "Effusion.", [], ["C9"]),
        ("Effusion¹².", "Effusion.", [], ["12"]),
        ("Effusion <C9>, `C9`, «C9».", "Effusion.", [], ["C9"]),
        ("Effusion [ref9].", "Effusion.", [], []),
        ("Effusion [8-9].", "Effusion.", [], ["8", "9"]),
        ("Effusion [caso 9].", "Effusion.", [], ["C9"]),
        ("Effusion (Smith et al., 2019).", "Effusion.", [], ["Smith et al., 2019"]),
        ("Effusion [PMID: 123456].", "Effusion.", [], ["PMID: 123456"]),
        ("Effusion (https://x.org/a).", "Effusion.", [], ["https://x.org/a"]),
        ("Effusion [Ｃ99].", "Effusion.", [], ["C99"]),
        ("Effusion [Ｃ１].", "Effusion [C1].", ["C1"], []),
        ("Effusion [С1].", "Effusion [C1].", ["C1"], []),  # Cyrillic
        ("Effusion [𝐂𝟗𝟗].", "Effusion.", [], ["C99"]),
        ("Effusion [C\u200b9\u200d9].", "Effusion.", [], ["C99"]),
        ("Effusion ⟦C99⟧.", "Effusion.", [], ["C99"]),
        ("Effusion ⟦C1⟧.", "Effusion [C1].", ["C1"], []),
        ("Effusion {C99} 〔C1〕.", "Effusion [C1].", ["C1"], ["C99"]),
        ("Effusion ［C1］.", "Effusion [C1].", ["C1"], []),
        ("Effusion (C99).", "Effusion.", [], ["C99"]),
        ("Effusion （C99）.", "Effusion.", [], ["C99"]),
        ("Effusion (C1).", "Effusion [C1].", ["C1"], []),
        ("Effusion (see C1, C99).", "Effusion [C1].", ["C1"], ["C99"]),
        ("Effusion [Case 99].", "Effusion.", [], ["C99"]),
        ("Effusion [case 1, case 99].", "Effusion [C1].", ["C1"], ["C99"]),
        ("Effusion (Case 99).", "Effusion.", [], ["C99"]),
        ("Fluid [Definition 1].", "Fluid [D1].", ["D1"], []),
        ("Effusion [C99 shows it].", "Effusion.", [], ["C99"]),
        ("Effusion [C1: right effusion].", "Effusion [C1].", ["C1"], []),
        ("Effusion [^1].", "Effusion.", [], ["1"]),
        ("Effusion [C99](https://x.example/a).", "Effusion.", [], ["C99"]),
        ("Effusion [C1](https://x.example/a).", "Effusion [C1].", ["C1"], []),
        # vertebrae where their places are named
        ("Discs at [C5-C6] bulge [C1].", "Discs at [C5-C6] bulge [C1].", ["C1"], []),
        ("Discs at [C1-C2] bulge [C1].", "Discs at [C1-C2] bulge [C1].", ["C1"], []),
        ("Fusion of the spine [C3-C6] [C1].", "Fusion of the spine [C3-C6] [C1].", ["C1"], []),
        ("Effusion [C7-C9].", "Effusion.", [], ["C7", "C8", "C9"]),
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
        "Narrowing of [C5-C6], [C5/6], [C5–6], [C6-C7] and [C7-T1].",
        "Narrowing (C5-C6) and (C5/C6) and (C7).",
        "Fracture of the atlas (C1) and dens (C2).",
        "Stain [C4d positive], low complement (C3, C4), [D-dimer 0.3], [L4-L5], [T12].",
        "Rods from [D11-D12] to [D12-L1].",
        "Two findings: (1) effusion, (2) air; [10 mm] {3} <b>.",
        "Reported “Hangman fracture (C2-C3), (C1)” there.",
        "Sources of emboli: the left atrium.\nReferences are made to the side.",
        "“C1” and C2 and 'case 99'",
    ],
)
def test_other_brackets_are_left_alone(text):
    assert read(text) == (text, [], [])


def test_sentences_are_let_through_as_they_come():
    reader = resolve(iter(["Effu", "sion [C", "1]. A", "nd air"]), EVIDENCE)
    assert next(reader) == Piece("Effusion")
    assert "".join(p.text for p in reader) == " [C1]. And air"


@pytest.mark.parametrize(
    ("written", "text", "removed"),
    [
        ("As C99 shows, fluid is seen [C1].", "fluid is seen [C1].", ["C99"]),
        ("According to C7 and C8, fluid [C1].", "fluid [C1].", ["C7", "C8"]),
        ("Fluid, as described in case C9 [C1].", "Fluid, [C1].", ["C9"]),
        ("Fluid [C1]. See C9.", "Fluid [C1].", ["C9"]),
        ("Fluid as in C1 and C7.", "Fluid [C1].", ["C7"]),
        ("Fluid (as reported by C99).", "Fluid.", ["C99"]),
        ("C99 shows fluid [C1].", "shows fluid [C1].", ["C99"]),
        ("Case 99 describes fluid [C1].", "describes fluid [C1].", ["C99"]),
        ("Fluid C99 [C1].", "Fluid [C1].", ["C99"]),
        ("Fluid [C1]. PMID: 12345678.", "Fluid [C1].", ["PMID: 12345678"]),
        ("Fluid, see https://x.org/a_b?c=1.", "Fluid.", ["https://x.org/a_b?c=1"]),
        (
            "Fluid www.x.org/a, doi:10.1148/r.1 too.",
            "Fluid too.",
            ["www.x.org/a", "doi:10.1148/r.1"],
        ),
        ("Fluid 10.1148/radiol.2019 too.", "Fluid too.", ["doi:10.1148/radiol.2019"]),
        ("According to Smith et al. (2019), fluid.", "fluid.", ["Smith et al. 2019"]),
        (
            "Fluid [C1]. See PMID 12345 and https://x.org.",
            "Fluid [C1].",
            ["PMID 12345", "https://x.org"],
        ),
        ("Fluid [C1].\nSource: Smith et al. (2019).", "Fluid [C1].", ["Smith et al. 2019"]),
        ("Fluid [C1](javascript:alert(1)).", "Fluid [C1].", []),
        ("Fluid, PMC1234567 says.", "Fluid, says.", ["PMC1234567"]),
    ],
)
def test_references_without_brackets(written, text, removed):
    result = read(written)
    assert (result[0].rstrip(), result[2]) == (text, removed)


@pytest.mark.parametrize(
    "text",
    [
        "As C1 shows, according to C2, see case C1 and D1.",
        "A fracture of the vertebra C3, as seen in C5 and C6.",
        "Disc disease as described in C5-C6.",
        "The ICD-10 code C34.1, codes C50 and C61; C20:4 fatty acids.",
        "A [C-11] choline PET, C14 urea, D50 dextrose, vitamin D3.",
        "The report says “see C99, PMID 123456 and www.x.org” there.",
        "In case 3 views are wanted, and case 12 of the list.",
    ],
)
def test_what_is_no_reference_stays(text):
    assert read(text)[::2] == (text, [])


def test_works_that_the_evidence_names_stay():
    source = replace(EFFUSION.item, text="Effusion, see https://x.org/a.", source="PMC7654321")
    evidence = [replace(EFFUSION, item=source)]
    text = "Effusion, see https://x.org/a, PMC7654321 [C1]."
    assert "".join(p.text for p in resolve([text], evidence)) == text


def test_a_mark_is_not_let_through_in_parts():
    assert all("[" not in p.text or p.cited for p in resolve("Effusion [C1, C9].", EVIDENCE))


LISTS = (
    "[C1]", "[C9]", "[D1, C9]", "[1]", "[C1-C4]", "【C1】", "[ C4 ]", "[C1: 3]", "[sic]", "(C99)",
    "[Case 99]", "⟦C1⟧", "[Ｃ99]", "[C5-C6]", "at [C1-C2]", "References:\n", "[C9](#a)", "“", "”",
)  # fmt: skip
PARTS = (
    "[C1", "[12", "[see ", "[" + "x" * 279, "[", "]", "(", ")", "C2", "cases", "word", "a",
    "\u200b", "<think>", "</think>", "<thi", "nk>", "</", "[think]", "<|channel|>",
    "References", "analysis", "final", "see C99", "as C7 shows,", "https://x.org/a", "PMID 123456",
)  # fmt: skip
JOINTS = (", ", " ", "  ", "\n", "\t", ",", ".", ";", "–", "and", " and ")
FRAGMENTS = st.sampled_from(LISTS + PARTS + JOINTS)
MARKED = st.lists(FRAGMENTS, max_size=25).map("".join)


@given(MARKED, st.data())
@example("Effusion,     [C9] .", None)
@example("final[C9]at [C1-C2]", None)
@example("and\u200bat [C1-C2]", None)
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
        if closed and re.fullmatch(r"[CD]\d+(, [CD]\d+)*", inside):
            assert set(KEY.findall(inside)) <= known


@given(st.text(st.characters(exclude_categories=["Ps", "Pe"], exclude_characters="&<⁰¹²³⁴⁵⁶⁷⁸⁹")))
def test_text_without_brackets_is_unchanged(text):
    assume(not any(word in text.lower() for word in ("cit", "refer", "source", "lit")))
    assert read(text) == (text, [], [])


NUMBER = st.integers(0, 9999)
BRACKET = st.sampled_from(["[]", "【】", "⟦⟧", "{}", "〔〕", "［］", "⟨⟩", "()", "（）"])
LETTER = st.sampled_from(
    ["C", "D", "c", "d", "Ｃ", "С", "𝐂", "case ", "Case no. ", "see C", "C-", "Case-", "C\u200b"]
)


@given(BRACKET, LETTER, NUMBER, st.sampled_from(["Effusion ", "", "Water is seen, ", "- "]))
def test_a_mark_in_any_writing_is_resolved_or_removed(bracket, letter, number, before):
    text, cited, removed = read(f"{before}{bracket[0]}{letter}{number}{bracket[1]}")
    vertebra = bracket in ("()", "（）") and "ase" not in letter and "see" not in letter
    if f"C{number}" in cited or f"D{number}" in cited:
        assert text.endswith(f"[{cited[0]}]")
    elif not (vertebra and 1 <= number <= 12):
        assert removed
        assert str(number) not in text
        assert text == before.rstrip(" ,") or before == "- "


LEVELS = st.tuples(st.sampled_from("CTLSD"), st.integers(5, 12), st.sampled_from("-–/"))


@given(LEVELS, st.sampled_from(["[]", "()"]))
def test_neighbouring_vertebrae_stay(level, bracket):
    letter, n, joint = level
    if letter == "C" and n > 7:
        n = 7 - n % 3
    mark = f"Narrowing at {bracket[0]}{letter}{n - 1}{joint}{letter}{n}{bracket[1]}."
    assert read(mark) == (mark, [], [])


def test_an_invented_list_of_references_is_left_out():
    written = (
        "Effusion [C1].\n\n## References\n[1] Smith et al., Radiology 2020.\nC99: Chest 2019.\n\n"
        "## Terms\nFluid [D1]."
    )
    assert read(written)[0] == "Effusion [C1].\n\n## Terms\nFluid [D1]."
    assert read("Effusion [C1].\n**Sources:** Smith 2019; [99]")[0] == "Effusion [C1].\n"
    assert read("Water [C1].\nSources:\n- [C1] report\n- [C99] Smith")[0] == (
        "Water [C1].\nSources:\n- [C1] report\n"
    )


@given(st.text("[(C1 case,-see]):\u200b", max_size=400))
@example("[" + "1" * 200 + "x")
@example("[" + "see case " * 40)
@example("(" * 200)
@example("<think" * 100)
def test_odd_texts_are_read_to_their_end(text):
    read(text * 20)
    read("[C1] " * 2000)


# --- reasoning --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("<think>Maybe [C2].</think>\nWater [C1].", "\nWater [C1]."),
        ("<thinking effort='high'>[C2]</thinking>Water [C1].", "Water [C1]."),
        ("<REASONING>[C2]</REASONING>Water [C1].", "Water [C1]."),
        ("[THINK][C2] hm[/THINK]Water [C1].", "Water [C1]."),
        ("◁think▷[C2]◁/think▷Water [C1].", "Water [C1]."),
        ("<seed:think>[C2]</seed:think>Water [C1].", "Water [C1]."),
        ("<unused94>thought\n[C2]<unused95>Water [C1].", "Water [C1]."),
        ("<|begin_of_thought|>[C2]<|end_of_thought|>Water [C1].", "Water [C1]."),
        (
            "<|channel|>analysis<|message|>[C2]<|end|><|start|>assistant<|channel|>final<|message|>"
            "Water [C1].<|return|>",
            "Water [C1].",
        ),
        ("Okay, so [C2] hm</think>Water [C1].", "Water [C1]."),
        ("<think>a</think>b [C2]</think>Water [C1].", "Water [C1]."),
        ("Water [C1]. <think>And [C2] never closed", "Water [C1]. "),
        ("<think>[C2]</think><answer>Water [C1].</answer>", "Water [C1]."),
        ("Think of < 5 mm and <b>water</b> [C1].", "Think of < 5 mm and <b>water</b> [C1]."),
    ],
)
def test_reasoning_is_neither_shown_nor_cited(written, text):
    for pieces in ([written], list(written)):
        assert read(*pieces) == (text, ["C1"], [])


def test_an_answer_that_is_all_reasoning_is_withheld():
    assert answer_of("<think>Perhaps cancer [C1].").abstained
    answer = answer_of("Perhaps cancer [C1].</think>Water [C2].")
    assert (answer.text, [e.key for e in answer.cited]) == ("Water [C2].", ["C2"])


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
    assert "replied with nothing" in answer_of(" \n").text
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
