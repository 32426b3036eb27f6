"""Image to image with a share of the window on faint densities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch

from mmedrag.networks.backbones import Backbone
from mmedrag.paper.density import by_share, retrieved
from mmedrag.paper.sensitivity import Sensitivity, measure_sensitivity
from mmedrag.phantoms.corpus import generate
from mmedrag.types import Case

SEEDS = 2


def network(weights: str, *, fixed: bool = False) -> Backbone:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 8, 5, stride=4).requires_grad_(False)
    return Backbone("ResNet-50", weights, lambda x: torch.relu(layer(x)), fixed_size=fixed)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(40, 5, into=tmp_path_factory.mktemp("corpus") / "phantoms")


@pytest.fixture(scope="module")
def found(corpus: Path) -> Sensitivity:
    networks = [network("a file"), network("random", fixed=True)]
    return measure_sensitivity(SEEDS, networks=networks, xrays=[corpus], gallery=[corpus], most=2)


def case(name: str, patient: str, region: str) -> Case:
    return Case(id=name, text="", patient_id=patient, labels=("ct", region))


def test_retrieval_by_hand() -> None:
    cases = [case("a", "p", "head"), case("b", "p", "head"), case("c", "q", "head")]
    cases += [case(f"n{i}", f"r{i}", "knee") for i in range(12)]
    similar = np.zeros((15, 15))
    similar[0, 2] = similar[2, 0] = 0.9
    found = retrieved(similar + np.eye(15), cases)
    # a and b have a sibling; among ties the first rows come first, so that both find it
    assert found["case"].value == 1
    assert found["case"].n == 2
    assert found["region"].n == 15
    assert 0 < found["region"].value < 1
    far = similar - 5 * np.eye(15)
    far[0, 1] = far[1, 0] = -1
    assert retrieved(far, cases)["case"].value == 0


def test_shares_are_the_weighted_mean_of_both() -> None:
    cases = [case(f"{i}", f"p{i // 2}", "head") for i in range(24)]
    rng = np.random.default_rng(0)
    first = np.kron(np.eye(12), np.ones((2, 2)))
    second = rng.uniform(size=(24, 24))
    found = by_share(first, second, cases)
    assert found[0.0]["case"].value == 1
    assert found[1.0] == retrieved(second, cases)
