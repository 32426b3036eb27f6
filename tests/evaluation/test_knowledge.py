"""The study of the knowledge graph, on records whose truth is plain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedrag.definitions.compilation import compile_dictionary
from mmedrag.definitions.terms import Term
from mmedrag.errors import CorpusError
from mmedrag.evaluation.knowledge import evaluate_knowledge

CASES = (
    ("Brain abscess", ("Ring enhancement and fever.", "Ring enhancement, headache, vomiting.",
                       "Fever and a ring enhancing lesion, vasogenic oedema.")),
    ("Pneumonia", ("Cough and consolidation.", "Consolidation, pleural effusion, fever.",
                   "Cough, fever and an air bronchogram.")),
    ("Meningioma", ("A dural mass with homogeneous enhancement.",
                    "Homogeneous enhancement, mass effect.")),
    ("Zebra syndrome", ("Stripes.",)),
)  # fmt: skip


def records(folder: Path, cases) -> Path:
    lines = [
        json.dumps({"id": f"{d}{i}", "patient_id": f"{d}{i}", "domain": "radiology",
                    "diagnosis": d, "text": text})
        for d, texts in cases for i, text in enumerate(texts)
    ]  # fmt: skip
    file = folder / "records.jsonl"
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_rankers_are_compared_on_patients_left_out(tmp_path):
    section = evaluate_knowledge([records(tmp_path, CASES)])
    data = section.data
    assert (data["patients"], data["asked"]) == (9, 8)
    arms = data["diagnosis"]["arms"]
    assert {"BM25", "hybrid", "concepts alone", "PageRank", "prior × likelihood"} <= set(arms)
    for arm in arms.values():
        assert 0.0 <= arm["mrr"] <= arm["recall@10"] <= 1.0
    assert arms["prior × likelihood"]["recall@10"] > 0.5
    assert "n = 8" in section.verdict
    assert data["hops"]["questions"] > 0


def test_questions_that_name_their_diagnosis_are_left_out(tmp_path):
    named = (
        *CASES,
        ("Glioblastoma", ("A glioblastoma with necrosis.", "Necrosis, midline shift.")),
    )
    data = evaluate_knowledge([records(tmp_path, named)]).data
    assert (data["asked"], data["named"]) == (9, 1)


def test_records_without_a_shared_diagnosis_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="No two patients"):
        evaluate_knowledge([records(tmp_path, CASES[3:])])


def test_relations_of_a_dictionary_join_the_graph(tmp_path):
    terms = (
        Term(id="X:1", term="ring enhancement", relations=(("part_of", "X:2"),)),
        Term(id="X:2", term="brain abscess"),
    )
    compile_dictionary(terms, tmp_path / "signs.dictionary")
    files = [records(tmp_path, CASES)]
    alone = evaluate_knowledge(files).data["edges"]
    joined = evaluate_knowledge(files, dictionaries=[tmp_path / "signs.dictionary"])
    assert joined.data["edges"]["is part of"] == alone.get("is part of", 0) + 1
    assert "signs.dictionary" in joined.protocol
