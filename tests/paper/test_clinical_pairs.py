"""The clinical pairs of this project."""

from __future__ import annotations

from mmedrag.paper.clinical_pairs import CLINICAL_PAIRS


def test_clinical_pairs_are_as_many_as_promised() -> None:
    domains, queries, captions = zip(*CLINICAL_PAIRS, strict=True)
    assert len(CLINICAL_PAIRS) == len(set(queries)) == len(set(captions)) >= 20
    assert set(domains) == {"radiology", "ophthalmology", "pathology", "CT and MRI"}
