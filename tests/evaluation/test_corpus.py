"""The casebase that studies ask: everything is in it, with the vectors that it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmedrag.encoders.batches import embed_in_batches
from mmedrag.evaluation.corpus import filled_casebase
from mmedrag.presets import Stages
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Query


def test_every_case_is_found_by_its_own_vector(
    phantoms: list[Case], offline: Stages, tmp_path: Path
) -> None:
    cases = phantoms[:6]
    vectors = embed_in_batches(offline.embedder, cases)
    with filled_casebase(tmp_path / "cases", cases, vectors, offline.embedder) as casebase:
        assert casebase.count() == len(cases)
        assert casebase.fingerprint == offline.embedder.fingerprint
        for case, vector in zip(cases, vectors, strict=True):
            (hit,) = casebase.search(question_of(Query(image=case.image), vector), 1)
            assert hit.case.id == case.id
            np.testing.assert_array_equal(hit.vector, vector)
