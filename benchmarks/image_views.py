"""Heads fitted to other views of an image: ``python benchmarks/image_views.py ../shared/data``.

Grey turned over (radiographs, CT and MR are shown in both ways) and crops, each at inference alone,
as further pairs that the heads are fitted to, and as the mean of views on both sides; crops side by
side with the whole too. Heads are one pair in closed form, fitted here in each way to the same
training images; they are asked for validation images of that set, and for a set of which they have
seen nothing. Every figure stands beside the difference from heads of the whole image, query by
query.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageOps

from image_options import quarter
from mmedrag.datasets.corpus import codes, text_key
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.encoders.fusion import LearnedFusion
from mmedrag.encoders.image import OnnxImageEncoder
from mmedrag.imaging.decoding import open_image
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.ranking import ndcg_at_k, success_at_k
from mmedrag.presets import MODELS, offline_encoders
from mmedrag.training.correlation import canonical_heads
from mmedrag.training.features import cached_rows, read_set
from mmedrag.types import Case

STUDIES = {"medpix2": "covid_cxr", "pathvqa": "columbia_histology"}
"""The set that heads are fitted to, and the one that they have not seen."""

BY_CASE = ("medpix2", "columbia_histology")
"""Sets whose texts are of one case; the others are scored by equal text."""

MOST = {"train": 600, "val": 200, "unseen": 150}
COLOURED = 24
"""From this mean difference of two channels on an image is not grey."""

Rows = Mapping[str, np.ndarray]
"""Features by view, ``(n, width)``."""


def turned(image: Image.Image) -> Image.Image:
    """Black for white, where the image is grey."""
    image = image.convert("RGB")
    red, green, blue = image.split()
    spread = [np.asarray(ImageChops.difference(red, other)).mean() for other in (green, blue)]
    return ImageOps.invert(image) if max(spread) < COLOURED else image


def middle(image: Image.Image) -> Image.Image:
    """The inner four ninths."""
    width, height = image.size
    return image.crop((width // 6, height // 6, width * 5 // 6, height * 5 // 6))


VIEWS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "whole": lambda image: image,
    "turned": turned,
    "middle": middle,
    **{f"quarter {n}": lambda image, n=n: quarter(image, n % 2, n // 2) for n in range(4)},
}
QUARTERS = tuple(name for name in VIEWS if name.startswith("quarter"))


def features(cases: Sequence[Case], encoder: OnnxImageEncoder, name: str, cache: Path) -> Rows:
    """Features of every view, encoded once and kept in ``cache``."""

    def encode(some: Sequence[Case]) -> np.ndarray:
        rows = []
        for case in some:
            image = open_image(case.image)
            rows.append(encoder.encode([view(image) for view in VIEWS.values()]).reshape(-1))
        return np.stack(rows)

    every = cached_rows(cache, f"{encoder.fingerprint} {name} views", cases, encode)
    return dict(zip(VIEWS, np.split(every, len(VIEWS), axis=1), strict=True))


def mean_of(*views: str) -> Callable[[Rows], np.ndarray]:
    """The whole at half the weight, and those views at the other half."""
    return lambda rows: (rows["whole"] + sum(rows[v] for v in views) / len(views)) / 2


def one(view: str) -> Callable[[Rows], np.ndarray]:
    """One view."""
    return lambda rows: rows[view]


def beside(rows: Rows) -> np.ndarray:
    """The whole, and the mean of middle and quarters beside it, ``(n, 2 width)``."""
    crops = [rows[v] for v in ("middle", *QUARTERS)]
    return np.hstack([rows["whole"], np.mean(crops, axis=0)])


WHOLE, TURNED = one("whole"), one("turned")
CROPS = ("middle", *QUARTERS)
WAYS: Mapping[str, tuple[Sequence[Callable[[Rows], np.ndarray]], Callable[[Rows], np.ndarray]]] = {
    "whole; whole": ([WHOLE], WHOLE),
    "whole; turned": ([WHOLE], TURNED),
    "whole; mean of both greys": ([WHOLE], mean_of("turned")),
    "both greys; whole": ([WHOLE, TURNED], WHOLE),
    "both greys; turned": ([WHOLE, TURNED], TURNED),
    "mean of both greys; the same": ([mean_of("turned")], mean_of("turned")),
    "whole; whole and middle": ([WHOLE], mean_of("middle")),
    "whole and middle; the same": ([mean_of("middle")], mean_of("middle")),
    "whole and quarters; the same": ([mean_of(*QUARTERS)], mean_of(*QUARTERS)),
    "whole and each crop; whole": ([WHOLE, *map(one, CROPS)], WHOLE),
    "whole and each crop; whole and quarters": ([WHOLE, *map(one, CROPS)], mean_of(*QUARTERS)),
    "whole beside crops; the same": ([beside], beside),
}
"""What heads are fitted to, each a pair with the text, and what they are asked with."""


def heads(views: Sequence[np.ndarray], texts: np.ndarray) -> LearnedFusion:
    """One pair of heads; every view of an image is paired with its text."""
    images, told = np.concatenate(views), np.concatenate([texts] * len(views))
    tensors = canonical_heads(images, told, np.ones(len(images)))
    return LearnedFusion("contrastive", images.shape[1], told.shape[1], 128, tensors, "fitted")


def gains(
    fusion: LearnedFusion, images: np.ndarray, texts: np.ndarray, groups: np.ndarray
) -> dict[str, np.ndarray]:
    """R@1, R@10 and nDCG@10 of every query by direction, ``(n, 3)``."""
    yes, no = np.ones(len(groups), bool), np.zeros(len(groups), bool)
    scores = fusion.fuse(images, None, yes, no) @ fusion.fuse(None, texts, no, yes).T
    right = groups[:, None] == groups
    return {
        direction: np.array(
            [
                [success_at_k(s, r, 1), success_at_k(s, r, 10), ndcg_at_k(s, r, 10)]
                for s, r in zip(found, right, strict=True)
            ]
        )
        for direction, found in (("image -> text", scores), ("text -> image", scores.T))
    }


def main() -> None:
    """Print a line for every way, part and direction."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path)
    options.add_argument("--sets", nargs="*", default=list(STUDIES))
    options.add_argument("--cache", type=Path, default=Path(".cache/features"))
    given = options.parse_args()
    encoder = OnnxImageEncoder.from_card(MODELS / "image.json", batch_size=len(VIEWS), threads=1)
    reader = offline_encoders()[1]
    for name in given.sets:
        cases = read_cases(given.data, name), read_cases(given.data, STUDIES[name])
        parts = {
            "train": (name, [c for c in cases[0] if c.split != "val"]),
            "val": (name, [c for c in cases[0] if c.split == "val"]),
            "unseen": (STUDIES[name], cases[1]),
        }
        known = {}
        for part, (source, every) in parts.items():
            chosen = evenly_spaced(every, MOST[part])
            rows = features(chosen, encoder, source, given.cache)
            groups = codes(c.patient_id if source in BY_CASE else text_key(c.text) for c in chosen)
            known[part] = (rows, reader.encode([c.text for c in chosen]), groups)
            print(f"{part}: {len(chosen)} of {source}", flush=True)
        studied(known)


def read_cases(data: Path, name: str) -> list[Case]:
    """The cases of a set that have an image and a text."""
    every = read_set(data / name / "records.jsonl")
    return [case for case in every if case.image is not None and case.text.strip()]


def studied(known: Mapping[str, tuple[Rows, np.ndarray, np.ndarray]]) -> None:
    """Print what each way gives on the validation part and on the unseen set."""
    first: dict[tuple[str, str], np.ndarray] = {}
    learned, told, _ = known["train"]
    for way, (fitted, asked) in WAYS.items():
        fusion = heads([view(learned) for view in fitted], told)
        for part in ("val", "unseen"):
            rows, texts, groups = known[part]
            for direction, values in gains(fusion, asked(rows), texts, groups).items():
                before = first.setdefault((part, direction), values)
                low, high = interval(values, groups)[2]
                less, more = interval(values - before, groups)[2]
                at1, at10, gain = values.mean(axis=0)
                print(
                    f"{way:40s} {part:7s} {direction}  {at1:.3f} / {at10:.3f}  nDCG@10 {gain:.3f} "
                    f"({low:.3f}-{high:.3f}), {(values - before)[:, 2].mean():+.3f} "
                    f"({less:+.3f} to {more:+.3f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
