"""The networks of section 5: features, gradients, checkpoints, and labels of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch
from PIL import Image
from safetensors.torch import save_file

from mmedrag.errors import CheckpointError, QueryError
from mmedrag.networks.backbones import (
    ARCHITECTURES,
    Backbone,
    backbones,
    load_backbone,
    random_backbone,
)
from mmedrag.networks.densenet import DenseNet
from tiny_models import write_model


def noise(seed: int, side: int = 256) -> Image.Image:
    drawn = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    return Image.fromarray(drawn)


def test_features_are_the_mean_of_the_map() -> None:
    def network(pixels: torch.Tensor) -> torch.Tensor:
        return torch.cat([pixels, 2 * pixels], dim=1)

    plain = Backbone("double", "none", network, (0, 0, 0), (1, 1, 1))
    found = plain.embed([Image.new("L", (256, 256), 51)], 32)
    np.testing.assert_allclose(found, [[0.2] * 3 + [0.4] * 3], atol=1e-6)
    assert found.dtype == np.float64


def test_gradient_is_that_of_the_feature_norm() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)
    backbone = Backbone("conv", "random", lambda x: torch.relu(layer(x)), (0, 0, 0), (1, 1, 1))
    image = noise(1, 16)
    found = backbone.gradient(image, 16)
    pixels = np.asarray(image, dtype=np.float64) / 255

    def norm(grey: np.ndarray) -> float:
        x = torch.tensor(grey, dtype=torch.float32).expand(1, 3, 16, 16)
        return float(torch.relu(layer(x)).double().mean(dim=(2, 3)).norm())

    for y, x in ((0, 0), (7, 9), (15, 3)):
        up, down = pixels.copy(), pixels.copy()
        up[y, x] += 0.05
        down[y, x] -= 0.05
        assert found[y, x] == pytest.approx(abs(norm(up) - norm(down)) / 0.1, rel=0.05, abs=2e-5)


@pytest.mark.parametrize("kind", ["resnet", "efficientnet", "vit"])
def test_a_checkpoint_of_transformers_is_loaded(kind: str, tmp_path: Path) -> None:
    backbone = load_backbone("mine", str(write_model(kind, tmp_path / kind)))
    assert (backbone.name, backbone.weights) == ("mine", str(tmp_path / kind))
    assert backbone.trained
    assert backbone.fixed_size == (kind == "vit")
    found = backbone.embed([noise(0), noise(1)], 32)
    assert found.shape[0] == 2
    assert np.isfinite(found).all()
    assert np.abs(found[0] - found[1]).max() > 0
    assert backbone.gradient(noise(0), 32).shape == (32, 32)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_densenet_takes_a_state_dict(suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = DenseNet().eval()
    path = tmp_path / f"densenet{suffix}"
    if suffix == ".pth":
        torch.save(model.state_dict(), path)
    else:
        save_file(model.state_dict(), path)
    backbone = load_backbone("densenet121", str(path))
    assert backbone.name == "DenseNet-121"
    with torch.inference_mode():
        x = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(backbone.network(x), model(x))


def test_a_wrong_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    torch.save({"weight": torch.zeros(3)}, wrong)
    for path in (wrong, tmp_path / "absent.pth"):
        with pytest.raises(CheckpointError, match=path.stem):
            load_backbone("densenet121", str(path))
    with pytest.raises(CheckpointError, match="nothing here"):
        load_backbone("resnet50", str(tmp_path / "nothing here"))


@pytest.mark.parametrize("name", ["densenet121", "efficientnet_b0"])
def test_random_weights_are_labelled_repeatable_and_alive(name: str) -> None:
    first, again = random_backbone(name), random_backbone(name)
    assert (first.name, first.weights, first.trained) == (ARCHITECTURES[name], "random", False)
    found = first.embed([noise(0)], 64)
    np.testing.assert_array_equal(found, again.embed([noise(0)], 64))
    assert np.linalg.norm(found) > 1e-6


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(QueryError, match="vgg"):
        random_backbone("vgg")


def test_lite0_comes_first_and_is_trained() -> None:
    first = next(backbones({}))
    assert (first.name, first.weights, first.trained) == ("EfficientNet-Lite0", "ImageNet", True)


@pytest.mark.long
def test_every_architecture_runs() -> None:
    for backbone in backbones({}):
        size = 224 if backbone.fixed_size else 64
        found = backbone.embed([noise(0)], size)
        assert np.linalg.norm(found) > 1e-6
        assert backbone.gradient(noise(0), size).max() > 0
