"""Every fusion over held-out pairs: untrained, trained, and those that learn nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmedrag.checkpoint import Checkpoint, read_checkpoint
from mmedrag.encoders.fusion import Concat, Early, Fusion, fusion_from_checkpoint, random_fusion
from mmedrag.encoders.strategies import STRATEGIES, Mask
from mmedrag.errors import CorpusError
from mmedrag.evaluation.directions import DirectionFigures
from mmedrag.evaluation.vectors import embed_records
from mmedrag.measures.cosines import unit_rows
from mmedrag.paper.fusion import CROSS_MODAL, Bench, Figures, averaged, run, run_vectors
from mmedrag.protocols import Embedder
from mmedrag.training.pairs import Pairs, set_of
from mmedrag.training.positives import tune_mrr
from mmedrag.types import Matrix, Vector

PLAIN, CONTROL, UNTRAINED, TRAINED = "learns nothing", "control", "untrained", "trained"
SHIPPED = "shipped"
"""Kinds of rows."""

LEAST = 25
"""Held-out pairs that a set must have to be reported."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A control: a random unit vector for whatever is asked; nothing of the item is in it."""

    dim: int = 512
    fingerprint: str = "noise"

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Unit vectors ``(n, dim)``, other ones where another modality is absent."""
        seed = [len(has_image), int(has_image.sum()), int(has_text.sum())]
        noise = np.random.default_rng(seed).standard_normal((len(has_image), self.dim))
        return unit_rows(noise.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class CentredEarly:
    """A control: early fusion of features less their mean over the training part."""

    early: Early
    image_mean: Vector
    text_mean: Vector
    fingerprint: str = "early, centred"

    @property
    def dim(self) -> int:
        """The width of early fusion."""
        return self.early.dim

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused unit vectors, ``(n, dim)``."""
        return self.early.fuse(
            None if images is None else images - self.image_mean,
            None if texts is None else texts - self.text_mean,
            has_image,
            has_text,
        )


@dataclass(frozen=True, slots=True, eq=False)
class FusionRow:
    """One fusion: how it came by its weights, its figures on the main set, and what it found.

    ``directions`` is empty for untrained rows, which are means over seeds with
    ``deviations``; ``elsewhere`` is the mean cross-modal MRR on other sets; ``tune_mrr`` what
    choosing goes by, where there is something to choose.
    """

    name: str
    kind: str
    figures: Figures
    directions: Mapping[str, DirectionFigures] = field(default_factory=dict)
    deviations: Figures = field(default_factory=dict)
    elsewhere: Mapping[str, float] = field(default_factory=dict)
    tune_mrr: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Benches:
    """Held-out pairs by set: the main set by case, others by caption."""

    name: str
    main: Bench
    others: Mapping[str, Bench]

    @classmethod
    def of(cls, held_out: Pairs) -> Benches:
        """The main set is the one with most held-out pairs; sets below :data:`LEAST` are left out.

        Raises:
            CorpusError: where no set has two held-out pairs.
        """
        sets = np.array([set_of(case) for case in held_out.cases])
        counted = Counter(sets.tolist()).most_common()
        if not counted or counted[0][1] < 2:
            raise CorpusError("No pair is held out", "Give more records, or a split 'val'.")
        main, *others = (name for name, count in counted)
        return cls(
            main,
            Bench.of(held_out.taken(sets == main), "patient_id"),
            {
                name: Bench.of(held_out.taken(sets == name), "text")
                for name in others
                if (sets == name).sum() >= LEAST
            },
        )

    def row(self, name: str, kind: str, fusion: Fusion, tune: Pairs | None = None) -> FusionRow:
        """One fusion on every set; with ``tune``, also what choosing goes by."""
        done = run(fusion, self.main)
        elsewhere = {
            other: run(fusion, bench).mean("MRR", CROSS_MODAL)
            for other, bench in self.others.items()
        }
        chosen_by = None if tune is None else tune_mrr(fusion, tune)
        return FusionRow(name, kind, done.figures, done.directions, {}, elsewhere, chosen_by)


def rows(
    train: Pairs,
    tune: Pairs,
    benches: Benches,
    learned: Iterable[tuple[str, Checkpoint]],
    seeds: int,
) -> Iterator[FusionRow]:
    """Every fusion: those that learn nothing, controls, each strategy untrained and trained.

    Args:
        train: whose means centre a control.
        tune: pairs by which a fusion can be chosen.
        benches: on what it is measured.
        learned: strategies with their trained weights, see :func:`checkpoints`.
        seeds: of untrained weights, two at least.
    """
    widths = train.images.shape[1], train.texts.shape[1]
    early = Early(*widths)
    yield benches.row("early", PLAIN, early, tune)
    yield benches.row("concat", PLAIN, Concat(*widths), tune)
    means = train.images.mean(axis=0), train.texts.mean(axis=0)
    yield benches.row("early, centred", CONTROL, CentredEarly(early, *means))
    yield benches.row("noise", CONTROL, Noise())
    for name, checkpoint in learned:
        untrained = [run(random_fusion(name, *widths, seed), benches.main) for seed in range(seeds)]
        figures, deviations = averaged(untrained)
        yield FusionRow(name, UNTRAINED, figures, {}, deviations)
        yield benches.row(name, TRAINED, fusion_from_checkpoint(checkpoint), tune)


def shipped_row(name: str, embedder: Embedder, benches: Benches) -> FusionRow:
    """A preset's embedder on the main set, whatever fusion it has."""
    bench = benches.main
    done = run_vectors(embed_records(bench.pairs.cases, bench.groups, embedder), bench)
    return FusionRow(name, SHIPPED, done.figures, done.directions)


def checkpoints(
    train: Pairs, tune: Pairs, encoders: Mapping[str, str], folder: Path | None
) -> Iterator[tuple[str, Checkpoint]]:
    """Every strategy of Table C that learns: read from ``folder/NAME``, or trained here.

    Raises:
        UntrainedError: where the folder lacks one.
        CheckpointError: where it was trained on other encoders.
    """
    for name in STRATEGIES:
        if folder is None:
            from mmedrag.training.fusion import fit_fusion

            yield name, fit_fusion(name, train, tune, encoders=encoders).checkpoint
        else:
            checkpoint = read_checkpoint(folder / name, "fusion")
            for role, fingerprint in encoders.items():
                checkpoint.require_encoder(role, fingerprint)
            yield name, checkpoint
