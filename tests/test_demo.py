"""The demonstration from end to end, on a smaller corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.demo import run
from mmedrag.errors import CasebaseError
from mmedrag.types import Domain


def test_the_demonstration_answers_in_every_domain(tmp_path: Path, capsys) -> None:
    into = tmp_path / "demo"
    run(into, cases=90)
    printed = capsys.readouterr().out
    for domain in Domain:
        assert (into / f"{domain}.html").stat().st_size > 10_000
        assert f"Domain  {domain}" in printed
    assert printed.count("Answer") >= 3
    assert "[C1" in printed
    assert "synthetic" in printed
    assert "Not a medical device" in printed
    assert max(len(line) for line in printed.splitlines()) <= 200


def test_it_does_not_touch_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CasebaseError, match=r"thesis\.txt"):
        run(tmp_path, cases=30)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
