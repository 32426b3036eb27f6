"""The tables of section 5, the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence

from mmedrag.paper.sensitivity import FINDINGS, SIZES, Sensitivity
from mmedrag.paper.shifts import Interval, ShiftRow
from mmedrag.views.section import Table

CHANGES = (*FINDINGS, "noise")

PAPER_SCALES = {
    "ResNet-50": ("0.14068", "0.18053", "0.22571"),
    "ResNet-101": ("0.18916", "0.26168", "0.32389"),
    "DenseNet-121": ("0.12044", "0.12399", "0.04448"),
    "EfficientNet-B0": ("0.22653", "0.11745", "0.13180"),
    "ViT-B/16": ("0.08424", "N/A", "N/A"),
}
PAPER_FINDINGS = {
    "ResNet-50": (0.14068, 0.25156, 0.26552, 0.00073, 0.00823),
    "ResNet-101": (0.18916, 0.28259, 0.18928, 0.00287, 0.00373),
    "DenseNet-121": (0.12044, 0.24112, 0.22920, 0.00197, 0.00933),
    "EfficientNet-B0": (0.22653, 0.37589, 0.30860, 0.00448, 0.02341),
    "ViT-B/16": (0.08424, 0.19319, 0.14132, 0.00107, 0.00785),
}
PAPER_GRADIENTS = {
    "ResNet-50": ("2.8139", "3.3400", "1.7505"),
    "ResNet-101": ("3.7506", "4.8152", "1.9414"),
    "DenseNet-121": ("2.2803", "2.0471", "1.1900"),
    "EfficientNet-B0": ("4.7568", "4.4737", "3.5046"),
    "ViT-B/16": ("1.8665", "2.2926", "1.6813"),
}
PAPER_POOLINGS = {
    "Baseline (GAP)": ("0.19780", "0.28202", "0.00223", "0.00365", "54.2"),
    "MSPP": ("0.33770", "0.46058", "0.00532", "0.01389", "24.3"),
    "LPA": ("0.36690", "0.59282", "0.00260", "0.00421", "87.1"),
    "HFFE": ("0.20167", "0.28114", "0.00222", "0.00354", "57.0"),
}
_NONE = ("", "", "")


def tables(measured: Sensitivity) -> tuple[Table, ...]:
    """Tables 1 to 4, the density window's, and retrieval; those not measured are left out."""
    shown = [_findings(measured.findings), _poolings(measured.poolings)]
    if measured.scales:
        shown = [_scales(measured.scales), shown[0], _gradients(measured.gradients), shown[1]]
    shown.append(_windows(measured.windows, "drawn images"))
    if measured.radiographs:
        shown.append(_windows(measured.radiographs, f"{measured.pictures} real radiographs"))
    if measured.retrieval:
        shown.append(_retrieval(measured))
    return tuple(shown)


def _retrieval(study: Sensitivity) -> Table:
    measured = {f"window, share {share:g}": of for share, of in study.retrieval.items()}
    measured |= {f"{kind.upper()}, trained": of for kind, of in study.retrieval_poolings.items()}
    rows = tuple(
        (name, *(with_interval(of[kind], 3) for kind in of)) for name, of in measured.items()
    )
    header = ("representation", "same case in the 10 nearest", "region precision@10")
    return Table("Image to image, real validation images", header, rows)


def ratio(row: ShiftRow, name: str) -> str:
    """A signal-to-noise ratio for a sentence, two digits."""
    value = row.figures[name].value
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def figure(row: ShiftRow, name: str, digits: int = 4) -> str:
    """A figure of a row with its interval, or N/A."""
    return with_interval(row.figures[name], digits) if name in row.figures else "N/A"


def with_interval(spread: Interval, digits: int) -> str:
    """A figure with its interval; two significant digits where it would be rounded to nothing."""
    form = f".{digits}f" if abs(spread.value) >= 10**-digits or not spread.value else ".1e"
    return f"{spread.value:{form}} ({spread.low:{form}}–{spread.high:{form}})"


def _scales(rows: Sequence[ShiftRow]) -> Table:
    shown = [
        (r.name, r.weights, *(figure(r, str(s)) for s in SIZES), *PAPER_SCALES.get(r.name, _NONE))
        for r in rows
    ]
    header = ("encoder", "weights", *(f"{s} px" for s in SIZES), *(f"paper {s}" for s in SIZES))
    return Table("Table 1. Shift by the hairline, by resolution", header, tuple(shown))


def _findings(rows: Sequence[ShiftRow]) -> Table:
    shown: list[tuple[str, ...]] = []
    for row in rows:
        snr = (figure(row, "hairline/noise", 1), figure(row, "density/noise", 2))
        shown.append((row.name, row.weights, *(figure(row, name) for name in CHANGES), *snr))
        if paper := PAPER_FINDINGS.get(row.name):
            snr = (f"{paper[0] / paper[4]:.1f}", f"{paper[3] / paper[4]:.2f}")
            shown.append((row.name, "the paper", *(f"{v:.5f}" for v in paper), *snr))
    header = ("encoder", "weights", *CHANGES, "SNR hairline", "SNR density")
    return Table("Table 2. Shift by finding, 224 px", header, tuple(shown))


def _gradients(rows: Sequence[ShiftRow]) -> Table:
    names = ("hairline", "moderate", "hairline base", "hairline gain", "moderate gain")
    shown = [
        (r.name, r.weights, *(figure(r, n, 2) for n in names), *PAPER_GRADIENTS.get(r.name, _NONE))
        for r in rows
    ]
    header = ("encoder", "weights", *names, "paper hairline", "paper moderate", "paper base")
    return Table("Table 3. Gradient in the fracture over its mean", header, tuple(shown))


def _poolings(rows: Sequence[ShiftRow]) -> Table:
    names = ("hairline", "moderate", "density", "noise")
    shown: list[tuple[str, ...]] = []
    for row in rows:
        snr = (figure(row, "hairline/noise", 1), figure(row, "density/noise", 2))
        shown.append((row.name, row.weights, *(figure(row, name) for name in names), *snr))
    for name, paper in PAPER_POOLINGS.items():
        density = float(paper[2]) / float(paper[3])
        shown.append((name, "the paper, ResNet-101", *paper, f"{density:.2f}"))
    header = ("pooling", "weights", *names, "SNR hairline", "SNR density")
    return Table("Table 4. Shift by pooling, shipped encoder", header, tuple(shown))


def _windows(rows: Sequence[ShiftRow], where: str) -> Table:
    ratios = [name.split("/") for name in rows[0].figures if "/" in name]
    findings = list(dict.fromkeys(finding for finding, _ in ratios))
    controls = list(dict.fromkeys(control for _, control in ratios))
    shown = [
        (row.name, control, *(figure(row, f"{finding}/{control}", 2) for finding in findings))
        for control in controls
        for row in rows
    ]
    header = ("representation", "control", *findings)
    return Table(f"Density window: signal to noise, {where}", header, tuple(shown))
