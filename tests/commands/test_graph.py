"""``mmedrag graph``: learned beside a casebase, shown with its evidence; diagnoses explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedrag.cli import main


@pytest.fixture(name="casebase")
def _casebase(tmp_path: Path) -> Path:
    reports = [
        ("Ring enhancement and fever.", "Brain abscess"),
        ("Ring enhancement. Fever.", "Brain abscess"),
        ("Ring enhancing lesion with fever.", "Brain abscess"),
        ("Heterogeneous enhancement. No fever.", "Glioblastoma"),
    ]
    lines = [
        json.dumps({"id": f"c{i}", "patient_id": f"P{i}", "text": text, "diagnosis": diagnosis,
                    "domain": "radiology", "modality": "mr"})
        for i, (text, diagnosis) in enumerate(reports)
    ]  # fmt: skip
    (tmp_path / "records.jsonl").write_text("\n".join(lines), "utf-8")
    into = tmp_path / "x.casebase"
    assert main(["index", str(tmp_path / "records.jsonl"), "--into", str(into)]) == 0
    return into


def run(capsys, *words: object) -> tuple[int, str, str]:
    code = main([str(w) for w in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_term_is_shown_with_its_evidence(casebase, capsys):
    code, out, err = run(capsys, "graph", "show", "ring enhancement", "--casebase", casebase)
    assert code == 0
    assert "affirmed by 3 and ruled out by 0 of 4 patients" in out
    assert "is seen with brain abscess (3 of 3 patients, lift 1.3)" in out
    assert "may be a sign of glioblastoma (written)" in out
    assert "4 of 4 cases were read" in err
    _, _, again = run(capsys, "graph", "show", "ring enhancement", "--casebase", casebase)
    assert "were read" not in again


def test_without_a_casebase_it_is_what_is_written(capsys):
    code, out, _ = run(capsys, "graph", "show", "drusen", "--json")
    edges = json.loads(out)["edges"]
    assert code == 0
    assert "dry age-related macular degeneration" in {e["target_term"] for e in edges}
    assert {e["both"] for e in edges} == {0}


def test_what_is_no_concept_is_told(capsys):
    code, _, err = run(capsys, "graph", "show", "flubber")
    assert (code, "No concept is called 'flubber'" in err) == (2, True)


def test_deleted_cases_leave_what_was_learned(casebase, capsys):
    run(capsys, "graph", "build", casebase)
    assert (casebase / "knowledge.jsonl").exists()
    run(capsys, "delete", casebase, "c0")
    assert not (casebase / "knowledge.jsonl").exists()
    _, out, _ = run(capsys, "graph", "build", casebase)
    assert "3 patients" in out


def test_diagnoses_are_explained_where_that_is_asked_for(casebase, capsys):
    question = "Differential diagnosis of ring enhancement?"
    _, plain, _ = run(capsys, "ask", casebase, question, "--filter", "none")
    assert "in the corpus" not in plain
    _, out, _ = run(capsys, "ask", casebase, question, "--filter", "none", "--knowledge", "--json")
    answer = json.loads(out)["answer"]
    first = answer["differential"][0]
    assert "ring enhancement (3 of 3 patients" in first["explanation"]
    assert "not mentioned: fever" in first["explanation"]
    assert not answer["struck"]


def test_relations_of_ontologies_are_shown_with_their_source(tmp_path, capsys):
    source, compiled = tmp_path / "zorbs.obo", tmp_path / "zorbs.dict"
    source.write_text(
        "ontology: zorbs\n\n[Term]\nid: Z:1\nname: zorb\nxref: UMLS:C0000001\n\n"
        "[Term]\nid: C0000001\nname: whole zorb\n\n"
        "[Term]\nid: Z:2\nname: krell lobe\nrelationship: part_of Z:1\n", "utf-8",
    )  # fmt: skip
    assert main(["dictionary", str(source), "--into", str(compiled)]) == 0
    capsys.readouterr()
    code, out, _ = run(capsys, "graph", "show", "zorb", "--dictionary", compiled)
    assert code == 0
    assert "krell lobe is part of" in out
    assert "(zorbs)" in out
    assert "is the same as Z:1" in out
