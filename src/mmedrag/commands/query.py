"""Out of a casebase: ``mmedrag search`` and ``mmedrag ask``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmedrag.commands.generator import add_generator, generator_settings
from mmedrag.commands.options import FRAME, Commands, add_dictionaries, add_time, json_document
from mmedrag.domains import asked
from mmedrag.errors import QueryError
from mmedrag.locations import location_of
from mmedrag.types import Answer, Context, Query
from mmedrag.views.terminal import notify, show, stream

if TYPE_CHECKING:
    from mmedrag.pipeline import MMedRAG


def add(commands: Commands) -> None:
    """The commands ``search`` and ``ask``."""
    search = commands.add_parser("search", help="find similar cases and definitions")
    _add_query(search)
    search.set_defaults(run=_search)

    ask = commands.add_parser("ask", help="answer with citations")
    _add_query(ask)
    ask.add_argument(
        "--questions", metavar="FILE.jsonl",
        help="answer many questions, one JSON object a line (text, image, frame, domain, where, "
        "id); - reads standard input; prints one JSON object a line",
    )  # fmt: skip
    ask.add_argument(
        "--knowledge", action="store_true",
        help="order and explain the diagnoses by the knowledge graph of the casebase",
    )  # fmt: skip
    add_generator(ask)
    ask.add_argument(
        "--stream", action="store_true", help="also print the answer while it is being written"
    )
    ask.set_defaults(run=_ask)


def _add_query(command: argparse.ArgumentParser) -> None:
    command.add_argument("casebase", type=location_of)
    command.add_argument("question", nargs="?", help="a question or a description")
    command.add_argument("--text", help="the same as QUESTION")
    command.add_argument("--image", type=Path, help="PNG, JPEG, TIFF or DICOM")
    command.add_argument("--frame", type=int, metavar="N", help=FRAME)
    command.add_argument(
        "--domain",
        metavar="DOMAIN",
        help="search this corpus or all, whatever the classifier says",
    )
    command.add_argument(
        "--where",
        metavar="FILTER",
        help="search only cases that match, such as \"modality = 'ct'\"",
    )
    command.add_argument(
        "--patient",
        default="",
        metavar="ID",
        help="patient_id of the patient the question is about",
    )
    add_time(command)
    command.add_argument(
        "--verbatim", action="store_true", help="leave the spelling of the question as it is"
    )
    _add_stages(command)
    add_dictionaries(command)
    command.add_argument("--json", action="store_true", help="print the whole trace as JSON")
    command.add_argument("--page", type=Path, help="write the trace as one HTML page")


def _add_stages(command: argparse.ArgumentParser) -> None:
    """How many cases, and the reranker and the filter of the evidence."""
    command.add_argument(
        "-k", type=int, default=10, help="number of cases in the context (default: 10)"
    )
    command.add_argument(
        "--reranker", metavar="NAME",
        help="reranker of the evidence: agreement (on findings), learned, graph, paper, mmr, none "
        "(default: learned for whether an image shows a finding, else agreement)",
    )  # fmt: skip
    command.add_argument(
        "--expansion", metavar="NAME",
        help="of what is found: neighbours (cases near those that are found, where the casebase "
        "keeps them: 'mmedrag rebuild CASEBASE --neighbours'), none (default)",
    )  # fmt: skip
    command.add_argument(
        "--filter", metavar="NAME",
        help="filter of the evidence: reward (trained), similarity, none (default: the preset's)",
    )  # fmt: skip
    command.add_argument(
        "--threshold",
        type=float,
        metavar="TAU",
        help="least score that passes the filter, from 0 to 1",
    )


def _search(options: argparse.Namespace) -> int:
    from mmedrag.views.console import context_text
    from mmedrag.views.trace import context_json

    with open_system(options) as rag:
        context = rag.retrieve(_query(options))
        _write_page(options, rag, context)
    show(json_document(context_json(context)) if options.json else context_text(context))
    return 0


def _ask(options: argparse.Namespace) -> int:
    from mmedrag.views.console import answer_text
    from mmedrag.views.trace import answer_json

    if options.questions is not None:
        return _ask_all(options)
    with open_system(options) as rag:
        answer = rag.ask(_query(options), stream if options.stream else None)
        if options.stream:
            stream("\n\n")
        _write_page(options, rag, answer)
    show(json_document(answer_json(answer)) if options.json else answer_text(answer))
    return 0


def _ask_all(options: argparse.Namespace) -> int:
    """Answer every line of a file; its exit code is that of the first line that failed."""
    from mmedrag.commands.batch import answer_lines

    alone = ("question", "text", "image", "where", "domain", "patient", "at", "frame", "page")
    if clash := [name for name in alone if getattr(options, name) not in (None, "")]:
        raise QueryError(
            f"--questions and {clash[0]} were both given", "Write it into the lines of the file."
        )
    if options.stream:
        raise QueryError("--questions does not stream", "Leave out --stream.")
    if options.questions == "-":
        with open_system(options) as rag:
            return answer_lines(rag, sys.stdin.buffer, Path())
    path = Path(options.questions)
    try:
        with path.open("rb") as lines, open_system(options) as rag:
            return answer_lines(rag, lines, path.parent)
    except OSError as error:
        raise QueryError(
            f"{path} cannot be read ({error.strerror})", "Name a file of questions."
        ) from None


def open_system(options: argparse.Namespace) -> MMedRAG:
    """The system over the casebase of the options; says what is sent to a chat model.

    Raises:
        QueryError: for an option with a bad value.
        CasebaseError: where the casebase cannot be opened.
    """
    from mmedrag.assembly import configure, load
    from mmedrag.protocols import RemoteGenerator

    rag = load(options.casebase, dictionaries=options.dictionary)
    try:
        rag = configure(
            rag,
            reranker=options.reranker,
            context_filter=options.filter,
            threshold=options.threshold,
            k=options.k,
            knowledge=getattr(options, "knowledge", False),
            verbatim=options.verbatim,
            expansion=options.expansion,
            **generator_settings(options),
        )
    except BaseException:
        rag.close()
        raise
    for notice in rag.notices:
        notify(notice)
    if isinstance(rag.generator, RemoteGenerator):
        notify(rag.generator.what_is_sent())
    return rag


def _query(options: argparse.Namespace) -> Query:
    if options.question is not None and options.text is not None:
        raise QueryError("The question was given twice", "Leave out --text.")
    return Query(
        options.question or options.text or "",
        options.image,
        asked(options.domain or ""),
        options.where,
        options.patient,
        options.at,
        options.frame,
    )


def _write_page(options: argparse.Namespace, rag: MMedRAG, result: Context | Answer) -> None:
    if options.page is None:
        return
    from mmedrag.views.page import write_page

    write_page(result, rag.preview, options.page)
    notify(f"wrote {options.page}")
