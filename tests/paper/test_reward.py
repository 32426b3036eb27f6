"""``mmedrag eval reward``: the figures agree with each other and with what they are made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmedrag.cli import main
from mmedrag.datasets.records import write_records
from mmedrag.paper import reward as study_module
from mmedrag.paper.reward import COSINE, FLOOR, PAPER, QUERY_AWARE, RewardFigures, measure_reward
from mmedrag.paper.reward_section import as_section
from mmedrag.training.contexts import OFF_TOPIC, REJECTED
from mmedrag.types import Case
from mmedrag.views.report import section_text
from mmedrag.views.section import Section
from training.fake_stages import fake_stages


@pytest.fixture(scope="module")
def corpus(phantoms: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reward") / "phantoms.jsonl"
    write_records(phantoms, path)
    return path


@pytest.fixture(scope="module")
def measured(corpus: Path) -> RewardFigures:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study_module, "build", lambda preset, models: fake_stages())
        return measure_reward([corpus])


@pytest.fixture(scope="module")
def section(measured: RewardFigures) -> Section:
    return as_section(measured)


def test_figures_are_whole_and_agree(measured):
    found = measured.figures
    assert found["schema"] == "mmedrag-reward/1"
    assert found["examples"] == len(measured.right) == measured.sizes[2]
    assert found["right"] == int(measured.right.sum())
    assert set(found["models"]) == {QUERY_AWARE, PAPER, COSINE}
    assert set(found["by_rejected"]) == set(REJECTED)
    wrong = sum(kind[QUERY_AWARE]["n"] for kind in found["by_rejected"].values())
    assert wrong == found["examples"] - found["right"]
    asked = sum(by[QUERY_AWARE]["n"] for by in found["by_question"].values())
    assert asked == found["examples"] - found["by_rejected"][OFF_TOPIC][QUERY_AWARE]["n"]
    for model in found["models"].values():
        low, high = model["pairwise accuracy ci95"]
        assert 0 <= low <= model["pairwise accuracy"] <= high <= 1


def test_the_total_auroc_is_the_mean_over_kinds(measured):
    """AUROC over all is the mean of the kinds', weighted by how many each has."""
    found = measured.figures
    kinds = [kind[QUERY_AWARE] for kind in found["by_rejected"].values() if kind[QUERY_AWARE]["n"]]
    weights = np.array([kind["n"] for kind in kinds])
    mean = np.average([kind["AUROC"] for kind in kinds], weights=weights)
    assert found["models"][QUERY_AWARE]["AUROC"] == pytest.approx(mean, abs=1e-3)


def test_the_paper_s_loss_stays_above_its_floor(measured):
    loss = measured.figures["paper_loss"]
    assert pytest.approx(0.313262, abs=1e-6) == FLOOR
    assert loss["first"] >= loss["last"] > loss["floor"] == pytest.approx(FLOOR, abs=1e-6)


def test_figures_are_json(measured):
    told = json.dumps(measured.figures, allow_nan=False)
    assert json.loads(told) == measured.figures


def test_the_section_says_it_in_words_and_draws_it(section):
    text = section_text(section)
    assert "off-topic question" in text
    assert "negation flipped" in text
    assert "0.313" in text
    assert len(section.disagreements) == 2
    for figure in section.figures:
        assert "<svg" in figure.draw()


def test_the_command_prints_the_figures(corpus, capsys, monkeypatch, measured):
    from mmedrag.paper import reward_section

    monkeypatch.setattr(reward_section, "measure_reward", lambda *args, **options: measured)
    assert main(["eval", "reward", "--data", str(corpus), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "mmedrag-reward/1"
