"""Records, galleries and features that several studies share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.assembly import dictionary
from mmedrag.measures.cosines import unit_rows
from mmedrag.paper.candidates import RerankQuery, rerank_queries
from mmedrag.paper.fusion_tables import FusionStudy
from mmedrag.paper.gallery import Gallery, read_gallery
from mmedrag.paper.strategies import (
    Benches,
    checkpoints,
    rows,
)
from mmedrag.phantoms.corpus import generate
from mmedrag.presets import Stages
from mmedrag.training.pairs import Pairs
from mmedrag.types import Case, Domain

RECORDS = 50


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(RECORDS, 5, into=tmp_path_factory.mktemp("corpus") / "phantoms")


@pytest.fixture(scope="session")
def gallery(records: Path, offline: Stages) -> Gallery:
    return read_gallery([records], offline.embedder, dictionary(), split="val", size=RECORDS)


@pytest.fixture(scope="session")
def asked(gallery: Gallery, offline: Stages) -> list[RerankQuery]:
    return rerank_queries(gallery, offline.embedder, dictionary(), "asked", limit=4)


def hidden_pairs(seed: int, folder: Path, cases: int = 12, width: int = 16) -> Pairs:
    """Three records a case whose image and text features are one noisy vector of the case.

    The features share a large common part, as those of a network do.
    """
    random = np.random.default_rng(seed)
    hidden = np.repeat(random.normal(size=(cases, width)), 3, axis=0)
    images, texts = (hidden + 0.3 * random.normal(size=hidden.shape) + 2 for _ in range(2))
    made = []
    for i in range(3 * cases):
        image = folder / f"{seed}-{i}"
        image.write_bytes(b"%d" % i)  # read for its digest only
        case = Case(id=f"set/{seed}-{i}", text=f"text {i}", image=image, domain=Domain.RADIOLOGY)
        made.append(replace(case, patient_id=f"set/{seed}-{i // 3}", study_id=f"{i // 3}"))
    return Pairs(tuple(made), unit_rows(images), unit_rows(texts))


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pairs, Pairs, Pairs]:
    """To learn from, to choose by, to report on."""
    folder = tmp_path_factory.mktemp("images")
    return tuple(hidden_pairs(seed, folder, n) for seed, n in ((1, 40), (2, 12), (3, 16)))


@pytest.fixture(scope="session")
def found(pairs: tuple[Pairs, Pairs, Pairs]) -> tuple[FusionStudy, Benches]:
    """Every row on held-out pairs, all strategies trained."""
    pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
    train, tune, held_out = pairs
    benches = Benches.of(held_out)
    learned = checkpoints(train, tune, {"image": "i", "text": "t"}, None)
    with pytest.MonkeyPatch.context() as patch:  # few steps, so larger ones
        patch.setattr("mmedrag.training.fusion.RATE", 0.003)
        return FusionStudy(list(rows(train, tune, benches, learned, seeds=2))), benches
