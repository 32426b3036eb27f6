"""Questions put together by hand, for stages that are tested alone."""

from __future__ import annotations

import numpy as np

from mmedrag.types import Domain, Query, Question, Routing, Vector


def question_of(query: Query, vector: Vector, domain: Domain | None = None) -> Question:
    """A question with a given vector, ``(dim,)``, asked of one domain or of all."""
    return Question(query, Routing({}, domain), vector)


QUESTION = question_of(Query("effusion"), np.ones(1, np.float32))
"""For stages that do not look at the question."""
