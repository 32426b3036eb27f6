"""Time base rates over stored mentions, cold and warm.

    python benchmarks/base_rates.py --cases 200000

The tables of an empty casebase are filled directly: each case affirms or negates eight of 400
concepts, the common ones in a tenth of all cases. No report is read.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np

from mmedrag.answers.counts import CorpusCounts
from mmedrag.assembly import dictionary
from mmedrag.casebase import Casebase
from mmedrag.types import Query, Question, Routing

CONCEPTS, MENTIONS, GROUPS = 400, 8, 20


def main() -> None:
    """Fill, count twenty groups twice, print milliseconds of CPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    options = parser.parse_args()
    terms = dictionary()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.casebase"
        made = Casebase.create(path, dim=2, fingerprint="f", preset="measured")
        with made as casebase, sqlite3.connect(path / "casebase.db") as connection:
            fill(connection, options.cases, terms.fingerprint)
            connection.commit()
            counts = CorpusCounts(casebase.occurrences, terms, terms.concepts)
            question = Question(Query(""), Routing({}, None), np.zeros(2, np.float32))
            groups = {f"X:{i}": (f"X:{i}",) for i in range(0, CONCEPTS, CONCEPTS // GROUPS)}
            for name in ("cold", "warm"):
                start = process_time()
                found = counts.prevalence(question, groups)
                milliseconds = 1000.0 * (process_time() - start)
                most = max(p.affirmed for p in found.values())
                sys.stdout.write(f"{options.cases} cases, {name}: {milliseconds:.1f} ms of CPU for "
                                 f"{GROUPS} groups, the commonest in {most} cases\n")  # fmt: skip


def fill(connection: sqlite3.Connection, cases: int, fingerprint: str) -> None:
    """Cases, recognised texts and mentions; nothing else is needed to count."""
    connection.execute("INSERT INTO recognisers VALUES (1, ?)", [fingerprint])
    connection.executemany(
        "INSERT INTO terms VALUES (?, ?, ?, 'finding')",
        [(i + 1, f"X:{i}", f"term {i}") for i in range(CONCEPTS)],
    )
    connection.executemany(
        "INSERT INTO cases (id, domain, modality, patient_id, study_id, date, source, licence, "
        "split, labels, meta, image, frame, content, thumbnail, checksum) VALUES "
        "(?, 'radiology', '', '', '', '', '', '', '', '[]', '{}', NULL, 0, '', NULL, x'00')",
        ((str(i),) for i in range(cases)),
    )
    rows = range(1, cases + 1)
    connection.executemany("INSERT INTO recognised VALUES (?, 1, 0)", ((r,) for r in rows))
    connection.executemany(
        'INSERT INTO mentions (row, start, "end", term, assertion) VALUES (?, ?, ?, ?, ?)',
        mentions(cases),
    )


def mentions(cases: int) -> Iterator[tuple[int, int, int, int, str]]:
    """Common concepts have low numbers."""
    rng = random.Random(0)
    for row in range(1, cases + 1):
        for at in range(MENTIONS):
            term = int(CONCEPTS * rng.random() ** 2) + 1
            yield row, at, at + 1, term, "affirmed" if rng.random() < 0.5 else "negated"


if __name__ == "__main__":
    main()
