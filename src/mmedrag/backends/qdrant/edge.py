"""Qdrant within this process: the same engine in a folder, for one program at a time."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

import qdrant_edge as qdrant

from mmedrag.backends.qdrant.points import Point
from mmedrag.errors import CasebaseError, CasebaseLocked
from mmedrag.types import Vector


class EdgePoints:
    """A collection in a folder; see :class:`~mmedrag.backends.qdrant.points.Points`."""

    def __init__(self, folder: Path, dim: int) -> None:
        """Open it, or make it.

        Raises:
            CasebaseLocked: another program has opened it.
            CasebaseError: the folder cannot be used.
        """
        self._folder = folder
        parameters = qdrant.EdgeVectorParams(
            size=dim,
            distance=qdrant.Distance.Dot,
            datatype=qdrant.VectorStorageDatatype.Float16,
        )
        self._config = qdrant.EdgeConfig(vectors={"": parameters})
        self._shard = self._opened()

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points; those of the same rows are replaced."""
        made = [
            qdrant.Point(p.row, p.vector.tolist(), {"id": p.case_id, "domain": p.domain})
            for p in points
        ]
        self._shard.update(qdrant.UpdateOperation.upsert_points(made))
        self._shard.flush()

    def forget(self, ids: Sequence[str]) -> None:
        """Erase the points of some cases."""
        those = qdrant.FieldCondition(key="id", match=qdrant.MatchAny(list(ids)))
        gone = qdrant.UpdateOperation.delete_points_by_filter(qdrant.Filter(must=[those]))
        self._shard.update(gone)
        self._shard.flush()

    def search(self, vector: Vector, limit: int, domain: str | None, width: int) -> list[int]:
        """The rows with the largest inner products, nearly."""
        within = None
        if domain is not None:
            its = qdrant.FieldCondition(key="domain", match=qdrant.MatchValue(domain))
            within = qdrant.Filter(must=[its])
        nearest = qdrant.Query.Nearest(vector.tolist())
        wide = qdrant.SearchParams(hnsw_ef=width)
        request = qdrant.QueryRequest(query=nearest, limit=limit, filter=within, params=wide)
        return [int(point.id) for point in self._shard.query(request)]

    def count(self) -> int:
        """How many points there are."""
        return int(self._shard.count(qdrant.CountRequest(exact=True)))

    def clear(self) -> None:
        """Make the collection anew, empty."""
        self._shard.close()
        shutil.rmtree(self._folder)
        self._shard = self._opened()

    def optimise(self) -> None:
        """Make the index of what was written."""
        self._shard.optimize()

    def close(self) -> None:
        """Keep it open for who else uses it in this process; it is closed with the last of them."""
        self._shard.flush()

    def _opened(self) -> qdrant.EdgeShard:
        try:
            if self._folder.is_dir() and any(self._folder.iterdir()):
                return qdrant.EdgeShard.load(str(self._folder), self._config)
            self._folder.mkdir(parents=True, exist_ok=True)
            shard = qdrant.EdgeShard.create(str(self._folder), self._config)
        except OSError as fault:
            raise CasebaseError(
                f"{self._folder} cannot be used ({fault.strerror})", "Name another folder."
            ) from fault
        except Exception as fault:
            if "WouldBlock" in str(fault):
                raise CasebaseLocked(
                    f"Another program has opened {self._folder}",
                    "Close it; several programs at once need a Qdrant server.",
                ) from None
            raise CasebaseError(
                f"Qdrant cannot open {self._folder} ({str(fault)[:200]})", "Name another folder."
            ) from fault
        for field in ("id", "domain"):
            keyword = qdrant.PayloadSchemaType.Keyword
            shard.update(qdrant.UpdateOperation.create_field_index(field, keyword))
        return shard


_OPEN: WeakValueDictionary[Path, EdgePoints] = WeakValueDictionary()
_OPENING = Lock()


def edge_points(folder: Path, dim: int) -> EdgePoints:
    """The collection in a folder, which a process opens once.

    Raises:
        CasebaseError: see :class:`EdgePoints`.
    """
    path = folder.resolve()
    with _OPENING:
        points = _OPEN.get(path)
        if points is None:
            points = _OPEN[path] = EdgePoints(path, dim)
        return points
