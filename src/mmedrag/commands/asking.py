"""Out of a casebase: search, ask."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedrag.commands.options import Commands, dumped
from mmedrag.errors import QueryError
from mmedrag.types import Domain, Query

if TYPE_CHECKING:
    from mmedrag.pipeline import MMedRAG
    from mmedrag.protocols import Generator


def add(commands: Commands) -> None:
    """search, ask."""
    for name, words in (
        ("search", "find similar cases and definitions"),
        ("ask", "answer with citations"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("casebase", type=Path)
        command.add_argument("--text", default="", help="a question or a description")
        command.add_argument("--image", type=Path, help="PNG, JPEG, TIFF or DICOM")
        command.add_argument("--domain", choices=list(Domain), help="overrules the classifier")
        command.add_argument("--where", metavar="FILTER", help="as \"modality = 'ct'\"")
        command.add_argument("-k", type=int, default=10, help="cases in the context (10)")
        command.add_argument(
            "--dictionary", type=Path, action="append", default=[], help="compiled; repeatable"
        )
        command.add_argument("--json", action="store_true", help="the whole trace as JSON")
        command.add_argument("--page", type=Path, help="write the trace as one HTML page")
        command.set_defaults(run=_search)
        if name == "ask":
            add_generator(command)
            command.add_argument("--stream", action="store_true", help="print while it is written")
            command.set_defaults(run=_ask)


def add_generator(command: argparse.ArgumentParser) -> None:
    """Let a command take a generator; :func:`generator_of` makes it."""
    command.add_argument(
        "--generator", choices=("extractive", "groq", "openai"), default="extractive"
    )
    command.add_argument("--llm", metavar="MODEL", help="model name at the remote generator")
    command.add_argument("--base-url", help="of any OpenAI-compatible server (with openai)")
    command.add_argument("--send-image", action="store_true", help="let a vision model see it")


def _search(options: argparse.Namespace) -> int:
    from mmedrag.views.console import context_text
    from mmedrag.views.trace import context_json

    rag = _open(options, None)
    context = rag.retrieve(_query(options))
    _write_page(options, rag, context)
    print(dumped(context_json(context)) if options.json else context_text(context))
    return 0


def _ask(options: argparse.Namespace) -> int:
    from mmedrag.views.console import answer_text
    from mmedrag.views.trace import answer_json

    rag = _open(options, generator_of(options))
    query = _query(options)
    if options.generator != "extractive":
        print(rag.generator.what_is_sent(), file=sys.stderr)  # type: ignore[attr-defined]
    answer = rag.ask(query, _print_piece if options.stream else None)
    if options.stream:
        print("\n")
    _write_page(options, rag, answer)
    print(dumped(answer_json(answer)) if options.json else answer_text(answer))
    return 0


def _open(options: argparse.Namespace, generator: Generator | None) -> MMedRAG:
    from mmedrag.assembly import load

    if options.k < 1:
        raise QueryError(f"-k is {options.k}", "Give at least 1.")
    rag = load(options.casebase, generator=generator, dictionaries=options.dictionary)
    for notice in rag.cases.notices:  # type: ignore[attr-defined]
        print(f"mmedrag: {notice}", file=sys.stderr)
    return replace(rag, k_final=options.k, k_cases=max(rag.k_cases, options.k))


def generator_of(options: argparse.Namespace) -> Generator | None:
    """The generator that was asked for; ``None`` is the extractive one.

    Raises:
        QueryError: where the server or the model is not told.
    """
    if options.generator == "extractive":
        return None
    from mmedrag.answers.chat import groq, openai_compatible

    told = {"send_image": options.send_image}
    if options.generator == "groq":
        return groq(model=options.llm, **told) if options.llm else groq(**told)
    if not options.base_url or not options.llm:
        raise QueryError("The generator openai needs a server", "Give --base-url and --llm.")
    return openai_compatible(options.base_url, options.llm, **told)


def _query(options: argparse.Namespace) -> Query:
    domain = Domain(options.domain) if options.domain else None
    return Query(options.text, options.image, domain, options.where)


def _print_piece(piece: str) -> None:
    print(piece, end="", flush=True, file=sys.stderr)


def _write_page(options: argparse.Namespace, rag: MMedRAG, result: Any) -> None:  # noqa: ANN401
    if options.page is None:
        return
    from mmedrag.views.page import write_page

    write_page(result, rag.cases.thumbnail, options.page)  # type: ignore[attr-defined]
    print(f"mmedrag: wrote {options.page}", file=sys.stderr)
