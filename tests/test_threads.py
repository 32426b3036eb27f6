"""Threads of numpy and of the models, bounded for a process."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmedrag.encoders.onnx import OnnxModel
from mmedrag.presets import MODELS
from mmedrag.threads import cores, give_way, limit_models, of_models

WATCHED = """
import numpy as np
from threadpoolctl import ThreadpoolController
from mmedrag.threads import one_for_algebra

one_for_algebra()
pools = ThreadpoolController().select(internal_api="openblas").info()
print([pool["num_threads"] for pool in pools] or "none")
"""


def test_openblas_multiplies_in_one_thread() -> None:
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.strip(" []\n").split(", ")) <= {"1", "none"}


def test_models_that_are_opened_later_keep_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    try:
        limit_models(1)
        limited = OnnxModel(MODELS / "image.onnx")
        own = OnnxModel(MODELS / "image.onnx", threads=2)
        assert os.environ["OMP_NUM_THREADS"] == "1"
    finally:
        limit_models(0)
    threads = [m._session.get_session_options().intra_op_num_threads for m in (limited, own)]
    assert threads == [1, 2]


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="the process cannot be bound to fewer cores",
)
def test_models_keep_to_the_cores_that_the_process_is_bound_to() -> None:
    allowed = os.sched_getaffinity(0)
    tasks = Path("/proc/self/task")
    before = {*tasks.iterdir()}
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == of_models() == 1
        model = OnnxModel(MODELS / "image.onnx")
        started = {*tasks.iterdir()} - before
        assert all(os.sched_getaffinity(int(t.name)) == {min(allowed)} for t in started)
        assert model.inputs == ("image",)
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(sys.platform != "linux", reason="no priorities of single threads")
def test_a_thread_gives_way_and_the_others_do_not() -> None:
    here = os.getpriority(os.PRIO_PROCESS, 0)

    def priority() -> int:
        give_way()
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    with ThreadPoolExecutor(1) as beside:
        assert beside.submit(priority).result() == min(here + 5, 19)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == here
