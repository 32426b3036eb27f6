"""A corpus to shards, by many workers: ``mmedrag encode``."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from mmedrag.commands.index import corpus_options
from mmedrag.commands.options import (
    Commands,
    add_dictionaries,
    add_models,
    pairs,
    register_domains,
)
from mmedrag.errors import CorpusError, QueryError
from mmedrag.threads import cores
from mmedrag.views.terminal import counter, expect, notify, show

if TYPE_CHECKING:
    from mmedrag.bulk.plan import Plan


def add(commands: Commands) -> None:
    """Encode."""
    encode = commands.add_parser(
        "encode", help="encode a corpus into Parquet shards, by many workers, for 'mmedrag index'"
    )
    encode.add_argument("corpus", type=Path, nargs="+", help="files or folders")
    encode.add_argument(
        "--into", type=Path, required=True, metavar="SHARDS", help="folder of the shards"
    )
    encode.add_argument(
        "--workers", type=int, default=cores(), metavar="N",
        help="processes that encode (default: one a core)",
    )  # fmt: skip
    encode.add_argument(
        "--ray", action="store_true",
        help="actors of Ray Data in place of processes, on the cluster of RAY_ADDRESS or here",
    )  # fmt: skip
    encode.add_argument(
        "--rows", type=int, default=1_024, metavar="N",
        help="rows of the corpus in a shard (default: 1024)",
    )  # fmt: skip
    encode.add_argument("--preset", default="offline", help="see 'mmedrag presets'")
    add_models(encode)
    add_dictionaries(encode)
    encode.add_argument(
        "--pseudonym-key", type=Path, metavar="FILE",
        help="key of DICOM pseudonyms, as pseudonym.key of the casebase that the shards are for "
        "(default: one of their own)",
    )  # fmt: skip
    corpus_options(encode)
    encode.set_defaults(run=_encode)


def _encode(options: argparse.Namespace) -> int:
    from mmedrag.bulk.encoding import encode_corpus
    from mmedrag.datasets.extent import extent, total
    from mmedrag.views.console import problem_lines

    if options.workers < 1 or options.rows < 1:
        raise QueryError("--workers and --rows are numbers from 1", "Give at least 1.")
    plan = _plan(options)
    started = perf_counter()
    with counter("row", "encode") as bar:
        expect(bar, lambda: total(extent(path, options.format) for path in options.corpus))
        report = encode_corpus(
            plan,
            options.workers,
            ray=options.ray,
            strict=options.strict,
            progress=bar.update,
        )
    show(
        f"{report.cases} cases in {report.shards} shards, {report.made} of them made now, "
        f"in {perf_counter() - started:.1f} s"
    )
    for line in problem_lines(report.problems):
        show(line)
    show(f"Next: mmedrag index {options.into} --into NAME.casebase")
    if report.cases:
        return 0
    notify("no case was encoded; check the corpus and --format")
    return CorpusError.exit_code


def _plan(options: argparse.Namespace) -> Plan:
    """The options with absolute paths, for workers elsewhere."""
    from mmedrag import domains
    from mmedrag.bulk.plan import Plan, Source

    register_domains(options.new_domain)
    domain = str(domains.find(options.domain)) if options.domain else None
    columns = pairs(options.column, "--column")
    return Plan(
        into=options.into.absolute(),
        sources=tuple(
            Source(path.absolute(), options.format, domain, columns) for path in options.corpus
        ),
        preset=options.preset,
        models={role: _lasting(name) for role, name in pairs(options.model, "--model").items()},
        dictionaries=tuple(str(path.resolve()) for path in options.dictionary),
        domains=domains.added(),
        key=options.pseudonym_key and options.pseudonym_key.absolute(),
        rows=options.rows,
    )


def _lasting(name: str) -> str:
    """A model's folder as an absolute path, for workers elsewhere."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name
