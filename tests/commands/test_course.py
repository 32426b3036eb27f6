"""``mmedrag course``: a patient's course printed, as JSON, as a page; others like it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedrag.cli import main

REPORTS = (
    ("A", 0, "Consolidation."), ("A", 9, "The consolidation has resolved."),
    ("B", 1, "Consolidation."), ("B", 30, "No consolidation."),
)  # fmt: skip


@pytest.fixture(scope="module", name="casebase")
def _casebase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    lines = [
        json.dumps({"id": f"{p}{d}", "patient_id": p, "offset_days": d, "text": t,
                    "domain": "radiology", "modality": "xray"})
        for p, d, t in REPORTS
    ]  # fmt: skip
    (folder / "records.jsonl").write_text("\n".join(lines), "utf-8")
    into = folder / "x.casebase"
    assert main(["index", str(folder / "records.jsonl"), "--into", str(into)]) == 0
    return into


def run(capsys, *words: object) -> tuple[int, str, str]:
    code = main([str(w) for w in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_course_is_printed_and_written(casebase, tmp_path, capsys):
    page = tmp_path / "course.html"
    code, out, _ = run(capsys, "course", casebase, "A", "--like", 1, "--page", page)
    assert code == 0
    assert "Consolidation: resolved at day 9 since day 0 (9 days)" in out
    assert "like B (distance" in out
    assert "<svg" in page.read_text("utf-8")
    code, out, _ = run(capsys, "course", casebase, "A", "--at", 3, "--json")
    assert [s["time"] for s in json.loads(out)["studies"]] == [0]


def test_a_course_is_searched_by_description(casebase, capsys):
    code, out, _ = run(capsys, "course", casebase, "--find", "consolidation resolved in two weeks")
    assert (code, "A: consolidation resolved at day 9" in out) == (0, True)
    assert "1 patient with such a course" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [(["nobody"], "No study of patient"), ([], "Neither a patient nor --find"),
     (["A", "--at", "soon"], "no date"), (["--find", "a nice day"], "No finding with a change")],
)  # fmt: skip
def test_what_cannot_be_done_is_told_with_a_remedy(casebase, capsys, words, message):
    code, _, err = run(capsys, "course", casebase, *words)
    assert code == 2
    assert message in err


def test_questions_name_patients_and_times(casebase, tmp_path, capsys):
    _, out, _ = run(capsys, "ask", casebase, "What has changed?", "--patient", "A", "--json")
    assert json.loads(out)["answer"]["changes"][0]["trend"] == "resolved"
    file = tmp_path / "q.jsonl"
    file.write_text(json.dumps({"text": "consolidation", "patient_id": "A", "at": 3}), "utf-8")
    _, out, _ = run(capsys, "ask", casebase, "--questions", file)
    ids = {e.get("id") for e in json.loads(out)["gathered"]}
    assert ("A9" in ids, "A0" in ids) == (False, True)
