"""What a case takes on a PostgreSQL server and in Qdrant, and what 10⁷ to 10⁹ cases take of both.

    python benchmarks/sizing_servers.py [--rows 70000] [--into docs/reference/sizing.md]

Starts a real PostgreSQL with pgvector on this machine (from PyPI), fills it with the cases of
``scale.py`` (60 words, three findings, eight fields of metadata), builds the HNSW indexes, and adds
up relations; then does the same with the vector index in Qdrant (the engine within this process).
A domain must have more than 20,000 cases to get an index: that is what ``--rows`` is for. All else
is multiplication.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).parents[1] / "tests"))

import psycopg

from mmedrag.stores import create_store
from postgres_server import Server, running
from scale import Corpus, write_into
from sizing import SIZES, Machine, duration, machines

MARKS = ("<!-- servers -->", "<!-- end of servers -->")
_SIZES = """
SELECT CASE WHEN method.amname = 'hnsw' THEN 'graph' WHEN method.amname = 'gin' THEN 'words'
            WHEN class.relname LIKE 'vectors%%' THEN 'vectors'
            WHEN class.relname ~ '^(mentions|recognised|terms)' THEN 'terms' ELSE 'cases'
       END AS holds,
       sum(CASE WHEN class.relkind = 'i' THEN pg_relation_size(class.oid)
                ELSE pg_table_size(class.oid) END)::bigint
FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_am AS method ON method.oid = class.relam
WHERE space.nspname = %s AND class.relkind IN ('r', 'i') GROUP BY holds
"""


def filled(
    server: Server, schema: str, rows: int, dim: int, qdrant: Path | None
) -> dict[str, float]:
    """Bytes and seconds a case of a database that is made, filled and indexed."""
    url = f"{server.url}?schema={schema}" + (f"&qdrant={qdrant}" if qdrant else "")
    figures: dict[str, float] = {}
    with create_store(url, dim=dim, fingerprint="f", preset="p") as store:
        adding = 0.0
        for entries in Corpus(rows, dim).entries():
            begin = perf_counter()
            store.add(entries)
            adding += perf_counter() - begin
        begin = perf_counter()
        store.publish()
        figures |= {"adding": adding / rows, "indexing": (perf_counter() - begin) / rows}
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("VACUUM")
        sizes = dict(connection.execute(_SIZES, [schema]).fetchall())
    if qdrant:
        files = [file for file in qdrant.rglob("*") if file.is_file() and "wal" not in file.parts]
        sizes["points"] = sum(file.stat().st_blocks * 512 for file in files)
    return figures | {name: size / rows for name, size in sizes.items()}


def table(
    postgres: Mapping[str, float], qdrant: Mapping[str, float], machine: Machine
) -> list[str]:
    """The Markdown lines: a row a figure, a column a number of cases."""
    lines = [
        f"| | measured, a case | {' | '.join(f'{size:,}' for size in SIZES)} |",
        f"|---|{'---:|' * (len(SIZES) + 1)}",
    ]

    def row(name: str, per_case: float) -> None:
        cells = " | ".join(f"{per_case * size / 1e9:,.0f} GB" for size in SIZES)
        lines.append(f"| {name} | {per_case:,.0f} bytes | {cells} |")

    def time(name: str, per_case: float) -> None:
        cells = " | ".join(duration(per_case * size) for size in SIZES)
        lines.append(f"| {name} | {1000 * per_case:.2f} ms | {cells} |")

    def servers(name: str, hot: float, disk: float) -> None:
        cells = " | ".join(machines(size * hot, size * disk, machine) for size in SIZES)
        lines.append(f"| **{name}** | | {cells} |")

    kept = ("cases", "terms", "words", "vectors")
    truth = sum(postgres[name] for name in kept)
    for name in kept:
        row(f"PostgreSQL: {name}, with their indexes", postgres[name])
    row("pgvector: HNSW over half precision", postgres["graph"])
    time("PostgreSQL: adding, one client", postgres["adding"])
    time("pgvector: building HNSW", postgres["indexing"])
    servers("servers of PostgreSQL alone", postgres["graph"], truth + postgres["graph"])
    row("Qdrant: points, half precision, with their graph", qdrant["points"])
    time("Qdrant: writing points", qdrant["indexing"])
    servers("nodes of Qdrant, one copy", qdrant["points"], qdrant["points"])
    servers("servers of PostgreSQL beside it", postgres["words"], truth)
    return lines


def main() -> None:
    """Measure, multiply, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=70_000, help="cases of each database")
    parser.add_argument("--dim", type=int, default=1_024)
    parser.add_argument("--cores", type=int, default=16, help="of one machine")
    parser.add_argument("--memory", type=int, default=128, help="GB of one machine")
    parser.add_argument("--disk", type=int, default=8_000, help="GB of one machine")
    parser.add_argument("--into", type=Path, help="a page with the marks of the table")
    asked = parser.parse_args()
    machine = Machine(asked.cores, asked.memory, asked.disk)
    with (
        running("shared_buffers = 1GB", "max_wal_size = 4GB") as server,
        tempfile.TemporaryDirectory() as name,
    ):
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        postgres = filled(server, "alone", asked.rows, asked.dim, None)
        qdrant = filled(server, "beside", asked.rows, asked.dim, Path(name) / "points")
    lines = [
        f"Measured on {date.today()} with {asked.rows:,} cases of {asked.dim:,} dimensions, wall "
        f"time of client and server on {os.cpu_count()} cores of a {platform.machine()} machine "
        f"(load {os.getloadavg()[0]:.0f}). Everything under a number of cases is extrapolated. A "
        f"machine has {machine}, three quarters of which are used; memory holds the graph, or the "
        "points.",
        "",
        *table(postgres, qdrant, machine),
    ]
    print("\n".join(lines))
    if asked.into:
        write_into(asked.into, "\n".join(lines), MARKS)


if __name__ == "__main__":
    main()
