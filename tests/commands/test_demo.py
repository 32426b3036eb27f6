"""The demonstration as a user runs it, smaller; and that it removes nothing but its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.casebase.casebase import Casebase
from mmedrag.commands import demo
from mmedrag.errors import CasebaseError
from mmedrag.types import Case, Domain
from mmedrag.views.console import WIDTH


def test_the_demonstration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "demo"
    (into / "corpus").mkdir(parents=True)  # left by an earlier one
    (into / "corpus" / "records.jsonl").write_text("old")
    (into / "radiology.html").write_text("old")
    demo.run(into, cases=36)
    printed = capsys.readouterr().out
    wide = [line for line in printed.splitlines() if len(line) > WIDTH]
    assert all(str(tmp_path) in line for line in wide)  # a path is never cut
    assert len(printed.split("What next\n")[-1].strip().splitlines()) == 5
    for domain in Domain:
        assert "</html>" in (into / f"{domain}.html").read_text("utf-8")
    with Casebase.open(into / "demo.casebase", readonly=True) as casebase:
        assert 0 < casebase.count() < 36
        assert casebase.verify() == []


def test_what_is_asked_about_is_held_out_and_really_there() -> None:
    asked = next(q for q in demo.QUESTIONS if q.domain == Domain.RADIOLOGY)

    def case(case_id: str, **changes: object) -> Case:
        finding = {"name": asked.finding, "present": True, "certainty": "definite", **changes}
        split = str(finding.pop("split", "val"))
        domain = Domain(str(finding.pop("domain", asked.domain)))
        return Case(id=case_id, domain=domain, split=split, meta={"findings": [finding]})

    unfit = [
        case("seen in training", split="train"),
        case("only possible", certainty="possible"),
        case("absent", present=False),
        case("another finding", name="nodule"),
        case("another domain", domain=Domain.PATHOLOGY),
    ]
    assert demo._held_out(unfit) == []
    found = demo._held_out([*unfit, case("first"), case("second")])
    assert [(question, c.id) for question, c in found] == [(asked, "first")]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CasebaseError, match=r"thesis\.tex"):
        demo.run(tmp_path, cases=10)
    assert (tmp_path / "corpus").is_dir()
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
