"""Rerankers on candidates with graded relevance, and the section that tells of them."""

from __future__ import annotations

import json
from math import log2
from pathlib import Path

import numpy as np
import pytest

from mmedrag.assembly import dictionary
from mmedrag.errors import CorpusError
from mmedrag.paper import rerank_latency, rerank_section
from mmedrag.paper.candidates import MODES, Asked, ask
from mmedrag.paper.coherence import controlled, paper_spreads, predicted_shrinkage
from mmedrag.paper.gallery import Gallery, read_gallery
from mmedrag.paper.rerank import (
    ALPHAS,
    DEFAULT,
    METRICS,
    OURS,
    STANDARD,
    WALKS,
    best_alpha,
    measure,
    sweep,
)
from mmedrag.phantoms.corpus import generate
from mmedrag.presets import Stages
from mmedrag.ranking.graph import KeepOrder, paper_graph
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Evidence, Query

RECORDS = 50


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(RECORDS, 5, into=tmp_path_factory.mktemp("corpus") / "phantoms")


@pytest.fixture(scope="module")
def gallery(records: Path, offline: Stages) -> Gallery:
    return read_gallery([records], offline.embedder, dictionary(), split="val", size=RECORDS)


@pytest.fixture(scope="module")
def asked(gallery: Gallery, offline: Stages) -> list[Asked]:
    return ask(gallery, offline.embedder, dictionary(), "asked", limit=4)


def cases(query: Asked) -> list[Case]:
    return [e.item for e in query.evidence if isinstance(e.item, Case)]


def test_a_query_never_finds_itself_nor_another_domain(gallery: Gallery, asked: list[Asked]):
    assert {query.mode for query in asked} == set(MODES)
    for query in asked:
        assert query.question.query.domain is not None
        assert {case.domain for case in cases(query)} <= {query.question.query.domain}
        if query.question.query.text:
            assert query.question.query.text not in [case.text for case in cases(query)]
        if query.question.query.image:
            assert query.question.query.image not in [case.image for case in cases(query)]


def test_a_new_patient_has_no_other_record_in_the_gallery(gallery: Gallery, asked: list[Asked]):
    groups = {
        case.id: int(group) for case, group in zip(gallery.cases, gallery.groups, strict=True)
    }
    for query in (query for query in asked if not query.own_case):
        assert query.group not in [groups[case.id] for case in cases(query)]
        assert 3 not in query.grades.values()
        assert max(query.ideal) <= 2


def test_choices_are_made_without_the_patients_who_are_asked_about(
    gallery: Gallery, offline: Stages
):
    parts = {case.id: part for case, part in zip(gallery.cases, gallery.parts, strict=True)}
    assert {case.split for case in gallery.cases if parts[case.id] == "tuned"} == {"train"}
    for query in ask(gallery, offline.embedder, dictionary(), "tuned", limit=2):
        assert "asked" not in [parts[case.id] for case in cases(query)]


def test_a_split_that_is_not_there_is_refused(records: Path, offline: Stages):
    with pytest.raises(CorpusError, match="night"):
        read_gallery([records], offline.embedder, dictionary(), split="night", size=10)


def made(grades: list[int], said: list[list[int]], vectors: list[list[float]]) -> Asked:
    """A query with these candidates, in this order, and nothing else in the gallery."""
    evidence = tuple(
        Evidence(f"C{i}", Case(id=str(i)), np.array(v, np.float32), 1 - i / 10, 1 - i / 10)
        for i, v in enumerate(vectors, 1)
    )
    keys = [e.key for e in evidence]
    return Asked(
        mode="text",
        source="made",
        own_case=False,
        group=0,
        question=question_of(Query(text="q"), evidence[0].vector),
        evidence=evidence,
        grades=dict(zip(keys, grades, strict=True)),
        nuggets=dict(zip(keys, np.array(said, bool), strict=True)),
        ideal=-np.sort(-np.array(grades, float)),
        ideal_alpha_dcg=1.0,
    )


def test_metrics_by_hand():
    query = made(grades=[0, 2, 1], said=[[0, 0], [1, 0], [1, 1]], vectors=[[1, 0], [0, 1], [0, 1]])
    found = measure(KeepOrder(), [query]).means()
    ndcg = (2 / log2(3) + 1 / log2(4)) / (2 / log2(2) + 1 / log2(3))
    # the second says one thing; the third repeats it, for half, and says another
    alpha = 1 / log2(3) + 1.5 / log2(4)
    assert found == pytest.approx(
        {
            "nDCG@10": ndcg,
            "α-nDCG@10": alpha,
            "MRR": 1 / 2,
            "pairwise": 1 / 3,
            "repeated": 1 / 3,
            "similarity": 0.8,
        }
    )


def test_without_propagation_every_walk_is_the_order_of_stage_1(asked: list[Asked]):
    standard = measure(KeepOrder(), asked).values[:, 0]
    swept = sweep(asked)
    for name in WALKS:
        ties = "complete" in name or "10-NN" in name
        assert ALPHAS[0] == 0.0
        assert swept[name][0] == pytest.approx(standard, abs=0.0 if ties else 1e-9)
    paper = measure(paper_graph(), asked).values[:, 0]
    assert swept["complete graph"][ALPHAS.index(0.85)] == pytest.approx(paper)


def test_a_new_order_of_image_candidates_cannot_raise_their_mean_similarity(asked: list[Asked]):
    """METHOD, contradiction 3 of the paper; text queries are ranked by words too."""
    mine = [query for query in asked if query.mode == "image"]
    column = METRICS.index("similarity")
    before, after = (measure(r, mine).values[:, column] for r in (KeepOrder(), paper_graph()))
    assert (after <= before + 1e-6).all()


def test_the_best_alpha_is_the_smallest_of_equals():
    swept = np.zeros((len(ALPHAS), 2))
    swept[[3, 5]] = 0.5
    assert best_alpha(swept) == ALPHAS[3]


def test_score_compression_is_what_arithmetic_predicts(offline: Stages):
    before, after = paper_spreads()
    assert after / before == pytest.approx(predicted_shrinkage(5), abs=0.005)
    found = controlled(offline.embedder)
    assert found.predicted == pytest.approx(0.15 / (1 + 0.85 / 4))
    assert found.even == pytest.approx(found.predicted)
    assert sum(found.paper.values()) == pytest.approx(sum(found.similarity.values()))


def test_the_section_tells_what_was_measured(
    records: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
):
    def embedded_before(paths: list[Path], *_: object, split: str, size: int, **__: object):
        assert (paths, split, size) == ([records], "val", RECORDS)
        return gallery

    monkeypatch.setattr(rerank_section, "read_gallery", embedded_before)
    monkeypatch.setattr(rerank_section, "TIMED", 2)
    monkeypatch.setattr(rerank_latency, "ROUNDS", 1)
    monkeypatch.setattr(rerank_latency, "SIZES", (20, 40))
    section = rerank_section.evaluate_rerank([records], gallery=RECORDS, queries=2)
    arms = section.data["rerankers"]["new"]
    assert arms[STANDARD]["against_cosine"]["nDCG@10"]["difference"] == 0.0
    assert arms[DEFAULT]["repeated"] <= arms[OURS]["repeated"]
    stages = section.data["latency"]["methods"]["paper's Graph-RAG"]
    assert stages["total"][0] >= stages["rerank"][0] > 0.0
    assert list(section.data["latency"]["candidates"]) == [20, 40]
    assert {d.what for d in section.disagreements} >= {"redundancy", "response time (Fig. 2)"}
    assert all(len(row) == len(table.header) for table in section.tables for row in table.rows)
    assert json.loads(json.dumps(section.data)) is not None
    assert all("<svg" in figure.draw() for figure in section.figures)
