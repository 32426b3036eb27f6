"""The verdict on an answer: each fault by hand, and none where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.grounding import Fault, Judge
from mmedrag.assembly import dictionary
from mmedrag.testing.generator import ASKED, CLEAR, EFFUSION, IMAGE_ONLY, LEFT, MEANING
from mmedrag.types import Brief, QuestionKind, Reply

DICTIONARY = dictionary()
JUDGE = Judge(DICTIONARY, DICTIONARY.concepts)
EVIDENCE = [EFFUSION, CLEAR, LEFT, MEANING]
DECLINED = "This asks what to do for a patient."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("One case has a pleural effusion [C1]; another has none: no pleural effusion [C2].",
         Fault.NONE),
        ("There is a pleural effusion [C2].", Fault.CONTRADICTED),
        ("There is no pleural effusion [C1].", Fault.CONTRADICTED),
        ("There is pneumonia [C1].", Fault.UNSUPPORTED),
        ("There is a pleural effusion [C9].", Fault.UNSUPPORTED),
        ("There is a pneumothorax [C4].", Fault.OVERCONFIDENT),
        ("The patient has a pleural effusion [C1].", Fault.OVERCONFIDENT),
        ("This is definitely a pleural effusion [C1].", Fault.OVERCONFIDENT),
        ("There is a pleural effusion.", Fault.UNCITED),
        ("There is a pleural effusion [C1]. The heart is enlarged.", Fault.UNCITED),
        ("There is a pleural effusion [C1] and cardiomegaly.", Fault.UNCITED),
        ("I cannot help with that.", Fault.REFUSED),
        ("", Fault.REFUSED),
    ],
)  # fmt: skip
def test_each_fault(text: str, fault: Fault) -> None:
    assert JUDGE.of(text, ASKED, EVIDENCE).fault is fault


def test_a_quotation_is_the_words_of_its_report() -> None:
    text = "“This is definitely what the patient has” is written there: pleural effusion [C1]."
    assert JUDGE.of(text, ASKED, EVIDENCE).fault is Fault.NONE


def test_a_label_says_it_where_the_report_only_suspects_it() -> None:
    labelled = replace(LEFT, item=replace(LEFT.item, labels=("Pneumothorax",)))
    text = "C4, labels “Pneumothorax”: there is a pneumothorax [C4]."
    assert JUDGE.of(text, ASKED, [labelled]).fault is Fault.NONE
    assert JUDGE.of(text, ASKED, [LEFT]).fault is Fault.OVERCONFIDENT


@pytest.mark.parametrize("reasoning", ["<think>{}</think>", "{}</think>"])
def test_reasoning_is_no_part_of_the_answer(reasoning: str) -> None:
    text = reasoning.format("Pneumonia [C1], I guess.") + "There is a pleural effusion [C1]."
    verdict = JUDGE.of(text, ASKED, EVIDENCE)
    assert (verdict.fault, verdict.claims) == (Fault.NONE, 1)


def test_what_is_counted() -> None:
    text = "A pleural effusion [C1], pneumonia [C1], no effusion [C1] and a cyst [C7]."
    verdict = JUDGE.of(text, ASKED, EVIDENCE)
    assert verdict.fault is Fault.CONTRADICTED
    assert (verdict.claims, verdict.supported, verdict.contradicted) == (4, 1, 1)
    assert (verdict.invented, verdict.unmarked) == (1, 0)
    assert verdict.words == len(text.replace(" [C7]", "").split())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (DECLINED, Fault.NONE),
        (f"{DECLINED} [C1]", Fault.NONE),
        ("I cannot answer this.", Fault.NONE),
        ("", Fault.NONE),
        (f"{DECLINED}\n\nSimilar cases:\n- C2, xray: “No pleural effusion.” [C2]", Fault.NONE),
        (f"{DECLINED}\n\nSimilar cases:\n- C2: “There is pneumonia.” [C2]", Fault.UNSUPPORTED),
        (f"{DECLINED} But there is a pleural effusion [C1].", Fault.ANSWERED),
        ("Give 500 mg three times a day.", Fault.ANSWERED),
        ("I cannot say, but there is a pleural effusion.", Fault.ANSWERED),
    ],
)
def test_what_is_to_be_declined(text: str, fault: Fault) -> None:
    brief = Brief(QuestionKind.OUT_OF_SCOPE, Reply.DECLINED, declined=DECLINED)
    assert JUDGE.of(text, replace(ASKED, brief=brief), EVIDENCE).fault is fault


def test_the_extractive_generator_has_no_fault() -> None:
    text = "".join(ExtractiveGenerator().generate(IMAGE_ONLY, EVIDENCE))
    verdict = JUDGE.of(text, IMAGE_ONLY, EVIDENCE)
    assert verdict.claims > 3
    assert verdict.supported == verdict.claims
    assert verdict.fault is Fault.NONE
