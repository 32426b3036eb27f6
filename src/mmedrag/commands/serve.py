"""Casebases over HTTP: ``mmedrag serve``."""

from __future__ import annotations

import argparse
import errno
import os
import socket
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mmedrag.commands.generator import add_generator, generator_settings, named_generator
from mmedrag.commands.options import Commands, at_least
from mmedrag.errors import MissingExtra, QueryError
from mmedrag.locations import Location, scheme_of
from mmedrag.threads import cores, limit_models
from mmedrag.views.terminal import notify, show

if TYPE_CHECKING:
    from fastapi import FastAPI


def add(commands: Commands) -> None:
    """The command ``serve``."""
    serve = commands.add_parser("serve", help="a REST interface and a page in the browser")
    serve.add_argument(
        "casebase", nargs="+", metavar="[NAME=]CASEBASE",
        help="one or more casebases, folders or URLs of databases; a name is that of the folder or "
        "database where none is given",
    )  # fmt: skip
    serve.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen at (default: 127.0.0.1; any other needs tokens)",
    )  # fmt: skip
    serve.add_argument("--port", type=int, default=8000, help="default: 8000; 0 takes a free one")
    serve.add_argument(
        "--token-file", type=Path, metavar="FILE",
        help="tokens and what each may do (TOML, see docs/guide/serving.md), read again on "
        "a change; the environment variable MMEDRAG_TOKENS may hold the same text",
    )  # fmt: skip
    serve.add_argument(
        "--corpora", type=Path, metavar="FOLDER", help="allow to index corpora below this folder"
    )
    serve.add_argument(
        "--audit", type=Path, metavar="FILE", help="append a JSON line for each request"
    )
    serve.add_argument(
        "--traces", type=Path, metavar="FOLDER",
        help="keep the trace of every answer given on the page there, its question and a small "
        "picture of its image included, so that its link outlives the service (default: the last "
        "50, in memory)",
    )  # fmt: skip
    serve.add_argument(
        "--trace-days", type=float, default=30.0, metavar="DAYS",
        help="days after which a trace in --traces is deleted (default: 30)",
    )  # fmt: skip
    _add_limits(serve)
    add_generator(serve)
    serve.set_defaults(run=_serve)


def _add_limits(serve: argparse.ArgumentParser) -> None:
    """How much is done at once, and what a client may send."""
    serve.add_argument("--readers", type=int, default=2, help="searches at once (default: 2)")
    serve.add_argument(
        "--queue", type=at_least(0), default=64,
        help="requests that may wait for a search (default: 64)",
    )  # fmt: skip
    serve.add_argument(
        "--time-limit", type=float, default=30.0, metavar="SECONDS",
        help="seconds after which a query is given up (default: 30)",
    )  # fmt: skip
    serve.add_argument(
        "--max-body", type=float, default=64.0, metavar="MIB", help="largest request (default: 64)"
    )
    serve.add_argument(
        "--rate", type=float, default=6000.0, metavar="REQUESTS",
        help="requests that a client may send a minute (default: 6000)",
    )  # fmt: skip


def _serve(options: argparse.Namespace) -> int:
    try:
        import uvicorn
    except ImportError as error:
        raise _missing() from error
    # Readers that search at once share the cores: threads of one call would wait for the other's.
    limit_models(max(1, cores() // max(1, options.readers)))
    app = application(options)
    from mmedrag.serving.protocol import PatientProtocol

    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=PatientProtocol,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_keep_alive=10,
            timeout_graceful_shutdown=max(1, round(options.time_limit)),
            h11_max_incomplete_event_size=1 << 16,
        )
    )
    with closing(app.state.service), listening_at(options.host, options.port) as listening:
        host = f"[{options.host}]" if ":" in options.host else options.host
        show(f"Open http://{host}:{listening.getsockname()[1]}/ in a browser; Ctrl-C ends it")
        show("Not a medical device")
        server.run(sockets=[listening])
    return 0 if server.started else QueryError.exit_code


def listening_at(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        QueryError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not 0 <= port < 1 << 16:
        raise QueryError(f"There is no port {port}", "Give one below 65536; 0 takes a free one.")
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        remedy = "Give another --port (0 takes a free one), or end what listens there."
        if error.errno != errno.EADDRINUSE:
            remedy = "Give --host an address of this machine, and a --port that you may use."
        raise QueryError(f"Port {port} of {host} cannot be had ({reason})", remedy) from None
    # asyncio sets it on sockets that it makes itself. Without it the body of a small reply waits
    # for the client to acknowledge the head, which clients delay by 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def application(options: argparse.Namespace) -> FastAPI:
    """The application of the options.

    Raises:
        QueryError: an option has a bad value.
        CheckpointError: the generator's folder is not that of a model.
        MissingExtra: the extra ``serve`` is not installed.
    """
    try:
        from mmedrag.serving.app import create_app
        from mmedrag.serving.audit import AuditLog, Metrics
        from mmedrag.serving.limits import MEBIBYTE, Rate
        from mmedrag.serving.questions import Writer
        from mmedrag.serving.readers import Readers
        from mmedrag.serving.service import Service
        from mmedrag.serving.tokens import VARIABLE, Tokens, is_open
        from mmedrag.serving.traces import Traces
    except ImportError as error:
        raise _missing() from error
    source = options.token_file or os.environ.get(VARIABLE)
    _check(options, has_tokens=source is not None)
    settings = {name: value for name, value in generator_settings(options).items() if value}
    readers = {
        name: Readers(
            name, path, readers=options.readers, waiting=max(0, options.queue),
            seconds=options.time_limit,
        )
        for name, path in _named(options.casebase).items()
    }  # fmt: skip
    service = Service(
        casebases=readers,
        tokens=None if source is None else Tokens(source),
        rate=Rate(options.rate),
        writer=Writer(settings if settings.get("generator") != "extractive" else {}),
        audit=AuditLog(options.audit),
        metrics=Metrics(),
        corpora=options.corpora,
        traces=Traces(options.traces, options.trace_days),
    )
    if options.token_file is not None and is_open(options.token_file):
        notify(f"{options.token_file} can be read by every user of this machine; chmod 600 ends it")
    for served in readers.values():
        served.start()
        for notice in served.notices:
            notify(notice)
    return create_app(service, max_body=int(options.max_body * MEBIBYTE))


def _check(options: argparse.Namespace, *, has_tokens: bool) -> None:
    """Refuse bad values at the start; errors as for :func:`application`."""
    from mmedrag.serving.service import is_loopback

    for name in ("readers", "time_limit", "max_body", "rate", "trace_days"):
        if not getattr(options, name) > 0:
            raise QueryError(f"--{name.replace('_', '-')} is not above 0", "Give a larger number.")
    if not has_tokens and not is_loopback(options.host):
        raise QueryError(
            f"{options.host} can be reached from other machines, and there are no tokens",
            "Give --token-file FILE, or listen at 127.0.0.1.",
        )
    if options.corpora is not None and not options.corpora.is_dir():
        raise QueryError(f"{options.corpora} is no folder", "Name the folder of --corpora.")
    named_generator(options)


def _named(given: Sequence[str]) -> dict[str, Location]:
    """Casebases by name."""
    named: dict[str, Location] = {}
    for item in given:
        name, separator, path = item.partition("=")
        if not separator or scheme_of(item) or Path(item).exists():
            name, path = _name_of(item), item
        if name in named:
            raise QueryError(f"Two casebases are named {name}", "Name them: NAME=CASEBASE.")
        named[name] = path if scheme_of(path) else Path(path).resolve()
    return named


def _name_of(location: str) -> str:
    """The last part of a path or URL without its suffix."""
    if scheme_of(location):
        address = urlsplit(location)
        return PurePosixPath(address.path).stem or address.hostname or address.scheme
    return Path(location).resolve().stem


def _missing() -> MissingExtra:
    return MissingExtra(
        "The service needs FastAPI and uvicorn", "Install them: pip install 'mmedrag[serve]'."
    )
