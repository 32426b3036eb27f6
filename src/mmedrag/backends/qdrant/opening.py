"""The door to collections of points."""

from __future__ import annotations

from pathlib import Path

from mmedrag.backends.qdrant.points import Points
from mmedrag.locations import scheme_of


def open_points(location: str, dim: int) -> Points:
    """Open a collection, or make it.

    Args:
        location: ``http://host:6333/collection``, or a folder for Qdrant within this process.
        dim: length of the vectors.

    Raises:
        ModuleNotFoundError: its library is not installed.
        CasebaseError: it cannot be opened.
    """
    if scheme_of(location):
        from mmedrag.backends.qdrant.cluster import ClusterPoints

        return ClusterPoints(location, dim)
    from mmedrag.backends.qdrant.edge import edge_points

    return edge_points(Path(location), dim)
