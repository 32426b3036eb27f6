"""The model of questions learns what tells its labels apart, by words and by vector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel

from mmedrag.answers.question_model import LABELS, QuestionModel
from mmedrag.training.question_kinds import (
    Course,
    Example,
    fit_head,
    fit_words,
    joined,
    lower_layers,
    smaller_vocabulary,
    tune,
)
from mmedrag.training.text_tuning import embed
from mmedrag.types import Matrix

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dose", "poem", "mass", "give", "my")


@pytest.fixture(name="tokenizer")
def _tokenizer(tmp_path: Path) -> BertWordPieceTokenizer:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", "utf-8")
    return BertWordPieceTokenizer(str(path))


@pytest.fixture(name="network")
def _network() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return BertModel(config, add_pooling_layer=False)


def encode(texts: Sequence[str]) -> Matrix:
    """Whether a text speaks of money, and a constant."""
    rows = np.array([[float("coin" in t), 1.0] for t in texts], np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_words_and_vectors_both_speak():
    wordings = {label: f"{label} {label[::-1]}" for label in LABELS}
    examples = [Example(text, text, label, 2.0) for label, text in wordings.items()]
    words, bias = fit_words(examples)
    head = torch.nn.Linear(2, len(LABELS))
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    with torch.no_grad():
        head.weight[list(LABELS).index("nonmedical"), 0] = 5.0
    made = joined(head, words, bias, "money", ["ours"])
    assert made.encoders == {"text": "money"}
    model = QuestionModel.of(made, encode)
    for label, scores in zip(wordings, model([*wordings.values()], ()), strict=True):
        assert max(scores, key=scores.__getitem__) == label
        assert abs(sum(scores.values()) - 1) < 1e-6
    (unseen,) = model(["a coin unseen"], ())
    assert max(unseen, key=unseen.__getitem__) == "nonmedical"


def test_the_lower_layers_learn_what_tells_questions_apart(network, tokenizer):
    told = {"give my dose": "dose", "my poem": "nonmedical", "mass": "search"}
    examples = [Example(text, text, label) for text, label in told.items()]
    embeddings = network.embeddings.word_embeddings.weight.clone()
    course = Course(epochs=40, batch=3, rate=1e-2, head_rate=1e-2, warm_up=5)
    with torch.no_grad():
        before = embed(network, tokenizer, list(told))
    tune(lower_layers(network, 2), tokenizer, examples, course, log=lambda _: None)
    with torch.no_grad():
        vectors = embed(network, tokenizer, list(told))
        shares = fit_head(vectors.numpy(), examples)(8 * vectors).softmax(dim=1)
    assert [list(LABELS)[int(row.argmax())] for row in shares] == list(told.values())
    assert not torch.allclose(vectors, before, atol=1e-3)
    assert torch.equal(network.embeddings.word_embeddings.weight, embeddings)
    assert network.config.num_hidden_layers == len(network.encoder.layer) == 2


def test_word_pieces_that_are_left_out_change_nothing_for_the_others(network, tokenizer, tmp_path):
    network.eval()
    with torch.no_grad():
        before = embed(network, tokenizer, ["give my mass"])
    kept = [n for n, piece in enumerate(PIECES) if piece != "poem"]
    smaller_vocabulary(network, kept)
    fewer = tmp_path / "fewer.txt"
    fewer.write_text("".join(f"{PIECES[n]}\n" for n in kept), "utf-8")
    with torch.no_grad():
        after = embed(network, BertWordPieceTokenizer(str(fewer)), ["give my mass"])
    assert torch.allclose(before, after, atol=1e-6)
