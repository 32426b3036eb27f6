"""The options of ``mmedrag pull``."""

from __future__ import annotations

import pytest

from mmedrag.cli import main
from mmedrag.commands.pull import conditions
from mmedrag.errors import QueryError


def test_conditions():
    assert conditions(["StudyDate=2026-01-01-2026-01-31", "Modality=CT"], None) == {
        "StudyDate": "20260101-20260131",
        "Modality": "CT",
    }
    assert conditions([], "2026-01-05") == {"StudyDate": "20260105-"}
    assert conditions([], "20260105") == {"StudyDate": "20260105-"}
    assert conditions(["StudyDate=-20260131"], None) == {"StudyDate": "-20260131"}
    assert conditions([], None) == {}


@pytest.mark.parametrize(
    ("where", "since"),
    [
        (["StudyDate=yesterday"], None),
        (["StudyDate=20261301"], None),
        (["SeriesDate=20260101"], None),
        (["Modality"], None),
        (["Modality="], None),
        ([], "1 January"),
        ([], ""),
        (["StudyDate=20260101"], "20260101"),
    ],
)
def test_conditions_that_are_none(where, since):
    with pytest.raises(QueryError):
        conditions(where, since)


@pytest.mark.parametrize(
    "options",
    [["--rate", "-1"], ["--rate", "nan"], ["--where", "X=1"], ["--from", "http://u:p@h/"]],
)
def test_bad_options_leave_no_casebase(options, tmp_path, capsys):
    words = ["pull", "--from", "http://127.0.0.1:9/dicom-web", "--into", str(tmp_path / "c")]
    assert main([*words, *options]) == 2
    assert not (tmp_path / "c").exists()
    assert "u:p" not in capsys.readouterr().err


def test_nobody_there_leaves_no_casebase(tmp_path, capsys):
    words = ["pull", "--from", "http://127.0.0.1:9/dicom-web", "--into", str(tmp_path / "c")]
    assert main(words) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
