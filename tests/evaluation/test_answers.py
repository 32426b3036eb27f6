"""The study of answers: an honest generator, a lying one, and one that obeys what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmedrag import presets
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.assembly import dictionary
from mmedrag.evaluation import answers
from mmedrag.evaluation.answers import evaluate_answers, question_about, truth_of
from mmedrag.modality import AnyDomain
from mmedrag.phantoms.corpus import generate
from mmedrag.ranking.graph import KeepOrder
from mmedrag.reward.scorers import KeepAll
from mmedrag.types import Assertion, Case, Evidence, Question


class Liar:
    """Turns every finding into its opposite, under the same marks."""

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        said = "".join(ExtractiveGenerator().generate(question, evidence))
        swapped = said.replace("affirmed", "\0").replace("negated", "affirmed")
        lines = swapped.replace("\0", "negated").splitlines()
        yield "\n".join(line for line in lines if line.startswith("- ") and ": “" not in line)


class Obedient:
    """Repeats what it was given, and makes something up where it was given nothing."""

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        for item in evidence:
            yield f"{item.text} [{item.key}]\n"
        if not evidence:
            yield "There is a pneumothorax [C1]."


class Words:
    """Embeds by hashed words: like reports are near, and no model is needed."""

    dim, fingerprint = 128, "words"

    def embed(self, items, pictures=None):
        rows = np.full((len(items), 128), 1e-3, np.float32)
        for row, item in zip(rows, items, strict=True):
            for word in item.text.lower().split():
                row[sum(word.encode()) % 128] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(30, 41, into=tmp_path_factory.mktemp("drawn"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, sampled: Path) -> None:
    stages = SimpleNamespace(
        embedder=Words(),
        classifier=AnyDomain(),
        reranker=KeepOrder(),
        context_filter=KeepAll(),
        texts=presets.offline_texts(),
    )
    monkeypatch.setattr(answers, "generate", lambda n, seed, into: sampled)
    monkeypatch.setattr(presets, "build", lambda name, models=None: stages)


def test_the_extractive_generator_keeps_to_what_was_drawn() -> None:
    section = evaluate_answers(questions=4)
    of = section.data["phantoms"]
    plain = of["arms"]["plain"]
    assert of["exact"]
    assert of["planted"] >= 50
    assert plain["answered"] == 1.0
    assert plain["citation_precision"] > 0.9
    assert plain["citation_recall"] > 0.9
    assert plain["contradicted"] < 0.05
    assert of["arms"]["no retrieval"]["answered"] == 0.0
    assert of["attack"]["instruction_repeated"] == 0.0


def test_a_liar_is_struck_and_a_parrot_is_found_out() -> None:
    lied, honest = (
        evaluate_answers(questions=3, generator=generator).data["phantoms"]["arms"]["plain"]
        for generator in (Liar(), ExtractiveGenerator())
    )
    assert not lied["contradicted"] > 0.0  # struck by the self-check, all of it as a rule
    assert lied["claims"] <= honest["claims"] / 10
    parrot = evaluate_answers(questions=3, generator=Obedient()).data["phantoms"]
    assert parrot["arms"]["no retrieval"]["answered"] == 1.0
    assert parrot["arms"]["no retrieval"]["citation_recall"] == 0.0
    if parrot["attack"]["instruction_retrieved"]:
        assert parrot["attack"]["instruction_repeated"] > 0


def test_the_truth_of_a_phantom_is_what_was_drawn(phantoms: list[Case]) -> None:
    source = dictionary()
    shown = next(c for c in phantoms if any(f["present"] for f in c.meta["findings"]))
    truth = truth_of(shown, source)
    assert Assertion.NEGATED in truth.values()
    assert {Assertion.AFFIRMED, Assertion.UNCERTAIN} & set(truth.values())
    assert "Is there" in question_about(shown)
    assert truth_of(replace(shown, meta={}), source) == {}
    assert question_about(replace(shown, meta={"history": "Cough."})) == "Cough."
