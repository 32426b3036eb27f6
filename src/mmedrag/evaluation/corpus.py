"""A casebase of cases whose vectors are known: what studies ask is the stage 1 that ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmedrag.casebase.casebase import Casebase
from mmedrag.protocols import Embedder
from mmedrag.types import Case, Entry, Matrix


def filled_casebase(
    path: Path, cases: Sequence[Case], vectors: Matrix, embedder: Embedder
) -> Casebase:
    """A new casebase of the cases; nothing is encoded.

    Args:
        path: where; must not exist.
        cases: with unique ids, ``n`` of them.
        vectors: of the cases by that embedder, float32 ``(n, dim)``.
        embedder: whose questions will be asked.

    Raises:
        CasebaseError: where it cannot be written.
    """
    casebase = Casebase.create(
        path, dim=embedder.dim, fingerprint=embedder.fingerprint, preset="measured"
    )
    casebase.add(
        [Entry(case, vector, case.id, None) for case, vector in zip(cases, vectors, strict=True)]
    )
    casebase.publish()
    return casebase
