"""Worker processes: killed ones are replaced, and pieces that kill them end the run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from mmedrag.bulk.pieces import Piece, Written
from mmedrag.bulk.processes import DEATHS, in_processes
from mmedrag.errors import ModelError

WORKER = '''
"""A worker that kills itself at piece 2, as often as the file says."""
import os, signal
from pathlib import Path

from mmedrag.bulk.pieces import Written


class Worker:
    def __init__(self, lives):
        self.lives = Path(lives)

    def __call__(self, piece):
        left = int(self.lives.read_text())
        if piece.number == 2 and left:
            self.lives.write_text(str(left - 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return Written(piece.number, len(piece.rows), 0)
'''


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    (tmp_path / "killed_worker.py").write_text(WORKER)
    monkeypatch.syspath_prepend(tmp_path)
    return partial(import_module("killed_worker").Worker, str(tmp_path / "lives"))


def pieces(number: int) -> list[Piece]:
    return [Piece(i, 0, (), str(i)) for i in range(number)]


def test_what_a_killed_worker_had_is_done_by_another(load, tmp_path: Path) -> None:
    (tmp_path / "lives").write_text("1")
    done: list[Written] = list(in_processes(load, iter(pieces(12)), 2))
    assert sorted(written.number for written in done) == list(range(12))
    assert (tmp_path / "lives").read_text() == "0"


def test_a_piece_that_kills_every_worker_ends_the_run(load, tmp_path: Path) -> None:
    (tmp_path / "lives").write_text("99")
    with pytest.raises(ModelError, match=rf"died {DEATHS} times .* 2"):
        list(in_processes(load, iter(pieces(3)), 1))


def test_pieces_are_taken_as_they_are_needed(load, tmp_path: Path) -> None:
    (tmp_path / "lives").write_text("0")
    taken: list[int] = []

    def stream():
        for piece in pieces(40):
            taken.append(piece.number)
            yield piece

    written = in_processes(load, stream(), 1)
    next(written)
    assert len(taken) < 10
    written.close()
