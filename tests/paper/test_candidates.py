"""Candidates of held-out patients' queries."""

from __future__ import annotations

import numpy as np

from mmedrag.paper.candidates import MODES, RerankQuery
from mmedrag.paper.gallery import Gallery
from mmedrag.types import Case


def cases(query: RerankQuery) -> list[Case]:
    return [e.item for e in query.evidence if isinstance(e.item, Case)]


def test_a_query_never_finds_itself_nor_another_domain(gallery: Gallery, asked: list[RerankQuery]):
    assert {query.mode for query in asked} == set(MODES)
    for query in asked:
        assert query.question.query.domain is not None
        assert {case.domain for case in cases(query)} <= {query.question.query.domain}
        if query.question.query.text:
            assert query.question.query.text not in [case.text for case in cases(query)]
        if query.question.query.image:
            assert query.question.query.image not in [case.image for case in cases(query)]


def test_a_new_patient_has_no_other_record_in_the_gallery(
    gallery: Gallery, asked: list[RerankQuery]
):
    groups = {
        case.id: int(group) for case, group in zip(gallery.cases, gallery.groups, strict=True)
    }
    for query in (query for query in asked if not query.own_case):
        assert query.group not in [groups[case.id] for case in cases(query)]
        assert 3 not in query.grades.values()
        assert max(query.ideal) <= 2


def test_vectors_of_candidates_are_those_of_the_gallery(gallery: Gallery, asked: list[RerankQuery]):
    for query in asked:
        found = [e for e in query.evidence if isinstance(e.item, Case)]
        assert all(np.shares_memory(e.vector, gallery.vectors) for e in found)
