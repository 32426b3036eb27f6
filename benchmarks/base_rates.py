"""Time what base rates cost: cold, warm, after a case was added, after one was deleted.

    python benchmarks/base_rates.py --cases 200000

The tables of an empty casebase are filled directly: each case affirms or negates eight of 400
concepts, the common ones in a tenth of all cases, and has one of 4,000 diagnoses and one of 400
labels, the words of which are the dictionary's. No report is read. Cold is the first count after
opening; the check of the whole file that goes on then is waited for before.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory
from time import process_time
from zlib import crc32

import numpy as np

from mmedrag.answers.counts import CorpusCounts
from mmedrag.assembly import dictionary
from mmedrag.casebase import Casebase
from mmedrag.casebase.folder import NAMES
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.definitions import Dictionary
from mmedrag.knowledge.names import ReadNames, keep_names
from mmedrag.types import Case, Domain, Entry, Query, Question, Routing

CONCEPTS, MENTIONS, GROUPS, WRITES = 400, 8, 20, 5
DIAGNOSES, LABELS = 4_000, 400
SAID = ("acute {}", "chronic {}", "{} of the left side", "suspected {}, follow-up", "{}")
VECTOR = pack("<2f", 1.0, 0.0)


def main() -> None:
    """Fill, count twenty groups and ask for names, print milliseconds of CPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    options = parser.parse_args()
    terms = dictionary()
    terms.recognise(["Pneumonia"])  # loads the model that tells languages apart
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.casebase"
        with Casebase.create(path, dim=2, fingerprint="f", preset="measured") as casebase:
            with sqlite3.connect(path / "casebase.db") as connection:
                fill(connection, options.cases, terms)
            casebase.publish()
            keep_names(casebase, terms)
        with Casebase.open(path) as casebase:
            casebase.facets(limit=0, where="id = ''")  # waits for the check of the whole file
            measure(casebase, terms)


def measure(casebase: Casebase, terms: Dictionary) -> None:
    """Print what names and counts cost, and how often the commonest concept is affirmed."""
    names = ReadNames(terms, casebase.folder / NAMES)
    counts = CorpusCounts(casebase.occurrences, names, terms.concepts)
    question = Question(Query(""), Routing({}, None), np.zeros(2, np.float32))
    domains = [Question(Query(""), Routing({}, d), np.zeros(2, np.float32)) for d in Domain]
    groups = {f"X:{i}": (f"X:{i}",) for i in range(0, CONCEPTS, CONCEPTS // GROUPS)}
    pneumonia = terms.concepts.find("pneumonia")
    wanted = [pneumonia, *terms.concepts.descendants(pneumonia)]
    groups["pneumonia"] = wanted

    def count() -> int:
        for routed in domains:
            counts.held(routed, groups)
        return max(p.affirmed for p in counts.prevalence(question, groups).values())

    def both(name: str) -> None:
        called, counted = taken(lambda: counts.called(wanted)), taken(count)
        print(
            f"{casebase.count():,} cases, {name}: {called:.1f} ms of CPU for names, "
            f"{counted:.1f} ms for {len(groups)} groups in {len(domains) + 1} scopes"
        )

    both("cold")
    both("warm")
    print(f"the commonest group is affirmed by {count():,}")
    for i in range(WRITES):
        case = Case(id=f"new {i}", diagnosis=f"Pneumonia of patient {i}", labels=("Pneumonia",))
        vector = np.array([1.0, 0.0], np.float32)
        casebase.add([Entry(case, vector, case.id, None, (), terms.fingerprint)])
        both("one added")
    for i in range(WRITES):
        casebase.delete([str(i)])
        both("one deleted")


def taken(work: Callable[[], object]) -> float:
    """Milliseconds of CPU."""
    start = process_time()
    work()
    return 1000.0 * (process_time() - start)


def fill(connection: sqlite3.Connection, cases: int, terms: Dictionary) -> None:
    """Cases, recognised texts and mentions; nothing else is needed to count."""
    connection.execute("INSERT INTO recognisers VALUES (1, ?)", [terms.fingerprint])
    connection.executemany(
        "INSERT INTO terms VALUES (?, ?, ?, 'finding')",
        [(i + 1, f"X:{i}", f"term {i}") for i in range(CONCEPTS)],
    )
    connection.executemany(
        "INSERT INTO cases (id, domain, modality, patient_id, study_id, date, source, licence, "
        "split, labels, meta, image, frame, content, thumbnail, checksum) VALUES "
        "(?, ?, '', '', '', '', '', '', '', ?, ?, NULL, 0, ?, NULL, x'00')",
        called(cases, sorted(set(terms.vocabulary()))),
    )
    rows = range(1, cases + 1)
    connection.executemany("INSERT INTO texts VALUES (?, '')", ((r,) for r in rows))
    checksum = crc32(VECTOR)
    connection.executemany(
        "INSERT INTO vectors VALUES (?, ?, ?)", ((r, VECTOR, checksum) for r in rows)
    )
    connection.executemany("INSERT INTO recognised VALUES (?, 1, 0)", ((r,) for r in rows))
    connection.executemany(
        'INSERT INTO mentions (row, start, "end", term, assertion) VALUES (?, ?, ?, ?, ?)',
        mentions(cases),
    )


def called(cases: int, words: Sequence[str]) -> Iterator[tuple[str, str, str, str, str]]:
    """Id, domain, labels, meta and content of each case; some names are had by many."""
    rng = random.Random(1)
    names = [rng.choice(SAID).format(rng.choice(words)) for _ in range(DIAGNOSES)]
    labels = [json.dumps([rng.choice(words)]) for _ in range(LABELS)]
    domains = [*Domain]
    for row in range(cases):
        name = names[int(DIAGNOSES * rng.random() ** 3)]
        label = labels[int(LABELS * rng.random() ** 3)]
        domain = domains[row * len(domains) // cases]
        yield str(row), domain, label, json.dumps({DIAGNOSIS: name}), str(row)


def mentions(cases: int) -> Iterator[tuple[int, int, int, int, str]]:
    """Common concepts have low numbers."""
    rng = random.Random(0)
    for row in range(1, cases + 1):
        for at in range(MENTIONS):
            term = int(CONCEPTS * rng.random() ** 2) + 1
            yield row, at, at + 1, term, "affirmed" if rng.random() < 0.5 else "negated"


if __name__ == "__main__":
    main()
