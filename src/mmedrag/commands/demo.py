"""The demonstration: a synthetic corpus, a casebase of it, questions about images, answers."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from mmedrag.assembly import assemble, create, dictionary
from mmedrag.datasets.records import read_records
from mmedrag.errors import CasebaseError
from mmedrag.indexing import index
from mmedrag.phantoms.corpus import generate
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Case, Domain, Query
from mmedrag.views.console import answer_text, brief_text, report_text, wrapped
from mmedrag.views.page import write_page
from mmedrag.views.terminal import show


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """Asked of the first held-out image of a domain that really shows a finding."""

    domain: Domain
    finding: str
    text: str


ADDRESS = "http://127.0.0.1:8000/"
"""Where ``mmedrag serve`` is by default."""

QUESTIONS = (
    DemoQuestion(
        Domain.PATHOLOGY,
        "adenocarcinoma",
        "Is this adenocarcinoma, and are there mitoses? No necrosis.",
    ),
    DemoQuestion(
        Domain.RADIOLOGY, "mass", "Is there a mass in the right middle lobe? No effusion."
    ),
    DemoQuestion(
        Domain.OPHTHALMOLOGY,
        "haemorrhages",
        "Which kind of retinal haemorrhage is this? No drusen.",
    ),
)


def run(into: Path, cases: int = 360, seed: int = 7) -> None:
    """Make the corpus and the casebase in ``into``, ask, print, and write a page a question.

    Raises:
        CasebaseError: where ``into`` holds something else than an earlier demonstration.
    """
    _clear(into)
    show(f"1. Draw a synthetic corpus: {cases} image-report pairs (seed {seed}), of no patient")
    rows = read_records(generate(cases, seed, into=into / "corpus"))
    corpus = [row for row in rows if isinstance(row, Case)]
    show(f"   {into / 'corpus'}\n\n2. Index its training part with the offline preset")
    casebase, stages = create(into / "demo.casebase")
    with casebase:
        started = perf_counter()
        train = [case for case in corpus if case.split == "train"]
        report = index(
            train, casebase, stages.embedder, stages.classifier, definitions=dictionary()
        )
        show(f"   {report_text(report, perf_counter() - started)}\n")
        rag = assemble(stages, casebase, dictionary())
        pages = [
            _ask(rag, case, question, number, into)
            for number, (question, case) in enumerate(_held_out(corpus), 3)
        ]
    show(_next(into, pages))


def _ask(rag: MMedRAG, case: Case, question: DemoQuestion, number: int, into: Path) -> Path:
    """Ask one question, print what came of it (the first time all), and write its page."""
    answer = rag.ask(Query(question.text, case.image))
    page = into / f"{question.domain}.html"
    write_page(answer, rag.preview, page)
    show(f"{number}. Ask about a held-out image: {question.text}")
    show(f"   image   {case.image}")
    show(wrapped(f"truth   {case.text}", "   ", " " * 11))
    show(f"   page    {page}\n")
    show(answer_text(answer) if number == 3 else brief_text(answer), end="\n\n")
    return page


def _held_out(corpus: Iterable[Case]) -> list[tuple[DemoQuestion, Case]]:
    """Each question with the first validation case that certainly has its finding."""
    held_out = [case for case in corpus if case.split == "val"]
    held = []
    for question in QUESTIONS:
        shows = (c for c in held_out if c.domain == question.domain and _has(c, question.finding))
        held += [(question, case) for case in shows][:1]
    return held


def _has(case: Case, name: str) -> bool:
    """Whether the drawing shows the finding, beyond doubt."""
    return any(
        f["name"] == name and f["present"] and f["certainty"] == "definite"
        for f in case.meta["findings"]
    )


def _next(into: Path, pages: Iterable[Path]) -> str:
    casebase = shlex.quote(str(into / "demo.casebase"))
    program = _program()
    question = f'{program} ask {casebase} "drusen at the macula"'
    return "\n".join(
        (
            "What next",
            f"  read the answers with their images   {next(iter(pages), into)}",
            f"  ask it something else                {question}",
            f"  try it in the browser, at {ADDRESS}",
            f"                                       {program} serve {casebase}",
            f"  index your own images and reports    {program} index FOLDER --into my.casebase",
        )
    )


def _program() -> str:
    """The command as its reader can type it: ``make demo`` has it in an environment of its own."""
    called = Path(sys.argv[0])
    if called.name == "mmedrag" and shutil.which("mmedrag") is None:
        return shlex.quote(str(called))
    return "mmedrag"


def _clear(into: Path) -> None:
    """Remove an earlier demonstration, and nothing else."""
    if not into.exists():
        return
    ours = {"corpus", "demo.casebase", *(f"{domain}.html" for domain in Domain)}
    strange = sorted({p.name for p in into.iterdir()} - ours)
    if strange:
        raise CasebaseError(
            f"{into} holds {strange[0]}, which is no part of a demonstration",
            "Name an empty or absent folder with --into.",
        )
    for name in ours:
        path = into / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
