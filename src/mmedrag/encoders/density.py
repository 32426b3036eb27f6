"""A window on faint densities beside the picture (section 5.5 asks for what encoders do not see).

An encoder's shift under +9 grey levels in 20 x 20 pixels drowns in its shift under pixel noise. By
Parseval, noise on N pixels has its energy at all frequencies alike, while a patch of side a keeps
most of its own below 1/(2a) cycles a pixel, a few thousandths of the frequency plane. The window
shows that band, amplified as a radiologist narrows the grey window, and any image encoder reads it.
Fine detail is drawn over it only by what exceeds the reach of noise, so that hairlines stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.encoders.image import ImageEncoder
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Matrix

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DensityWindow:
    """An image to its faint densities: ``128 + gain (G_f x - G_c x) + edge core(x - G_d x)``.

    ``G`` is Gaussian smoothing on the image scaled to ``side`` pixels along its longer side;
    ``core(d)`` is ``d`` less ``floor`` in size, zero below. Lengths are pixels of that scale.
    """

    side: int = 256
    fine: float = 12.0
    coarse: float = 36.0
    gain: float = 10.0
    detail: float = 2.0
    floor: float = 30.0
    edge: float = 3.0

    @property
    def fingerprint(self) -> str:
        """The settings in a line."""
        band = f"{self.fine:g}-{self.coarse:g}x{self.gain:g}"
        return f"window:{self.side}:{band}:{self.detail:g}>{self.floor:g}x{self.edge:g}"

    def __call__(self, image: Image.Image) -> Image.Image:
        """The window of an image of any mode and size, grey."""
        pixels = np.asarray(_scaled(image.convert("L"), self.side), dtype=np.float32)
        band = smoothed(pixels, self.fine) - smoothed(pixels, self.coarse)
        rest = pixels - smoothed(pixels, self.detail)
        cored = np.sign(rest) * np.maximum(np.abs(rest) - self.floor, 0)
        shown = 128 + self.gain * band + self.edge * cored
        return Image.fromarray(np.clip(np.rint(shown), 0, 255).astype(np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class WindowedEncoder:
    """Any image encoder on the window instead of the picture; implements :class:`ImageEncoder`."""

    encoder: ImageEncoder
    window: DensityWindow = DensityWindow()

    @property
    def dim(self) -> int:
        """The encoder's."""
        return self.encoder.dim

    @property
    def fingerprint(self) -> str:
        """The encoder's, and the window."""
        return f"{self.encoder.fingerprint}|{self.window.fingerprint}"

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        """Features, float32 ``(len(images), dim)``."""
        return self.encoder.encode([self.window(image) for image in images])


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Two image encoders in one: ``[sqrt(1 - w) ^a ; sqrt(w) ^b]``; an :class:`ImageEncoder`.

    The cosine of two images is then ``(1 - w) cos_a + w cos_b``, and a shift the same mean of both
    shifts: what the second block sees is seen by its share ``w``, and the first block's noise falls
    by no more than ``1 - w``.
    """

    first: ImageEncoder
    second: ImageEncoder
    share: float

    @property
    def dim(self) -> int:
        """The sum of both widths."""
        return self.first.dim + self.second.dim

    @property
    def fingerprint(self) -> str:
        """Both encoders' and the share."""
        return f"[{self.first.fingerprint} & {self.second.fingerprint}]{self.share:g}"

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        """Unit vectors, float32 ``(len(images), dim)``."""
        first, second = (unit_rows(e.encode(images)) for e in (self.first, self.second))
        weights = np.float32(np.sqrt(1 - self.share)), np.float32(np.sqrt(self.share))
        return np.concatenate([weights[0] * first, weights[1] * second], axis=1)


def smoothed(pixels: Field, deviation: float) -> Field:
    """Gaussian smoothing of ``(h, w)``; near an edge the weights are scaled to sum to 1."""
    height, width = pixels.shape
    return np.asarray(_kernel(height, deviation) @ pixels @ _kernel(width, deviation).T)


@lru_cache(maxsize=256)
def _kernel(size: int, deviation: float) -> Field:
    index = np.arange(size)
    weights = np.exp(-0.5 * ((index[:, None] - index[None, :]) / deviation) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _scaled(image: Image.Image, side: int) -> Image.Image:
    longest = max(image.size)
    width, height = (max(1, round(length * side / longest)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)
