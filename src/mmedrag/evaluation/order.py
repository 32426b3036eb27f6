"""Do the graph and the filter help? nDCG@5 before the graph, after it, and after the filter.

Patients are held out of every set, and their cases ask (:mod:`mmedrag.evaluation.order_questions`).
All other cases of all sets stand in one casebase and are searched by the pipeline as it ships. A
case that the filter drops leaves its rank to the next one; where fewer than five are kept, the
empty ranks gain nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

import numpy as np

from mmedrag.assembly import assemble, dictionary
from mmedrag.datasets.corpus import patient_of
from mmedrag.datasets.sampling import whole_patients
from mmedrag.datasets.splits import hold_out, split_cases
from mmedrag.datasets.ties import find_ties, read_sets
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.errors import CorpusError
from mmedrag.evaluation.corpus import filled_casebase
from mmedrag.evaluation.order_questions import Facts, Graded, facts_of, grade, questions_of
from mmedrag.evaluation.tasks import readings_of
from mmedrag.measures.bootstrap import Floats
from mmedrag.measures.ranking import ndcg_of_list
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import build
from mmedrag.progress import Progress, silent
from mmedrag.types import Case, Context, Evidence

Subset: TypeAlias = Literal["test", "tune"]
"""Whose patients ask: those that results are reported on, or others to choose settings on."""

STATIONS = ("gathered", "ranked", "kept")
DEPTH = 5
"""Ranks that count."""

RECORDS = 300
"""Records taken of each file and split, of whole patients."""

QUESTIONS = 6
"""Questions of each file, form and target."""

HELD_OUT, TUNE = 0.2, 0.3
"""Shares of the patients, where a set names no validation part, as ``train preference`` draws
them: the test patients of this study are never those that the reward model learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class Retrieval:
    """A question that was asked, what came back, and how good each case of the corpus is.

    ``grades`` are those of the cases that came back, by id; ``ideal`` the best of the corpus.
    """

    graded: Graded
    context: Context
    grades: Mapping[str, int]
    ideal: tuple[int, ...]

    @property
    def set_name(self) -> str:
        """The set of the case that asks."""
        return self.graded.asker.case.id.partition("/")[0]

    @property
    def patient(self) -> str:
        """The patient whose case asks."""
        return patient_of(self.graded.asker.case)

    def ndcg(self, evidence: Sequence[Evidence], *, once: bool = False) -> float:
        """nDCG@5 of the cases of a list; ``once``: a patient's second case gains nothing."""
        cases = [e.item for e in evidence if isinstance(e.item, Case)]
        patients = [patient_of(case) for case in cases]
        listed = [
            0 if once and patient in patients[:rank] else self.grades[case.id]
            for rank, (case, patient) in enumerate(zip(cases, patients, strict=True))
        ]
        return ndcg_of_list(listed, self.ideal, DEPTH)


@contextmanager
def searched(
    paths: Sequence[Path],
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    subset: Subset = "test",
    records: int = RECORDS,
    progress: Progress = silent,
) -> Iterator[tuple[MMedRAG, list[Facts], list[Facts]]]:
    """A system over all cases but those of held-out patients, what it searches, and who asks.

    Raises:
        CorpusError: where a file cannot be read, or no patient can be held out.
        ModelError: where the preset cannot be loaded.
    """
    gallery, asking = held_apart(paths, subset, records)
    stages, terms = build(preset, models), dictionary()
    vectors = embed_in_batches(stages.embedder, gallery, progress=progress)
    with TemporaryDirectory() as folder:
        casebase = filled_casebase(Path(folder) / "searched", gallery, vectors, stages.embedder)
        casebase.recognise(terms)
        with assemble(stages, casebase, terms) as rag:
            facts = [
                [facts_of(reading, terms.concepts) for reading in readings_of(cases, terms)]
                for cases in (gallery, asking)
            ]
            yield rag, facts[0], facts[1]


def held_apart(
    paths: Sequence[Path], subset: Subset, records: int
) -> tuple[list[Case], list[Case]]:
    """The cases that are searched, and those of the patients who ask; nothing ties them."""
    sets = [_sampled_cases(path, records) for path in paths]
    ties = find_ties([case for cases in sets for case in cases])
    rest, asking = hold_out(sets, HELD_OUT, 0, ties)
    if subset == "tune":
        rest, asking = split_cases(rest, TUNE, 1, ties)
    if not rest or not asking:
        raise CorpusError("There are too few patients to hold some out", "Give more records.")
    return rest, asking


def _sampled_cases(path: Path, records: int) -> list[Case]:
    splits: dict[str, list[Case]] = defaultdict(list)
    for case in read_sets([path])[0]:
        if case.domain is not None:
            splits[case.split].append(case)
    return [case for cases in splits.values() for case in whole_patients(cases, records)]


def sampled(asking: Sequence[Facts], most: int, seed: int = 0) -> list[Graded]:
    """At most so many questions of each set, form and target, the same for the same seed."""
    by_kind: dict[tuple[str, str], list[Graded]] = defaultdict(list)
    for facts in asking:
        for question in questions_of(facts):
            by_kind[facts.case.id.partition("/")[0], question.kind].append(question)
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    return [q for some in by_kind.values() for q in rng.sample(some, min(most, len(some)))]


def ask(
    rag: MMedRAG,
    questions: Sequence[Graded],
    corpus: Sequence[Facts],
    progress: Progress = silent,
) -> list[Retrieval]:
    """Ask every question for which the corpus has a good case, and grade what comes back."""
    retrievals = []
    by_id = {facts.case.id: facts for facts in corpus}
    for question in questions:
        ideal = sorted((grade(question, facts) for facts in corpus), reverse=True)[:DEPTH]
        progress(1)
        if ideal[0] == 0:
            continue
        context = rag.retrieve(question.query)
        grades = {
            e.item.id: grade(question, by_id[e.item.id])
            for e in context.gathered
            if isinstance(e.item, Case)
        }
        retrievals.append(Retrieval(question, context, grades, tuple(ideal)))
    return retrievals


def scores(retrievals: Sequence[Retrieval], *, once: bool = False) -> Floats:
    """nDCG@5 by question and station, ``(n, 3)``; ``once``: see :meth:`Retrieval.ndcg`."""
    return np.array(
        [[a.ndcg(getattr(a.context, name), once=once) for name in STATIONS] for a in retrievals]
    )
