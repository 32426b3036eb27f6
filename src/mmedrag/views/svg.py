"""SVG as it stands inside a page: scalable, with a title and a description, without loose ends."""

from __future__ import annotations

import re

from markupsafe import escape

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ID = re.compile(r' id="([^"]*)"')
_OPENING = re.compile(r"<svg\b[^>]*>", re.S)
_FONT = re.compile(r"(font(?:-family)?:[^;\"]*?)'[^;\"]*sans-serif")

_LARGEST = 1.8  # times the size it was drawn for


def inline(figure: str, title: str, description: str) -> str:
    """An SVG file as an element of a page.

    It fills the width it is given, within reason, and is read out as one image. Names that nothing
    refers to are dropped, so that two plots on a page do not share one; so is what would style the
    page around it.

    Args:
        figure: the file as the plotting library writes it.
        title: what a screen reader says first.
        description: the figures in words.
    """
    opening = _OPENING.search(figure)
    if opening is None:
        raise ValueError("not an SVG file")
    body = figure[opening.end() : figure.rindex("</svg>")]
    for unwanted in (r"<metadata>.*?</metadata>", r"<style\b.*?</style>", r"<!--.*?-->"):
        body = re.sub(unwanted, "", body, flags=re.S)
    used = set(re.findall(r"#([\w-]+)", body))
    body = _ID.sub(lambda match: match[0] if match[1] in used else "", body)
    body = re.sub(r"\s*\n\s*", "\n", _FONT.sub(r"\1sans-serif", body)).strip()
    view = re.search(r'viewBox="0 0 ([\d.]+) [\d.]+"', opening[0])
    if view is None:
        raise ValueError("an SVG file without a viewBox")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' {view[0]} style="max-width:{_LARGEST * float(view[1]):.0f}px" role="img"'
        f' stroke-linejoin="round">'
        f"<title>{escape(plain(title))}</title><desc>{escape(plain(description))}</desc>"
        f"\n{body}\n</svg>"
    )


def plain(text: str, limit: int = 2000) -> str:
    """Text on one line that XML can hold, cut at ``limit`` characters."""
    line = " ".join(_CONTROL.sub("", text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
