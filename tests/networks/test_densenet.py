"""DenseNet-121 has the shape and the names of the published checkpoints."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch

from mmedrag.networks.densenet import DenseNet, load_densenet


@pytest.fixture(scope="module")
def model() -> DenseNet:
    torch.manual_seed(0)
    return DenseNet().eval()


def test_it_has_the_published_number_of_parameters(model: DenseNet) -> None:
    classifier = 1024 * 1000 + 1000
    assert sum(p.numel() for p in model.parameters()) + classifier == 7_978_856


def test_names_are_torchvision_s(model: DenseNet) -> None:
    names = set(model.state_dict())
    assert {
        "features.conv0.weight",
        "features.norm0.running_mean",
        "features.denseblock1.denselayer1.norm1.weight",
        "features.denseblock4.denselayer16.conv2.weight",
        "features.transition3.conv.weight",
        "features.norm5.bias",
    } <= names
    assert model.state_dict()["features.denseblock3.denselayer24.conv1.weight"].shape[1] == 992


def test_the_map_has_1024_channels(model: DenseNet) -> None:
    with torch.inference_mode():
        found = model(torch.zeros(1, 3, 64, 64))
    assert found.shape == (1, 1024, 2, 2)
    assert float(found.min()) >= 0


def test_dotted_names_of_the_first_files_load_too(model: DenseNet) -> None:
    state = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", name): value
        for name, value in model.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    state["classifier.weight"] = torch.zeros(1000, 1024)
    again = load_densenet(state)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)


def test_a_state_that_lacks_layers_is_refused(model: DenseNet) -> None:
    state = {k: v for k, v in model.state_dict().items() if "denselayer16" not in k}
    with pytest.raises(RuntimeError, match="denselayer16"):
        load_densenet(state)


def test_a_dense_layer_adds_to_what_came_in() -> None:
    small = DenseNet((1, 1), growth=4).eval()
    layer = small.features.denseblock1.denselayer1
    x = torch.randn(1, 8, 6, 6)
    found = layer(x)
    torch.testing.assert_close(found[:, :8], x)
    assert found.shape[1] == 12
