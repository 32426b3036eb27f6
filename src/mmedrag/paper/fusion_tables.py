"""The tables and figures of ``mmedrag eval fusion``, the paper's own beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmedrag.evaluation.directions import METRICS, arrow
from mmedrag.measures.alignment import RankCorrelation, rank_correlation
from mmedrag.measures.bootstrap import PairedTest, interval, paired_test
from mmedrag.paper.fusion import DIRECTIONS
from mmedrag.paper.strategies import CONTROL, PLAIN, SHIPPED, TRAINED, UNTRAINED, FusionRow
from mmedrag.views import plots
from mmedrag.views.section import Figure, Table

PAPER: Mapping[str, tuple[float, float, float, float, float, int]] = {
    "contrastive": (1.0, 0.001524, 0.001620, 0.247583, 1.001524, 512),
    "early": (1.0, 0.606794, 0.602539, 0.080694, 0.393206, 2816),
    "mlp": (1.0, 0.618970, 0.619103, 0.059203, 0.381030, 512),
    "weighted": (1.0, 0.633287, 0.636508, 0.075878, 0.366713, 512),
    "gated": (1.0, 0.637121, 0.637965, 0.073225, 0.362879, 512),
    "late": (1.0, 0.647826, 0.647989, 0.075673, 0.352174, 512),
    "attention": (1.0, 0.714250, 0.718307, 0.066149, 0.285750, 512),
    "deepset": (1.0, 0.824851, 0.817894, 0.038059, 0.175149, 512),
    "cross-attention": (1.0, 0.842575, 0.845877, 0.033168, 0.157425, 512),
}
"""Table C as printed, by the columns of :data:`COLUMNS`."""

COLUMNS = ("self_similarity", "random_pair", "mean_pairwise", "std_pairwise", "separation", "dim")
PAPER_PAIRS = {
    "concat": (0.9080, 0.8613),
    "weighted": (1.0, 0.8956),
    "cross-attention": (0.9876, 0.9808),
}
"""Intra-pair and cross-pair similarity of section 4.7."""

ALPHA = 0.05
_MRR = METRICS.index("MRR")


@dataclass(frozen=True, slots=True, eq=False)
class FusionStudy:
    """All rows, and what follows from them."""

    rows: Sequence[FusionRow]

    def row(self, name: str, kind: str) -> FusionRow:
        """The row of that name and kind."""
        return next(row for row in self.rows if (row.name, row.kind) == (name, kind))

    def of(self, *kinds: str) -> list[FusionRow]:
        """Rows of these kinds, in their order."""
        return [row for row in self.rows if row.kind in kinds]

    @property
    def winner(self) -> FusionRow:
        """The best by mean MRR on the tuning part of the training data."""
        return max(self.of(PLAIN, TRAINED), key=lambda row: row.tune_mrr or 0.0)

    @property
    def best(self) -> FusionRow:
        """The best of the same by mean MRR on the held-out pairs."""
        return max(self.of(PLAIN, TRAINED), key=lambda row: row.figures["mean MRR"])

    @property
    def ties(self) -> list[FusionRow]:
        """Fusions whose MRR over all directions cannot be told from the winner's (p >= 0.05)."""
        others = [row for row in self.of(PLAIN, TRAINED) if row is not self.winner]
        return [row for row in others if pooled_test(self.winner, row).p_value >= ALPHA]

    def correlation(self, *kinds: str) -> RankCorrelation:
        """Of separation and mean R@10 over rows of these kinds."""
        shown = [row.figures for row in self.of(*kinds)]
        return rank_correlation(
            np.array([f["separation"] for f in shown]), np.array([f["mean R@10"] for f in shown])
        )

    @property
    def of_the_paper(self) -> RankCorrelation:
        """Of the paper's separations, the sign set right, and R@10 of the same strategies here."""
        kinds = {name: PLAIN if name == "early" else TRAINED for name in PAPER}
        return rank_correlation(
            np.array([1 - PAPER[name][1] for name in PAPER]),
            np.array([self.row(name, kinds[name]).figures["mean R@10"] for name in PAPER]),
        )


def table_c(study: FusionStudy) -> Table:
    """The paper's columns, ours below the paper's, AUROC, alignment and uniformity."""
    header = (
        *("strategy", "weights", "self", "random pair", "mean pair", "std pair", "separation"),
        *("dim", "AUROC", "alignment", "uniformity"),
    )
    lines = []
    for name in dict.fromkeys([*PAPER, *(row.name for row in study.rows)]):
        if name in PAPER:
            lines.append(
                (name, "paper", *(f"{v:.3f}" for v in PAPER[name][:5]), str(PAPER[name][5]))
            )
        lines += [_geometry(row) for row in study.rows if row.name == name]
    filled = tuple((*line, *[""] * (len(header) - len(line))) for line in lines)
    return Table("Table C: the paper's columns, and what else the vectors say", header, filled)


def _geometry(row: FusionRow) -> tuple[str, ...]:
    f, spread = row.figures, row.deviations.get("separation")
    shown = [f"{f[column]:.3f}" for column in COLUMNS[:-1]]
    if spread is not None:
        shown[-1] += f" ± {spread:.3f}"
    rest = (f"{f['dim']:.0f}", *(f"{f[name]:.3f}" for name in ("auroc", "alignment", "uniformity")))
    return (row.name, row.kind, *shown, *rest)


def retrieval_table(study: FusionStudy, set_name: str) -> Table:
    """Every row by direction, best first."""
    directions = [name for name in DIRECTIONS if f"{name} MRR" in study.winner.figures]
    header = (
        *("strategy", "weights", "tune MRR", "mean MRR", "separation"),
        *(f"{arrow(name)} R@1/5/10, MRR" for name in directions),
    )
    best_first = sorted(study.rows, key=lambda row: -row.figures["mean MRR"])
    lines = [
        (
            row.name,
            row.kind,
            "" if row.tune_mrr is None else f"{row.tune_mrr:.3f}",
            f"{row.figures['mean MRR']:.3f}",
            f"{row.figures['separation']:.3f}",
            *(_recalls(row, name) for name in directions),
        )
        for row in best_first
    ]
    title = f"Retrieval on held-out {set_name}, best first (MRR with 95 % interval)"
    return Table(title, header, tuple(lines))


def elsewhere_table(study: FusionStudy) -> Table:
    """Mean cross-modal MRR on the other sets, and that of a random order."""
    shown = study.of(PLAIN, CONTROL, TRAINED)
    header = ("strategy", "weights", *shown[0].elsewhere)
    lines = ((r.name, r.kind, *(f"{v:.3f}" for v in r.elsewhere.values())) for r in shown)
    return Table("Other sets, by caption: mean MRR of image ↔ text", header, tuple(lines))


def pairs_table(study: FusionStudy) -> Table:
    """Section 4.7: similarity of records of one case, and of different cases."""
    lines = []
    for name, (intra, cross) in PAPER_PAIRS.items():
        lines.append((name, "paper", f"{intra:.3f}", f"{cross:.3f}", f"{intra - cross:.3f}", ""))
        for row in (row for row in study.rows if row.name == name):
            intra, cross = row.figures["intra_pair"], row.figures["cross_pair"]
            cells = (f"{intra:.3f}", f"{cross:.3f}", f"{intra - cross:.3f}")
            lines.append((name, row.kind, *cells, f"{row.figures['mean R@10']:.3f}"))
    header = ("fusion", "weights", "intra-pair", "cross-pair", "difference", "mean R@10")
    return Table("Section 4.7: similarity within and between cases", header, tuple(lines))


def pooled_test(first: FusionRow, second: FusionRow) -> PairedTest:
    """MRR of two fusions over the queries of every direction; patients are drawn in pairs."""
    sides = [(first.directions[name], second.directions[name]) for name in first.directions]
    return paired_test(
        np.concatenate([one.values[:, _MRR] for one, _ in sides]),
        np.concatenate([other.values[:, _MRR] for _, other in sides]),
        np.concatenate([one.groups for one, _ in sides]),
    )


def paired_table(study: FusionStudy) -> Table:
    """The winner against every other fusion, by query: differences of MRR."""
    winner = study.winner
    lines = [
        (
            row.name,
            _difference(pooled_test(winner, row)),
            *(_difference(_direction_test(winner, row, name)) for name in winner.directions),
        )
        for row in study.of(PLAIN, TRAINED, SHIPPED)
        if row is not winner
    ]
    header = ("less", "all queries", *(arrow(name) for name in winner.directions))
    title = f"MRR of {winner.name} less that of the others: difference (95 %), p"
    return Table(title, header, tuple(lines))


def figures(study: FusionStudy) -> tuple[Figure, ...]:
    """Separation against R@10, and MRR by direction."""

    def points() -> str:
        kinds = {kind: study.of(kind) for kind in (TRAINED, UNTRAINED, PLAIN, CONTROL, SHIPPED)}
        return plots.scatter(
            {
                kind: (
                    [row.figures["separation"] for row in shown],
                    [row.figures["mean R@10"] for row in shown],
                )
                for kind, shown in kinds.items()
                if shown
            },
            "separation (1 - random-pair similarity)",
            "mean R@10",
            names={kind: [row.name for row in shown] for kind, shown in kinds.items()},
        )

    def bars() -> str:
        shown = sorted(study.of(PLAIN, TRAINED, SHIPPED), key=lambda row: -row.figures["mean MRR"])
        return plots.bars(
            {
                row.name: {arrow(name): m.means()["MRR"] for name, m in row.directions.items()}
                for row in shown
            },
            "MRR",
        )

    return (
        Figure(
            "Separation and retrieval",
            "What Table C ranks by (across) against what is found (up): noise stands far right.",
            points,
        ),
        Figure("Retrieval by direction", "MRR on held-out pairs, best strategy first.", bars),
    )


def _recalls(row: FusionRow, direction: str) -> str:
    shown = "/".join(f"{row.figures[f'{direction} R@{k}']:.3f}" for k in (1, 5, 10))
    mean = f"{row.figures[f'{direction} MRR']:.3f}"
    if direction not in row.directions:
        return f"{shown}, {mean}"
    measured = row.directions[direction]
    low, high = interval(measured.values, measured.groups)[_MRR]
    return f"{shown}, {mean} ({low:.3f}–{high:.3f})"


def _direction_test(first: FusionRow, second: FusionRow, direction: str) -> PairedTest:
    one, other = first.directions[direction], second.directions[direction]
    return paired_test(one.values[:, _MRR], other.values[:, _MRR], one.groups)


def _difference(test: PairedTest) -> str:
    low, high = test.interval
    return f"{test.difference:+.3f} ({low:+.3f} to {high:+.3f}), p = {test.p_value:.2g}"
