"""Real pictures that are not medical, from installed packages or folders: what the gate must stop.

Nothing is downloaded and nothing is kept: whoever trains or measures the modality head names
folders of photographs and drawings, or has packages installed that carry some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

PACKAGED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "matplotlib": ("mpl-data/sample_data", ("grace_hopper.jpg",)),
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
    "skimage": (
        "data",
        (
            "astronaut.png", "brick.png", "camera.png", "chelsea.png", "chessboard_GRAY.png",
            "clock_motion.png", "coffee.png", "coins.png", "color.png", "grass.png", "gravel.png",
            "horse.png", "hubble_deep_field.jpg", "moon.png", "motorcycle_left.png", "page.png",
            "rocket.jpg", "text.png",
        ),
    ),
    "mahotas": ("demos/data", ("DepartmentStore.jpg", "luispedro.jpg")),
    "gradio": (
        "media_assets/images",
        ("avatar.png", "bus.png", "cheetah.jpg", "cheetah1.jpg", "groot.jpeg", "lion.jpg",
         "tower.jpg"),
    ),
    "ultralytics": ("assets", ("bus.jpg", "zidane.jpg")),
    "imgaug": ("", ("quokka.jpg",)),
    "pygame": (
        "docs/generated/_images",
        (
            "Bagic-INPUT-sourcecode.png", "Bagic-PROCESS-sourcecode.png", "angle_to.png",
            "camera_average.jpg", "camera_hsv.jpg", "camera_rgb.jpg", "camera_thresholded.jpg",
            "camera_yuv.jpg", "introduction-Battleship.png", "introduction-PuyoPuyo.png",
            "introduction-TPS.png", "joystick_calls.png", "surfarray_flipped.png",
            "surfarray_redimg.png", "surfarray_rgbarray.png", "surfarray_scaleup.png",
            "surfarray_soften.png", "surfarray_xfade.png", "tom_radians.png",
        ),
    ),
}  # fmt: skip
"""Photographs and drawings by package: the folder in it, and the files that are not medical."""

_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
_LONGEST = 1024
_SIZE = 320


def packaged_pictures() -> Iterator[tuple[str, Image.Image]]:
    """The pictures of :data:`PACKAGED` whose package is installed, with ``package/file`` as name.

    Packages are found, not imported.
    """
    for package, (folder, names) in PACKAGED.items():
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            for name in names:
                path = Path(root) / folder / name
                if path.is_file():
                    with Image.open(path) as picture:
                        yield f"{package}/{name}", _opaque(picture, (255, 255, 255))


def picture_files(folders: Sequence[Path]) -> list[Path]:
    """Every JPEG, PNG and WebP file in the folders and below, sorted by path."""
    result = (p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in _ENDINGS)
    return sorted(p for p in result if p.is_file())


def views(path: Path, number: int, seed: int) -> list[Image.Image]:
    """A picture as a whole and ``number - 1`` random parts of it, RGB, at most 320 pixels wide.

    Cut-outs (drawings and photographs on a transparent ground) are laid on a plain ground. A part
    in five is grey, so that the absence of colour is no sign of a radiograph. A picture that is too
    large for Pillow to open has no view.
    """
    rng = np.random.default_rng([seed, len(path.name), *path.name.encode()])
    try:
        opened = Image.open(path)
    except Image.DecompressionBombError:
        return []
    with opened as picture:
        picture.draft("RGB", (_LONGEST, _LONGEST))
        ground = (255, 255, 255) if rng.random() < 0.5 else tuple(rng.integers(0, 256, 3).tolist())
        whole = _opaque(picture, (ground[0], ground[1], ground[2]))
    whole.thumbnail((_LONGEST, _LONGEST))
    return [_toned(rng, _crop(rng, whole) if i else whole) for i in range(number)]


def _opaque(picture: Image.Image, ground: tuple[int, int, int]) -> Image.Image:
    if "A" not in picture.mode and "transparency" not in picture.info:
        return picture.convert("RGB")
    cut_out = picture.convert("RGBA")
    laid = Image.new("RGBA", cut_out.size, (*ground, 255))
    laid.alpha_composite(cut_out)
    return laid.convert("RGB")


def _crop(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """A rectangle with 15 to 70 % of the area, of a shape between 3:4 and 4:3."""
    share, shape = rng.uniform(0.15, 0.7), rng.uniform(0.75, 1.33)
    side = (picture.width * picture.height * share) ** 0.5
    width, height = min(picture.width, side * shape), min(picture.height, side / shape)
    left, top = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
    return picture.crop((int(left), int(top), int(left + width), int(top + height)))


def _toned(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((_SIZE, _SIZE))
    return small.convert("L").convert("RGB") if rng.random() < 0.2 else small
