"""What MMedRAG brings along: ``mmedrag datasets``, ``mmedrag presets`` and ``mmedrag demo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmedrag.commands.options import Commands
from mmedrag.views.terminal import show


def add(commands: Commands) -> None:
    """The commands ``datasets``, ``presets`` and ``demo``."""
    datasets = commands.add_parser("datasets", help="list the formats of corpora that can be read")
    datasets.set_defaults(run=_datasets)
    presets = commands.add_parser("presets", help="list the sets of models that can be loaded")
    presets.set_defaults(run=_presets)
    demo = commands.add_parser("demo", help="make a synthetic corpus and answer questions from it")
    demo.add_argument(
        "--into", type=Path, default=Path("demo"), metavar="FOLDER",
        help="where corpus, casebase and pages are written (default: demo)",
    )  # fmt: skip
    demo.set_defaults(run=_demo)


def _datasets(options: argparse.Namespace) -> int:
    from mmedrag.datasets import FORMATS
    from mmedrag.views.console import table

    rows = [(f.name, f.needs or "nothing more", f.recognised_by, f.holds) for f in FORMATS]
    show(table(("format", "needs", "recognised by", "holds"), rows, 180))
    return 0


def _presets(options: argparse.Namespace) -> int:
    from mmedrag.presets import PRESETS

    for preset in PRESETS:
        show(f"{preset.name}\n  {preset.summary}\n  needs: {preset.needs}")
        for role, name in preset.models.items():
            show(f"  --model {role}={name or '(none)'}")
        show()
    return 0


def _demo(options: argparse.Namespace) -> int:
    from mmedrag.commands.demo import run

    run(options.into)
    return 0
