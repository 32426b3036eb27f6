"""DenseNet-121 (Huang et al. 2017) as a torch module.

Parameter names are those of torchvision and timm, so that a state dict of either loads as it is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCKS = (6, 12, 24, 16)
GROWTH = 32

_DOTTED = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


class _Layer(nn.Module):
    """Two convolutions whose ``growth`` maps are added to those that came in."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(functional.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(functional.relu(self.norm2(new)))], dim=1)


def _block(inputs: int, layers: int, growth: int) -> nn.Sequential:
    named = ((f"denselayer{i + 1}", _Layer(inputs + i * growth, growth)) for i in range(layers))
    return nn.Sequential(OrderedDict(named))


def _transition(inputs: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(inputs),
            relu=nn.ReLU(),
            conv=nn.Conv2d(inputs, inputs // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(nn.Module):
    """Images ``(n, 3, s, s)`` to the feature map ``(n, 1024, s/32, s/32)``.

    Args:
        blocks: dense layers in each block.
        growth: maps that a layer adds; the stem has twice as many.
    """

    def __init__(self, blocks: tuple[int, ...] = BLOCKS, growth: int = GROWTH) -> None:
        super().__init__()
        width = 2 * growth
        modules: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(width),
            relu0=nn.ReLU(),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        for i, layers in enumerate(blocks, 1):
            modules[f"denseblock{i}"] = _block(width, layers, growth)
            width += layers * growth
            if i < len(blocks):
                modules[f"transition{i}"] = _transition(width)
                width //= 2
        modules["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(modules)

    def forward(self, x: Tensor) -> Tensor:
        """The feature map. Of images ``(n, 3, s, s)``: ``(n, 1024, s/32, s/32)``."""
        return functional.relu(self.features(x))


def load_densenet(state: Mapping[str, Tensor]) -> DenseNet:
    """DenseNet-121 with weights of torchvision (also the dotted names of its first files) or timm.

    The classifier is left out.

    Raises:
        RuntimeError: where tensors are missing or of another shape, as torch says.
    """
    model = DenseNet()
    kept = {k: v for k, v in state.items() if not k.startswith("classifier")}
    model.load_state_dict({_DOTTED.sub(r"\1\2", key): value for key, value in kept.items()})
    return model.eval()
