"""A casebase for agents: ``mmedrag mcp``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmedrag.commands.generator import add_generator, generator_settings
from mmedrag.commands.options import Commands
from mmedrag.locations import location_of
from mmedrag.views.terminal import notify


def add(commands: Commands) -> None:
    """The command mcp."""
    command = commands.add_parser(
        "mcp", help="serve a casebase to agents (Model Context Protocol), on stdin and stdout"
    )
    command.add_argument("casebase", type=location_of)
    command.add_argument(
        "--port", type=int, metavar="PORT",
        help="serve streamable HTTP at http://127.0.0.1:PORT/mcp instead; 0 takes a free port",
    )  # fmt: skip
    command.add_argument(
        "--images", type=Path, metavar="FOLDER",
        help="clients may name files of this folder as the image of a question (default: none)",
    )  # fmt: skip
    command.add_argument(
        "--where", metavar="FILTER", help="serve only cases that match, as \"licence = 'CC0'\""
    )
    add_generator(command)
    command.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from mmedrag.assembly import configure, load
    from mmedrag.integrations.mcp import serve_http, server
    from mmedrag.protocols import RemoteGenerator

    with load(options.casebase) as rag:
        system = configure(rag, where=options.where, **generator_settings(options))
        for notice in rag.notices:
            notify(notice)
        if isinstance(system.generator, RemoteGenerator):
            notify(system.generator.what_is_sent())
        made = server(system, options.images)
        if options.port is None:
            made.run()
        else:
            serve_http(made, options.port, lambda url: notify(f"serving {url}"))
    return 0
