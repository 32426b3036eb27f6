"""Text encoders on clinical pairs and on real ones (4.2, Table B)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmedrag import presets
from mmedrag.errors import CorpusError
from mmedrag.paper import text_encoders
from mmedrag.paper.clinical_pairs import CLINICAL_PAIRS


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


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
    assert any("give the model" in note and "Bio_ClinicalBERT" in note for note in section.notes)
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
