"""``mmedrag eval reward`` as a section: tables, reliability, risk by coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmedrag.measures.probabilities import calibration_bins, risk_coverage
from mmedrag.paper.reward import COSINE, PAPER, QUERY_AWARE, RewardFigures, measure_reward
from mmedrag.paper.reward_transfer import mean_over_sets
from mmedrag.progress import Progress, silent
from mmedrag.training.contexts import NEAREST, OFF_TOPIC
from mmedrag.views import plots
from mmedrag.views.section import Disagreement, Figure, Section, Table

Figures = Mapping[str, Any]

NAMES = (QUERY_AWARE, PAPER, COSINE)


def evaluate_reward(
    paths: Sequence[Path],
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Section:
    """The reward model on patients held out.

    Args, errors: those of :func:`mmedrag.paper.reward.measure_reward`.
    """
    return as_section(measure_reward(paths, preset=preset, models=models, progress=progress))


def as_section(measured: RewardFigures) -> Section:
    """What was measured with its words, tables and figures."""
    figures = measured.figures
    return Section(
        name="reward",
        title="Reward model",
        paper="section 3.6, eq. 5 and 6",
        protocol=_protocol(measured),
        verdict=_verdict(figures),
        tables=_tables(figures),
        figures=_plots(measured),
        disagreements=_disagreements(figures),
        notes=(
            "Findings are compared by their annotated names, so that a synonym counts as another "
            "finding: some of the nearest wrong contexts are right.",
            "Contexts are flipped only where the text of the question speaks of what is flipped, "
            "and only in findings that the dictionary knows.",
        ),
        data=figures,
    )


def _protocol(measured: RewardFigures) -> str:
    figures, (train, calibration, test) = measured.figures, measured.sizes
    model = (
        "The query-aware model is the preset's own"
        if measured.given
        else f"The query-aware model was fitted here to {train} contexts"
    )
    return (
        f"Right and wrong contexts of {figures['questions']} questions of {figures['patients']}"
        f" held-out patients ({test} contexts, {figures['right']} of them right), made by the"
        f" stages that serve. {model}; the paper's was fitted to {train}. Platt's scaling and tau"
        f" are from {calibration} contexts of other patients. AUROC and ECE are over all contexts,"
        " pairwise"
        " accuracy within questions (in brackets: 95 % bootstrap intervals over patients). Served:"
        " questions asked through retrieve() of a casebase of the held-out patients; a case is"
        " right if it is of the same patient or has an annotated finding in common."
    )


def _verdict(figures: Figures) -> str:
    ours, paper = figures["models"][QUERY_AWARE], figures["models"][PAPER]
    hard = figures["by_rejected"][NEAREST][QUERY_AWARE]
    return (
        f"Query-aware: AUROC {ours['AUROC']:.3f} ({_reached(ours['AUROC'] >= 0.90)} 0.90), ECE"
        f" {ours['ECE']:.3f} ({_reached(ours['ECE'] <= 0.05)} 0.05); against the nearest context of"
        f" other findings AUROC {hard['AUROC']:.3f}.{_transfer(figures)} The paper's model, which"
        f" never sees the question: AUROC {paper['AUROC']:.3f}."
    )


def _transfer(figures: Figures) -> str:
    mean = mean_over_sets(figures["unseen_sets"])
    if not mean:
        return ""
    return (
        f" On sets that it has not seen: AUROC {mean['AUROC']:.3f}, ECE {mean['ECE']:.3f}"
        f" (mean of {len(figures['unseen_sets'])})."
    )


def _reached(target: bool) -> str:
    return "reaches" if target else "misses"


def _tables(figures: Figures) -> tuple[Table, ...]:
    return (
        Table(
            "Models",
            ("model", "pairwise accuracy", "AUROC", "ECE", "tau"),
            tuple(_model(name, figures) for name in NAMES),
        ),
        _compared("AUROC by kind of wrong context", "wrong context", figures["by_rejected"]),
        _compared("AUROC by question", "question", figures["by_question"]),
        _unseen(figures["unseen_sets"]),
        Table(
            "Served context, before and after the filter",
            ("question", "filter", "n", "cases kept", "precision", "right ones kept", "no case"),
            tuple(
                _served(form, name, effect)
                for form, effects in figures["served"].items()
                for name, effect in effects.items()
            ),
        ),
    )


def _model(name: str, figures: Figures) -> tuple[str, ...]:
    one = figures["models"][name]
    low, high = one["pairwise accuracy ci95"]
    return (
        name,
        f"{one['pairwise accuracy']:.3f} [{low:.3f}, {high:.3f}]",
        f"{one['AUROC']:.3f}",
        "" if one["ECE"] is None else f"{one['ECE']:.3f}",
        f"{figures['tau'][name]:.3f}" if name in figures["tau"] else "",
    )


def _compared(title: str, what: str, figures: Figures) -> Table:
    rows = tuple(
        (name, str(by[QUERY_AWARE]["n"]), *(_number(by[model]["AUROC"]) for model in NAMES))
        for name, by in figures.items()
    )
    return Table(title, (what, "n", *NAMES), rows)


def _unseen(figures: Figures) -> Table:
    """Leave one set out; the last row is the mean over sets."""
    rows = {**figures, "mean over sets": mean_over_sets(figures)} if figures else {}
    return Table(
        "Query-aware, on sets that it has not seen (leave one set out)",
        ("set", "contexts", "pairwise accuracy", "AUROC", "ECE"),
        tuple(
            (
                name,
                str(f.get("examples", "")),
                *(f"{f[measure]:.3f}" for measure in ("pairwise accuracy", "AUROC", "ECE")),
            )
            for name, f in rows.items()
        ),
    )


def _served(form: str, name: str, effect: Figures) -> tuple[str, ...]:
    return (
        form,
        name,
        str(effect["questions"]),
        f"{effect['kept']:.1f}",
        "" if form == OFF_TOPIC else _number(effect["precision"]),
        _number(effect["recall"]),
        f"{effect['nothing']:.0%}",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _plots(measured: RewardFigures) -> tuple[Figure, ...]:
    rewards, right = measured.rewards, measured.right
    bins = calibration_bins(rewards[QUERY_AWARE], right)
    risks = {name: risk_coverage(rewards[name], right) for name in NAMES}
    step = max(1, len(right) // 200)  # a curve of 200 points looks the same
    return (
        Figure(
            "Reliability of the query-aware reward",
            "Held-out contexts by tenths of the reward, and the share of each that is right.",
            lambda: plots.reliability(bins.predicted, bins.observed, bins.counts),
        ),
        Figure(
            "Risk by coverage",
            "The share of wrong contexts among those with the highest rewards.",
            lambda: plots.lines(
                {name: (xs[::step], ys[::step]) for name, (xs, ys) in risks.items()},
                "share of contexts kept",
                "share of them that is wrong",
            ),
        ),
    )


def _disagreements(figures: Figures) -> tuple[Disagreement, ...]:
    paper, loss = figures["models"][PAPER], figures["paper_loss"]
    return (
        Disagreement(
            "What the reward model may look at (section 3.6)",
            "r = f(context), so that a context is good or bad for every question alike",
            f"AUROC {paper['AUROC']:.3f}, against {figures['models'][QUERY_AWARE]['AUROC']:.3f} of"
            " a model that sees the question",
            "Whether a context is right depends on the question; without it only texts that are"
            " damaged or odd in themselves can be told.",
        ),
        Disagreement(
            "The loss of eq. 6",
            "-log sigma(r_i - r_j) with r already a sigmoid output",
            f"falls from {loss['first']:.3f} to {loss['last']:.3f} in training and can never pass"
            f" {loss['floor']:.3f}",
            "r_i - r_j is at most 1, so a perfect ranking still costs -log sigma(1) = 0.313 a pair,"
            " and gradients vanish there; on logits the loss reaches 0.",
        ),
    )
