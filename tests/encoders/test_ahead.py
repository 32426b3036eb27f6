"""Images that are encoded while their question is read, and batches that are shared out."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from mmedrag.encoders import dual
from mmedrag.encoders.dual import Remembering
from mmedrag.encoders.onnx import OnnxModel
from mmedrag.presets import MODELS


class Slow:
    """Encodes once it is let, and remembers in which threads it was asked."""

    dim, fingerprint = 2, "slow"

    def __init__(self) -> None:
        self.let = threading.Event()
        self.threads: list[str] = []

    def encode(self, items: Sequence[Image.Image]) -> np.ndarray:
        self.threads.append(threading.current_thread().name)
        assert self.let.wait(10)
        if any(item.size == (1, 1) for item in items):
            raise ValueError("too small")
        return np.array([item.size for item in items], np.float32)


@pytest.fixture(name="two_cores", autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dual, "cores", lambda: 2)


def test_who_wants_an_item_that_is_encoded_waits_and_it_is_encoded_once() -> None:
    encoder = Slow()
    images: Remembering[Image.Image] = Remembering(encoder)
    picture = Image.new("L", (3, 4))
    images.begin(picture)
    images.begin(picture)
    encoder.let.set()
    for _ in range(2):
        assert images.encode([picture, picture]).tolist() == [[3, 4], [3, 4]]
    assert len(encoder.threads) == 1
    assert encoder.threads[0] != threading.current_thread().name


def test_a_fault_is_raised_where_the_item_is_wanted() -> None:
    encoder = Slow()
    encoder.let.set()
    images: Remembering[Image.Image] = Remembering(encoder)
    picture = Image.new("L", (1, 1))
    images.begin(picture)
    with pytest.raises(ValueError, match="too small"):
        images.encode([picture])
    with pytest.raises(ValueError, match="too small"):  # and is not remembered
        images.encode([picture])
    assert len(encoder.threads) == 2


def test_on_one_core_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dual, "cores", lambda: 1)
    encoder = Slow()
    Remembering(encoder).begin(Image.new("L", (3, 4)))
    assert not encoder.threads


def test_what_nobody_wants_in_the_end_does_not_pile_up() -> None:
    encoder = Slow()
    encoder.let.set()
    images: Remembering[Image.Image] = Remembering(encoder, size=4)
    for width in range(2, 30):
        images.begin(Image.new("L", (width, 2)))
    assert len(images._ahead) <= 4
    images.cache_clear()
    assert not images._ahead


def test_a_batch_is_shared_out_and_comes_back_in_order() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 3, 288, 288)).astype(np.float32)
    one, three = (OnnxModel(MODELS / "image.onnx", threads=n) for n in (1, 3))
    alone, shared = (m.run(["pooled", "map"], {"image": rows}) for m in (one, three))
    assert [a.shape for a in shared] == [(5, 1280), (5, 1280, 9, 9)]
    for a, b in zip(alone, shared, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
