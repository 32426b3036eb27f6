"""The command line: parse, call one command, turn errors into exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from functools import cache

from mmedrag import __version__
from mmedrag.commands import (
    casebase,
    catalogue,
    course,
    dictionary,
    encode,
    evaluate,
    graph,
    index,
    mcp,
    pull,
    query,
    serve,
    train,
)
from mmedrag.commands.parser import CommandParser
from mmedrag.errors import MMedRAGError
from mmedrag.views.terminal import TerminalLog, notify

EXIT_CODES = """exit codes:
  0  done (an answer that abstains is an answer)
  1  an error inside MMedRAG
  2  something in the input: a query, an option, an image, a corpus
  3  the casebase: absent, locked, damaged, made with another encoder, no space
  4  a model or an optional library
  5  the generator of the answer
  130  interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(words)
    options.words = words
    log = TerminalLog(logging.WARNING)
    logging.getLogger("mmedrag").addHandler(log)
    try:
        with warnings.catch_warnings():  # of damaged pictures, which are reported
            warnings.filterwarnings("ignore", module=r"PIL\.")
            return int(options.run(options) or 0)
    except MMedRAGError as error:
        notify(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        notify("interrupted; what was written is kept")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    finally:
        logging.getLogger("mmedrag").removeHandler(log)


@cache
def parser() -> argparse.ArgumentParser:
    """All commands and their options; made once, for programs that run several commands."""
    root = CommandParser(
        prog="mmedrag",
        description="Medical multimodal retrieval-augmented generation. Not a medical device.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"mmedrag {__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for family in (
        index, encode, pull, query, course, serve, mcp, casebase, dictionary, graph, catalogue,
        train, evaluate,
    ):  # fmt: skip
        family.add(commands)
    return root
