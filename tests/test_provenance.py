"""What a database remembers of how it was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.assembly import create
from mmedrag.errors import EncoderMismatch, QueryError
from mmedrag.provenance import check_encoder, definitions_of, lasting, models_of, require_same
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


def test_a_folder_is_remembered_by_its_whole_path(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert lasting("model") == str(tmp_path / "model")
    assert lasting("hub/model") == "hub/model"
