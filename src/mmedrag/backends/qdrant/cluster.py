"""A collection on a Qdrant server or cluster, over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from mmedrag.backends.qdrant.points import Point
from mmedrag.errors import CasebaseError, QueryError
from mmedrag.locations import shown
from mmedrag.types import Vector

KEY = "QDRANT_API_KEY"
"""The environment variable with the key of the server; it stands in no URL."""

T = TypeVar("T")


class ClusterPoints:
    """A collection; see :class:`~mmedrag.backends.qdrant.points.Points`.

    Args:
        location: as ``http://host:6333/collection``.
        dim: length of the vectors.
        client: to the server; by default one of its own.
    """

    def __init__(self, location: str, dim: int, client: QdrantClient | None = None) -> None:
        """Connect, and make the collection where there is none.

        Raises:
            QueryError: the URL names no collection.
            CasebaseError: no server answers, or it refuses.
        """
        address = urlsplit(location)
        self._name = address.path.strip("/")
        if not self._name:
            raise QueryError(
                f"{shown(location)} names no collection", "Write http://host:6333/collection."
            )
        self._location, self._dim = shown(location), dim
        server = f"{address.scheme}://{address.netloc}"
        self._client = client or QdrantClient(
            server,
            port=address.port or 6333,
            api_key=os.environ.get(KEY),
            timeout=30,
            check_compatibility=False,
        )
        if not self._request(lambda: self._client.collection_exists(self._name)):
            self._create()

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points; those of the same rows are replaced."""
        made = [
            models.PointStruct(
                id=p.row, vector=p.vector.tolist(), payload={"id": p.case_id, "domain": p.domain}
            )
            for p in points
        ]
        self._request(lambda: self._client.upsert(self._name, made, wait=True))

    def forget(self, ids: Sequence[str]) -> None:
        """Erase the points of some cases."""
        those = models.FieldCondition(key="id", match=models.MatchAny(any=list(ids)))
        gone = models.FilterSelector(filter=models.Filter(must=[those]))
        self._request(lambda: self._client.delete(self._name, gone, wait=True))

    def search(self, vector: Vector, limit: int, domain: str | None, width: int) -> list[int]:
        """The rows with the largest inner products, nearly."""
        within = None
        if domain is not None:
            its = models.FieldCondition(key="domain", match=models.MatchValue(value=domain))
            within = models.Filter(must=[its])
        response = self._request(
            lambda: self._client.query_points(
                self._name,
                vector.tolist(),
                query_filter=within,
                limit=limit,
                with_payload=False,
                search_params=models.SearchParams(hnsw_ef=width),
            )
        )
        return [int(point.id) for point in response.points]

    def count(self) -> int:
        """How many points there are."""
        return int(self._request(lambda: self._client.count(self._name, exact=True)).count)

    def clear(self) -> None:
        """Make the collection anew, empty."""
        self._request(lambda: self._client.delete_collection(self._name))
        self._create()

    def optimise(self) -> None:
        """Nothing: the server does this by itself."""

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _create(self) -> None:
        vectors = models.VectorParams(
            size=self._dim, distance=models.Distance.DOT, datatype=models.Datatype.FLOAT16
        )
        self._request(lambda: self._client.create_collection(self._name, vectors))
        keyword = models.PayloadSchemaType.KEYWORD
        for field in ("id", "domain"):
            make = partial(self._client.create_payload_index, self._name, field, keyword, wait=True)
            self._request(make)

    def _request(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (ApiException, ValueError, OSError) as fault:
            reason = str(fault).strip().splitlines() or ["no reason given"]
            raise CasebaseError(
                f"Qdrant at {self._location} does not do as it is asked ({reason[0][:200]})",
                f"Start it, and check address and {KEY}.",
            ) from None
