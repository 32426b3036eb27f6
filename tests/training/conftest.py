"""Mined examples that several tests of the reward model's recipe share."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.assembly import dictionary
from mmedrag.datasets.records import write_records
from mmedrag.presets import Stages
from mmedrag.training.candidates import Candidates, embed_candidates
from mmedrag.training.contexts import (
    Example,
    Miner,
)
from mmedrag.types import Case
from training.fake_stages import fake_stages

DEFINITIONS = dictionary()


@pytest.fixture(scope="session")
def corpus(phantoms: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantoms as a file of the native format."""
    path = tmp_path_factory.mktemp("preference") / "phantoms.jsonl"
    write_records(phantoms, path)
    return path


@pytest.fixture(scope="session")
def stages() -> Stages:
    return fake_stages()


@pytest.fixture(scope="session")
def pool(phantoms: list[Case], stages: Stages) -> Candidates:
    return embed_candidates(phantoms, stages.embedder, DEFINITIONS)


@pytest.fixture(scope="session")
def examples(pool: Candidates, stages: Stages) -> list[Example]:
    miner = Miner(pool, stages.embedder, stages.classifier, DEFINITIONS, seed=3)
    return miner.mine(60)
