"""Runs the command line and kills it: each command in a process forked from a warm one.

    python command_killer.py

What is loaded once is every library and the models' files, so that a trial takes the time of its
command. Each line of the input is a JSON list: the command's words, the file for what it says, the
seconds until it is killed, and a folder or null. With a folder, the seconds begin when something
new is in it. Each line of the output is an exit status, -9 after a kill.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from mmedrag.assembly import dictionary
from mmedrag.cli import main
from mmedrag.presets import build

PAUSE = 0.0005  # seconds between two looks


def run(words: list[str], said: str) -> None:
    """The command, in the forked process."""
    file = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file, 2)
    status = 1
    try:
        status = main(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def killed(words: list[str], said: str, seconds: float, folder: str | None) -> int:
    """The exit status of a command that is killed, if it still runs then."""
    before = names(folder) if folder else set()
    pid = os.fork()
    if not pid:
        run(words, said)
    ended = None
    while ended is None and folder and names(folder) <= before:
        ended = looked(pid)
    end = time.monotonic() + seconds
    while ended is None and time.monotonic() < end:
        ended = looked(pid)
    if ended is None:
        os.kill(pid, signal.SIGKILL)
        ended = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(ended)


def names(folder: str) -> set[str]:
    """What is in a folder."""
    return {path.name for path in Path(folder).iterdir()}


def looked(pid: int) -> int | None:
    """The status of a child that has ended, after a short pause."""
    time.sleep(PAUSE)
    done, status = os.waitpid(pid, os.WNOHANG)
    return status if done else None


if __name__ == "__main__":
    build("offline")
    dictionary()
    for line in sys.stdin:
        sys.stdout.write(f"{killed(*json.loads(line))}\n")
        sys.stdout.flush()
