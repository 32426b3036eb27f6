"""Threads of numpy's linear algebra: one is enough for a search."""

from __future__ import annotations

from threadpoolctl import ThreadpoolController


def one_for_algebra() -> None:
    """Let OpenBLAS multiply in the thread that asks, for the whole process from now on.

    A search multiplies matrices of some hundred rows. Shared out, each product wakes OpenBLAS's
    threads, which then spin for some 20 ms in wait of another: several times the processor time of
    the search itself, taken from whatever runs beside it (`benchmarks/service_load.py` measures
    it). ONNX Runtime and PyTorch keep their own threads.
    """
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)
