"""The knowledge graph: ``mmedrag graph build`` and ``mmedrag graph show``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmedrag.commands.options import Commands, add_dictionaries, at_least, json_document
from mmedrag.errors import QueryError
from mmedrag.locations import location_of
from mmedrag.views.terminal import notify, one_line, show

if TYPE_CHECKING:
    from mmedrag.knowledge.knowledge import Knowledge


def add(commands: Commands) -> None:
    """The command ``graph``, with ``build`` and ``show``."""
    command = commands.add_parser("graph", help="concepts, and what a corpus says they go with")
    subcommands = command.add_subparsers(metavar="COMMAND", required=True)

    build = subcommands.add_parser(
        "build", help="learn the edges of a casebase; only new cases are read"
    )
    build.add_argument("casebase", type=location_of)
    build.add_argument(
        "--phenotypes", action="store_true",
        help="also read HPO's annotations of diseases (extra hpo; takes a minute)",
    )  # fmt: skip
    build.set_defaults(run=_build)

    shown = subcommands.add_parser("show", help="the edges at a concept, with their evidence")
    shown.add_argument("term", help="a finding, disease or sign, by any of its names")
    shown.add_argument("--casebase", type=location_of, help="with the edges learned from it")
    shown.add_argument("--domain", default="", help="count the cases of this domain alone")
    shown.add_argument("-n", type=at_least(1), default=20, metavar="N", help="edges (default: 20)")
    add_dictionaries(shown)
    shown.add_argument("--json", action="store_true", help="print them as JSON")
    shown.set_defaults(run=_show)


def _build(options: argparse.Namespace) -> int:
    from mmedrag.assembly import open_knowledge

    knowledge, notices = open_knowledge(options.casebase, read_phenotypes=options.phenotypes)
    for notice in notices:
        notify(notice)
    counts: dict[str, int] = {}
    for edge in knowledge.graph.edges():
        counts[edge.relation] = counts.get(edge.relation, 0) + 1
    relations = ", ".join(f"{n} {relation}" for relation, n in sorted(counts.items()))
    show(
        f"{knowledge.counts.patients} patients, {len(knowledge.graph.codes)} concepts; {relations}"
    )
    return 0


def _show(options: argparse.Namespace) -> int:
    from mmedrag.assembly import dictionary, open_knowledge
    from mmedrag.domains import find
    from mmedrag.knowledge.explanation import edge_text
    from mmedrag.knowledge.knowledge import Knowledge
    from mmedrag.knowledge.relations import canonical

    domain = str(find(options.domain)) if options.domain else ""
    if options.casebase is None:
        knowledge = Knowledge.of(dictionary(options.dictionary))
    else:
        knowledge, notices = open_knowledge(
            options.casebase, dictionaries=options.dictionary, domain=domain
        )
        for notice in notices:
            notify(notice)
    concepts = knowledge.dictionary.concepts
    code = canonical(_code_of(options.term, knowledge), concepts)
    same = sorted(concepts.same(code) - {code})
    edges = knowledge.edges_of(code)[: options.n]
    if options.json:
        rows = [
            {"source": e.source, "source_term": knowledge.name(e.source), "relation": e.relation,
             "target": e.target, "target_term": knowledge.name(e.target), "weight": e.weight,
             "origin": e.origin, "both": e.both, "of": e.of, "against": e.against,
             "lift": round(e.lift, 3)}
            for e in edges
        ]  # fmt: skip
        show(json_document({"concept": code, "term": knowledge.name(code), "same": same,
                            "edges": rows}))  # fmt: skip
        return 0
    counts = knowledge.counts
    show(f"{knowledge.name(code)} ({code}): affirmed by {counts.affirmed[code]} and ruled out by "
         f"{counts.negated[code]} of {counts.patients} patients")  # fmt: skip
    if same:
        show(f"  is the same as {one_line(', '.join(same))}")
    for edge in edges:
        show(f"  {one_line(edge_text(edge, knowledge))}")
    return 0


def _code_of(term: str, knowledge: Knowledge) -> str:
    """The concept of a term, or of the only one that its words name."""
    concepts = knowledge.dictionary.concepts
    if code := concepts.find(term):
        return code
    (mentions,) = knowledge.dictionary.recognise([term])
    codes = list(dict.fromkeys(m.concept for m in mentions))
    if len(codes) != 1:
        raise QueryError(
            f"No concept is called {term!r}",
            "Try another word; 'mmedrag define TEXT' shows the terms of a text.",
        )
    return codes[0]
