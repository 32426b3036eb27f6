"""Towers in training give the features of the encoders in use."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch
from PIL import Image

from mmedrag.encoders.transformers import TransformersImageEncoder, TransformersTextEncoder
from mmedrag.training.towers import FrozenTower, ImageTower, TextTower, set_learning
from mmedrag.types import Case, Domain
from tiny_models import write_model

TEXTS = ["left effusion", "no", "right lung effusion no left " * 9]


@pytest.fixture
def cases(tmp_path) -> list[Case]:
    """Three radiographs (noise) of different shapes, one text longer than the window."""
    found = []
    for i, text in enumerate(TEXTS):
        path = tmp_path / f"{i}.png"
        pixels = np.random.default_rng(i).integers(0, 255, (40 + 9 * i, 50), np.uint8)
        Image.fromarray(pixels).save(path)
        found.append(Case(id=str(i), text=text, image=path, domain=Domain.RADIOLOGY))
    return found


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_texts(cases, tmp_path, pooling):
    encoder = TransformersTextEncoder.load(write_model("bert", tmp_path / "m"), pooling=pooling)
    tower = TextTower(encoder, cases)
    found = tower.features(tower.prepare([2, 0, 1], epoch=3))
    expected = encoder.encode([TEXTS[2], TEXTS[0], TEXTS[1]])
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)
    found.sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in tower.network.parameters())


def test_images(cases, tmp_path):
    encoder = TransformersImageEncoder.load(write_model("resnet", tmp_path / "m"))
    tower = ImageTower(encoder, cases, seed=4)
    found = tower.features(tower.prepare([1, 2], epoch=None)).detach().numpy()
    expected = encoder.encode([Image.open(c.image) for c in cases[1:]])
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    first, again, later = (tower.prepare([1, 2], epoch=epoch) for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


def test_batch_normalisation_keeps_its_statistics(cases, tmp_path):
    encoder = TransformersImageEncoder.load(write_model("resnet", tmp_path / "m"))
    tower = ImageTower(encoder, cases, seed=0)
    before = {name: tensor.clone() for name, tensor in tower.network.state_dict().items()}
    set_learning(tower.network, True)
    pixels = tower.prepare([0, 1, 2], epoch=None)
    together = tower.features(pixels)
    torch.testing.assert_close(together[:1], tower.features(pixels[:1]))
    after = tower.network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_what_is_saved_is_what_was_learned(cases, tmp_path):
    texts = TransformersTextEncoder.load(write_model("bert", tmp_path / "t"))
    images = TransformersImageEncoder.load(write_model("resnet", tmp_path / "i"))
    with torch.no_grad():
        for encoder in (texts, images):
            for parameter in encoder.network.parameters():
                parameter.mul_(1.01)
    texts.save(tmp_path / "T")
    images.save(tmp_path / "I")
    pictures = [Image.open(case.image) for case in cases]
    read = TransformersImageEncoder.load(tmp_path / "I")
    np.testing.assert_array_equal(read.encode(pictures), images.encode(pictures))
    again = TransformersTextEncoder.load(tmp_path / "T")
    np.testing.assert_array_equal(again.encode(TEXTS), texts.encode(TEXTS))


def test_frozen_rows():
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    tower = FrozenTower(rows, torch.device("cpu"))
    assert tower.network is None
    assert tower.features(tower.prepare(range(1, 3), 0)).tolist() == rows[1:3].tolist()
