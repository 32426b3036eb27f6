"""The plots: elements of a page that hold what they were given, the same bytes each time."""

from __future__ import annotations

import builtins
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.errors import MissingExtra
from mmedrag.views import plots
from mmedrag.views.svg import inline, plain

EVIL = "<script>alert(1)</script> & \"q\" $x_1$ \x00\x1b 中文 ]]> 'a'"
SVG = "{http://www.w3.org/2000/svg}"


def read(svg: str) -> ElementTree.Element:
    """The element, which must be well-formed, load nothing and run nothing."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox")
    assert root.get("role") == "img"
    for node in root.iter():
        assert node.tag.removeprefix(SVG) not in {"script", "style", "foreignObject", "a"}
        for name, value in node.attrib.items():
            assert not name.startswith("on")
            if name.endswith("href"):
                assert value.startswith(("#", "data:image/png;base64,"))
    return root


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def drawn() -> dict[str, str]:
    rng = np.random.default_rng(0)
    pixels = rng.random((24, 16))
    return {
        "lines": plots.lines(
            {"ours": ([10, 20], [0.9, 0.4]), "chance": ([10, 20], [0.2, 0.1])},
            "items",
            "R@1",
            bands={"ours": ([0.8, 0.3], [1.0, 0.5])},
            reference=("chance",),
            log_x=True,
        ),
        "bars": plots.bars(
            {"one": {"R@1": 0.25, "R@10": 0.61}, "two": {"R@1": 0.5}},
            "share",
            intervals={"one": {"R@1": (0.2, 0.3)}},
            chance={"one": 0.05},
        ),
        "scatter": plots.scatter(
            {"a": ([0.1, 0.2], [1, 2]), "b": (0.3, 3)}, "alignment", "uniformity", names={"b": "z"}
        ),
        "reliability": plots.reliability([0.1, 0.5, 0.9], [0.2, 0.5, 0.8], [10, 0, 30]),
        "heatmaps": plots.heatmaps([pixels, pixels], [None, rng.random((3, 2))], ["bare", "over"]),
        "rank_shift": plots.rank_shift("ABC", "CAD", relevant="C", labels=("cosine", "graph")),
    }


@pytest.fixture(scope="module")
def every() -> dict[str, str]:
    return drawn()


def test_every_plot_is_one_safe_element_with_words(every: dict[str, str]) -> None:
    for svg in every.values():
        root = read(svg)
        assert root.findtext(f"{SVG}title")
        assert root.findtext(f"{SVG}desc")


def test_the_same_figures_give_the_same_bytes(every: dict[str, str]) -> None:
    assert drawn() == every
    assert not any(re.search(r"20\d\d-\d\d", svg) for svg in every.values())


def test_plots_are_small_and_scale(every: dict[str, str]) -> None:
    for svg in every.values():
        assert len(svg) < 60_000
        opening = svg[: svg.index(">")]
        assert " width=" not in opening
        assert " height=" not in opening


def test_names_within_a_page_do_not_clash(every: dict[str, str]) -> None:
    for svg in every.values():
        named = re.findall(r' id="([^"]+)"', svg)
        assert all(f"#{name}" in svg for name in named)


def test_what_was_given_can_be_read(every: dict[str, str]) -> None:
    assert {"ours", "chance", "items", "R@1", "10", "20"} <= set(texts(read(every["lines"])))
    assert {"one", "two", "R@10", "0.25", "0.61", "0.5"} <= set(texts(read(every["bars"])))
    assert {"a", "b", "z", "alignment"} <= set(texts(read(every["scatter"])))
    assert {"bare", "over"} <= set(texts(read(every["heatmaps"])))
    shifted = texts(read(every["rank_shift"]))
    assert {"cosine", "graph", "A  1", "3  D"} <= {t.replace("\xa0", " ") for t in shifted}
    assert "C 3 to 1" in (read(every["rank_shift"]).findtext(f"{SVG}desc") or "")


def test_a_band_and_an_interval_are_drawn() -> None:
    curve = {"x": ([1, 2], [0.1, 0.2])}
    bare = plots.lines(curve, "x", "y")
    banded = plots.lines(curve, "x", "y", bands={"x": ([0.0, 0.1], [0.2, 0.3])})
    assert banded.count("fill-opacity") > bare.count("fill-opacity")
    bar = {"g": {"n": 0.5}}
    with_ends = plots.bars(bar, "x", intervals={"g": {"n": (0.4, 0.6)}})
    assert len(with_ends) > len(plots.bars(bar, "x"))


def test_lengths_are_in_proportion() -> None:
    root = read(plots.bars({"short": {"n": 1.0}, "long": {"n": 3.0}}, "x"))
    widths = []
    for path in root.iter(f"{SVG}path"):
        if plots.COLOURS[0].lower() in path.get("style", ""):
            xs = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path.get("d", ""))]
            widths.append(max(xs) - min(xs))
    assert widths[1] == pytest.approx(3 * widths[0])


def test_an_empty_bin_is_left_out(every: dict[str, str]) -> None:
    told = read(every["reliability"]).findtext(f"{SVG}desc") or ""
    assert told == "0.10: 0.20 of 10; 0.90: 0.80 of 30"


def test_nothing_to_draw_is_no_error() -> None:
    for svg in (
        plots.lines({}, "x", "y"),
        plots.bars({}, "x"),
        plots.scatter({}, "x", "y"),
        plots.reliability([], [], []),
        plots.heatmaps([], [], []),
        plots.rank_shift([], []),
        plots.lines({"nan": ([1, 2], [np.nan, 0.1])}, "x", "y"),
    ):
        read(svg)


def test_hostile_names_stay_names() -> None:
    for svg in (
        plots.lines({EVIL: ([1, 2], [1, 2])}, EVIL, EVIL),
        plots.bars({EVIL: {EVIL: 1.0, "_hidden": 2.0}}, EVIL),
        plots.rank_shift([EVIL], [EVIL], relevant=[EVIL]),
        plots.heatmaps([np.zeros((4, 4))], [None], [EVIL]),
    ):
        read(svg)
        assert "<script" not in svg
        assert "\x1b" not in svg


@settings(max_examples=12)
@given(st.text(max_size=40))
def test_any_name_can_be_drawn(name: str) -> None:
    assert read(plots.bars({name: {"n": 1.0}}, name)) is not None


@given(st.text())
def test_plain_text_fits_into_xml(text: str) -> None:
    line = plain(text, 20)
    assert len(line) <= 20
    ElementTree.fromstring(inline('<svg viewBox="0 0 1 1"></svg>', text, text))


def test_without_the_library_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **named: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"mmedrag\[report\]"):
        plots.lines({}, "x", "y")
