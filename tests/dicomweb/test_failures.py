"""Pulls from an archive that fails in one study: the others come all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from dicom_files import CT, header, ramp, save, with_pixels
from mmedrag.dicomweb.client import HOPELESS, NoSearch, NotRetrieved
from mmedrag.dicomweb.pull import Pull
from mmedrag.dicomweb.state import State
from mmedrag.errors import ArchiveError
from mmedrag.types import Case, Problem

STUDY, SERIES, MODALITY = "0020000D", "0020000E", "00080060"
INSTANCE, CLASS = "00080018", "00080016"


def row(**values: str) -> dict[str, object]:
    return {tag: {"vr": "UI", "Value": [value]} for tag, value in values.items()}


class Studies:
    """An archive of studies 1.1, 1.2, …, each of one image; some cannot be looked into."""

    url = "http://archive"

    def __init__(self, count: int, failing: set[int]) -> None:
        self.count, self.failing = count, failing

    def json(self, url: str) -> object:
        raise NotRetrieved("no changes feed")

    def search(
        self, path: str, keys: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, object] | Problem]:
        if path == "studies":
            yield from (row(**{STUDY: f"1.{n}"}) for n in range(1, self.count + 1))
            return
        number = path.split("/")[1].removeprefix("1.")
        if int(number) in self.failing:
            raise NoSearch("http://archive does not answer a search: HTTP 404", "")
        if path.endswith("instances"):
            yield row(**{INSTANCE: f"3.{number}", CLASS: CT})
        else:
            yield row(**{SERIES: f"2.{number}", MODALITY: "CT"})

    def retrieve(self, path: str, into: Path, syntax: str = "*") -> None:
        number = path.rpartition("/3.")[2]
        ds = with_pixels(header(seed=number, study=number), ramp(high=int(number) * 99 + 500))
        save(ds, into)


def pulled(archive: Studies, folder: Path) -> tuple[Pull, list[Case | Problem]]:
    with closing(State(folder)) as state:
        pull = Pull(archive, state, folder / "spool", b"salt")
        items = list(pull)
        pull.finish()
    return pull, items


def test_a_study_that_cannot_be_looked_into_is_a_problem(tmp_path):
    archive = Studies(3, {2})
    pull, items = pulled(archive, tmp_path)
    assert [type(item) for item in items] == [Case, Problem, Case]
    assert "1.2/series: http://archive does not answer a search" in str(items[1])
    assert pull.statistics.failed == 1
    archive.failing.clear()
    pull, items = pulled(archive, tmp_path)
    assert [type(item) for item in items] == [Case]
    assert (pull.statistics.unchanged, pull.statistics.failed) == (2, 0)


def test_an_archive_that_answers_nothing_any_more_ends_the_pull(tmp_path):
    archive = Studies(HOPELESS + 5, set(range(3, HOPELESS + 6)))
    with pytest.raises(ArchiveError, match="does not answer a search"):
        pulled(archive, tmp_path)
    pulled(Studies(HOPELESS + 5, set(range(1, HOPELESS + 6, 2))), tmp_path)
