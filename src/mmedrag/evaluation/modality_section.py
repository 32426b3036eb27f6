"""The study of routing as a section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from mmedrag.views import plots
from mmedrag.views.section import Disagreement, Figure, Section, Table

BAR = 0.98
"""The AUROC against pictures that are not medical that is asked for."""

BINS = ("predicted", "observed", "counts")


def as_section(figures: Mapping[str, Mapping[str, Any]], *, sets: int, most: int) -> Section:
    """The section of :func:`mmedrag.evaluation.modality.evaluate_modality`.

    Args:
        figures: the figures by arm; the last arm is the one the verdict speaks of.
        sets: how many record files were read.
        most: images of each at most.
    """
    last = list(figures)[-1]
    return Section(
        name="modality",
        title="Routing to the domain corpora",
        paper="section 3.2, eq. 1 (the paper gives no figure)",
        protocol=(
            f"Images of {sets} record files, at most {most} of each, by the image alone. Every arm "
            "is judged on what it has not learned from: the shipped head on validation patients, "
            "the held-out head on whole sets and whole families of drawn pictures that it has not "
            "seen. Not medical: drawn pictures, photographs and drawings that ship in installed "
            "packages, and folders that were given, at most 200 of each. ECE: ten bins, the "
            "probability of the best of four classes. Misrouting: precision@5 of image to image, "
            "relevant where set and label agree, own patient left out."
        ),
        verdict=_verdict(last, figures[last]),
        tables=(_overall(figures), _by_set(figures), _outside(figures), _cost(figures)),
        figures=tuple(
            Figure(
                f"Reliability, {name}",
                "Probability of the best class against how often it is the true one.",
                partial(plots.reliability, *(of["bins"][key] for key in BINS)),
            )
            for name, of in figures.items()
        ),
        disagreements=(
            Disagreement(
                "Modality classifier",
                "CLIP zero-shot, argmax of three prompts, never abstains",
                f"{figures[last]['images']['wrong']:.1%} routed wrong, "
                f"{figures[last]['images']['undecided']:.1%} left to a search of every domain",
                "An argmax over three domains routes a holiday photograph too; it has no way out.",
            ),
        ),
        data=dict(figures),
    )


def _verdict(name: str, of: Mapping[str, Any]) -> str:
    outside, images = of["out_of_domain"], of["images"]
    reached = "reaches" if outside["AUROC"] >= BAR else "misses"
    photographs = of["out_of_domain_by_kind"].get("photographs")
    real = (
        f"; of {photographs['n']} real pictures {photographs['refused']:.0%} are refused "
        f"(AUROC {photographs['AUROC']:.3f})"
        if photographs
        else ""
    )
    return (
        f"{name.capitalize()}: {images['right']:.1%} of medical images are routed right, "
        f"{images['wrong']:.2%} wrong, {images['undecided']:.1%} are left undecided and "
        f"{images['not_medical']:.1%} called not medical. Out-of-domain AUROC "
        f"{outside['AUROC']:.3f} {reached} {BAR}{real}. ECE {of['ECE']:.3f}."
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f}"


def _overall(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    header = ("head", "images", "right %", "wrong %", "undecided %", "called not medical %",
              "ECE", "ECE, medical only", "out-of-domain AUROC")  # fmt: skip
    rows = tuple(
        (
            name,
            *_shares(of["images"]),
            f"{of['ECE']:.3f}",
            f"{of['ECE_medical']:.3f}",
            f"{of['out_of_domain']['AUROC']:.4f}",
        )
        for name, of in figures.items()
    )
    return Table("Medical images", header, rows)


def _shares(of: Mapping[str, float]) -> tuple[str, ...]:
    names = ("right", "wrong", "undecided", "not_medical")
    return (f"{of['n']:.0f}", *(_share(of[name]) for name in names))


def _by_set(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    header = ("head", "set", "images", "right %", "wrong %", "undecided %", "called not medical %")
    rows = tuple(
        (name, source, *_shares(of)) for name, arm in figures.items()
        for source, of in arm["by_set"].items()
    )  # fmt: skip
    return Table("By set", header, rows)


def _outside(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    header = ("head", "pictures that are not medical", "n", "refused %", "AUROC")
    rows = tuple(
        (name, kind, str(of["n"]), _share(of["refused"]), f"{of['AUROC']:.4f}")
        for name, arm in figures.items()
        for kind, of in {
            **arm["out_of_domain_by_kind"],
            **arm["out_of_domain_by_package"],
            "all": arm["out_of_domain"],
        }.items()
    )
    return Table("Pictures that are not medical, against the medical images", header, rows)


def _cost(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    header = (
        "head",
        "all domains",
        "routed",
        "true domain",
        "routed wrong or refused",
        "they lose",
    )
    rows = tuple(
        (
            name,
            *(f"{arm['misrouting']['precision'][w]:.3f}" for w in header[1:4]),
            str(arm["misrouting"]["astray"]),
            f"{arm['misrouting']['lost']:.3f}",
        )
        for name, arm in figures.items()
    )
    return Table("Cost of misrouting: precision@5, image to image", header, rows)
