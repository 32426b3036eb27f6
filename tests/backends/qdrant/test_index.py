"""PostgreSQL with its vector index in Qdrant, under the contracts of stores."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("qdrant_edge", reason="pip install 'mmedrag[qdrant]'")

from mmedrag.backends.postgres import PostgresStore
from mmedrag.backends.qdrant import open_points
from mmedrag.cli import main
from mmedrag.errors import CasebaseError
from mmedrag.testing.case_index import DIM, ApproximateCaseIndexContract, entries_of, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Query, Vector
from postgres_laws import OnServer, made


@pytest.mark.long
class TestByQdrant(OnServer, ApproximateCaseIndexContract):
    """The approximate tier; each dimension has a folder of its own."""

    scan = 0
    recall = 0.95

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _folders(cls, tmp_path_factory) -> None:
        cls.folders = tmp_path_factory.mktemp("qdrant")

    def empty(self, dim: int):
        type(self).options = f"&qdrant={self.folders / str(dim)}"
        return super().empty(dim)


@pytest.fixture
def found_in(url, tmp_path) -> str:
    return f"{url}&qdrant={tmp_path / 'points'}"


QUESTION = question_of(Query(), unit(np.random.default_rng(3)))


def found(store: PostgresStore, k: int = 99) -> list[str]:
    return [hit.case.id for hit in store.search(QUESTION, k)]


def test_points_are_written_once_and_follow_the_truth(found_in, tmp_path) -> None:
    with made(found_in) as store:
        store.scan = 0
        store.add(entries_of(1, 30))
        assert len(found(store)) == 30  # none has a point yet
        store.publish()
        expected = found(store)
        store.add(entries_of(2, 3))  # case-0 to case-2 anew
        store.delete(["case-7"])
        points = open_points(str(tmp_path / "points"), DIM)
        assert points.count() == 26
        assert set(found(store)) == {*expected} - {"case-7"}
        store.publish()
        assert points.count() == 29
        assert store.verify() == []
        assert set(found(store)) == {*expected} - {"case-7"}
    with PostgresStore.open(found_in) as store:
        store.scan = 0
        assert store.notices == []
        assert set(found(store)) == {*expected} - {"case-7"}


def test_the_graph_is_searched_as_widely_as_a_question_needs(found_in, monkeypatch) -> None:
    """A graph that leads astray: of each doubling of the width, half is found that was not."""
    with made(found_in) as store:
        store.scan = 0
        store.add(entries_of(1, 200))
        store.publish()
        expected = found(store, 10)
        points, widths = store._points._points, []
        whole = points.search

        def astray(vector: Vector, limit: int, domain: str | None, width: int) -> list[int]:
            widths.append(width)
            reached = width // widths[0]
            rows = whole(vector, 200, domain, 200)
            return [row for row in rows if row % 8 < reached][:limit]

        monkeypatch.setattr(points, "search", astray)
        assert found(store, 10) == expected
        assert [width // widths[0] for width in widths] == [1, 2, 4, 8, 16]


def test_lost_points_are_noticed_and_nothing_is_lost(found_in, tmp_path) -> None:
    with made(found_in) as store:
        store.add(entries_of(1, 30))
        store.publish()
    open_points(str(tmp_path / "points"), DIM).clear()
    with PostgresStore.open(found_in) as store:
        store.scan = 0
        assert "0 points of 30" in store.notices[0]
        assert len(found(store)) == 30
        assert store.verify() == [store.notices[0]]
        store.rebuild()
        assert store.verify() == []
        assert len(found(store)) == 30


def test_points_deleted_while_others_open_are_not_missing(found_in, monkeypatch) -> None:
    with made(found_in) as writer:
        writer.add(entries_of(1, 10))
        writer.publish()
        points = type(writer._points._points)
        count, pending = points.count, ["case-4"]

        def late(self) -> int:
            if pending:
                writer.delete([pending.pop()])
            return count(self)

        monkeypatch.setattr(points, "count", late)
        with PostgresStore.open(found_in) as store:
            assert store.notices == []
            assert store.count() == 9
            assert pending == []


def test_what_qdrant_does_not_erase_is_noticed_and_not_given_out(found_in, monkeypatch) -> None:
    with made(found_in) as store:
        store.scan = 0
        store.add(entries_of(1, 10))
        store.publish()

        def refuse(ids: list[str]) -> None:
            raise CasebaseError("no answer", "Start it.")

        monkeypatch.setattr(store._points._points, "forget", refuse)
        assert store.delete(["case-4"]) == 1
        assert "may have left points" in store.notices[0]
        assert "case-4" not in found(store)
        assert "10 points of 9" in store.verify()[0]
        store.rebuild()
        assert store.verify() == []


def test_commands_take_the_place_of_the_vectors(found_in, tmp_path, capsys) -> None:
    lines = [{"id": str(i), "text": t, "domain": "radiology"} for i, t in enumerate(("ct", "mr"))]
    (tmp_path / "records.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    for words in (["index", str(tmp_path / "records.jsonl"), "--into", found_in],
                  ["search", found_in, "ct"], ["verify", found_in]):  # fmt: skip
        assert main(words) == 0, capsys.readouterr()
    with PostgresStore.open(found_in) as store:
        assert open_points(str(tmp_path / "points"), store.dim).count() == 2
