"""What a differential can reach: ``python benchmarks/differential.py X.casebase RECORDS.jsonl``.

Cases are asked about by image and history, their own patient left out: does any searched case have
the diagnosis, does any that is found, do the first three that the answer names? Beside it, all
patients of the file are put in order by their texts alone: by the history, and by the findings
that whoever read the images wrote, which no question holds. The records must give ``history`` and
``findings`` in ``meta``, as MedPix does, and be those that the casebase holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmedrag.answers.differential import FROM_REPORT, code_of, diagnoses_of
from mmedrag.answers.statements import CaseReading, read_cases
from mmedrag.assembly import load
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.definitions import Dictionary
from mmedrag.encoders.text import TextEncoder
from mmedrag.evaluation.tasks import cases_of, held_out, readings_of, same_diagnosis
from mmedrag.measures.bootstrap import interval
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import MODELS, offline_texts
from mmedrag.types import Case, Matrix, Query

WIDE, SERVED, FEW = 200, 50, 10
FIRST = 3
LISTED = "differential"
"""Field of ``meta`` in which the author of a case lists what else it might have been."""

ORDERS = {
    "history to histories": ("history", "history"),
    "history to diagnoses": ("history", "diagnosis"),
    "findings to diagnoses": ("findings", "diagnosis"),
    "findings to findings": ("findings", "findings"),
}


@dataclass(frozen=True, slots=True)
class Patient:
    """The first case of a patient, and the codes of its diagnoses."""

    reading: CaseReading
    codes: frozenset[str]

    @property
    def case(self) -> Case:
        """The case itself."""
        return self.reading.case

    def text(self, field: str) -> str:
        """A text of the record."""
        return self.case.diagnosis if field == "diagnosis" else str(self.case.meta.get(field) or "")


def patients(cases: Sequence[Case], dictionary: Dictionary) -> list[Patient]:
    """One case of every patient that has a history and a diagnosis."""
    first = {c.patient_id: c for c in reversed(cases) if str(c.meta.get("history") or "").strip()}
    readings = readings_of(list(first.values()), dictionary)
    made = [Patient(r, codes_of(r, dictionary)) for r in readings]
    return [p for p in made if p.codes]


def codes_of(reading: CaseReading, dictionary: Dictionary) -> frozenset[str]:
    """The diagnoses that the source of a case gives it."""
    diagnoses = diagnoses_of(reading, dictionary.concepts)
    return frozenset(code for code, _, weight in diagnoses if weight > FROM_REPORT)


def of_lists(searched: Sequence[Patient], dictionary: Dictionary) -> list[frozenset[str]]:
    """What the authors of the searched cases list as differentials."""
    lists = [str(p.case.meta.get(LISTED) or "").replace(",", "\n") for p in searched]
    cases = [Case(id=str(i), diagnosis=text) for i, text in enumerate(lists)]
    return [codes_of(r, dictionary) for r in readings_of(cases, dictionary)]


def reached(
    patient: Patient, rag: MMedRAG, searched: Sequence[Patient], listed: Sequence[frozenset[str]],
    dictionary: Dictionary,
) -> list[bool]:  # fmt: skip
    """Whether the diagnosis is there at each station, see :func:`main`."""

    def right(codes: frozenset[str]) -> bool:
        return any(same_diagnosis(code, patient.codes, dictionary) for code in codes)

    quoted = patient.case.patient_id.replace("'", "''")
    text = f"{patient.text('history')} What is the most likely diagnosis?"
    query = Query(text, patient.case.image, where=f"patient_id != '{quoted}'")
    others = [i for i, p in enumerate(searched) if p.case.patient_id != patient.case.patient_id]
    anywhere = any(right(searched[i].codes) for i in others)
    named = anywhere or any(right(listed[i]) for i in others)
    gathered = replace(rag, analyst=None, k_cases=WIDE).retrieve(query).gathered
    cases = read_cases([e for e in gathered if isinstance(e.item, Case)], dictionary)
    found = [right(frozenset(c for c, _, _ in diagnoses_of(r, dictionary.concepts))) for r in cases]
    brief = rag.ask(query).brief
    first = frozenset(map(code_of, brief.differential[:FIRST])) if brief else frozenset()
    depths = [any(found[:depth]) for depth in (WIDE, SERVED, FEW)]
    return [anywhere, named, *depths, right(first)]


def by_texts(
    asked: Sequence[Patient], searched: Sequence[Patient], encoder: TextEncoder,
    dictionary: Dictionary,
) -> Matrix:  # fmt: skip
    """For each of :data:`ORDERS`, whether its first three diagnoses hold the right one."""
    fields = {field for pair in ORDERS.values() for field in pair}
    queries, documents = (
        {field: encoder.encode([p.text(field) for p in whose]) for field in sorted(fields)}
        for whose in (asked, searched)
    )
    columns = []
    for query, document in ORDERS.values():
        scores = queries[query] @ documents[document].T
        columns.append(
            [_is_first(p, searched, s, dictionary) for p, s in zip(asked, scores, strict=True)]
        )
    return np.array(columns, np.float32).T


def _is_first(
    patient: Patient, searched: Sequence[Patient], scores: Matrix, dictionary: Dictionary
) -> bool:
    distinct: dict[frozenset[str], None] = {}
    for i in np.argsort(-scores, kind="stable"):
        if searched[i].case.patient_id != patient.case.patient_id:
            distinct.setdefault(searched[i].codes)
        if len(distinct) == FIRST:
            break
    return any(same_diagnosis(c, patient.codes, dictionary) for codes in distinct for c in codes)


def main() -> None:
    """Print how many have the diagnosis at each station."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("casebase", type=Path)
    options.add_argument("records", type=Path)
    options.add_argument("--searched", type=int, default=200, help="searched patients asked about")
    given = options.parse_args()
    stations = (
        "any searched patient has it", "the same, or an author lists it",
        f"any of the {WIDE} cases found", f"any of the {SERVED} found", f"any of the first {FEW}",
        "the first three of the answer", *(f"first three, {name}" for name in ORDERS),
    )  # fmt: skip
    encoder = offline_texts(MODELS / "tuned")
    with load(given.casebase) as rag:
        source = rag.definitions
        assert isinstance(source, Dictionary)
        searched, apart = (patients(c, source) for c in held_out(cases_of(given.records)))
        listed = of_lists(searched, source)
        for title, asked in (
            ("searched patients", evenly_spaced(searched, given.searched)),
            ("held-out patients", apart),
        ):
            found = [reached(p, rag, searched, listed, source) for p in asked]
            values = np.hstack([np.array(found), by_texts(asked, searched, encoder, source)])
            intervals = interval(values, np.arange(len(asked)))
            print(f"{title}, {len(asked)}")
            for name, column, (low, high) in zip(stations, values.T, intervals, strict=True):
                print(f"  {name}: {column.mean():.3f} ({low:.3f}-{high:.3f})", flush=True)


if __name__ == "__main__":
    main()
