"""The learned parts: ``mmedrag train``.

Every recipe is a function of :mod:`mmedrag.training`; here are its options.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmedrag.commands.options import Commands, Run, add_models, add_pictures, pairs
from mmedrag.errors import QueryError

if TYPE_CHECKING:
    from mmedrag.training.journal import Epoch
    from mmedrag.training.sets import Recipe


def add(commands: Commands) -> None:
    """train, with one command a learned part."""
    trained = commands.add_parser("train", help="learn a part of the system from your own records")
    what = trained.add_subparsers(metavar="WHAT", required=True)
    _add_contrastive(what)
    _add_preference(what)
    _add_fusion(what)
    _add_modality(what)
    _add_pooling(what)
    _add_offline(what)


def recipe(
    what: Commands, name: str, words: str, run: Run, *, epochs: int
) -> argparse.ArgumentParser:
    """A command with the options that every recipe has.

    Args:
        what: the sub-commands of ``train``.
        name: of the part that is learned.
        words: what it learns, for the list of commands.
        run: called with the options.
        epochs: unless told otherwise.
    """
    command = what.add_parser(name, help=words)
    command.add_argument("--data", type=Path, nargs="+", required=True, metavar="RECORDS.jsonl")
    command.add_argument("--into", type=Path, required=True, metavar="DIR")
    command.add_argument("--preset", default="offline", help="see 'mmedrag presets'")
    add_models(command)
    command.add_argument("--epochs", type=int, default=epochs, help=f"({epochs})")
    command.add_argument("--seed", type=int, default=0, help="of every draw (0)")
    command.add_argument("--splits", type=Path, metavar="FILE", help="in place of the records' own")
    command.set_defaults(run=run)
    return command


def _add_contrastive(what: Commands) -> None:
    command = recipe(what, "contrastive", "dual encoder by InfoNCE (3.3)", _contrastive, epochs=40)
    command.add_argument("--batch", type=int, default=512, help="each other's negatives (512)")
    command.add_argument(
        "--freeze", choices=("image", "text", "both", "none"), default="both", help="(both)"
    )
    command.add_argument("--resume", action="store_true", help="go on with the run in --into")


def _contrastive(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.training.contrastive import train_contrastive

    with tqdm(total=options.epochs, unit="epoch", desc="train", disable=None) as bar:

        def progress(epoch: Epoch) -> None:
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
            tell=bar.write,
            progress=progress,
        )
    print(trained)
    return 0


def _add_preference(what: Commands) -> None:
    command = recipe(what, "preference", "reward model by eq. 6 (3.6)", _preference, epochs=600)
    command.add_argument(
        "--mode", choices=("pair", "context"), default="pair", help="context is the paper's (pair)"
    )
    command.add_argument(
        "--export", type=Path, metavar="FILE.jsonl", help="write the preference pairs too (DPO)"
    )


def _preference(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.training.preference import train_preference

    with tqdm(unit="record", desc="mine", disable=None) as bar:
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
            progress=bar.update,
        )
    print("held-out patients:", ", ".join(f"{name} {value}" for name, value in measured.items()))
    return 0


def _add_modality(what: Commands) -> None:
    command = what.add_parser("modality", help="the routing heads of offline (3.2), in minutes")
    _add_recipe(command)
    command.set_defaults(run=_modality)


def _add_recipe(command: argparse.ArgumentParser) -> None:
    """The options of the recipes of ``offline``."""
    command.add_argument("--data", type=Path, nargs="+", required=True, metavar="RECORDS.jsonl")
    command.add_argument("--into", type=Path, required=True, metavar="DIR")
    command.add_argument("--cache", type=Path, default=Path(".cache/features"), metavar="DIR")
    add_pictures(command)


def _recipe(options: argparse.Namespace) -> Recipe:
    from mmedrag.training.sets import Recipe, training_sets

    return Recipe(training_sets(options.data), options.cache, tuple(options.pictures))


def _modality(options: argparse.Namespace) -> int:
    from mmedrag.presets import offline_encoders
    from mmedrag.training.modality import train_modality

    images, texts = offline_encoders()
    train_modality(_recipe(options), options.into, images, texts)
    return 0


def _add_fusion(what: Commands) -> None:
    command = recipe(what, "fusion", "the strategies of Table C (4.5)", _fusion, epochs=12)
    command.add_argument("--strategy", default="all", metavar="NAME", help="one of them (all)")
    command.add_argument("--output-dim", type=int, metavar="D", help="add a head of this width")


def _fusion(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.encoders.strategies import STRATEGIES
    from mmedrag.training.fusion import train_fusion

    if options.strategy not in ("all", *STRATEGIES):
        raise QueryError(
            f"There is no strategy {options.strategy}", f"Choose from {', '.join(STRATEGIES)}, all."
        )
    strategies = tuple(STRATEGIES) if options.strategy == "all" else (options.strategy,)
    total = len(strategies) * options.epochs
    with tqdm(total=total, unit="epoch", desc="train", disable=None) as bar:
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
            tell=bar.write,
            progress=bar.update,
        )
    return 0


def _add_pooling(what: Commands) -> None:
    command = what.add_parser("pooling", help="LPA or MSPP on a frozen network (5.6), in minutes")
    command.add_argument("--into", type=Path, required=True, metavar="DIR")
    command.add_argument("--kind", choices=("lpa", "mspp"), default="lpa", help="(lpa)")
    command.add_argument("--seeds", type=int, default=64, metavar="N", help="images drawn (64)")
    command.add_argument("--steps", type=int, default=150, metavar="N", help="(150)")
    command.add_argument("--seed", type=int, default=0, help="of the first weights (0)")
    command.add_argument(
        "--data", type=Path, nargs="+", default=[], metavar="RECORDS.jsonl",
        help="radiographs that findings are put into as well",
    )  # fmt: skip
    command.set_defaults(run=_pooling)


def _pooling(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.training.pooling import train_pooling

    with tqdm(unit="step", desc="train", disable=None) as bar:
        trained = train_pooling(
            options.into,
            options.kind,
            seeds=options.seeds,
            data=options.data,
            steps=options.steps,
            seed=options.seed,
            progress=bar.update,
        )
    print(
        f"log10 of signal to noise on images set aside: {trained.before:.3f} before, "
        f"{trained.after:.3f} after {trained.step} steps"
    )
    return 0


def _add_offline(what: Commands) -> None:
    words = "every encoder and head of offline, in half an hour"
    command = what.add_parser("offline", help=words)
    _add_recipe(command)
    command.add_argument("--epochs", type=int, default=4, help="of the image encoder (4)")
    command.set_defaults(run=_offline)


def _offline(options: argparse.Namespace) -> int:
    from mmedrag.presets import offline_encoders
    from mmedrag.training.offline import train_offline

    train_offline(_recipe(options), options.into, offline_encoders()[1], epochs=options.epochs)
    return 0
