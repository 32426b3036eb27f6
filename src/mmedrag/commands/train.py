"""The learned parts: ``mmedrag train``.

Every recipe is a function of :mod:`mmedrag.training`; here are its options.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmedrag.commands import tuning
from mmedrag.commands.options import (
    Commands,
    Run,
    add_new_domains,
    add_pictures,
    at_least,
    pairs,
    register_domains,
)
from mmedrag.commands.study import add_preset, add_records
from mmedrag.errors import QueryError
from mmedrag.locations import location_of
from mmedrag.views.terminal import printable, progress_bar, show

if TYPE_CHECKING:
    from mmedrag.training.journal import Epoch
    from mmedrag.training.sets import Recipe


def add(commands: Commands) -> None:
    """train, with one command a learned part."""
    command = commands.add_parser("train", help="learn a part of the system from your own records")
    subcommands = command.add_subparsers(metavar="PART", required=True)
    _add_contrastive(subcommands)
    _add_preference(subcommands)
    _add_fusion(subcommands)
    _add_modality(subcommands)
    _add_pooling(subcommands)
    _add_offline(subcommands)
    tuning.add(subcommands)
    _add_adapt(commands)
    _add_export(commands)


def add_recipe(
    subcommands: Commands, name: str, summary: str, run: Run, *, epochs: int
) -> argparse.ArgumentParser:
    """A command with the options that every recipe has.

    Args:
        subcommands: the sub-commands of ``train``.
        name: of the part that is learned.
        summary: what it learns, for the list of commands.
        run: called with the options.
        epochs: default number of passes over the records.
    """
    command = subcommands.add_parser(name, help=summary)
    add_records(command)
    _add_folder(command)
    add_preset(command)
    command.add_argument(
        "--epochs", type=at_least(1), default=epochs, metavar="N",
        help=f"number of passes over the training records (default: {epochs})",
    )  # fmt: skip
    command.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="N",
        help="of the random numbers (default: 0)",
    )
    command.add_argument(
        "--splits", type=Path, metavar="FILE", help="use this split in place of the records' own"
    )
    command.set_defaults(run=run)
    return command


def _add_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--into", type=Path, required=True, metavar="DIR", help="folder of the checkpoint"
    )


def _add_contrastive(subcommands: Commands) -> None:
    command = add_recipe(
        subcommands, "contrastive", "the dual encoder, by InfoNCE (3.3)", _contrastive, epochs=40
    )
    command.add_argument(
        "--batch", type=at_least(1), default=512, metavar="N",
        help="pairs compared with each other in one step; every pair serves as a negative example "
        "for the others (default: 512)",
    )  # fmt: skip
    command.add_argument(
        "--freeze", choices=("image", "text", "both", "none"), default="both",
        help="encoders whose weights stay as they are; with both, only the projections learn "
        "(default: both)",
    )  # fmt: skip
    command.add_argument(
        "--resume", action="store_true", help="continue the interrupted run in --into"
    )


def _contrastive(options: argparse.Namespace) -> int:
    from mmedrag.training.contrastive import train_contrastive

    with progress_bar("epoch", "train", options.epochs) as bar:

        def on_epoch(epoch: Epoch) -> None:
            bar.set_postfix(loss=f"{epoch.loss:.3f}", recall=f"{epoch.recall:.3f}", refresh=False)
            bar.update(epoch.epoch + 1 - bar.n)

        trained = train_contrastive(
            options.data,
            options.into,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            epochs=options.epochs,
            batch=options.batch,
            freeze=options.freeze,
            splits=options.splits,
            seed=options.seed,
            resume=options.resume,
            log=lambda line: bar.write(printable(line)),
            on_epoch=on_epoch,
        )
    show(str(trained))
    return 0


def _add_preference(subcommands: Commands) -> None:
    command = add_recipe(
        subcommands, "preference", "the reward model, by eq. 6 (3.6)", _preference, epochs=600
    )
    command.add_argument(
        "--mode", choices=("pair", "context"), default="pair",
        help="score each piece of evidence by itself (pair, default), or the whole context as the "
        "paper does (context)",
    )  # fmt: skip
    command.add_argument(
        "--export", type=Path, metavar="FILE.jsonl",
        help="also write the preference pairs, as direct preference optimisation (DPO) reads them",
    )  # fmt: skip
    command.add_argument(
        "--feedback", type=location_of, action="append", default=[], metavar="CASEBASE",
        help="also learn from the verdicts that readers gave on the page of 'mmedrag serve'; may "
        "be given several times",
    )  # fmt: skip


def _preference(options: argparse.Namespace) -> int:
    from mmedrag.training.preference import train_preference

    with progress_bar("record", "mine") as bar:
        measured = train_preference(
            options.data,
            options.into,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            mode=options.mode,
            export_to=options.export,
            epochs=options.epochs,
            seed=options.seed,
            splits=options.splits,
            feedback=options.feedback,
            progress=bar.update,
        )
    figures = ", ".join(f"{name} {value}" for name, value in measured.items())
    show(f"held-out patients: {figures}")
    return 0


def _add_fusion(subcommands: Commands) -> None:
    command = add_recipe(
        subcommands, "fusion", "the fusion strategies of Table C (4.5)", _fusion, epochs=12
    )
    command.add_argument(
        "--strategy", default="all", metavar="NAME", help="learn only this one (default: all)"
    )
    command.add_argument(
        "--output-dim", type=at_least(1), metavar="D",
        help="also learn a projection of the fused vector to D numbers",
    )  # fmt: skip


def _fusion(options: argparse.Namespace) -> int:
    from mmedrag.encoders.strategies import STRATEGIES
    from mmedrag.training.fusion import train_fusion

    if options.strategy not in ("all", *STRATEGIES):
        raise QueryError(
            f"There is no strategy {options.strategy}", f"Choose from {', '.join(STRATEGIES)}, all."
        )
    strategies = tuple(STRATEGIES) if options.strategy == "all" else (options.strategy,)
    with progress_bar("epoch", "train", len(strategies) * options.epochs) as bar:
        train_fusion(
            options.data,
            options.into,
            strategies=strategies,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            epochs=options.epochs,
            seed=options.seed,
            output_dim=options.output_dim,
            splits=options.splits,
            log=lambda line: bar.write(printable(line)),
            progress=bar.update,
        )
    return 0


def _add_offline_recipe(command: argparse.ArgumentParser) -> None:
    """The options of the recipes of the preset ``offline``."""
    add_records(command)
    _add_folder(command)
    command.add_argument(
        "--cache", type=Path, default=Path(".cache/features"), metavar="DIR",
        help="where features are kept between runs (default: .cache/features)",
    )  # fmt: skip
    add_pictures(command)
    add_new_domains(command)


def _offline_recipe(options: argparse.Namespace) -> Recipe:
    from mmedrag.training.sets import Recipe, training_sets

    register_domains(options.new_domain)
    return Recipe(training_sets(options.data), options.cache, tuple(options.pictures))


def _add_modality(subcommands: Commands) -> None:
    command = subcommands.add_parser(
        "modality", help="the routing heads of the preset offline (3.2)"
    )
    _add_offline_recipe(command)
    command.set_defaults(run=_modality)


def _modality(options: argparse.Namespace) -> int:
    from mmedrag.presets import offline_encoders
    from mmedrag.training.modality import train_modality

    images, texts = offline_encoders()
    train_modality(_offline_recipe(options), options.into, images, texts, log=show)
    return 0


def _add_pooling(subcommands: Commands) -> None:
    command = subcommands.add_parser(
        "pooling", help="a pooling that keeps fine findings, over a frozen network (5.6)"
    )
    _add_folder(command)
    command.add_argument(
        "--kind", choices=("lpa", "mspp"), default="lpa",
        help="local patch attention or multi-scale patch pooling (default: lpa)",
    )  # fmt: skip
    command.add_argument(
        "--seeds", type=at_least(1), default=64, metavar="N",
        help="number of synthetic images of each kind (default: 64)",
    )  # fmt: skip
    command.add_argument(
        "--steps", type=at_least(1), default=150, metavar="N",
        help="number of gradient steps (default: 150)",
    )  # fmt: skip
    command.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="of the first weights (default: 0)"
    )
    command.add_argument(
        "--data", type=Path, nargs="+", default=[], metavar="RECORDS.jsonl",
        help="radiographs into which findings are drawn, beside the synthetic images",
    )  # fmt: skip
    command.set_defaults(run=_pooling)


def _pooling(options: argparse.Namespace) -> int:
    from mmedrag.training.pooling import train_pooling

    with progress_bar("step", "train") as bar:
        trained = train_pooling(
            options.into,
            options.kind,
            seeds=options.seeds,
            data=options.data,
            steps=options.steps,
            seed=options.seed,
            progress=bar.update,
        )
    show(
        f"log10 of signal to noise on images set aside: {trained.before:.3f} before, "
        f"{trained.after:.3f} after {trained.step} steps"
    )
    return 0


def _add_offline(subcommands: Commands) -> None:
    command = subcommands.add_parser("offline", help="every encoder and head of the preset offline")
    _add_offline_recipe(command)
    command.add_argument(
        "--epochs", type=at_least(1), default=4, metavar="N",
        help="number of passes of the image encoder over the images (default: 4)",
    )  # fmt: skip
    command.set_defaults(run=_offline)


def _offline(options: argparse.Namespace) -> int:
    from mmedrag.presets import offline_encoders
    from mmedrag.training.offline import train_offline

    _, texts = offline_encoders()
    train_offline(_offline_recipe(options), options.into, texts, epochs=options.epochs, log=show)
    return 0


def _add_adapt(commands: Commands) -> None:
    command = commands.add_parser(
        "adapt",
        help="fit the preset of a casebase to its own reports",
        description="Fits heads, reward model and threshold to the image-report pairs of a "
        "casebase, prints recall on patients held out before and after, and writes nothing where "
        "that does not help. The casebase stays as it is; index the corpus again with the result.",
    )
    command.add_argument("casebase", type=location_of)
    _add_folder(command)
    command.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="N",
        help="of the random numbers (default: 0)",
    )
    command.set_defaults(run=_adapt)


def _adapt(options: argparse.Namespace) -> int:
    from mmedrag.training.adaptation import adapt

    show(str(adapt(options.casebase, options.into, seed=options.seed, log=show)))
    return 0


def _add_export(commands: Commands) -> None:
    command = commands.add_parser(
        "export-encoder", help="a both-tower model as ONNX, so that serving needs no torch"
    )
    command.add_argument("model", help="a hub id, @ and a revision; a folder; or a preset's name")
    _add_folder(command)
    command.add_argument("--int8", action="store_true", help="a quarter of the size")
    command.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from mmedrag.presets import PRESETS
    from mmedrag.training.export import export_towers

    towers = {preset.name: preset.models.get("clip", "") for preset in PRESETS}
    source = towers.get(options.model) or options.model
    show(str(export_towers(source, options.into, int8=options.int8)))
    return 0
