"""Table 3: is an encoder's gradient larger where the fracture is? (section 5.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmedrag.networks.backbones import SIZE as INPUT
from mmedrag.networks.backbones import Backbone, Floats
from mmedrag.phantoms.corpus import sensitivity_boxes, sensitivity_images
from mmedrag.phantoms.images.sensitivity import SIZE, Box

FRACTURES = ("hairline", "moderate")


def localisation(backbone: Backbone, seeds: Sequence[int]) -> dict[str, Floats]:
    """Score of each fracture's image, and of the base image in the same region, ``(seeds,)``.

    Scores by ``hairline``, ``hairline base``, ``moderate`` and ``moderate base``. The paper gives
    one base control; here each fracture has that of its own region, so that the difference (the net
    gain) compares the same pixels with and without the finding.
    """
    rows: dict[str, list[float]] = {}
    for seed in seeds:
        images, boxes = sensitivity_images(seed), sensitivity_boxes(seed)
        base = backbone.gradient(Image.fromarray(images["base"]))
        for name in FRACTURES:
            scores = backbone.gradient(Image.fromarray(images[name]))
            rows.setdefault(name, []).append(score(scores, boxes[name]))
            rows.setdefault(f"{name} base", []).append(score(base, boxes[name]))
    return {name: np.asarray(values) for name, values in rows.items()}


def score(gradient: Floats, box: Box) -> float:
    """Mean gradient inside the box over the mean everywhere; 1 where it is uniform.

    Args:
        gradient: magnitudes, ``(224, 224)``.
        box: in pixels of the 256 x 256 image.
    """
    scale = INPUT / SIZE
    top, left = int(box.top * scale), int(box.left * scale)
    bottom, right = int(np.ceil(box.bottom * scale)), int(np.ceil(box.right * scale))
    everywhere = float(gradient.mean())
    inside = float(gradient[top:bottom, left:right].mean())
    return inside / everywhere if everywhere > 0 else 1.0
