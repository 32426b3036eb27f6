"""A writer whose n-th file operation of one kind fails.

    python fault_writer.py CASEBASE OPERATION NUMBER ERRNO

Prints JSON: the error's class and text (or null) for each of add, delete, publish, rebuild.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path

from crash_writer import entry

from mmedrag.casebase import Casebase
from mmedrag.errors import CasebaseError

OPERATIONS = ("fsync", "replace", "rename", "mkdir", "write")


class Fault:
    """Lets ``number - 1`` calls through and fails all later ones while ``armed``."""

    def __init__(self, number: int, code: int) -> None:
        self.left = number
        self.code = code
        self.armed = True

    def __call__(self, original):
        def call(*args, **kwargs):
            self.left -= self.armed
            if self.armed and self.left < 0:
                raise OSError(self.code, os.strerror(self.code))
            return original(*args, **kwargs)

        return call


class BrokenFile(io.BufferedWriter):
    """What ``Path.open('wb')`` gives when the disk is full."""

    fault: Fault

    def write(self, content):
        return BrokenFile.fault(super().write)(content)


def install(operation: str, fault: Fault) -> None:
    if operation == "write":
        BrokenFile.fault = fault
        plain = Path.open

        def open_broken(self, mode="r", *args, **kwargs):
            if mode == "wb":
                return BrokenFile(io.FileIO(self, "w"))
            return plain(self, mode, *args, **kwargs)

        Path.open = open_broken
    else:
        setattr(os, operation, fault(getattr(os, operation)))


def main() -> None:
    path, operation, number, name = sys.argv[1:]
    fault = Fault(int(number), getattr(errno, name))
    install(operation, fault)
    outcome = {}
    with Casebase.open(Path(path)) as casebase:
        writes = {
            "add": lambda: casebase.add([entry(str(i), 2) for i in range(5, 15)]),
            "delete": lambda: casebase.delete(["0", "1"]),
            "publish": casebase.publish,
            "rebuild": casebase.rebuild,
        }
        for kind, write in writes.items():
            try:
                write()
                outcome[kind] = None
            except CasebaseError as error:
                outcome[kind] = [type(error).__name__, str(error)]
        fault.armed = False
    sys.stdout.write(json.dumps(outcome))


if __name__ == "__main__":
    main()
