"""The demonstration: a synthetic corpus, a casebase of it, a question about an image, an answer."""

from __future__ import annotations

import shutil
from pathlib import Path

from mmedrag.console import answer_text
from mmedrag.datasets.phantoms import generate
from mmedrag.datasets.records import read_records
from mmedrag.errors import CasebaseError
from mmedrag.indexing import index
from mmedrag.page import write_page
from mmedrag.presets import assemble, create, dictionary
from mmedrag.types import Case, Domain, Query

QUESTIONS = {
    Domain.RADIOLOGY: "What does this film show? No pneumothorax was seen at the bedside.",
    Domain.PATHOLOGY: "Which tissue changes are seen in this field?",
    Domain.OPHTHALMOLOGY: "Which retinal changes are seen in this fundus photograph?",
}
"""Asked of the first held-out image with a finding, by domain."""


def run(into: Path, cases: int = 360, seed: int = 7) -> None:
    """Make the corpus and the casebase in ``into``, ask, print, and write a page a question.

    Raises:
        CasebaseError: where ``into`` holds something else than an earlier demonstration.
    """
    _clear(into)
    print(f"1. A synthetic corpus of {cases} image-report pairs (seed {seed}), of no patient.")
    corpus = [
        c for c in read_records(generate(cases, seed, into=into / "corpus")) if isinstance(c, Case)
    ]
    print(f"   {into / 'corpus'}\n\n2. A casebase of its training part, with the offline preset.")
    casebase, stages = create(into / "demo.casebase")
    with casebase:
        report = index(
            [c for c in corpus if c.split == "train"],
            casebase,
            stages.embedder,
            stages.classifier,
        )
        print(f"   {report.written} cases, {casebase.dim} dimensions\n")
        rag = assemble(stages, casebase, dictionary())
        for number, case in enumerate(_held_out(corpus), 3):
            assert case.domain is not None
            answer = rag.ask(Query(QUESTIONS[case.domain], case.image))
            page = into / f"{case.domain}.html"
            write_page(answer, casebase.thumbnail, page)
            print(f"{number}. {QUESTIONS[case.domain]}\n   image: {case.image}")
            print(f"   its own report, not in the casebase: {case.text}\n")
            print(answer_text(answer), f"\n\nThe same as a page: {page}\n")


def _held_out(corpus: list[Case]) -> list[Case]:
    """The first validation case with a finding in each domain."""
    found: dict[Domain, Case] = {}
    for case in corpus:
        if case.split == "val" and case.domain and case.image and "normal" not in case.labels:
            found.setdefault(case.domain, case)
    return [found[domain] for domain in Domain if domain in found]


def _clear(into: Path) -> None:
    """Remove an earlier demonstration, and nothing else."""
    if not into.exists():
        return
    known = {"corpus", "demo.casebase", *(f"{domain}.html" for domain in Domain)}
    strange = sorted({p.name for p in into.iterdir()} - known)
    if strange:
        raise CasebaseError(
            f"{into} holds {strange[0]}, which is no part of a demonstration",
            "Name an empty or absent folder with --into.",
        )
    for name in known:
        path = into / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
