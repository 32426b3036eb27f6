"""Counts by concept and assertion, in Python and by ``mmedrag info``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmedrag.casebase import Casebase, Entry
from mmedrag.cli import main
from mmedrag.definitions import glossary
from mmedrag.errors import FilterError
from mmedrag.testing.case_index import DIM
from mmedrag.types import Assertion, Case, Domain, Kind, Mention

REPORTS = {
    "a": ("Pleural effusion. Pleural effusion on the left.", "radiology", "ct"),
    "b": ("No pleural effusion. Cardiomegaly of the heart.", "radiology", "xray"),
    "c": ("Pleural effusion, no pleural effusion on the right. Possible mass.", "radiology", "ct"),
    "d": ("Drusen. Possible drusen.", "ophthalmology", ""),
}


@pytest.fixture
def casebase(tmp_path: Path):
    vector = np.zeros(DIM, np.float32)
    with Casebase.create(tmp_path / "x", dim=DIM, fingerprint="f", preset="p") as made:
        made.add(
            [
                Entry(Case(id=i, text=t, domain=Domain(d), modality=m), vector, i, None)
                for i, (t, d, m) in REPORTS.items()
            ]
        )
        yield made


def counts(casebase: Casebase, **chosen: object) -> dict[str, tuple[int, int, int]]:
    return {f.term: (f.affirmed, f.negated, f.uncertain) for f in casebase.facets(**chosen)}


def test_cases_are_counted_once_by_what_they_say_most_strongly(casebase: Casebase) -> None:
    with pytest.raises(FilterError, match="mmedrag rebuild"):
        casebase.facets()
    casebase.recognise(glossary())
    assert counts(casebase) == {
        "pleural effusion": (2, 1, 0),
        "cardiomegaly": (1, 0, 0),
        "drusen": (1, 0, 0),
        "mass": (0, 0, 1),
    }
    assert next(iter(counts(casebase))) == "pleural effusion"


def test_they_can_be_restricted(casebase: Casebase) -> None:
    casebase.recognise(glossary())
    assert counts(casebase, limit=1) == {"pleural effusion": (2, 1, 0)}
    assert counts(casebase, limit=0) == {}
    assert list(counts(casebase, domain=Domain.OPHTHALMOLOGY)) == ["drusen"]
    assert counts(casebase, where="modality = 'xray'") == {
        "pleural effusion": (0, 1, 0),
        "cardiomegaly": (1, 0, 0),
    }
    assert list(counts(casebase, kinds={Kind.ANATOMY})) == ["heart"]
    with pytest.raises(FilterError):
        casebase.facets(where="colour = 'red'")


def test_deleted_cases_do_not_count(casebase: Casebase) -> None:
    casebase.recognise(glossary())
    casebase.delete(["a", "d"])
    assert counts(casebase)["pleural effusion"] == (1, 1, 0)
    assert "drusen" not in counts(casebase)


def test_info_shows_them_by_domain(casebase: Casebase, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(casebase.path)
    assert main(["info", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["concepts"] == {}
    casebase.recognise(glossary())
    assert main(["info", path, "--json", "--concepts", "1"]) == 0
    found = json.loads(capsys.readouterr().out)["concepts"]
    assert {domain: [f["term"] for f in facets] for domain, facets in found.items()} == {
        "radiology": ["pleural effusion"],
        "ophthalmology": ["drusen"],
    }
    assert main(["info", path]) == 0
    assert "ruled out" in capsys.readouterr().out
    assert main(["info", path, "--concepts", "0"]) == 0
    assert "ruled out" not in capsys.readouterr().out


@pytest.mark.parametrize("first", ["X:1", "X:2"])
def test_of_concepts_that_are_called_the_same_their_codes_decide(
    tmp_path: Path, first: str
) -> None:
    vector = np.zeros(DIM, np.float32)
    with Casebase.create(tmp_path / "y", dim=DIM, fingerprint="f", preset="p") as made:
        for concept in (first, "X:2" if first == "X:1" else "X:1"):
            mention = Mention("cold", 0, 4, concept, "cold", Assertion.AFFIRMED)
            case = Case(id=concept, text="cold")
            made.add([Entry(case, vector, concept, None, (mention,), "somebody")])
        assert [f.concept for f in made.facets(limit=1)] == ["X:1"]
