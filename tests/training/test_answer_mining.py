"""Pairs of answers made from a casebase: what is preferred holds, what is rejected does not."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.answers.chat import openai_compatible
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.grounding import Fault, Judge
from mmedrag.answers.prompts import SYSTEM_PROMPT
from mmedrag.casebase.feedback import FeedbackFile
from mmedrag.definitions import Dictionary
from mmedrag.errors import CorpusError, QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.training.answer_mining import TEMPERATURE, Mined, mine_answers, sampled
from mmedrag.training.answer_pairs import Origin, Subset, read_pairs, require_apart, write_pairs
from mmedrag.types import Case, Evidence, Question


class Guesser:
    """Writes a right answer and a wrong one in turn."""

    def __init__(self) -> None:
        self.asked = 0

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        self.asked += 1
        if self.asked % 2:
            yield f"There is an acute appendicitis [{evidence[0].key}]."
        else:
            yield from ExtractiveGenerator().generate(question, evidence)


QUESTION = "Is there a pleural effusion?"
WRONG = "The patient has an acute appendicitis [C1]."


@pytest.fixture(scope="module")
def casebase(rag: MMedRAG, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which a reader called an answer wrong."""
    path = tmp_path_factory.mktemp("pairs") / "phantoms.casebase"
    shutil.copytree(rag.cases.path, path)
    file = FeedbackFile(path)
    file.add({"question": QUESTION, "answer": WRONG, "verdict": "right"}, "r")
    file.add({"question": QUESTION, "answer": WRONG, "verdict": "wrong"}, "r")
    file.add({"question": QUESTION, "answer": "x", "verdict": "wrong", "image": True}, "r")
    file.add({"question": QUESTION, "case": "c", "verdict": "relevant"}, "r")
    return path


@pytest.fixture(scope="module")
def mined(casebase: Path) -> Mined:
    return mine_answers(casebase, questions=30, generator=Guesser(), samples=2)


def test_the_judge_agrees_with_every_pair(mined: Mined, rag: MMedRAG) -> None:
    assert isinstance(rag.definitions, Dictionary)
    judge = Judge(rag.definitions, rag.definitions.concepts)
    for pair in mined.pairs:
        assert pair.judged(pair.chosen, judge).fault is Fault.NONE
        assert pair.judged(pair.rejected, judge).fault == pair.fault
        assert pair.prompt[0]["content"] == SYSTEM_PROMPT
        assert all(f'key="{e.key}"' in pair.prompt[1]["content"] for e in pair.evidence)


def test_every_kind_of_pair_is_made(mined: Mined) -> None:
    kinds = Counter((pair.origin, pair.fault) for pair in mined.pairs)
    of_templates = {fault for origin, fault in kinds if origin is Origin.TEMPLATE}
    assert of_templates == {str(fault) for fault in Fault} - {"supported"}
    assert kinds[Origin.SAMPLED, "unsupported"] > 5
    assert any(origin is Origin.EVIDENCE for origin, _ in kinds)
    assert any(pair.declined for pair in mined.pairs)
    assert str(mined).startswith(f"{len(mined.pairs)} pairs of answers to {mined.questions}")


def test_what_a_reader_called_wrong_is_rejected(mined: Mined) -> None:
    (pair,) = [pair for pair in mined.pairs if pair.origin is Origin.FEEDBACK]
    assert pair.rejected == WRONG
    assert pair.subset is Subset.TRAIN
    assert QUESTION in pair.prompt[1]["content"]


def test_no_patient_is_on_both_sides(mined: Mined, phantoms: list[Case]) -> None:
    require_apart(mined.pairs)
    assert {pair.subset for pair in mined.pairs} == set(Subset)
    patients = {case.patient_id for case in phantoms}
    assert all(set(pair.patients) <= patients for pair in mined.pairs)
    asked_of = [pair for pair in mined.pairs if pair.origin is not Origin.FEEDBACK]
    cases = [sum(e.key.startswith("C") for e in pair.evidence) for pair in asked_of]
    # the patient of the question is never among the evidence
    assert all(len(p.patients) > min(1, n) for p, n in zip(asked_of, cases, strict=True))


def test_the_answer_to_changed_evidence_changes(mined: Mined) -> None:
    changed = [pair for pair in mined.pairs if pair.origin is Origin.EVIDENCE]
    first = {pair.chosen for pair in mined.pairs if pair.origin is Origin.TEMPLATE}
    assert changed
    assert all(pair.rejected in first for pair in changed)


def test_a_file_holds_the_pairs(mined: Mined, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl", mined.pairs)
    read = read_pairs(tmp_path / "pairs.jsonl")
    assert [pair.row() for pair in read] == [pair.row() for pair in mined.pairs]


def test_too_little_is_said(casebase: Path) -> None:
    with pytest.raises(QueryError, match="0 questions"):
        mine_answers(casebase, questions=0)
    with pytest.raises(CorpusError, match="none for one of the parts"):
        mine_answers(casebase, questions=1)


def test_a_model_is_sampled_with_a_temperature() -> None:
    chat = openai_compatible("http://127.0.0.1:1/v1", "m")
    assert sampled(chat) == replace(chat, temperature=TEMPERATURE)
    quoting = ExtractiveGenerator()
    assert sampled(quoting) is quoting
