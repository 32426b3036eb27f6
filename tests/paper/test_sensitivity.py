"""Section 5 as a study: every table from real pictures to the report, its JSON, its command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch

from mmedrag.cli import main
from mmedrag.errors import MissingExtra
from mmedrag.networks.backbones import Backbone
from mmedrag.paper import sensitivity_section
from mmedrag.paper.sensitivity import Sensitivity, _networks, measure_sensitivity
from mmedrag.phantoms.corpus import generate
from mmedrag.views.report import section_text, write_report
from mmedrag.views.section import Section

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


@pytest.fixture(scope="module")
def section(found: Sensitivity) -> Section:
    return sensitivity_section.as_section(found)


def test_every_table_stands_beside_the_paper_s(section: Section) -> None:
    titles = [table.title.split(".")[0] for table in section.tables[:4]]
    assert titles == ["Table 1", "Table 2", "Table 3", "Table 4"]
    assert "0.22571" in section.tables[0].rows[0]  # ResNet-50 at 64 px in the paper
    assert section.tables[0].rows[1][3] == "N/A"  # one size only
    assert any(row[1] == "the paper" and "0.00823" in row for row in section.tables[1].rows)
    assert any("0.36690" in row for row in section.tables[3].rows)
    for table in section.tables:
        assert {len(row) for row in table.rows} == {len(table.header)}


def test_random_weights_are_said_and_get_fewer_seeds(section: Section, found: Sensitivity) -> None:
    assert "ResNet-50 ran with random weights" in " ".join(section.notes)
    assert "hf download microsoft/resnet-101" in " ".join(section.notes)
    assert {row.weights for row in found.scales} == {"a file", "random"}


def test_gap_is_what_the_encoder_does(found: Sensitivity) -> None:
    gap, shipped = found.poolings[0], found.findings[0]
    for name in ("hairline", "density", "noise"):
        assert gap.figures[name].value == pytest.approx(shipped.figures[name].value, rel=1e-3)


def test_random_controls_stand_in_table_4(found: Sensitivity) -> None:
    rows = [(row.name, row.weights) for row in found.poolings]
    assert rows.count(("LPA", "random 0")) == rows.count(("MSPP", "random 2")) == 1
    assert len({row.figures["hairline"].value for row in found.poolings}) == len(rows)


def test_the_window_sees_the_faint_density_and_keeps_the_hairline(found: Sensitivity) -> None:
    picture, window, both = found.windows
    assert window.figures["density/noise"].value >= 5
    assert window.figures["hairline/noise"].value >= picture.figures["hairline/noise"].value
    for name in ("density", "noise"):
        halves = picture.figures[name].value + window.figures[name].value
        assert both.figures[name].value == pytest.approx(halves / 2)


def test_in_pictures_the_window_beats_the_encoder_against_every_control(
    found: Sensitivity,
) -> None:
    picture, window, _ = found.radiographs
    assert found.pictures == 2
    for control in ("noise", "matched noise", "re-encoded"):
        name = f"soft density/{control}"
        assert window.figures[name].value > picture.figures[name].value


def test_localisation_gain_is_the_difference_to_the_base(found: Sensitivity) -> None:
    figures = found.gradients[0].figures
    expected = figures["hairline"].value - figures["hairline base"].value
    assert figures["hairline gain"].value == pytest.approx(expected)


def test_json_and_report(section: Section, tmp_path: Path) -> None:
    data = json.loads(json.dumps(section.data))
    assert data["seeds"] == SEEDS
    assert {"value", "ci95", "n"} == set(data["table2"][0]["hairline/noise"])
    assert {"table1", "table3", "table4", "window", "radiographs", "retrieval"} <= set(data)
    text = section_text(section)
    assert section.verdict[:30] in text
    page = write_report([section], tmp_path).read_text("utf-8")
    assert page.count("<svg") == len(section.figures)


def test_without_torch_the_rest_is_measured(found: Sensitivity) -> None:
    def absent() -> Iterator[Backbone]:
        raise MissingExtra("PyTorch is not installed", "Install it.")
        yield

    *measured, notes = _networks([], absent(), lambda n: None)
    assert measured == [[], [], [], []]
    assert "Tables 1 and 3 need PyTorch" in notes[0]
    rest = replace(
        found, scales=(), findings=found.findings[:1], gradients=(), radiographs=(), retrieval={}
    )
    titles = [t.title for t in sensitivity_section.as_section(rest).tables]
    assert [t.split(".")[0] for t in titles[:2]] == ["Table 2", "Table 4"]


def test_the_command_refuses_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "sensitivity", "--seeds", "1"]) != 0
    assert "--seeds is 1" in capsys.readouterr().err
