"""Workers that are plain processes of this machine. One that is killed is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from threading import Thread
from typing import TypeAlias

from mmedrag.bulk.pieces import Piece, Written
from mmedrag.errors import ModelError

DEATHS = 3
"""So often may workers die without a shard between; then what they encode kills them."""

_AHEAD = 2
"""Pieces a worker that wait or are encoded."""

Encode: TypeAlias = Callable[[Piece], Written]

_encoder: Encode | None = None


def in_processes(
    load: Callable[[], Encode], pieces: Iterator[Piece], workers: int
) -> Iterator[Written]:
    """Encode pieces in worker processes; what became of each, as they are finished.

    Args:
        load: makes the encoder of a worker; it is called in each, so it must be picklable.
        pieces: are taken as workers need them.
        workers: how many processes.

    Raises:
        ModelError: workers die again and again.
    """
    start = partial(
        ProcessPoolExecutor,
        workers,
        multiprocessing.get_context("spawn"),
        _start,
        (load,),
    )
    deaths, executor = 0, start()
    waiting: deque[Piece] = deque()
    running: dict[Future[Written], Piece] = {}
    try:
        while True:
            try:
                while len(running) < _AHEAD * workers and (piece := _next(waiting, pieces)):
                    running[executor.submit(_encode, piece)] = piece
                    waiting.popleft()
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    written = future.result()
                    del running[future]
                    deaths = 0
                    yield written
            except BrokenProcessPool:
                deaths += 1
                if deaths == DEATHS:
                    raise _died([*running.values()]) from None
                executor.shutdown(cancel_futures=True)
                waiting.extendleft(sorted(running.values(), key=lambda p: -p.number))
                executor, running = start(), {}
    finally:
        executor.shutdown(cancel_futures=True)


def _next(waiting: deque[Piece], pieces: Iterator[Piece]) -> Piece | None:
    """The first that waits; it is taken out when a pool has it."""
    if not waiting:
        waiting.extend(islice(pieces, 1))
    return waiting[0] if waiting else None


def _start(load: Callable[[], Encode]) -> None:
    """Load the models, and end with the parent: one that is killed stops nobody by itself."""
    global _encoder
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # the parent says what there is to say
    Thread(target=_end_with_parent, daemon=True).start()
    _encoder = load()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _encode(piece: Piece) -> Written:
    if _encoder is None:
        raise ModelError("This worker has not started", "Run the same command again.")
    return _encoder(piece)


def _died(running: Sequence[Piece]) -> ModelError:
    numbers = ", ".join(str(piece.number) for piece in running)
    return ModelError(
        f"Workers died {DEATHS} times in a row at one of the shards {numbers}",
        "Memory may be short: use fewer --workers. What was encoded is kept.",
    )
