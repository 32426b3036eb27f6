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


LIVES = {"the offline preset": USE, "a user's own": BY_A_USER, "the library's": BARE}
TRACED = "the offline preset, traced"
STRACE = ("strace", "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The home of each process, which was empty before; they wait for seconds, so all at once."""
    root = tmp_path_factory.mktemp("homes")
    commands = {
        name: [sys.executable, "-c", code.format(model=MODEL)] for name, code in LIVES.items()
    }
    if shutil.which("strace"):
        commands[TRACED] = [*STRACE, str(root / "calls"), *commands["the offline preset"]]
    running = {}
    for name, command in commands.items():
        (root / name).mkdir()
        running[name] = subprocess.Popen(
            command, env=environment(root / name), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    for name, process in running.items():
        said, _ = process.communicate()
        assert process.returncode == 0, (name, said)
    return {name: root / name for name in running}


def written(home: Path) -> list[str]:
    """The files that a process left in its home."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["the offline preset", "a user's own"])
def test_nothing_is_prepared_for_sending(name: str, homes: dict[str, Path]) -> None:
    assert written(homes[name]) == []


@pytest.mark.skipif(sys.platform != "linux", reason="known of the Linux builds")
def test_the_library_would_have_prepared_it(homes: dict[str, Path]) -> None:
    if not written(homes["the library's"]):
        pytest.skip("this build of ONNX Runtime has no telemetry")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_nothing_is_sent_and_no_name_looked_up(homes: dict[str, Path]) -> None:
    assert written(homes[TRACED]) == []
    lines = (homes[TRACED].parent / "calls").read_text("utf-8").splitlines()
    assert lines  # the tracer saw the process end
    assert [line for line in lines if "(" in line and "AF_" in line] == []
