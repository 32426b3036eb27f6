"""A writer to be killed: writes, publishes, and says on stdout what it has been promised.

    python crash_writer.py CASEBASE SEED

Each line is JSON: ``{"begin": …}`` before a write and ``{"done": …}`` after it returned.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from mmedrag.casebase import Casebase, Entry
from mmedrag.types import Case, Domain

DIM = 8
IDS = 30


def entry(case_id: str, version: int) -> Entry:
    """All that is stored of a case follows from its id and version, so halves are visible."""
    rng = np.random.default_rng([version, int(case_id)])
    vector = rng.normal(size=DIM)
    case = Case(id=case_id, text=f"version{version}", domain=list(Domain)[version % 3])
    thumbnail = f"preview {case_id} {version % 4}".encode()
    return Entry(case, (vector / np.linalg.norm(vector)).astype(np.float32), "", thumbnail)


def say(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    path, seed = Path(sys.argv[1]), int(sys.argv[2])
    rng = np.random.default_rng(seed)
    with Casebase.open(path) as casebase:
        for version in range(1, 10_000):
            ids = [str(i) for i in rng.choice(IDS, rng.integers(1, 8), replace=False)]
            kind = rng.choice(["add", "delete", "publish", "rebuild"], p=[0.55, 0.2, 0.2, 0.05])
            say(begin=kind, ids=ids, version=version)
            if kind == "add":
                casebase.add([entry(case_id, version) for case_id in ids])
            elif kind == "delete":
                casebase.delete(ids)
            elif kind == "publish":
                casebase.publish()
            else:
                casebase.rebuild()
            say(done=kind, ids=ids, version=version)


if __name__ == "__main__":
    main()
