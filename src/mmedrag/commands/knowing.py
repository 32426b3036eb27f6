"""What is known without a casebase: terms, dictionaries, formats, presets, the demonstration."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmedrag.commands.options import Commands, dumped, fields


def add(commands: Commands) -> None:
    """define, dictionary, datasets, presets, demo."""
    define = commands.add_parser("define", help="recognise and define the terms of a text")
    define.add_argument("text")
    define.add_argument("--dictionary", type=Path, action="append", default=[])
    define.add_argument("--json", action="store_true")
    define.set_defaults(run=_define)
    compile_ = commands.add_parser("dictionary", help="compile dictionaries for fast opening")
    compile_.add_argument("sources", type=Path, nargs="+", help="OBO, RRF, OWL, XML, CSV, JSONL")
    compile_.add_argument("--into", type=Path, required=True, metavar="FILE")
    compile_.set_defaults(run=_dictionary)
    datasets = commands.add_parser("datasets", help="corpora that can be read")
    datasets.set_defaults(run=_datasets)
    presets = commands.add_parser("presets", help="models that can be loaded")
    presets.set_defaults(run=_presets)
    demo = commands.add_parser("demo", help="a synthetic corpus, a question, a cited answer")
    demo.add_argument("--into", type=Path, default=Path("demo"), metavar="FOLDER")
    demo.set_defaults(run=_demo)


def _define(options: argparse.Namespace) -> int:
    from mmedrag.assembly import dictionary
    from mmedrag.views.console import table

    known = dictionary(options.dictionary)
    mentions = known.recognise([options.text])
    found = known.define(mentions, limit=50)
    if options.json:
        print(
            dumped(
                {
                    "mentions": [fields(m) for m in mentions[0]],
                    "definitions": [fields(d) for d in found],
                }
            )
        )
        return 0
    rows = [(m.text, m.assertion, m.term, m.concept) for m in mentions[0]]
    print(table(("text", "assertion", "term", "concept"), rows) if rows else "No term is known.")
    for definition in found:
        print(f"\n{definition.term} ({definition.source})\n  {definition.text}")
    return 0


def _dictionary(options: argparse.Namespace) -> int:
    from mmedrag.definitions import compile_dictionary, read_terms

    made = compile_dictionary(
        (t for path in options.sources for t in read_terms(path)), options.into
    )
    print(f"{made.terms} terms ({made.defined} defined) in {made.path}; {made.broken} rows skipped")
    for problem in made.problems[:10]:
        print(f"  {problem}")
    return 0


def _datasets(options: argparse.Namespace) -> int:
    from mmedrag.datasets import FORMATS
    from mmedrag.views.console import table

    rows = [(f.name, f.needs or "nothing more", f.recognised_by, f.holds) for f in FORMATS]
    print(table(("format", "needs", "recognised by", "holds"), rows, 180))
    return 0


def _presets(options: argparse.Namespace) -> int:
    from mmedrag.presets import PRESETS

    for preset in PRESETS:
        print(f"{preset.name}\n  {preset.summary}\n  needs: {preset.needs}")
        for role, name in preset.models.items():
            print(f"  --model {role}={name or '(none)'}")
        print()
    return 0


def _demo(options: argparse.Namespace) -> int:
    from mmedrag.commands.demo import run

    run(options.into)
    return 0
