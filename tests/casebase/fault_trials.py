"""Trials with a preloaded ``faulty_calls``: the n-th file operation of one kind fails, for all n.

    LD_PRELOAD=faulty_calls.so python fault_trials.py SOUND FOLDER STEP

Each trial copies the sound casebase, makes four writes of which one meets the fault, and opens the
copy again on a disk that works. Prints JSON: the number of trials, of faults that were met, and
what went wrong.
"""

from __future__ import annotations

import ctypes
import errno
import json
import shutil
import sys
import traceback
from pathlib import Path

from crash_writer import entry

from mmedrag.casebase import Casebase
from mmedrag.errors import CasebaseError

CALLS = ("write", "sync", "rename", "truncate")
LIBRARY = ctypes.CDLL(None)
OLD = {str(i): "version1" for i in range(10)}
ADDED = {str(i): "version2" for i in range(5, 15)}


def attempt(path: Path) -> dict[str, str | None]:
    """What each write said; any other error than ours ends the trial."""
    said: dict[str, str | None] = {}
    try:
        with Casebase.open(path) as casebase:
            writes = {
                "add": lambda: casebase.add([entry(case_id, 2) for case_id in ADDED]),
                "delete": lambda: casebase.delete(["0", "1"]),
                "publish": casebase.publish,
                "rebuild": casebase.rebuild,
            }
            for kind, write in writes.items():
                try:
                    write()
                    said[kind] = None
                except CasebaseError as error:
                    said[kind] = str(error)
    except CasebaseError as error:
        said["open or close"] = str(error)
    return said


def check(path: Path, said: dict[str, str | None]) -> None:
    """Acknowledged writes are there; a refused one is there wholly or not at all."""
    allowed = [OLD | ADDED] if said.get("add", "") is None else [OLD, OLD | ADDED]
    shorter = [{k: v for k, v in state.items() if k not in ("0", "1")} for state in allowed]
    allowed = shorter if said.get("delete", "") is None else allowed + shorter
    with Casebase.open(path) as casebase:
        found = {case.id: case.text for case in casebase.cases()}
        assert found in allowed, (found, said)
        casebase.rebuild()
        assert casebase.verify() == []
        for case_id in found:
            whole = entry(case_id, int(found[case_id].removeprefix("version")))
            assert casebase.get(case_id) == whole.case
            assert casebase.preview(case_id) == whole.thumbnail


def trial(sound: Path, path: Path, call: int, number: int, code: int) -> tuple[int, str]:
    """How many calls failed, and what went wrong in words."""
    shutil.copytree(sound, path)
    LIBRARY.fault_arm(call, number, code)
    try:
        said = attempt(path)
        failed = LIBRARY.fault_count()
        LIBRARY.fault_arm(-1, 0, 0)
        check(path, said)
    except Exception:  # noqa: BLE001 - every kind of failure is reported
        failed = LIBRARY.fault_count()
        LIBRARY.fault_arm(-1, 0, 0)
        return failed, f"{CALLS[call]} {number} {errno.errorcode[code]}\n{traceback.format_exc()}"
    finally:
        shutil.rmtree(path, ignore_errors=True)
    return failed, ""


def main() -> None:
    sound, folder, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    trials = met = 0
    wrong = []
    for call in range(len(CALLS)):
        for code in (errno.ENOSPC, errno.EIO):
            number, failed = 0, 1
            while failed:
                failed, problem = trial(sound, folder / "cases", call, number, code)
                trials, met = trials + 1, met + bool(failed)
                wrong += [problem] if problem else []
                number += step
    sys.stdout.write(json.dumps({"trials": trials, "met": met, "wrong": wrong}))


if __name__ == "__main__":
    main()
