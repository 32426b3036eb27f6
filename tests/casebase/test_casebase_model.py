"""Any sequence of writes, publications and reopenings leaves what a dict would hold."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fast_folder import FAST
from mmedrag.casebase import Casebase
from mmedrag.casebase.exact import ExactIndex
from mmedrag.testing.case_index import DIM, FILTERS, entry, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Domain, Query

IDS = [f"case-{i}" for i in range(12)]
seeds = st.integers(0, 2**32 - 1)


class CasebaseModel(RuleBasedStateMachine):
    @initialize()
    def create(self):
        self.folder = TemporaryDirectory(dir=FAST)
        self.path = Path(self.folder.name) / "cases"
        self.casebase = Casebase.create(self.path, dim=DIM, fingerprint="f", preset="p")
        self.reader = Casebase.open(self.path, readonly=True)
        self.model = {}

    def teardown(self):
        if hasattr(self, "casebase"):
            assert self.casebase.verify() == []
            self.casebase.close()
            self.reader.close()
            self.folder.cleanup()

    @rule(ids=st.lists(st.sampled_from(IDS), max_size=5), seed=seeds)
    def add(self, ids, seed):
        rng = np.random.default_rng(seed)
        entries = [entry(rng, case_id) for case_id in ids]
        self.casebase.add(entries)
        self.model.update({e.case.id: e for e in entries})

    @rule(ids=st.lists(st.sampled_from([*IDS, "nobody"]), max_size=4, unique=True))
    def delete(self, ids):
        expected = sum(case_id in self.model for case_id in ids)
        assert self.casebase.delete(ids) == expected
        for case_id in ids:
            self.model.pop(case_id, None)

    @rule(key=st.sampled_from([None, "Flat", "auto"]))
    def publish(self, key):
        self.casebase.publish(key)

    @rule()
    def rebuild(self):
        self.casebase.rebuild()

    @rule()
    def reopen(self):
        self.casebase.close()
        self.casebase = Casebase.open(self.path, fingerprint="f")

    @rule(
        seed=seeds,
        k=st.integers(1, 15),
        domain=st.sampled_from([None, *Domain]),
        where=st.sampled_from(FILTERS),
    )
    def search(self, seed, k, domain, where):
        vector = unit(np.random.default_rng(seed))
        kept = list(self.model.values())
        vectors = np.array([e.vector for e in kept], np.float32).reshape(-1, DIM)
        judge = ExactIndex([e.case for e in kept], vectors)
        expected = judge.search(question_of(Query(where=where), vector, domain), k)
        for index in (self.casebase, self.reader):
            hits = index.search(question_of(Query(where=where), vector, domain), k)
            assert [h.case for h in hits] == [h.case for h in expected]
            np.testing.assert_allclose(
                [h.similarity for h in hits], [h.similarity for h in expected], atol=1e-5
            )

    @rule(word=st.sampled_from(["effusion", "nodule", "ct"]), seed=seeds)
    def search_words(self, word, seed):
        hits = self.casebase.search(
            question_of(Query(text=word), unit(np.random.default_rng(seed))), 50
        )
        assert {h.case.id for h in hits} == set(self.model)

    @invariant()
    def holds_what_the_model_holds(self):
        if not hasattr(self, "casebase"):
            return
        assert self.casebase.count() == len(self.model)
        assert set(self.reader.ids()) == set(self.model)
        assert self.casebase.notices == []


CasebaseModel.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=18,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCasebaseModel = CasebaseModel.TestCase
