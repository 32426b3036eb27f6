"""What a database remembers of how it was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.answers.agreement import UNMEASURED, shipped
from mmedrag.assembly import create
from mmedrag.errors import CheckpointError, EncoderMismatch, QueryError
from mmedrag.provenance import (
    AGREEMENT,
    agreement_of,
    check_encoder,
    definitions_of,
    keep_agreement,
    lasting,
    models_of,
    require_same,
)
from mmedrag.stores import create_store


def test_models_and_dictionaries_are_remembered(tmp_path: Path) -> None:
    settings = {"model.text": "a", "other": "b", "dictionaries": "[]"}
    path = tmp_path / "cases"
    with create_store(path, dim=4, fingerprint="f", preset="p", settings=settings) as made:
        assert models_of(made) == {"text": "a"}
        assert definitions_of(made).recognise(["pleural effusion"])[0]


def test_other_settings_and_encoders_are_refused(tmp_path: Path) -> None:
    casebase, stages = create(tmp_path / "cases")
    with casebase, create_store(tmp_path / "o", dim=4, fingerprint="f", preset="p") as other:
        check_encoder(casebase, stages.embedder)
        require_same(casebase, casebase.preset, more=False)
        for preset, more in (("other", False), (None, True)):
            with pytest.raises(QueryError, match="preset"):
                require_same(casebase, preset, more)
        with pytest.raises(EncoderMismatch, match="Index the corpus again"):
            check_encoder(other, stages.embedder)


def test_what_was_measured_over_a_database_is_kept_with_it(tmp_path: Path) -> None:
    known = shipped()
    assert known is not None
    with create_store(tmp_path / "a", dim=4, fingerprint="other encoder", preset="p") as made:
        assert agreement_of(made) == UNMEASURED
        keep_agreement(made, known)
        assert agreement_of(made).encoder == known.encoder
        made.set(AGREEMENT, '{"presence": 1}')
        with pytest.raises(CheckpointError, match="eval agreement"):
            agreement_of(made)
    with create_store(tmp_path / "b", dim=4, fingerprint=known.encoder, preset="p") as made:
        assert agreement_of(made) == known


def test_a_folder_is_remembered_by_its_whole_path(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert lasting("model") == str(tmp_path / "model")
    assert lasting("hub/model") == "hub/model"
