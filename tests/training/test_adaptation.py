"""Adapting a preset to the reports of a casebase."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mmedrag
from mmedrag.casebase import Casebase
from mmedrag.datasets.records import write_records
from mmedrag.errors import CheckpointError, CorpusError, QueryError
from mmedrag.stores import open_store
from mmedrag.training.adaptation import FEWEST, adapt
from mmedrag.types import Case, Entry


def indexed(cases: list[Case], path: Path) -> Path:
    records = path.with_suffix(".jsonl")
    write_records(cases, records)
    assert mmedrag.index(records, into=path).written == len(cases)
    return path


@pytest.fixture(scope="module")
def wrong(phantoms: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Just enough pairs of an image and another's report, their parts drawn by patient."""
    whole = [case for case in phantoms if case.image is not None and case.text.strip()][:FEWEST]
    order = np.random.default_rng(0).permutation(len(whole))
    cases = [
        replace(case, text=whole[i].text, study_id="", split="")
        for case, i in zip(whole, order, strict=True)
    ]
    return indexed(cases, tmp_path_factory.mktemp("wrong") / "wrong.casebase")


def test_reports_of_other_images_do_not_help(wrong: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"does not help: mean recall on the \d+ held out"):
        adapt(wrong, tmp_path / "adapted")
    assert not (tmp_path / "adapted").exists()


def test_it_is_the_preset_of_the_casebase_that_is_adapted(
    phantoms: list[Case], tmp_path: Path
) -> None:
    whole = [case for case in phantoms if case.image is not None and case.text.strip()][:FEWEST]
    path = tmp_path / "other.casebase"
    with Casebase.create(path, dim=2, fingerprint="f", preset="moon") as casebase:
        vector = np.array([1, 0], np.float32)
        casebase.add([Entry(case, vector, case.id, None) for case in whole])
    with pytest.raises(QueryError, match="no preset called moon"):
        adapt(path, tmp_path / "adapted")


def test_too_few_pairs_are_refused(wrong: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(wrong, tmp_path / "few.casebase"))
    with open_store(path) as casebase:
        casebase.delete([next(casebase.cases()).id])
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
    records = tmp_path / "own.jsonl"
    mmedrag.index(records, into=again, preset=done.preset, models=done.models)
    with mmedrag.load(again) as rag:
        assert rag.ask(cases[0].text).evidence
