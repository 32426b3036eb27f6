"""Numpy's threads while a system searches."""

import subprocess
import sys

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
