"""Collections of points, in this process and by the client of a server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("qdrant_edge", reason="pip install 'mmedrag[qdrant]'")

from qdrant_client import QdrantClient

from mmedrag.backends.qdrant.cluster import ClusterPoints
from mmedrag.backends.qdrant.edge import edge_points
from mmedrag.backends.qdrant.opening import open_points
from mmedrag.backends.qdrant.points import Point, Points
from mmedrag.errors import CasebaseError, QueryError
from mmedrag.testing.case_index import unit
from postgres_server import free_port

DIM = 8
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")


def drawn(n: int) -> list[Point]:
    rng = np.random.default_rng(0)
    return [Point(i, f"case-{i}", "radiology" if i % 3 else "", unit(rng)) for i in range(1, n + 1)]


@pytest.fixture(params=["edge", "client"])
def points(request, tmp_path: Path) -> Iterator[Points]:
    if request.param == "edge":
        made: Points = open_points(str(tmp_path / "points"), DIM)
    else:  # the client's own search in memory stands in for a server
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has no index of payloads
            made = ClusterPoints("http://host/cases", DIM, QdrantClient(":memory:"))
    yield made
    made.close()


def test_what_is_written_is_found(points) -> None:
    written = drawn(50)
    points.upsert(written[:30])
    points.upsert(written[20:])
    assert points.count() == 50
    for domain in (None, "", "radiology"):
        allowed = [p for p in written if domain in (None, p.domain)]
        query = unit(np.random.default_rng(1))
        best = sorted(allowed, key=lambda p: -float(p.vector @ query))
        found = points.search(query, 5, domain, 5)
        assert set(found) == {p.row for p in best[:5]}
        assert len(points.search(query, 99, domain, 99)) == len(allowed)


def test_what_is_forgotten_is_gone(points) -> None:
    written = drawn(10)
    points.upsert(written)
    points.forget(["case-3", "nobody"])
    assert points.count() == 9
    points.upsert([written[2]._replace(row=11)])
    assert 3 not in points.search(written[2].vector, 20, None, 20)
    assert points.search(written[2].vector, 1, None, 1) == [11]
    points.optimise()
    assert points.search(written[2].vector, 1, None, 1) == [11]


def test_a_collection_in_a_folder_survives_and_is_opened_once(tmp_path) -> None:
    folder = tmp_path / "points"
    first = edge_points(folder, DIM)
    first.upsert(drawn(5))
    assert edge_points(folder, DIM) is first
    first.close()
    del first
    assert edge_points(folder, DIM).count() == 5


def test_what_is_wrong_is_said_with_a_remedy(tmp_path, monkeypatch) -> None:
    with pytest.raises(QueryError, match="no collection"):
        open_points("http://127.0.0.1:6333", DIM)
    monkeypatch.setenv("QDRANT_API_KEY", "s3cret")
    with pytest.raises(CasebaseError, match="Start it") as caught:
        open_points(f"https://127.0.0.1:{free_port()}/cases", DIM)
    assert "s3cret" not in str(caught.value)
    (tmp_path / "file").write_text("x")
    with pytest.raises(CasebaseError, match="Name another folder"):
        open_points(str(tmp_path / "file"), DIM)
