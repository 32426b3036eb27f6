"""The retrieval report: by hand on vectors made for it, and from end to end on synthetic cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmedrag.cli import main
from mmedrag.datasets.corpus import read_corpus
from mmedrag.datasets.records import write_records
from mmedrag.errors import CorpusError
from mmedrag.evaluation.retrieval import measure_retrieval
from mmedrag.evaluation.retrieval_section import as_section
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Case, Embeddable, Matrix, Query
from mmedrag.views.report import section_text

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


DIRECTIONS = {"image_to_text", "text_to_image", "image_to_image", "text_to_text", "both_to_case"}


class ColourSpace:
    """A space that images and texts truly share: an image's mean colour, a text's colour words."""

    dim = 3
    fingerprint = "colours"

    def embed(
        self, items: Sequence[Embeddable], pictures: Sequence[Image.Image | None] | None = None
    ) -> Matrix:
        seen = [None] * len(items) if pictures is None else pictures
        rows = np.zeros((len(items), 3), np.float32)
        for i, (item, picture) in enumerate(zip(items, seen, strict=True)):
            if picture is not None:
                rows[i] += np.asarray(picture.convert("RGB"), np.float32).mean((0, 1)) / 255
            rows[i] += [name in item.text.split() for name in COLOURS]
        return unit_rows(rows)


class Apart:
    """Images and texts in dimensions of their own."""

    dim = 6
    fingerprint = "apart"

    def embed(
        self, items: Sequence[Embeddable], pictures: Sequence[Image.Image | None] | None = None
    ) -> Matrix:
        images = ColourSpace().embed([Query() for _ in items], pictures)
        texts = ColourSpace().embed([Query(item.text) for item in items])
        return np.hstack([images, texts])


def write_corpus(folder: Path, rows: Sequence[dict[str, object]]) -> Path:
    """Records whose ``colour`` and ``shade`` become the image."""
    lines = []
    for i, row in enumerate(rows):
        fields = {"id": f"r{i}", "domain": "pathology", **row}
        if "colour" in fields:
            colour = COLOURS[str(fields.pop("colour"))]
            shade = 20 * i
            pixel = tuple(min(value + shade, 255) for value in colour)
            Image.new("RGB", (8, 8), pixel).save(folder / f"{i}.png")
            fields["image"] = f"{i}.png"
        lines.append(json.dumps(fields))
    (folder / "records.jsonl").write_text("\n".join(lines), "utf-8")
    return folder / "records.jsonl"


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Three patients, one a colour, two records each."""
    return write_corpus(
        tmp_path,
        [
            {"patient_id": name, "colour": name, "text": f"{word} {name}", "labels": ["c", name]}
            for name in COLOURS
            for word in ("a", "the")
        ],
    )


def test_a_shared_space_finds_everything(colours: Path) -> None:
    told = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id")
    assert set(told["directions"]) == DIRECTIONS
    for name in ("image_to_text", "text_to_image"):
        found = told["directions"][name]
        assert (found["R@1"], found["MRR"], found["nDCG@10"]) == (1.0, 1.0, 1.0)
        assert (found["n"], found["queries"], found["groups"]) == (6, 6, 3)
        assert found["chance@1"] == pytest.approx(2 / 6, abs=1e-6)
        assert found["ceiling@1"] == 1.0
        assert found["ci95"]["R@1"] == [1.0, 1.0]


def test_the_query_and_its_duplicates_are_not_shown(colours: Path) -> None:
    found = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id")["directions"]
    for name in ("image_to_image", "text_to_text"):
        assert found[name]["R@1"] == 1.0
        assert found[name]["chance@1"] == pytest.approx(1 / 5)
    # image of one record and text of the other: both records are out, no third one is left
    assert found["both_to_case"]["ceiling@1"] == 0.0
    assert found["both_to_case"]["R@1"] == 0.0


def test_a_direction_that_nothing_can_answer_is_noted(colours: Path) -> None:
    told = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id")
    assert [note for note in told["notes"] if note.startswith("both_to_case: no query")]
    assert len(told["notes"]) == 1


def test_image_and_text_of_two_records_find_the_third(tmp_path: Path) -> None:
    path = write_corpus(
        tmp_path,
        [
            {"patient_id": name, "colour": name, "text": f"{word} {name}"}
            for name in ("red", "blue")
            for word in ("a", "the", "one")
        ],
    )
    found = measure_retrieval(read_corpus([path]), ColourSpace(), "patient_id")["directions"]
    assert found["both_to_case"]["R@1"] == 1.0
    assert found["both_to_case"]["ceiling@1"] == 1.0
    assert found["both_to_case"]["chance@1"] == pytest.approx(1 / 4)


def test_label_precision_leaves_the_patient_out(colours: Path) -> None:
    told = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id", label="labels[0]")
    found = told["label_precision"]
    assert found["precision@10"] == pytest.approx(4 / 10)  # four images of other patients
    assert found["chance"] == 1.0
    told = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id", label="labels[1]")
    assert told["label_precision"]["precision@10"] == 0.0
    assert told["label_precision"]["chance"] == 0.0


def test_the_split_asks_and_the_gallery_may_be_wider(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"text {i}", "patient_id": str(i // 2), "split": "val" if i < 2 else "train"}
        for i in range(6)
    ]
    path = write_corpus(tmp_path, rows)
    assert len(read_corpus([path]).cases) == 6
    assert len(read_corpus([path], split="val").cases) == 2
    whole = read_corpus([path], split="val", whole_gallery=True)
    assert whole.queried.tolist() == [True, True, False, False, False, False]
    assert len(read_corpus([path], limit=3).cases) == 3
    with pytest.raises(CorpusError, match="train, val"):
        read_corpus([path], split="test")
    found = measure_retrieval(whole, ColourSpace(), "patient_id")["directions"]["text_to_text"]
    assert (found["n"], found["queries"], found["groups"]) == (6, 2, 3)


def test_an_image_that_cannot_be_decoded_is_a_note(colours: Path) -> None:
    (colours.parent / "3.png").write_bytes(b"not an image")
    told = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id")
    assert told["directions"]["image_to_text"]["queries"] == 5
    assert told["directions"]["image_to_text"]["n"] == 6
    assert "1 rows or images could not be read" in told["notes"][0]


def test_diagnoses_find_their_findings(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {
            "patient_id": f"P{i // 2}",
            "text": f"view {i}",
            "meta": {"case_diagnosis": word, "findings": f"there is {word} tissue"},
        }
        for i, word in enumerate(w for w in COLOURS for _ in range(2))
    ]
    rows.append({"patient_id": "P9", "text": "no meta"})
    corpus = read_corpus([write_corpus(tmp_path, rows)])
    told = measure_retrieval(corpus, ColourSpace(), "patient_id")
    found = told["directions"]["diagnosis_to_findings"]
    assert (found["n"], found["R@1"], found["chance@1"]) == (3, 1.0, pytest.approx(1 / 3, abs=1e-6))


def test_report_of_synthetic_cases(
    phantoms: list[Case], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = phantoms[:30]
    path = tmp_path / "records.jsonl"
    write_records(cases, path)
    assert main(["eval", "retrieval", "--data", str(path), "--group-by", "text", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["data"] == [str(path)]
    assert (told["preset"], told["group_by"], told["schema"]) == (
        "offline",
        "text",
        "mmedrag-retrieval/1",
    )
    assert set(told["by_domain"]) == {case.domain for case in cases if case.domain}
    for found in told["directions"].values():
        assert set(found) == {
            *("R@1", "R@5", "R@10", "MRR", "nDCG@10", "n", "queries", "groups"),
            *("chance@1", "ceiling@1", "ci95"),
        }
        assert found["R@1"] <= found["R@5"] <= found["R@10"] <= 1.0
        low, high = found["ci95"]["R@1"]
        assert low <= found["R@1"] <= high
    last = [p for p in told["curve"] if p["direction"] == "image_to_image"][-1]
    whole = told["directions"]["image_to_image"]
    assert {key: last[key] for key in ("R@1", "MRR", "n")} == {
        key: whole[key] for key in ("R@1", "MRR", "n")
    }
    shown = section_text(as_section(told))
    assert f"{whole['R@1']:.3f} (" in shown
    assert "image → image" in shown


def test_without_a_shared_space_the_report_says_chance(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"patient_id": str(i % 4), "colour": list(COLOURS)[i % 3], "text": f"red {i}"}
        for i in range(10)
    ]
    corpus = read_corpus([write_corpus(tmp_path, rows)])
    told = measure_retrieval(corpus, Apart(), "patient_id")
    for name in ("image_to_text", "text_to_image"):
        found = told["directions"][name]
        assert found["R@1"] == pytest.approx(found["chance@1"])
        assert found["R@1"] == pytest.approx((2 * 3 * 3 + 2 * 2 * 2) / 10 / 10)
    assert "no shared image-text space" in told["notes"][0]


def test_wrong_options_end_with_one_line(colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for extra in (["--split", "val"], ["--label", "body"], ["--limit", "0"], ["--preset", "none"]):
        assert main(["eval", "retrieval", "--data", str(colours), *extra]) == 2
        told = capsys.readouterr().err
        assert told.startswith("mmedrag: ")
        assert told.count("\n") == 1
    assert main(["eval", "retrieval", "--data", str(colours.parent / "absent.jsonl")]) == 2
