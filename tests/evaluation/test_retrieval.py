"""The retrieval report: by hand on vectors made for it, and from end to end on synthetic cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmedrag.casebase.casebase import Casebase
from mmedrag.casebase.hybrid import relevance
from mmedrag.cli import main
from mmedrag.datasets.corpus import Relevance, codes, group_codes, label_codes, read_corpus
from mmedrag.datasets.records import write_records
from mmedrag.errors import CorpusError, QueryError
from mmedrag.evaluation.directions import Direction, Side, measure
from mmedrag.evaluation.lexical import bm25
from mmedrag.evaluation.retrieval import measure_retrieval
from mmedrag.evaluation.retrieval_section import as_section
from mmedrag.evaluation.vectors import embed_records, embed_texts, find_partners
from mmedrag.measures.cosines import unit_rows
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Embeddable, Entry, Matrix, Query
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


def test_labels_grade_what_is_not_of_the_group() -> None:
    cases = [
        Case(id="0", labels=("x", "y")),
        Case(id="1", labels=("x", "y")),
        Case(id="2", labels=("y", "x")),
        Case(id="3", labels=("y", "z")),
        Case(id="4", labels=("z",)),
        Case(id="5"),
    ]
    truth = Relevance.of(cases, np.array([0, 0, 1, 2, 3, 4]))
    rows = np.arange(6)
    assert truth.grades(rows[:1], rows).tolist() == [[3, 3, 2, 1, 0, 0]]
    assert truth.grades(rows[5:], rows).tolist() == [[0, 0, 0, 0, 0, 3]]


def test_label_precision_leaves_the_patient_out(colours: Path) -> None:
    told = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id", label="labels[0]")
    found = told["label_precision"]
    assert found["precision@10"] == pytest.approx(4 / 10)  # four images of other patients
    assert found["chance"] == 1.0
    told = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id", label="labels[1]")
    assert told["label_precision"]["precision@10"] == 0.0
    assert told["label_precision"]["chance"] == 0.0


def test_groups_by_every_key(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"patient_id": "1", "study_id": "a", "text": "One  text", "labels": ["x", "y"]},
        {"patient_id": "1", "study_id": "b", "text": "one text", "labels": ["y", "x"]},
        {"patient_id": "", "study_id": "b", "text": "other"},
    ]
    corpus = read_corpus([write_corpus(tmp_path, rows)])
    assert group_codes(corpus, "patient_id").tolist() == [0, 0, 1]
    assert group_codes(corpus, "study_id").tolist() == [0, 1, 1]
    assert group_codes(corpus, "text").tolist() == [0, 0, 1]
    assert group_codes(corpus, "labels").tolist() == [0, 0, 1]
    with pytest.raises(QueryError, match="cannot be grouped by age"):
        group_codes(corpus, "age")


def test_patients_of_two_files_are_not_one(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(write_corpus(tmp_path / name, [{"patient_id": "1", "text": "same"}]))
    corpus = read_corpus(paths)
    assert group_codes(corpus, "patient_id").tolist() == [0, 1]
    assert group_codes(corpus, "text").tolist() == [0, 0]


def test_a_grouping_that_nobody_has_is_told(tmp_path: Path) -> None:
    corpus = read_corpus([write_corpus(tmp_path, [{"text": "alone"}])])
    with pytest.raises(QueryError, match="No record has patient_id"):
        group_codes(corpus, "patient_id")


def test_labels_are_asked_by_position() -> None:
    cases = [Case(id="0", labels=("a", "b")), Case(id="1", labels=("a",))]
    assert label_codes(cases, "labels[0]").tolist() == [0, 0]
    assert label_codes(cases, "labels[1]").tolist() == [0, -1]
    for wrong in ("labels", "labels[x]", "labels[-1]", "text"):
        with pytest.raises(QueryError, match="--label is"):
            label_codes(cases, wrong)
    with pytest.raises(QueryError, match="No record has"):
        label_codes(cases, "labels[2]")


def test_the_split_asks_and_the_gallery_may_be_wider(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"text {i}", "patient_id": str(i // 2), "split": "val" if i < 2 else "train"}
        for i in range(6)
    ]
    path = write_corpus(tmp_path, rows)
    assert len(read_corpus([path]).cases) == 6
    assert len(read_corpus([path], split="val").cases) == 2
    whole = read_corpus([path], split="val", whole_gallery=True)
    assert whole.asked.tolist() == [True, True, False, False, False, False]
    assert len(read_corpus([path], limit=3).cases) == 3
    with pytest.raises(CorpusError, match="train, val"):
        read_corpus([path], split="test")
    found = measure_retrieval(whole, ColourSpace(), "patient_id")["directions"]["text_to_text"]
    assert (found["n"], found["queries"], found["groups"]) == (6, 2, 3)


def test_partners_borrow_another_text_of_the_group() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2, 3])
    texts = np.array([0, 0, 1, 2, -1, 3, -1])
    assert find_partners(groups, texts).tolist() == [2, 2, 0, 3, 5, 5, -1]


def test_an_image_that_cannot_be_decoded_is_a_note(colours: Path) -> None:
    (colours.parent / "3.png").write_bytes(b"not an image")
    told = measure_retrieval(read_corpus([colours]), ColourSpace(), "patient_id")
    assert told["directions"]["image_to_text"]["queries"] == 5
    assert told["directions"]["image_to_text"]["n"] == 6
    assert "1 rows or images could not be read" in told["notes"][0]


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


def test_equal_vectors_tie_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(1, 301)).astype(np.float32)
    rows = np.arange(37)
    everything = Side(rows, np.repeat(one, 37, axis=0))
    query = Side(rows[:5], rng.normal(size=(5, 301)).astype(np.float32))
    (_, scores, visible) = next(Direction("d", query, everything).scored())
    assert np.ptp(scores, axis=1).tolist() == [0.0] * 5
    assert visible.all()


def test_random_vectors_are_at_chance() -> None:
    rng = np.random.default_rng(3)
    rows = np.arange(400)
    vectors = unit_rows(rng.normal(size=(2, 400, 64)).astype(np.float32).reshape(800, 64))
    truth = Relevance.of([Case(id=str(i)) for i in rows], rows // 4)
    direction = Direction("d", Side(rows, vectors[:400]), Side(rows, vectors[400:]))
    measured = measure(direction, truth)
    assert measured is not None
    chance = 4 / 400
    assert np.mean(measured.chance) == pytest.approx(chance)
    assert abs(measured.values[:, 0].mean() - chance) < 4 * np.sqrt(chance / 400)
    assert not measured.silent


def test_word_scores_are_the_casebases(phantoms: list[Case], tmp_path: Path) -> None:
    vectors = unit_rows(np.random.default_rng(4).normal(size=(90, 5)).astype(np.float32))
    with Casebase.create(tmp_path / "c", dim=5, fingerprint="f", preset="p") as casebase:
        pairs = zip(phantoms, vectors, strict=True)
        casebase.add([Entry(case, vector, case.id, None) for case, vector in pairs])
        casebase.publish()
        asked = Query(text=phantoms[3].text)
        hits = {hit.case.id: hit for hit in casebase.search(question_of(asked, vectors[0]), 90)}
    found = [hits[case.id] for case in phantoms]
    words = bm25([asked.text], [case.text for case in phantoms])[0]
    blended = relevance(np.array([hit.similarity for hit in found]), words)
    assert words.max() > 1
    assert blended == pytest.approx([hit.relevance for hit in found], abs=1e-6)


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


def test_codes_number_by_appearance() -> None:
    assert codes(["b", None, "a", "b"]).tolist() == [0, -1, 1, 0]
