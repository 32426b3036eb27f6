"""Threads of numpy's linear algebra and of the models, bounded for a whole process."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import get_native_id

from threadpoolctl import ThreadpoolController

_models = 0
_LATER = 5  # of 19 steps: a quarter of a core where another wants it, instead of half


def one_for_algebra() -> None:
    """Let OpenBLAS multiply in the thread that asks, for the whole process from now on.

    A search multiplies matrices of some hundred rows. Shared out, each product wakes OpenBLAS's
    threads, which then spin for some 20 ms in wait of another: several times the processor time of
    the search itself, taken from whatever runs beside it (`benchmarks/service_load.py` measures
    it). ONNX Runtime and PyTorch keep their own threads.
    """
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)


def limit_models(threads: int) -> None:
    """Let models that are opened from now on use so many threads for a call; 0 is all cores.

    For a process that shares the machine with others of its kind; called before any is opened.
    """
    global _models
    _models = threads
    if threads:  # PyTorch reads it when it is imported
        os.environ["OMP_NUM_THREADS"] = str(threads)


def of_models() -> int:
    """What :func:`limit_models` was given, or the cores that this process is bound to; 0 is all.

    Left to itself, ONNX Runtime counts the cores of the machine and binds a thread to each,
    whatever the process may use.
    """
    return _models or (cores() if cores() < (os.cpu_count() or 1) else 0)


def give_way() -> None:
    """Let other threads go before the one that calls this, as far as the system knows such.

    Where there is one core, work that nobody waits for takes half of it from a search otherwise.
    It does not stand still either where others always want the core. Only Linux has priorities of
    single threads.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            thread = get_native_id()
            before = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(before + _LATER, 19))


def cores() -> int:
    """How many cores this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
