"""The vector index of a database in Qdrant (extra ``qdrant``): vectors and payload there.

Texts and truth stay in PostgreSQL. What Qdrant holds is derived: it can be made again, a case that
it has not got yet is compared in PostgreSQL, and one that it should have no more is not given out.
"""

from mmedrag.backends.qdrant.index import SETTING, PointIndex
from mmedrag.backends.qdrant.opening import open_points
from mmedrag.backends.qdrant.points import Points

__all__ = ["SETTING", "PointIndex", "Points", "open_points"]
