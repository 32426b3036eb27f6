"""No process of ours reports to the maker of a library: ONNX Runtime's telemetry is off."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mmedrag

USE = """
import time
import numpy as np
from mmedrag.presets import build
from mmedrag.types import Query
assert build("offline").embedder.embed([Query("pleural effusion")]).shape[0] == 1
time.sleep(2)
"""
BY_A_USER = """
import time
import mmedrag
import onnxruntime
onnxruntime.InferenceSession({model!r}, providers=["CPUExecutionProvider"])
time.sleep(2)
"""
BARE = BY_A_USER.replace("import mmedrag\n", "")
MODEL = str(Path(mmedrag.__file__).parent / "models" / "image.onnx")


def environment(home: Path) -> dict[str, str]:
    """As a user has it: nothing that would silence the library by itself."""
    silencing = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in silencing}
    return kept | {"HOME": str(home)}


def written(script: str, home: Path, *before: str) -> list[str]:
    """The files that a process leaves in its empty home."""
    command = [*before, sys.executable, "-c", script.format(model=MODEL)]
    subprocess.run(command, env=environment(home), check=True, capture_output=True)
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("script", [USE, BY_A_USER], ids=["the offline preset", "a user's own"])
def test_nothing_is_prepared_for_sending(script: str, tmp_path: Path) -> None:
    assert written(script, tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="known of the Linux builds")
def test_the_library_would_have_prepared_it(tmp_path: Path) -> None:
    if not written(BARE, tmp_path):
        pytest.skip("this build of ONNX Runtime has no telemetry")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_nothing_is_sent_and_no_name_looked_up(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    home = tmp_path / "home"
    home.mkdir()
    strace = ("strace", "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(calls))
    assert written(USE, home, *strace) == []
    lines = calls.read_text("utf-8").splitlines()
    assert lines  # the tracer saw the process end
    assert [line for line in lines if "(" in line and "AF_" in line] == []
