"""Scenes, materials and objects that are not medical, 256 × 256 RGB, drawn from a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mmedrag.phantoms.images.canvas import Field, cloud, coordinates, smoothstep

SIZE = 256
Colour = tuple[int, int, int]
RNG = np.random.Generator


def _colour(rng: RNG, low: int = 0, high: int = 256) -> Colour:
    r, g, b = (int(v) for v in rng.integers(low, high, 3))
    return r, g, b


def _tinted(shade: Field, dark: NDArray[np.float64], light: NDArray[np.float64]) -> Image.Image:
    """Grey values in [0, 1] spread between two colours."""
    t = np.clip(shade, 0, 1)[..., None]
    return Image.fromarray(np.asarray(dark + t * (light - dark), dtype=np.uint8))


def _octaves(rng: RNG, coarse: float) -> Field:
    grains = (coarse, coarse / 2, coarse / 4, coarse / 8)
    total = sum(cloud(rng, max(1.5, g)) * 0.55**k for k, g in enumerate(grains))
    return np.asarray(total, dtype=np.float32)


def _gradient(top: Colour, bottom: Colour) -> Image.Image:
    t = np.linspace(0, 1, SIZE)[:, None, None] * np.ones((1, SIZE, 1))
    mixed = np.array(top) * (1 - t) + np.array(bottom) * t
    return Image.fromarray(mixed.astype(np.uint8))


def _ridge(rng: RNG, level: float, height: float) -> list[tuple[float, float]]:
    x = np.linspace(0, SIZE, 65)
    y = np.full_like(x, level)
    for k in (1, 2, 4, 8):
        rate = 2 * np.pi * k / SIZE * rng.uniform(0.5, 1.5)
        y = y + height / k * np.sin(x * rate + rng.uniform(0, 6))
    return [*zip(x.tolist(), y.tolist(), strict=True), (SIZE, SIZE), (0, SIZE)]


def landscape(rng: RNG) -> Image.Image:
    """Sky, sun, ridges of hills, sometimes trees."""
    image = _gradient(_colour(rng, 60, 200), _colour(rng, 150, 256))
    draw = ImageDraw.Draw(image)
    x, y, r = rng.uniform(20, 236), rng.uniform(20, 100), rng.uniform(8, 26)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, int(rng.integers(180, 256)), 170))
    base = np.array(_colour(rng, 40, 150))
    for k in range(int(rng.integers(2, 5))):
        tone = (base * (1 - 0.2 * k)).astype(int)
        draw.polygon(_ridge(rng, 120 + 38 * k, 22), fill=(int(tone[0]), int(tone[1]), int(tone[2])))
    for tree in rng.uniform(0, SIZE, int(rng.integers(0, 9))):
        foot, tall = rng.uniform(205, 245), rng.uniform(18, 45)
        draw.rectangle((tree - 2, foot - tall / 3, tree + 2, foot), fill=(70, 50, 30))
        leaf = (20, int(rng.integers(60, 120)), 30)
        skirt, half = foot - tall / 4, tall / 3
        draw.polygon([(tree - half, skirt), (tree + half, skirt), (tree, foot - tall * 1.2)], leaf)
    return image


def seaside(rng: RNG) -> Image.Image:
    """Sea with waves, sky and beach."""
    _, y = coordinates()
    sky, sea, sand = (np.array(c, float) for c in (
        _colour(rng, 120, 256), _colour(rng, 10, 140), (225, 200, 150)))  # fmt: skip
    horizon, shore = rng.uniform(-0.3, 0.1), rng.uniform(0.4, 0.8)
    depth = np.sqrt(np.maximum(y - horizon, 0))
    waves = 0.18 * np.sin(rng.uniform(40, 90) * depth + 2 * cloud(rng, 30))
    wet = smoothstep(y, horizon - 0.005, horizon + 0.005)[..., None]
    dry = smoothstep(y + 0.05 * cloud(rng, 60), shore, shore + 0.03)[..., None]
    image = sky * (1 - 0.2 * y[..., None]) * (1 - wet) + wet * sea * (1.2 + waves[..., None])
    image = image * (1 - dry) + dry * sand * (1 + 0.06 * cloud(rng, 2)[..., None])
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def night_lights(rng: RNG) -> Image.Image:
    """Out-of-focus lamps against the dark: round and bright, like nothing in the body."""
    image = Image.new("RGB", (SIZE, SIZE), _colour(rng, 0, 40))
    for _ in range(int(rng.integers(15, 45))):
        layer = ImageDraw.Draw(image, "RGBA")
        x, y, r = *rng.uniform(0, SIZE, 2), rng.uniform(4, 24)
        layer.ellipse((x - r, y - r, x + r, y + r), fill=(*_colour(rng, 120, 256), 110))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 3))))


def wood(rng: RNG) -> Image.Image:
    """Planks with grain."""
    x, _ = coordinates()
    warp = x * rng.uniform(4, 9) + 0.8 * cloud(rng, 40, 150) + 0.1 * cloud(rng, 3, 40)
    grain = 0.5 + 0.35 * np.sin(warp * 9) + 0.15 * cloud(rng, 2, 60)
    seams = np.abs(((x + 1) * rng.integers(1, 4)) % 1) < 0.015
    dark = np.array([90, 55, 25]) * rng.uniform(0.6, 1.3)
    return _tinted(np.asarray(grain * ~seams, np.float32), dark, np.minimum(255, dark * 2.1))


def stone(rng: RNG) -> Image.Image:
    """Marble, granite or cloud-like fields."""
    field = _octaves(rng, rng.uniform(25, 90))
    if rng.random() < 0.5:
        x, y = coordinates()
        field = np.sin(6 * (x + y) + 2.2 * field).astype(np.float32)
    low, high = np.array(_colour(rng, 0, 130), float), np.array(_colour(rng, 130, 256), float)
    return _tinted(np.asarray(0.5 + 0.3 * field, np.float32), low, high)


def brick(rng: RNG) -> Image.Image:
    """A wall of bricks or tiles."""
    image = Image.new("RGB", (SIZE, SIZE), _colour(rng, 150, 220))
    draw = ImageDraw.Draw(image)
    wide, high = int(rng.integers(24, 64)), int(rng.integers(12, 34))
    base = np.array(_colour(rng, 60, 200))
    for row, y in enumerate(range(0, SIZE, high)):
        for x in range(-wide, SIZE, wide):
            left = x + (wide // 2) * (row % 2)
            tone = np.clip(base + rng.integers(-22, 22), 0, 255)
            draw.rectangle((left + 1, y + 1, left + wide - 2, y + high - 2),
                           fill=(int(tone[0]), int(tone[1]), int(tone[2])))  # fmt: skip
    return image.rotate(float(rng.uniform(-12, 12)), Image.Resampling.BILINEAR)


def foliage(rng: RNG) -> Image.Image:
    """Leaves and blades of grass."""
    image = Image.new("RGB", (SIZE, SIZE), (20, int(rng.integers(30, 70)), 15))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(250, 600))):
        x, y, turn = *rng.uniform(0, SIZE, 2), rng.normal(-1.5, 0.7)
        long, wide = rng.uniform(10, 45), rng.uniform(1, 6)
        ux, uy = np.cos(turn), np.sin(turn)
        green = int(rng.integers(60, 220))
        fill = (int(green * rng.uniform(0.2, 0.9)), green, int(green * rng.uniform(0.1, 0.4)))
        draw.polygon([(x - wide * uy, y + wide * ux), (x + wide * uy, y - wide * ux),
                      (x + long * ux, y + long * uy)], fill=fill)  # fmt: skip
    return image


def still_life(rng: RNG) -> Image.Image:
    """Shaded balls and fruit on a table: round like an eye, and not one."""
    image = _gradient(_colour(rng, 0, 256), _colour(rng, 0, 256))
    x, y = coordinates()
    pixels = np.asarray(image, dtype=np.float32)
    for _ in range(int(rng.integers(1, 5))):
        cx, cy, r = *rng.uniform(-0.6, 0.6, 2), rng.uniform(0.2, 0.7)
        away = np.sqrt((x - cx) ** 2 + (y - cy) ** 2) / r
        light = np.clip(1.25 - np.hypot(x - cx + 0.4 * r, y - cy + 0.4 * r) / (1.5 * r), 0.1, 1.3)
        mask = smoothstep(away.astype(np.float32), 1.0, 0.97)[..., None]
        pixels = pixels * (1 - mask) + mask * light[..., None] * np.array(_colour(rng, 40, 256))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def objects(rng: RNG) -> Image.Image:
    """Drawn things: houses, cars, faces, stars, in flat colours."""
    image = Image.new("RGB", (SIZE, SIZE), _colour(rng, 150, 256))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 6))):
        x, y, s = *rng.uniform(20, 190, 2), rng.uniform(25, 80)
        main, other = _colour(rng), _colour(rng)
        kind = int(rng.integers(4))
        if kind == 0:
            draw.rectangle((x, y, x + s, y + s), fill=main)
            draw.polygon([(x - 5, y), (x + s + 5, y), (x + s / 2, y - s / 2)], fill=other)
            draw.rectangle((x + s * 0.4, y + s * 0.5, x + s * 0.6, y + s), fill=other)
        elif kind == 1:
            draw.rounded_rectangle((x, y, x + 2 * s, y + s / 2), 8, fill=main)
            for wheel in (0.4, 1.5):
                cx, cy = x + wheel * s, y + s / 2
                draw.ellipse((cx - s / 5, cy - s / 5, cx + s / 5, cy + s / 5), fill=(20, 20, 20))
        elif kind == 2:
            draw.ellipse((x, y, x + s, y + s), fill=main, outline=(0, 0, 0), width=2)
            for eye in (0.3, 0.7):
                draw.ellipse(
                    (x + eye * s - 4, y + s * 0.3, x + eye * s + 4, y + s * 0.3 + 8), fill=0
                )
            draw.arc((x + s * 0.2, y + s * 0.3, x + s * 0.8, y + s * 0.8), 20, 160, fill=0, width=3)
        else:
            t = np.arange(10) * np.pi / 5 + rng.uniform(0, 1)
            r = np.where(np.arange(10) % 2, s / 5, s / 2)
            draw.polygon(list(zip((x + r * np.cos(t)).tolist(), (y + r * np.sin(t)).tolist(),
                                  strict=True)), fill=main)  # fmt: skip
    return image


def flat(rng: RNG) -> Image.Image:
    """One colour, or a smooth change between two."""
    if rng.random() < 0.5:
        return Image.new("RGB", (SIZE, SIZE), _colour(rng))
    return _gradient(_colour(rng), _colour(rng)).rotate(90 * int(rng.integers(4)))


def noise(rng: RNG) -> Image.Image:
    """White, coloured or blocky noise."""
    block = int(rng.choice([1, 2, 4, 8, 16]))
    small = rng.integers(0, 256, (SIZE // block, SIZE // block, 3)).astype(np.uint8)
    if rng.random() < 0.3:
        small = np.repeat(small[..., :1], 3, axis=2)
    return Image.fromarray(small).resize((SIZE, SIZE), Image.Resampling.NEAREST)


def pattern(rng: RNG) -> Image.Image:
    """Stripes, checks, rings and dots."""
    x, y = coordinates()
    rate, turn = rng.uniform(8, 45), rng.uniform(0, np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    waves = (np.sin(rate * u), np.sin(rate * u) * np.sin(rate * v), np.sin(rate * np.hypot(u, v)),
             np.cos(rate * u) + np.cos(rate * v) - 1)  # fmt: skip
    sharp = rng.choice([1.0, 8.0])
    shade = np.asarray(0.5 + 0.5 * np.tanh(sharp * waves[int(rng.integers(4))]), np.float32)
    return _tinted(shade, np.array(_colour(rng), float), np.array(_colour(rng), float))


SCENES: Mapping[str, Callable[[RNG], Image.Image]] = {
    "landscape": landscape, "seaside": seaside, "night lights": night_lights, "wood": wood,
    "stone": stone, "brick": brick, "foliage": foliage, "still life": still_life,
    "objects": objects, "flat": flat, "noise": noise, "pattern": pattern,
}  # fmt: skip
"""Families by name."""
