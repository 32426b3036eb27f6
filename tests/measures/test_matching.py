"""Matched against mismatched: by hand, and why a mean similarity says nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmedrag import presets
from mmedrag.errors import CorpusError
from mmedrag.measures.matching import matching
from mmedrag.paper import encoders, text_encoders
from mmedrag.paper.clinical_pairs import CLINICAL_PAIRS
from mmedrag.phantoms.corpus import generate
from mmedrag.types import Query


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_by_hand() -> None:
    queries = np.array([[1, 0], [0, 1]], np.float32)
    items = np.array([[0.6, 0.8], [0.8, 0.6]], np.float32)
    found = matching(queries, items, ["a", "b"])
    assert found["matched"] == pytest.approx(0.6)
    assert found["least"] == pytest.approx(0.6)
    assert found["mismatched"] == pytest.approx(0.8)
    assert found["AUROC"] == 0.0
    assert found["R@1"] == 0.0
    assert found["R@10"] == 1.0
    assert found["MRR"] == 0.5
    assert found["chance@1"] == 0.5


def test_pairs_of_one_group_are_no_mismatch() -> None:
    rows = np.eye(3, dtype=np.float32)
    found = matching(rows, rows[[1, 0, 2]], ["a", "a", "b"])
    assert found["mismatched"] == 0.0
    assert found["R@1"] == 1.0  # the item of the same group is as good


def test_a_narrow_cone_has_a_high_mean_and_tells_nothing_apart() -> None:
    random = np.random.default_rng(0)
    cone = np.ones(64)
    queries, items = (unit(cone + 0.3 * random.standard_normal((300, 64))) for _ in "qi")
    wide = unit(random.standard_normal((300, 64)))
    near = unit(wide + 2.0 * unit(random.standard_normal((300, 64))))
    names = [str(i) for i in range(300)]
    narrow, honest = matching(queries, items, names), matching(wide, near, names)
    assert narrow["matched"] > 0.85 > honest["matched"]
    assert narrow["AUROC"] == pytest.approx(0.5, abs=0.07)
    assert honest["AUROC"] > 0.9


def test_clinical_pairs_are_as_many_as_promised() -> None:
    domains, queries, captions = zip(*CLINICAL_PAIRS, strict=True)
    assert len(CLINICAL_PAIRS) == len(set(queries)) == len(set(captions)) >= 20
    assert set(domains) == {"radiology", "ophthalmology", "pathology", "CT and MRI"}


class Words:
    """A text encoder that hashes words; fine for a code path, blind to meaning."""

    dim, fingerprint = 64, "words"

    def encode(self, texts):
        rows = np.full((len(texts), 64), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[sum(word.encode()) % 64] += 1
        return unit(rows)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "offline_encoders", lambda: (None, Words()))


@pytest.mark.usefixtures("words")
def test_a_bert_that_has_learned_nothing_scores_high_on_every_pair() -> None:
    pytest.importorskip("transformers")
    section = text_encoders.evaluate_text_encoders()
    random = section.data["encoders"][text_encoders.RANDOM]["clinical"]
    assert random["matched"] > 0.7
    assert random["matched"] - random["mismatched"] < 0.1
    assert random["AUROC"] < 0.75
    assert section.data["missing"] == list(text_encoders.PUBLISHED)
    assert any("--model" in note and "Bio_ClinicalBERT" in note for note in section.notes)
    assert any("0.9023" in cell for table in section.tables for row in table.rows for cell in row)


@pytest.mark.usefixtures("words")
def test_a_tiny_bert_from_a_folder_is_measured_under_its_name(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    tiny = text_encoders.random_bert(layers=1, width=32)
    tiny.save(tmp_path)
    section = text_encoders.evaluate_text_encoders(models={"BioClinicalBERT": str(tmp_path)})
    assert section.data["encoders"]["BioClinicalBERT"]["clinical"]["pairs"] == len(CLINICAL_PAIRS)
    assert "BioClinicalBERT" not in section.data["missing"]


@pytest.mark.usefixtures("words")
def test_real_pairs_are_diagnosis_and_caption(tmp_path: Path) -> None:
    record = '{{"id": "{0}", "text": "caption {0}", "meta": {{"case_diagnosis": "disease {0}"}}}}\n'
    (tmp_path / "records.jsonl").write_text("".join(record.format(i) for i in range(12)))
    real = text_encoders.evaluate_text_encoders([tmp_path / "records.jsonl"]).data["encoders"][
        "offline"
    ]["real"]
    assert real["pairs"] == 12
    assert real["AUROC"] > 0.9  # the number is a shared word
    (tmp_path / "records.jsonl").write_text('{"id": "1", "text": "x"}\n')
    with pytest.raises(CorpusError):
        text_encoders.evaluate_text_encoders([tmp_path / "records.jsonl"])


class Oracle:
    """Knows which report belongs to which image: both are embedded by the case's number."""

    dim, fingerprint = 256, "oracle"

    def __init__(self, cases) -> None:
        self.rows = unit(np.random.default_rng(1).standard_normal((len(cases), 256)))
        self.number = {c.text: i for i, c in enumerate(cases)}
        self.number |= {c.image: i for i, c in enumerate(cases)}

    def embed(self, items: list[Query], pictures=None):
        return np.stack([self.rows[self.number[q.text or q.image]] for q in items])


def test_the_pair_study_on_a_space_that_is_perfect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmedrag.datasets.records import read_records

    file = generate(30, 5, into=tmp_path)
    cases = list(read_records(file))
    stages = SimpleNamespace(embedder=Oracle(cases))
    monkeypatch.setattr(presets, "build", lambda name, models=None: stages)
    section = encoders.evaluate_encoders([file])
    of = section.data["pairs"]["all pairs"]
    assert of["AUROC"] > 0.95
    assert of["R@1"] > 0.9
    assert of["matched"] > 0.9 > 0.3 > of["mismatched"]
    assert "paper" in section.data["not_measured"]
    assert any("--preset paper --model image=" in note for note in section.notes)
