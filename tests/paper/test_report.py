"""All studies in one run: chosen by name, and none stops the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmedrag.cli import main
from mmedrag.errors import CheckpointError, CorpusError, QueryError
from mmedrag.paper.report import STUDIES, Study, outcomes, studies_of
from mmedrag.paper.roles import RetrievalSet, Roles
from mmedrag.views.report import html
from mmedrag.views.section import Section

ROLES = Roles({}, tuple(RetrievalSet(name, (Path(f"{name}.jsonl"),)) for name in ("a", "b")))


def section() -> Section:
    return Section(name="x", title="X", protocol="P.", verdict="V.")


def raising(error: Exception) -> Study:
    def measure(roles: Roles) -> Section:
        raise error

    return Study("reward", "reward", measure)


@pytest.mark.parametrize(
    ("error", "failed", "words"),
    [
        (CorpusError("a set is absent", "Put it there."), False, "Not measured. a set is absent"),
        (CheckpointError("no weights", "Run: mmedrag train x"), False, "Run: mmedrag train x"),
        (ZeroDivisionError("by zero"), True, "Failed. ZeroDivisionError: by zero"),
        (QueryError("an option", "Change it."), True, "Failed. QueryError"),
    ],
)
def test_one_study_does_not_stop_the_others(error: Exception, failed: bool, words: str) -> None:
    fine = Study("fine", "rerank", lambda roles: section())
    begun: list[str] = []
    first, second = outcomes([raising(error), fine], ROLES, begun.append)
    assert begun == ["reward", "fine"]
    assert (first.failed, second.failed) == (failed, False)
    assert words in first.section.verdict
    assert first.section.name == "reward"
    assert second.section.name == "fine"
    assert re.fullmatch(r"Measured in \d+ s\.", second.section.notes[-1])
    assert words.split(".")[0] in html([first.section, second.section])


def test_studies_are_chosen_by_name_or_kind() -> None:
    assert [study.name for study in studies_of(ROLES, ["definitions"])] == ["definitions"]
    assert [s.name for s in studies_of(ROLES, ["retrieval"])] == ["retrieval-a", "retrieval-b"]
    assert [study.name for study in studies_of(ROLES, ["retrieval-b"])] == ["retrieval-b"]
    assert studies_of(ROLES)[2:] == [*STUDIES]
    assert studies_of(Roles({}), ["retrieval"]) == []
    with pytest.raises(QueryError, match="no study 'nonsense'"):
        studies_of(ROLES, ["definitions", "nonsense"])


def test_every_study_stands_once_and_has_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    names = [study.name for study in studies_of(ROLES)]
    assert len(names) == len(set(names))
    for kind in {study.kind for study in studies_of(ROLES)}:
        with pytest.raises(SystemExit) as ended:
            main(["eval", kind, "--help"])
        assert ended.value.code == 0
    capsys.readouterr()
