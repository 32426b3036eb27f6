"""A real server on the loopback address, started as the command starts it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest

pytest.importorskip("fastapi", reason="pip install 'mmedrag[serve]'")
import uvicorn

from mmedrag.assembly import create, dictionary
from mmedrag.cli import parser
from mmedrag.commands.serve import application
from mmedrag.indexing import index
from mmedrag.presets import Stages
from mmedrag.serving import readers
from mmedrag.serving.protocol import PatientProtocol
from mmedrag.types import Case
from patience import PATIENCE
from serving.chromium import browser, tab

__all__ = ["browser", "tab"]

Serve = Callable[..., httpx.Client]


@contextmanager
def running(*words: str) -> Iterator[httpx.Client]:
    """A client of ``mmedrag serve WORDS``."""
    app = application(parser().parse_args(["serve", *words]))
    config = uvicorn.Config(app, http=PatientProtocol, port=0, log_level="error", ws="none")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            client.service = app.state.service
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def thirty(phantoms: list[Case], offline: Stages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A casebase of thirty synthetic cases; tests copy it before they write."""
    path = tmp_path_factory.mktemp("served") / "thirty.casebase"
    casebase, _ = create(path)
    with casebase:
        index(phantoms[:30], casebase, offline.embedder, offline.classifier,
              definitions=dictionary())  # fmt: skip
    return path


@pytest.fixture
def own(thirty: Path, tmp_path: Path) -> Path:
    """A copy that a test may write to."""
    return Path(shutil.copytree(thirty, tmp_path / "own.casebase"))


@pytest.fixture(scope="session")
def client(thirty: Path) -> Iterator[httpx.Client]:
    """A service that tests only read."""
    with running(str(thirty)) as client:
        yield client


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts services of a test's own, without what makes only later searches faster."""
    monkeypatch.setattr(readers, "FIRST_QUESTIONS", ())
    monkeypatch.setattr(readers, "_settle", lambda: None)
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(running(*map(str, words)))
