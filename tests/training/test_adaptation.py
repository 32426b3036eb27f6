"""Adapting a preset to the reports of a casebase."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mmedrag
from mmedrag.errors import CheckpointError, CorpusError, QueryError
from mmedrag.training.adaptation import FEWEST, adapt
from mmedrag.types import Case


def indexed(cases: list[Case], path: Path) -> Path:
    assert mmedrag.index(cases, into=path).written == len(cases)
    return path


@pytest.fixture(scope="module")
def pairs(phantoms: list[Case]) -> list[Case]:
    """Pairs whose parts are drawn by patient, not stated."""
    whole = [case for case in phantoms if case.image is not None and case.text.strip()]
    return [replace(case, split="") for case in whole[: 2 * FEWEST]]


def test_reports_of_other_images_do_not_help(pairs: list[Case], tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(len(pairs))
    wrong = [
        replace(case, text=pairs[i].text, study_id="") for case, i in zip(pairs, order, strict=True)
    ]
    path = indexed(wrong, tmp_path / "wrong.casebase")
    with pytest.raises(QueryError, match=r"does not help: mean recall on the \d+ held out"):
        adapt(path, tmp_path / "adapted")
    assert not (tmp_path / "adapted").exists()


def test_too_few_pairs_are_refused(pairs: list[Case], tmp_path: Path) -> None:
    path = indexed(pairs[: FEWEST - 1], tmp_path / "few.casebase")
    with pytest.raises(CorpusError, match=f"{FEWEST} are needed"):
        adapt(path, tmp_path / "adapted")


def test_an_adaptation_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "heads").mkdir()
    with pytest.raises(CheckpointError, match="holds an adaptation already"):
        adapt(tmp_path / "no.casebase", tmp_path)


@pytest.mark.long
def test_own_reports_help_and_serve(phantoms: list[Case], tmp_path: Path) -> None:
    cases = [replace(case, split="") for case in phantoms if case.image is not None]
    path = indexed(cases, tmp_path / "own.casebase")
    done = adapt(path, tmp_path / "adapted")
    assert done.gain.difference > 0
    assert json.loads((tmp_path / "adapted" / "report.json").read_text()) == done.figures
    again = tmp_path / "again.casebase"
    mmedrag.index(cases, into=again, preset=done.preset, models=done.models)
    with mmedrag.load(again) as rag:
        assert rag.ask(cases[0].text).evidence
