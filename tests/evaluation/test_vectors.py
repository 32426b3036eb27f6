"""Every record as every kind of query and gallery item."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmedrag.datasets.corpus import read_corpus
from mmedrag.evaluation.vectors import embed_records, embed_texts, find_partners
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Embeddable, Matrix, Query

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


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


def test_partners_borrow_another_text_of_the_group() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2, 3])
    texts = np.array([0, 0, 1, 2, -1, 3, -1])
    assert find_partners(groups, texts).tolist() == [2, 2, 0, 3, 5, 5, -1]


def test_every_record_is_embedded_as_the_embedder_alone_would(colours: Path) -> None:
    cases, space = read_corpus([colours]).cases, ColourSpace()
    made = embed_records(cases, np.arange(6), space)
    pictures = [Image.open(case.image) for case in cases if case.image]
    assert np.array_equal(made.whole_cases, space.embed(cases, pictures))
    assert np.array_equal(made.text_queries, space.embed([Query(case.text) for case in cases]))
    queries = [Query(case.text, case.image) for case in cases]
    assert np.array_equal(made.both_queries, space.embed(queries, pictures))


def test_repeated_and_empty_texts_stay_in_their_rows() -> None:
    queries, cases = embed_texts(["red", "", "blue", "red"], ColourSpace())
    assert queries.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert np.array_equal(queries, cases)
    assert embed_texts([], ColourSpace())[0].shape == (0, 3)
