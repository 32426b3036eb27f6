"""RAG-PT on a tiny model that really learns: loss, masks, merge, resuming, what is written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
pytest.importorskip("trl", reason='pip install "mmedrag[tune]"')
pytest.importorskip("peft", reason='pip install "mmedrag[tune]"')

import torch

from mmedrag.answers.local_model import LanguageModel, LocalGenerator, load_model, opened
from mmedrag.errors import CheckpointError, CorpusError, QueryError
from mmedrag.testing.generator import ASKED, CLEAR, EFFUSION, MEANING
from mmedrag.training import generator_figures
from mmedrag.training.answer_pairs import AnswerPair, Origin, Subset, write_pairs
from mmedrag.training.dpo import Recipe, silence
from mmedrag.training.generator import Tuned, train_generator
from mmedrag.training.likelihood import divergence, log_likelihoods, tokens
from mmedrag.training.tuning_import import open_tuning
from tiny_language_model import write_tiny_model

FINDINGS = ("effusion", "nodule", "fracture", "consolidation", "oedema", "mass")
RECIPE = Recipe(epochs=6, learning_rate=1e-2, rank=4, batch=4)


def pair(finding: str, there: bool, subset: Subset) -> AnswerPair:
    """Whether the one case shows a finding; the answers differ in one word."""
    report = f"There is {'a' if there else 'no'} {finding}."
    right, wrong = ("affirmed", "ruled out") if there else ("ruled out", "affirmed")
    return AnswerPair(
        prompt=(
            {"role": "system", "content": "Cite the evidence."},
            {"role": "user", "content": f"[C1] {report} Question: {finding}?"},
        ),
        chosen=f"{finding}: {right} [C1].",
        rejected=f"{finding}: {wrong}.",
        fault="contradicted",
        origin=Origin.TEMPLATE,
        subset=subset,
        patients=(f"{subset}-{finding}-{there}",),
        evidence=(replace(EFFUSION, item=replace(EFFUSION.item, text=report)),),
    )


PAIRS = [
    pair(finding, there, subset)
    for subset, names in ((Subset.TRAIN, FINDINGS), (Subset.HELD_OUT, ("cyst", "ulcer")))
    for finding in names
    for there in (True, False)
]
TEXTS = [t for p in PAIRS for t in (p.prompt[1]["content"], p.chosen, p.rejected)]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def _short_answers() -> Iterator[None]:
    """What so small a model writes never ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator_figures, "ANSWER_TOKENS", 40)
        yield


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("start") / "tiny", TEXTS, window=4096)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    write_pairs(path, PAIRS)
    return path


@pytest.fixture(scope="module")
def tuned(start: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    into = tmp_path_factory.mktemp("tuned") / "model"
    return train_generator(data, str(start), into, RECIPE, answers=2)


def loaded(folder: Path) -> LanguageModel:
    model, tokenizer = load_model(str(folder), dtype=torch.float32)
    return LanguageModel(model.eval(), tokenizer)


def adapted(start: Path, adapter: Path) -> LanguageModel:
    base, libraries = loaded(start), open_tuning()
    with silence(libraries):
        network = libraries.peft.PeftModel.from_pretrained(base.model, str(adapter))
    return replace(base, model=network.eval())


def likelihood(writer: LanguageModel, of: AnswerPair, text: str) -> float:
    return float(log_likelihoods(writer, tokens(writer, of.prompt, text)).sum())


def test_the_loss_begins_at_ln_2_and_falls(tuned: Tuned) -> None:
    assert tuned.losses[0] == pytest.approx(0.6931, abs=1e-3)
    assert len(tuned.losses) == 18
    assert sum(tuned.losses[-3:]) / 3 < 0.6


def test_it_prefers_what_was_chosen_of_patients_it_has_not_seen(tuned: Tuned) -> None:
    figures = tuned.figures
    assert figures.pairs == 4
    assert figures.moved == 1.0
    assert figures.prefers[1] >= figures.prefers[0]
    assert figures.divergence > 0.0
    assert figures.kinds.keys() == {"template, contradicted"}
    assert "KL to the start" in str(tuned)


def test_merged_weights_say_what_the_adapters_say(tuned: Tuned, start: Path) -> None:
    merged, apart_from = loaded(tuned.into), adapted(start, tuned.into / "adapter")
    for p in PAIRS:
        text = tokens(merged, p.prompt, p.chosen)
        whole, apart = log_likelihoods(merged, text), log_likelihoods(apart_from, text)
        assert torch.allclose(whole, apart, atol=1e-5)
        with apart_from.model.disable_adapter():
            assert not torch.allclose(whole, log_likelihoods(apart_from, text), atol=1e-2)


def test_the_loss_is_that_of_the_answers_alone(start: Path, data: Path, tmp_path: Path) -> None:
    """DPO by hand (Rafailov et al. 2023, eq. 7) on the weights that the third step starts from."""
    recipe = replace(RECIPE, epochs=4, batch=12)
    losses: list[float] = []

    def stops(step: int, of: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    into = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        train_generator(data, str(start), into, recipe, save_every=1, on_step=stops)
    first = adapted(start, into / "run" / "checkpoint-2")
    for p in PAIRS[:12]:
        now = [likelihood(first, p, text) for text in (p.chosen, p.rejected)]
        with first.model.disable_adapter():
            was = [likelihood(first, p, text) for text in (p.chosen, p.rejected)]
        margin = recipe.beta * ((now[0] - was[0]) - (now[1] - was[1]))
        losses.append(math.log1p(math.exp(-margin)))
    again = train_generator(data, str(start), into, recipe, resume=True, answers=1)
    assert again.losses[2] == pytest.approx(sum(losses) / 12, abs=1e-4)
    assert again.losses[2] < 0.69


def test_an_answer_begins_behind_the_prompt(start: Path) -> None:
    writer = loaded(start)
    text = tokens(writer, PAIRS[0].prompt, PAIRS[0].chosen)
    answer = writer.tokenizer.decode(text.ids[text.start :])
    assert answer == f"{PAIRS[0].chosen}<|im_end|>\n"
    ids = torch.tensor([text.ids])
    labels = ids.clone()
    labels[:, : text.start] = -100
    with torch.no_grad():
        loss = writer.model(input_ids=ids, labels=labels).loss
    assert float(log_likelihoods(writer, text).mean()) == pytest.approx(-float(loss), abs=1e-5)


def test_an_interrupted_run_goes_on_to_the_same_end(
    start: Path, data: Path, tuned: Tuned, tmp_path: Path
) -> None:
    into = tmp_path / "model"

    def interrupts(step: int, of: int) -> None:
        if step == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_generator(data, str(start), into, RECIPE, save_every=4, on_step=interrupts)
    assert not (into / "config.json").exists()
    with pytest.raises(CheckpointError, match="--resume"):
        train_generator(data, str(start), into, RECIPE)
    with pytest.raises(CheckpointError, match=r"had beta 0\.1, not 0\.2"):
        train_generator(data, str(start), into, replace(RECIPE, beta=0.2), resume=True)
    steps: list[int] = []
    again = train_generator(
        data, str(start), into, RECIPE, resume=True, answers=1,
        on_step=lambda step, of: steps.append(step),
    )  # fmt: skip
    assert steps == list(range(9, 19))
    assert again.losses == pytest.approx(tuned.losses, abs=1e-4)
    one, other = (loaded(t.into).model.state_dict() for t in (again, tuned))
    assert all(torch.allclose(one[name], other[name], atol=1e-4) for name in one)


def test_the_folder_is_a_model_that_answers(tuned: Tuned) -> None:
    assert {file.name for file in tuned.into.iterdir()} >= {
        "config.json", "model.safetensors", "tokenizer.json", "tuning.json", "adapter",
    }  # fmt: skip
    assert not (tuned.into / "run").exists()
    card = json.loads((tuned.into / "tuning.json").read_text())
    assert card["steps"] == 18
    assert card["rank"] == 4
    assert card["figures"]["pairs"] == 4
    generator = LocalGenerator(folder=tuned.into, max_tokens=8)
    assert opened(tuned.into).tokenizer.chat_template
    assert "".join(generator.generate(ASKED, [CLEAR, MEANING]))


def test_weights_are_written_as_precise_as_they_were(
    start: Path, data: Path, tmp_path: Path
) -> None:
    model, tokenizer = load_model(str(start), dtype=torch.bfloat16)
    model.save_pretrained(tmp_path / "half")
    tokenizer.save_pretrained(tmp_path / "half")
    once = replace(RECIPE, epochs=1, batch=12)
    train_generator(data, str(tmp_path / "half"), tmp_path / "tuned", once, answers=1)
    written, _ = load_model(str(tmp_path / "tuned"), dtype="auto")
    assert written.dtype is torch.bfloat16


def test_what_cannot_be_tuned_is_said(
    start: Path, data: Path, tuned: Tuned, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="holds a tuned model already"):
        train_generator(data, str(start), tuned.into)
    with pytest.raises(CheckpointError, match="no run to go on with"):
        train_generator(data, str(start), tmp_path / "new", resume=True)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        train_generator(data, str(tmp_path / "nothing"), tmp_path / "new")
    with pytest.raises(CorpusError, match="cannot be read"):
        train_generator(tmp_path / "none.jsonl", str(start), tmp_path / "new")
    small = write_tiny_model(tmp_path / "small", TEXTS, window=16)
    with pytest.raises(CorpusError, match="fits into 16 tokens"):
        train_generator(data, str(small), tmp_path / "new")
    with pytest.raises(QueryError, match="cannot be trained"):
        Recipe(rank=0)
    assert not (tmp_path / "new").exists()


def test_a_model_has_not_moved_from_itself() -> None:
    logits = torch.randn(5, 7)
    assert divergence(logits, logits) == pytest.approx(0.0, abs=1e-6)
    peaked = torch.zeros(1, 2)
    tuned = torch.tensor([[0.0, float(torch.log(torch.tensor(3.0)))]])
    by_hand = 0.25 * torch.log(torch.tensor(0.5)) + 0.75 * torch.log(torch.tensor(1.5))
    assert divergence(peaked, tuned) == pytest.approx(float(by_hand), abs=1e-6)


def test_nothing_changes_where_nothing_was_tuned(start: Path) -> None:
    from mmedrag.answers.grounding import Judge
    from mmedrag.assembly import dictionary

    terms = dictionary()
    judge = Judge(terms, terms.concepts)
    figures = generator_figures.measure_generator(
        loaded(start), nullcontext, PAIRS, judge, answers=2
    )
    assert figures.prefers[0] == figures.prefers[1]
    assert figures.gain.difference == 0.0
    assert figures.moved == 0.0
    assert str(figures.written[0]) == str(figures.written[1])  # NaN is not NaN
