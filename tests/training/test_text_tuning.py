"""The tuning of a text encoder: it learns its pairs, goes on where it stopped, and is exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel

from mmedrag.encoders.text import OnnxTextEncoder, WordPiece
from mmedrag.training.int8 import quantise_weights
from mmedrag.training.text_pairs import TextPair, pair_family
from mmedrag.training.text_tuning import (
    FROZEN,
    Course,
    blended,
    draw_batch,
    embed,
    export_texts,
    pair_loss,
    tune_texts,
    upper_parameters,
)

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "mass", "tumour", "fluid", "effusion", "no")
PAIRS = [("mass", "tumour", "mass"), ("fluid", "effusion", "fluid"), ("no mass", "no tumour", "no")]
COURSE = Course(steps=60, batch=3, rate=1e-2, warm_up=5, seed=1)


def small_network() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=64,
        num_hidden_layers=FROZEN + 1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    return BertModel(config, add_pooling_layer=False)


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n", "utf-8")
    return path


def test_pairs_are_learned_by_the_upper_layers_alone(vocabulary: Path) -> None:
    network, tokenizer = small_network(), BertWordPieceTokenizer(str(vocabulary))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pairs = [TextPair(*texts, group=texts[0]) for texts in PAIRS]
    first = pair_loss(network, tokenizer, pairs).item()
    tune_texts(network, tokenizer, {"all": (1.0, pair_family(PAIRS))}, COURSE, log=lambda _: None)
    assert pair_loss(network, tokenizer, pairs).item() < 0.7 * first
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(f"encoder.layer.{FROZEN}.") for name in changed)


def test_an_interrupted_run_ends_as_one_that_was_not(
    vocabulary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmedrag.training.text_tuning.KEPT", 5)
    tokenizer, families = BertWordPieceTokenizer(str(vocabulary)), {"a": (1.0, pair_family(PAIRS))}
    course, state = Course(steps=10, batch=3, warm_up=2), tmp_path / "run.pt"
    whole, halted = small_network(), small_network()
    tune_texts(whole, tokenizer, families, course, log=lambda _: None)

    def stop(line: str) -> None:
        if line.startswith("step 10"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_texts(halted, tokenizer, families, course, state=state, log=stop)
    again = small_network()
    tune_texts(again, tokenizer, families, course, state=state, log=lambda _: None)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_wrong_text_counts_in_the_loss(vocabulary: Path) -> None:
    network, tokenizer = small_network(), BertWordPieceTokenizer(str(vocabulary))
    upper_parameters(network)
    easy = [TextPair("mass", "tumour", group="1"), TextPair("fluid", "effusion", group="2")]
    hard = [TextPair("mass", "tumour", "no mass", "1"), easy[1]]
    assert pair_loss(network, tokenizer, hard) > pair_loss(network, tokenizer, easy)


def test_a_batch_has_each_group_once() -> None:
    batch = draw_batch(pair_family(PAIRS), 8, np.random.default_rng(0))
    assert sorted(pair.group for pair in batch) == ["fluid", "mass", "no"]


def test_blended_weights_lie_between() -> None:
    one, other = {"a": torch.zeros(2)}, {"a": torch.ones(2)}
    assert torch.equal(blended(one, other, 0.25)["a"], torch.full((2,), 0.25))


def test_the_exported_int8_encoder_says_what_the_network_says(
    vocabulary: Path, tmp_path: Path
) -> None:
    network, texts = small_network(), ["mass", "no effusion fluid mass", "tumour no"]
    network.set_attn_implementation("eager")
    file = tmp_path / "texts.onnx"
    export_texts(network, file)
    size = file.stat().st_size
    quantise_weights(file)
    assert file.stat().st_size < 0.7 * size
    with torch.no_grad():
        expected = embed(network, BertWordPieceTokenizer(str(vocabulary)), texts).numpy()
    vectors = OnnxTextEncoder(file, WordPiece(vocabulary), threads=1).encode(texts)
    assert np.all((vectors * expected).sum(axis=1) > 0.999)
