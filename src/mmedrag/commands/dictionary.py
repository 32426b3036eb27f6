"""Terms and their definitions: ``mmedrag define`` and ``mmedrag dictionary``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mmedrag.commands.options import Commands, add_dictionaries, json_document
from mmedrag.errors import CorpusError
from mmedrag.views.terminal import notify, one_line, show


def add(commands: Commands) -> None:
    """The commands ``define`` and ``dictionary``."""
    define = commands.add_parser("define", help="recognise and define the terms of a text")
    define.add_argument("text")
    add_dictionaries(define)
    define.add_argument(
        "--json", action="store_true", help="print mentions and definitions as JSON"
    )
    define.set_defaults(run=_define)

    dictionary = commands.add_parser(
        "dictionary", help="compile ontologies and tables of terms into a dictionary file"
    )
    dictionary.add_argument(
        "sources", type=Path, nargs="+", help="OBO, RRF, OWL, XML, CSV or JSONL files"
    )
    dictionary.add_argument(
        "--into", type=Path, required=True, metavar="FILE", help="the dictionary to write"
    )
    dictionary.set_defaults(run=_compile)


def _define(options: argparse.Namespace) -> int:
    from mmedrag.definitions import asked_for
    from mmedrag.provenance import dictionary
    from mmedrag.views.console import table

    source = dictionary(options.dictionary)
    mentions = source.recognise([options.text])
    definitions = source.define([asked_for(mentions[0])], limit=50)
    if options.json:
        document = {
            "mentions": [_fields(m) for m in mentions[0]],
            "definitions": [_fields(d) for d in definitions],
        }
        show(json_document(document))
        return 0
    rows = [(m.text, m.assertion, m.term, m.concept) for m in mentions[0]]
    show(
        table(("text", "assertion", "term", "concept"), rows) if rows else "No term was recognised."
    )
    for definition in definitions:
        show(f"\n{one_line(definition.term)} ({one_line(definition.source)})")
        show(f"  {one_line(definition.text)}")
    return 0


def _fields(item: Any) -> dict[str, Any]:  # noqa: ANN401
    """The fields of a slotted dataclass by name."""
    return {name: getattr(item, name) for name in item.__slots__}


def _compile(options: argparse.Namespace) -> int:
    from mmedrag.definitions import compile_dictionary, read_terms

    made = compile_dictionary(
        (term for path in options.sources for term in read_terms(path)), options.into
    )
    show(f"{made.terms} terms ({made.defined} defined) in {made.path}; {made.broken} rows skipped")
    for problem in made.problems[:10]:
        show(f"  {one_line(str(problem))}")
    if made.terms:
        return 0
    notify("no term was stored; check that the sources are of a known kind")
    return CorpusError.exit_code
