"""The shared space on sets that it never saw: each is left out whole, and measured.

The heads are fitted to the training parts of all sets of another source, and asked for the images
and texts of the one left out; a second line has the heads as they ship, fitted to its training part
too, on its validation part alone. Encoders are those that ship; ``--open`` fits without the
research-only sets. ``python recipes/unseen_sets.py --data ../shared/data``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shipped_weights

from mmedrag.datasets.corpus import codes, text_key
from mmedrag.encoders.mixture import DomainMixture
from mmedrag.encoders.text import TextEncoder
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.ranking import success_at_k
from mmedrag.presets import offline_encoders
from mmedrag.training.features import Features, image_features
from mmedrag.training.offline import fit_mixture, training_rows
from mmedrag.training.sets import Recipe, TrainingSet

MEASURED = ("medpix2", "pathvqa", "columbia_histology", "patolojiatlasi", "odir5k")
BY_CASE = frozenset({"medpix2", "columbia_histology"})
"""Sets whose texts are sentences of one case; the others are scored by equal text."""


def recalls(mixture: DomainMixture, features: Features, texts: TextEncoder) -> list[str]:
    """R@1 and R@10 in both directions with intervals, and those of a random order."""
    rows = [i for i, case in enumerate(features.cases) if case.text.strip()]
    part = features.only(rows)
    yes, no = np.ones(len(rows), bool), np.zeros(len(rows), bool)
    image = mixture.fuse(part.rows, None, yes, no)
    text = mixture.fuse(None, texts.encode([c.text for c in part.cases]), no, yes)
    by_case = features.set_name in BY_CASE
    groups = codes(c.patient_id if by_case else text_key(c.text) for c in part.cases)
    right = groups[:, None] == groups
    scores = np.round(image.astype(float) @ text.T.astype(float), 9)
    equal = np.zeros(len(rows))
    chance = [np.mean([success_at_k(equal, row, k) for row in right]) for k in (1, 10)]
    cells = [f"n={len(rows)}", f"chance {chance[0]:.3f} / {chance[1]:.3f}"]
    for name, found in (("image->text", scores), ("text->image", scores.T)):
        values = np.array(
            [[success_at_k(s, r, k) for k in (1, 10)] for s, r in zip(found, right, strict=True)]
        )
        for k, mean, (low, high) in zip(
            (1, 10), values.mean(axis=0), interval(values, groups), strict=True
        ):
            cells.append(f"{name} R@{k} {mean:.3f} ({low:.3f}-{high:.3f})")
    return cells


def fitted(sets: Sequence[Features], texts: TextEncoder, cache: Path) -> DomainMixture:
    """The heads that these sets give."""
    return DomainMixture(fit_mixture(sets, texts, cache), "fitted")


def main() -> None:
    """Print two lines a set: left out, and its validation part with the heads as they ship."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--cache", type=Path, default=Path(".cache/features"))
    options.add_argument("--open", action="store_true", help="leave research-only sets out")
    options.add_argument("--sets", nargs="*", default=list(MEASURED))
    given = options.parse_args()
    images, texts = offline_encoders()
    left_out = shipped_weights.RESEARCH_ONLY if given.open else frozenset()
    described = [one for one in shipped_weights.sets(given.data) if one.records.exists()]
    described = [one for one in described if one.name not in left_out or one.name in given.sets]
    recipe = Recipe(tuple(described), given.cache)
    learned: list[TrainingSet] = [*recipe.images(), *recipe.images("shared")]
    every = image_features(learned, images, given.cache)
    train = [training_rows(f) for f in every if f.set_name not in left_out]
    whole = fitted(train, texts, given.cache)
    for features in every:
        if features.set_name not in given.sets:
            continue
        source = features.source.source or features.set_name
        others = [f for f in train if source not in (f.source.source, f.set_name)]
        line = recalls(fitted(others, texts, given.cache), features, texts)
        print(f"{features.set_name:20s} left out   ", "  ".join(line), flush=True)
        held = [i for i, case in enumerate(features.cases) if case.split == "val"]
        if held:
            line = recalls(whole, features.only(held), texts)
            print(f"{features.set_name:20s} validation ", "  ".join(line), flush=True)


if __name__ == "__main__":
    main()
