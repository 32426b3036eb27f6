"""The plots of the reports, each an SVG element: the one door to the plotting library.

The same figures give the same bytes. Colours can be told apart by colour-blind readers (Okabe and
Ito 2008) and never stand alone: lines have their own markers, bars their names.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from io import StringIO
from types import ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmedrag.errors import MissingExtra
from mmedrag.views.svg import inline, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B4B9A", "#7A6A00")
_MARKERS = "osD^vPX*"
_INK, _SOFT, _LINE = "#16202b", "#66747f", "#d5dde5"
_WIDTH, _HEIGHT = 5.4, 3.3  # inches, at 72 units each
_NAME = 60  # characters of a name

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: small, sharp, found by a search
    "svg.hashsalt": "mmedrag",
    "text.parse_math": False,  # a dollar sign is a dollar sign
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _SOFT,
    "axes.edgecolor": _LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": False,
    "grid.color": "#e8edf2",
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.9,
    "lines.markersize": 4.5,
}

P = ParamSpec("P")
Series = Mapping[str, tuple[ArrayLike, ArrayLike]]
"""Name → x and y, each ``(n,)``."""


def _styled(draw: Callable[P, str]) -> Callable[P, str]:
    """Draw in our style; characters that the measuring font lacks are the browser's to find."""

    @wraps(draw)
    def styled(*args: P.args, **named: P.kwargs) -> str:
        with _library().rc_context(_STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph ")
            warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
            return draw(*args, **named)

    return styled


@_styled
def lines(
    series: Series,
    x_label: str,
    y_label: str,
    *,
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    reference: Collection[str] = (),
    log_x: bool = False,
) -> str:
    """A plot of curves as SVG.

    Args:
        series: the curves by name, drawn in order.
        x_label: what x is.
        y_label: what y is.
        bands: lower and upper ends of a curve's interval, by its name, each ``(n,)``.
        reference: names of curves to compare with (chance, a ceiling): grey and dashed.
        log_x: a logarithmic x axis.

    Raises:
        MissingExtra: where the plotting library is not installed.
    """
    figure, axes = _sheet()
    styles = iter(_styles())
    for name, (xs, ys) in series.items():
        if name in reference:
            axes.plot(xs, ys, color=_SOFT, linestyle=(0, (4, 3)), linewidth=1.3, label=_name(name))
            continue
        colour, marker = next(styles)
        axes.plot(xs, ys, color=colour, marker=marker, label=_name(name))
        if bands and name in bands:
            axes.fill_between(xs, *bands[name], color=colour, alpha=0.15, linewidth=0)
    if log_x:
        axes.set_xscale("log", subs=[2, 5])
        for which in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            which("{x:g}")
    _labels(axes, x_label, y_label)
    _legend(figure, axes)
    values = (f"{name}: {_summary(ys)}" for name, (_, ys) in series.items())
    return _svg(figure, f"{y_label} by {x_label}", "; ".join(values))


@_styled
def bars(
    groups: Mapping[str, Mapping[str, float]],
    x_label: str,
    *,
    intervals: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    chance: Mapping[str, float] | None = None,
) -> str:
    """Horizontal bars, so that long names can be read on a narrow screen.

    Args:
        groups: group → bar → length. Bars of one name have one colour.
        x_label: what a length is.
        intervals: group → bar → lower and upper end.
        chance: group → what a random choice gives: a tick over the bars.

    Raises:
        MissingExtra: where the plotting library is not installed.
    """
    names = list(dict.fromkeys(name for values_by_bar in groups.values() for name in values_by_bar))
    rows = max(1, len(groups) * (len(names) if len(names) > 1 else 1))
    figure, axes = _sheet(height=min(9.0, 1.0 + 0.21 * rows + 0.12 * len(groups)))
    thick = 0.82 / max(1, len(names))
    for position, (group, values_by_bar) in enumerate(groups.items()):
        for i, name in enumerate(names):
            if name in values_by_bar:
                ends = (intervals or {}).get(group, {}).get(name)
                at = position + (i - (len(names) - 1) / 2) * thick
                _bar(axes, at, values_by_bar[name], ends, thick, COLOURS[i % len(COLOURS)])
        if chance and group in chance:
            axes.vlines(chance[group], position - 0.46, position + 0.46, _INK, linestyles="dotted")
    _legend_of_bars(figure, axes, names, with_chance=bool(chance))
    axes.set_yticks(range(len(groups)), [_name(group) for group in groups])
    axes.tick_params(axis="y", labelcolor=_INK)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    _labels(axes, x_label, "")
    values = (
        f"{group}, {n}: {v:.3g}"
        for group, values_by_bar in groups.items()
        for n, v in values_by_bar.items()
    )
    return _svg(figure, x_label, "; ".join(values))


@_styled
def scatter(
    points: Series, x_label: str, y_label: str, *, names: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Points by group.

    Args:
        points: group → x and y.
        x_label: what x is.
        y_label: what y is.
        names: group → a word beside each of its points.

    Raises:
        MissingExtra: where the plotting library is not installed.
    """
    figure, axes = _sheet()
    for (group, (xs, ys)), (colour, marker) in zip(points.items(), _styles(), strict=False):
        axes.scatter(xs, ys, s=26, color=colour, marker=marker, label=_name(group), alpha=0.85)
        for x, y, word in zip(_row(xs), _row(ys), (names or {}).get(group, ()), strict=False):
            axes.annotate(
                _name(word), (float(x), float(y)), (4, 3), textcoords="offset points", fontsize=8
            )
    _labels(axes, x_label, y_label)
    _legend(figure, axes)
    sizes = (f"{group}: {len(_row(xs))} points" for group, (xs, _) in points.items())
    return _svg(figure, f"{y_label} by {x_label}", "; ".join(sizes))


@_styled
def reliability(predicted: ArrayLike, observed: ArrayLike, counts: ArrayLike) -> str:
    """How often what was predicted came true, by bin; a larger dot holds more predictions.

    Args:
        predicted: mean probability of each bin, ``(bins,)``.
        observed: share that came true, ``(bins,)``.
        counts: how many fell into it, ``(bins,)``; empty bins are left out.

    Raises:
        MissingExtra: where the plotting library is not installed.
    """
    many = _row(counts)
    full = many > 0
    xs, ys, many = _row(predicted)[full], _row(observed)[full], many[full]
    figure, axes = _sheet(width=3.7, height=3.5)
    axes.plot([0, 1], [0, 1], color=_SOFT, linestyle=(0, (4, 3)), linewidth=1.3, label="calibrated")
    axes.plot(xs, ys, color=COLOURS[0], label="observed")
    axes.scatter(xs, ys, s=16 + 260 * many / max(1.0, many.sum()), color=COLOURS[0], zorder=3)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    _labels(axes, "predicted probability", "share that came true")
    _legend(figure, axes)
    values = (f"{x:.2f}: {y:.2f} of {n:g}" for x, y, n in zip(xs, ys, many, strict=True))
    return _svg(figure, "Observed frequency by predicted probability", "; ".join(values))


@_styled
def heatmaps(
    images: Sequence[NDArray[Any]],
    maps: Sequence[NDArray[Any] | None],
    titles: Sequence[str],
    *,
    columns: int = 4,
) -> str:
    """Images with a heat map over each, every map on its own scale from its least to its greatest.

    Args:
        images: ``(h, w)`` or ``(h, w, 3)``.
        maps: ``(h', w')`` of any resolution, stretched over its image; ``None`` for the bare image.
        titles: one an image.
        columns: images in a row, at most.

    Raises:
        MissingExtra: where the plotting library is not installed.
    """
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    width = 1.7 * columns
    figure = _blank(width, 1.95 * rows)
    for i, (image, over, title) in enumerate(zip(images, maps, titles, strict=True), 1):
        axes = figure.add_subplot(rows, columns, i)
        axes.axis("off")
        axes.set_title(plain(title, 28), fontsize=8.5)
        whole = (0, 1, 0, 1)
        axes.imshow(image, cmap="gray", extent=whole, aspect=image.shape[0] / image.shape[1])
        if over is not None:
            shape = image.shape[0] / image.shape[1]
            axes.imshow(over, cmap="inferno", extent=whole, aspect=shape, alpha=0.55)
    return _svg(figure, "Heat maps over images", "; ".join(titles))


@_styled
def rank_shift(
    before: Sequence[str],
    after: Sequence[str],
    *,
    relevant: Collection[str] = (),
    labels: tuple[str, str] = ("before", "after"),
) -> str:
    """Where each item stood in one ranking and stands in another.

    Args:
        before: names in the first order.
        after: names in the second; only those in both are joined.
        relevant: names drawn in colour.
        labels: of the two orders.

    Raises:
        MissingExtra: where the plotting library is not installed.
    """
    length = max(len(before), len(after), 1)
    figure, axes = _sheet(height=0.7 + 0.24 * length)
    for side, names, align in ((0.0, before, "right"), (1.0, after, "left")):
        for rank, name in enumerate(names, 1):
            label = f"{_name(name, 26)}  {rank}" if side == 0 else f"{rank}  {_name(name, 26)}"
            bold = "bold" if name in relevant else "normal"
            axes.text(side, rank, label, ha=align, va="center", fontweight=bold)
    ranks = {name: rank for rank, name in enumerate(after, 1)}
    for rank, name in enumerate(before, 1):
        if name in ranks:
            colour, wide = (COLOURS[2], 2.4) if name in relevant else ("#b5c0ca", 1.4)
            axes.plot((0.03, 0.97), (rank, ranks[name]), color=colour, linewidth=wide)
    axes.set(xlim=(-0.9, 1.9), ylim=(length + 0.6, -0.3))
    axes.axis("off")
    for side, word, align in ((0.0, labels[0], "right"), (1.0, labels[1], "left")):
        axes.text(side, 0.1, _name(word), ha=align, va="center", color=_SOFT)
    changes = ", ".join(f"{n} {r} to {ranks[n]}" for r, n in enumerate(before, 1) if n in ranks)
    return _svg(figure, f"Ranks {labels[0]} and {labels[1]}", changes)


def _library() -> ModuleType:
    try:
        import matplotlib as library
    except ImportError as error:
        raise MissingExtra(
            f"The report's plots need matplotlib ({error})", 'Run: pip install "mmedrag[report]"'
        ) from None
    return library


def _blank(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _sheet(width: float = _WIDTH, height: float = _HEIGHT) -> tuple[Figure, Axes]:
    figure = _blank(width, height)
    return figure, figure.add_subplot()


def _svg(figure: Figure, title: str, description: str) -> str:
    svg = StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return inline(svg.getvalue(), title, description)


def _bar(
    axes: Axes, at: float, length: float, ends: Sequence[float] | None, thick: float, colour: str
) -> None:
    axes.barh(at, length, 0.92 * thick, color=colour)
    if ends is not None:
        axes.hlines(at, ends[0], ends[1], color=_INK, linewidth=1.1)
    tip = max(length, ends[1] if ends is not None else length, 0.0)
    axes.annotate(
        f"{length:.3g}",
        (tip, at),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=_INK,
    )
    axes.margins(x=0.12)


def _legend_of_bars(figure: Figure, axes: Axes, names: Sequence[str], *, with_chance: bool) -> None:
    if len(names) > 1:
        for i, name in enumerate(names):
            axes.barh(0, 0, color=COLOURS[i % len(COLOURS)], label=_name(name))
    if with_chance:
        axes.plot([], [], color=_INK, linestyle="dotted", label="chance")
    _legend(figure, axes)


def _legend(figure: Figure, axes: Axes) -> None:
    """Above the plot, in as many columns as fit."""
    handles, names = axes.get_legend_handles_labels()
    if not names:
        return
    columns = max(1, min(len(names), int(78 / (max(map(len, names)) + 7))))
    figure.legend(handles, names, loc="outside upper left", ncols=columns)


def _labels(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(plain(x_label, 90))
    axes.set_ylabel(plain(y_label, 60))


def _styles() -> list[tuple[str, str]]:
    return list(zip(COLOURS, _MARKERS, strict=True)) * 4


def _row(values: ArrayLike) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(values, np.float64))


def _name(text: str, limit: int = _NAME) -> str:
    """A name for a legend or an axis; one that begins with an underscore would be hidden."""
    line = plain(text, limit)
    return f" {line}" if line.startswith("_") else line


def _summary(values: ArrayLike) -> str:
    row = _row(values)
    return f"{row[0]:.3g} to {row[-1]:.3g}" if len(row) else "nothing"
