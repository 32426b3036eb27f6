"""``mmedrag eval fusion``: the bench by hand, every row, the verdict's choice, the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedrag.cli import main
from mmedrag.encoders.strategies import STRATEGIES
from mmedrag.paper.fusion import DIRECTIONS
from mmedrag.paper.fusion_section import as_section
from mmedrag.paper.fusion_tables import FusionStudy
from mmedrag.paper.strategies import (
    Benches,
)
from mmedrag.phantoms.corpus import generate
from mmedrag.views.report import section_text


def test_section_says_what_was_measured(found: tuple[FusionStudy, Benches]) -> None:
    section = as_section(*found, "120 pairs")
    assert section.data["winner"] == found[0].winner.name
    assert section.data["paper"]["contrastive"]["separation"] == 1.001524
    assert set(section.data["rank_correlation"]) == {"trained", "untrained", "paper"}
    assert len(section.disagreements) == 3
    assert "0.998476" in section.disagreements[0].why
    assert found[0].winner.name in section.verdict
    text = section_text(section)
    assert "cross-attention" in text
    assert "paper" in text
    json.dumps(section.data)
    for shown in section.tables:
        assert all(len(line) == len(shown.header) for line in shown.rows)


def test_figures_draw(found: tuple[FusionStudy, Benches]) -> None:
    pytest.importorskip("matplotlib")
    for figure in as_section(*found, "").figures:
        assert figure.draw().startswith("<svg")


def test_command_measures_what_was_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
    data = generate(36, 3, into=tmp_path / "phantoms")
    told = ["--data", str(data)]
    into = ["--into", str(tmp_path / "f"), "--epochs", "1"]
    assert main(["train", "fusion", *told, *into]) == 0
    capsys.readouterr()
    assert main(["eval", "fusion", *told, "--json", "--model", f"fusion={tmp_path / 'f'}"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {row["strategy"] for row in data["rows"]} >= set(STRATEGIES)
    shipped = next(row for row in data["rows"] if row["weights"] == "shipped")
    assert set(shipped["retrieval"]) <= set(DIRECTIONS)
    assert main(["eval", "fusion", *told, "--model", "heads=x"]) == 2
