"""The key of DICOM pseudonyms is in its own file and nowhere else."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path

import pytest

from mmedrag.assembly import create
from mmedrag.casebase import Casebase
from mmedrag.cli import main
from mmedrag.errors import CasebaseError
from mmedrag.pseudonym_key import NAME, key_file, key_of, new_key

OLD = Path(__file__).parent / "casebase" / "format1.casebase.tar.xz"


@pytest.fixture
def casebase(tmp_path: Path):
    made, _ = create(tmp_path / "x.casebase")
    with made:
        yield made


def files_with(secret: bytes, folder: Path) -> list[str]:
    """Files in which the key stands, as text or as bytes."""
    forms = (secret, secret.hex().encode())
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file.name for file in files if any(form in file.read_bytes() for form in forms)]


def test_it_is_a_file_of_its_own_that_only_its_owner_may_read(casebase: Casebase) -> None:
    key = key_of(casebase)
    assert len(key) == 16
    assert key == key_of(casebase)
    assert files_with(key, casebase.path) == [NAME]
    assert stat.S_IMODE((casebase.path / NAME).stat().st_mode) == 0o600


def test_no_output_and_no_export_holds_it(
    casebase: Casebase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(casebase)
    casebase.export(tmp_path / "export")
    casebase.close()
    for words in (["info"], ["info", "--json"], ["verify", "--json"]):
        main([words[0], str(casebase.path), *words[1:]])
    assert key.hex() not in capsys.readouterr().out
    assert files_with(key, tmp_path / "export") == []


def test_it_may_be_kept_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "vault.key"
    made, _ = create(tmp_path / "x.casebase", pseudonym_key=elsewhere)
    with made:
        key = key_of(made)
    with Casebase.open(made.path) as again:
        assert key_file(again) == elsewhere
        assert key_of(again) == key
    assert files_with(key, tmp_path) == ["vault.key"]


def test_the_key_of_an_older_release_moves_out_of_the_database(tmp_path: Path) -> None:
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    path = tmp_path / "old.casebase"
    with Casebase.open(path, readonly=True) as casebase:
        salt = bytes.fromhex(casebase._access.database.settings()["salt"])
        assert salt.hex() not in json.dumps(casebase.info())
        assert "salt" not in casebase.settings
    assert files_with(salt, path) == ["casebase.db"]
    with Casebase.open(path) as casebase:
        assert key_of(casebase) == salt
        assert any("was brought to format" in notice for notice in casebase.notices)
    assert files_with(salt, path) == [NAME]


def test_a_new_key_replaces_it(casebase: Casebase, tmp_path: Path) -> None:
    before = key_of(casebase)
    assert new_key(casebase) == casebase.path / NAME
    after = key_of(casebase)
    assert before != after
    assert new_key(casebase, tmp_path / "elsewhere") == tmp_path / "elsewhere"
    assert files_with(before, tmp_path) == []


def test_a_key_that_others_may_read_or_that_is_none_is_refused(casebase: Casebase) -> None:
    file = key_file(casebase)
    file.chmod(0o644)
    with pytest.raises(CasebaseError, match="chmod 600"):
        key_of(casebase)
    file.chmod(0o600)
    file.write_text("not a key")
    with pytest.raises(CasebaseError, match="rekey"):
        key_of(casebase)


def test_the_command_makes_a_new_key(
    casebase: Casebase, capsys: pytest.CaptureFixture[str]
) -> None:
    before = key_of(casebase)
    casebase.close()
    assert main(["rekey", str(casebase.path)]) == 0
    told = capsys.readouterr().out
    assert str(casebase.path / NAME) in told
    with Casebase.open(casebase.path) as again:
        assert key_of(again) != before
        assert key_of(again).hex() not in told
