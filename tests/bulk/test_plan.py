"""The plan of an encoding is kept with its shards, and comes back as it was."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag import domains
from mmedrag.bulk.plan import Plan, Source, begun, is_encoded, read_plan
from mmedrag.errors import CasebaseError, CorpusError


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(
        into=tmp_path / "shards",
        sources=(
            Source(tmp_path / "a.csv", "table", "radiology", {"text": "Report"}),
            Source(tmp_path / "b"),
        ),
        models={"learned": "/models/mine"},
        dictionaries=("/d/hpo.dict",),
        domains={"dermatology": ("a dermoscopy image",)},
        rows=64,
    )


def test_a_plan_comes_back(plan: Plan) -> None:
    assert not is_encoded(plan.into)
    kept = begun(plan, "encoder 1")
    assert is_encoded(plan.into)
    assert read_plan(plan.into) == kept == replace(plan, fingerprint="encoder 1")
    assert begun(plan, "encoder 1") == kept


def test_the_key_is_made_once_and_for_its_owner_alone(plan: Plan) -> None:
    first = begun(plan, "e").salt()
    file = plan.into / "pseudonym.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert begun(plan, "e").salt() == first
    file.chmod(0o644)
    with pytest.raises(CasebaseError, match="Others may read"):
        begun(plan, "e")


def test_a_key_that_is_given_is_used_or_made(plan: Plan, tmp_path: Path) -> None:
    given = replace(plan, key=tmp_path / "my.key")
    salt = begun(given, "e").salt()
    assert not (plan.into / "pseudonym.key").exists()
    assert (tmp_path / "my.key").read_text().strip() == salt.hex()


def test_domains_are_known_where_a_plan_is_worked_on(plan: Plan) -> None:
    plan.register_domains()
    assert domains.added() == {"dermatology": ("a dermoscopy image",)}
    assert plan.domain_of(plan.sources[0]) == "radiology"
    assert plan.domain_of(plan.sources[1]) is None


def test_a_folder_that_cannot_be_made_is_an_error(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CorpusError, match="cannot be written"):
        begun(replace(plan, into=tmp_path / "file" / "shards"), "e")
