"""Pages and screens that are not medical: documents, charts, maps, user interfaces, codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 256
Colour = tuple[int, int, int]
RNG = np.random.Generator

_WORDS = (
    "the", "of", "and", "order", "total", "invoice", "meeting", "agenda", "report", "chapter",
    "figure", "table", "price", "delivery", "street", "summer", "garden", "window", "music",
    "travel", "budget", "market", "project", "north", "river", "paper", "number", "letter",
    "account", "train", "ticket", "recipe", "flour", "sugar", "kitchen", "school", "lesson",
    "holiday", "weather",
)  # fmt: skip


def _colour(rng: RNG, low: int = 0, high: int = 256) -> Colour:
    r, g, b = (int(v) for v in rng.integers(low, high, 3))
    return r, g, b


def _line(rng: RNG, words: int) -> str:
    return " ".join(_WORDS[i] for i in rng.integers(len(_WORDS), size=words)).capitalize()


def document(rng: RNG) -> Image.Image:
    """A page of text with a heading, in one or two columns."""
    image = Image.new("RGB", (SIZE, SIZE), _colour(rng, 235, 256))
    draw = ImageDraw.Draw(image)
    size = int(rng.integers(8, 14))
    font = ImageFont.load_default(size)
    ink = _colour(rng, 0, 70)
    draw.text((16, 12), _line(rng, 3), fill=ink, font=ImageFont.load_default(size + 7))
    columns = int(rng.integers(1, 3))
    for column in range(columns):
        left = 16 + column * 118
        for y in range(44, 240, size + 4):
            if rng.random() < 0.92:
                words = int(rng.integers(2, 4) if columns == 2 else rng.integers(4, 7))
                draw.text((left, y), _line(rng, words), fill=ink, font=font)
        if columns == 2:
            draw.rectangle((left + 108, 40, left + 120, 244), fill=image.getpixel((2, 2)))
    return image


def handwriting(rng: RNG) -> Image.Image:
    """Pen strokes on ruled paper."""
    image = Image.new("RGB", (SIZE, SIZE), _colour(rng, 225, 256))
    draw = ImageDraw.Draw(image)
    ink = _colour(rng, 0, 120)
    for base in range(40, 250, 30):
        draw.line((0, base + 6, SIZE, base + 6), fill=(170, 190, 220))
        x = 14.0
        while x < 232:
            t = np.linspace(0, rng.uniform(6, 22), 60)
            px = x + t * 2.1 + 2.6 * np.cos(t * 2 + rng.uniform(0, 6))
            py = base - 3 + rng.uniform(3, 7) * np.sin(t * 2) * np.sin(t * 0.7 + rng.uniform(0, 6))
            draw.line(list(zip(px.tolist(), py.tolist(), strict=True)), fill=ink, width=2)
            x = float(px.max()) + rng.uniform(8, 16)
    return image


def _axes(draw: ImageDraw.ImageDraw, rng: RNG) -> None:
    font = ImageFont.load_default(9)
    draw.line((36, 20, 36, 220, 244, 220), fill=(30, 30, 30), width=2)
    for k in range(6):
        draw.text((10, 214 - 38 * k), str(int(rng.integers(1, 20)) * (k + 1)), fill=0, font=font)
        draw.line((36, 220 - 38 * k, 244, 220 - 38 * k), fill=(220, 220, 220))
    draw.text((90, 4), _line(rng, 3), fill=0, font=ImageFont.load_default(11))


def bar_chart(rng: RNG) -> Image.Image:
    """Bars with axes and a title."""
    image = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    _axes(draw, rng)
    count = int(rng.integers(3, 12))
    main, wide = _colour(rng, 20, 220), 200 / count
    for k, height in enumerate(rng.uniform(10, 190, count)):
        fill = main if rng.random() < 0.7 else _colour(rng, 20, 220)
        left = 40 + k * wide
        draw.rectangle((left, 219 - height, left + wide * 0.7, 219), fill=fill)
    return image


def line_plot(rng: RNG) -> Image.Image:
    """Curves or a cloud of points with axes."""
    image = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    _axes(draw, rng)
    for _ in range(int(rng.integers(1, 5))):
        x = np.linspace(40, 240, 60)
        y = np.clip(120 + np.cumsum(rng.normal(0, 7, 60)) + rng.normal(0, 30), 24, 216)
        ink = _colour(rng, 0, 220)
        if rng.random() < 0.6:
            draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=ink, width=2)
        else:
            for px, py in zip(x, y, strict=True):
                draw.ellipse((px - 2, py - 2, px + 2, py + 2), fill=ink)
    return image


def screenshot(rng: RNG) -> Image.Image:
    """A window with a title bar, side bar, cards and buttons, light or dark."""
    dark = rng.random() < 0.4
    paper = _colour(rng, 20, 50) if dark else _colour(rng, 230, 256)
    ink: Colour = (220, 220, 220) if dark else (40, 40, 40)
    accent = _colour(rng, 30, 230)
    image = Image.new("RGB", (SIZE, SIZE), paper)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(9)
    draw.rectangle((0, 0, SIZE, 22), fill=accent)
    draw.text((8, 6), _line(rng, 2), fill=(255, 255, 255), font=font)
    side = int(rng.integers(0, 80))
    for y in range(32, 240, 18):
        draw.text((6, y), _line(rng, 1)[: max(0, side // 6)], fill=ink, font=font)
    for y in range(32, 230, int(rng.integers(40, 70))):
        edge = (90, 90, 90) if dark else (200, 200, 200)
        draw.rounded_rectangle((side + 8, y, 246, y + 34), 5, outline=edge)
        draw.text((side + 16, y + 5), _line(rng, 3), fill=ink, font=font)
        draw.rounded_rectangle((196, y + 10, 238, y + 26), 4, fill=accent)
    return image


def street_map(rng: RNG) -> Image.Image:
    """Roads, blocks, a park and a river, as on a map."""
    image = Image.new("RGB", (SIZE, SIZE), (238, 234, 224))
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        x, y = rng.uniform(0, 220, 2)
        draw.rectangle(
            (x, y, x + rng.uniform(30, 90), y + rng.uniform(30, 90)), fill=(200, 225, 180)
        )
    x = np.linspace(-10, 266, 40)
    river = rng.uniform(40, 210) + 25 * np.sin(x / rng.uniform(20, 60))
    draw.line(list(zip(x.tolist(), river.tolist(), strict=True)), fill=(150, 195, 230), width=14)
    for _ in range(int(rng.integers(8, 22))):
        a, b = rng.uniform(-20, 276, (2, 2))
        if rng.random() < 0.7:
            b[int(rng.integers(2))] = a[int(rng.integers(2))]
        wide = int(rng.choice([3, 5, 8]))
        ends = (float(a[0]), float(a[1]), float(b[0]), float(b[1]))
        draw.line(ends, fill=(190, 180, 170), width=wide + 2)
        draw.line(ends, fill=(255, 255, 255) if wide < 8 else (250, 215, 130), width=wide)
    return image


def barcode(rng: RNG) -> Image.Image:
    """A bar code or a square code."""
    image = Image.new("RGB", (SIZE, SIZE), _colour(rng, 215, 256))
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.5:
        cells = rng.random((29, 29)) < 0.5
        for row, column in np.argwhere(cells).tolist():
            draw.rectangle((26 + 7 * column, 26 + 7 * row, 32 + 7 * column, 32 + 7 * row), fill=0)
        for x, y in ((26, 26), (180, 26), (26, 180)):
            draw.rectangle((x, y, x + 48, y + 48), fill=(255, 255, 255), outline=0, width=7)
            draw.rectangle((x + 14, y + 14, x + 34, y + 34), fill=0)
        return image
    x = 24
    while x < 228:
        wide = int(rng.integers(1, 6))
        draw.rectangle((x, 60, x + wide, 180), fill=0)
        x += wide + int(rng.integers(2, 7))
    draw.text((60, 190), " ".join(map(str, rng.integers(0, 10, 12))), fill=0,
              font=ImageFont.load_default(12))  # fmt: skip
    return image


def spreadsheet(rng: RNG) -> Image.Image:
    """A grid of numbers with a header row."""
    image = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(9)
    wide, high = int(rng.integers(34, 60)), int(rng.integers(14, 20))
    draw.rectangle((0, 0, SIZE, high), fill=_colour(rng, 120, 240))
    for y in range(0, SIZE, high):
        draw.line((0, y, SIZE, y), fill=(205, 205, 205))
        for x in range(0, SIZE, wide):
            draw.line((x, 0, x, SIZE), fill=(205, 205, 205))
            text = _line(rng, 1)[:6] if y == 0 or x == 0 else f"{rng.uniform(0, 999):.1f}"
            draw.text((x + 3, y + 2), text, fill=(20, 20, 20), font=font)
    return image


PAGES: Mapping[str, Callable[[RNG], Image.Image]] = {
    "document": document, "handwriting": handwriting, "bar chart": bar_chart,
    "line plot": line_plot, "screenshot": screenshot, "street map": street_map,
    "barcode": barcode, "spreadsheet": spreadsheet,
}  # fmt: skip
"""Families by name."""
